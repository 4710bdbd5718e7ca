"""Tests that start by themselves. Moments are Unix seconds and lengths are seconds."""

from dataclasses import dataclass, replace
from heapq import heappop, heappush

from exporter.simulator.runs import RunScript


@dataclass(frozen=True, slots=True)
class Schedule:
    """A test that starts by itself at `first`, `first + every`, ..., following its plans in turn.

    times: how often in all; None: for ever. deactivated: its moments pass and nothing starts.
    """

    id: int
    test_id: int
    first: float
    every: float
    plans: tuple[RunScript, ...]
    times: int | None = None
    deactivated: bool = False

    def moment(self, before: int) -> float | None:
        """The moment that comes after `before` others; None if there are no more."""
        if self.times is not None and before >= self.times:
            return None
        return self.first + before * self.every

    def next_run(self, now: float) -> float | None:
        """The first of its moments that is still to come, whether or not it is deactivated."""
        before = max(0, int((now - self.first) // self.every) - 1)  # one less, for the rounding of floats
        while (moment := self.moment(before)) is not None and moment <= now:
            before += 1
        return moment


class Timetable:
    """Every schedule, and which of them is due next."""

    def __init__(self) -> None:
        self.schedules: dict[int, Schedule] = {}
        self._due: list[tuple[float, int, int]] = []  # moment, id of the schedule, how many before

    def add(self, schedule: Schedule) -> None:
        self.schedules[schedule.id] = schedule
        self._await(schedule, 0)

    def deactivate(self, schedule_id: int) -> None:
        self.schedules[schedule_id] = replace(self.schedules[schedule_id], deactivated=True)

    def forget(self, test_id: int) -> None:
        """The schedules of a deleted test go with it."""
        self.schedules = {key: it for key, it in self.schedules.items() if it.test_id != test_id}

    def due(self, now: float) -> tuple[float, int, RunScript] | None:
        """The oldest start not yet made whose moment has come: when, which test, what it will do."""
        while self._due and self._due[0][0] <= now:
            moment, schedule_id, before = heappop(self._due)
            schedule = self.schedules.get(schedule_id)
            if schedule is None:
                continue
            self._await(schedule, before + 1)
            if not schedule.deactivated:
                return moment, schedule.test_id, schedule.plans[before % len(schedule.plans)]
        return None

    def _await(self, schedule: Schedule, before: int) -> None:
        moment = schedule.moment(before)
        if moment is not None:
            heappush(self._due, (moment, schedule.id, before))
