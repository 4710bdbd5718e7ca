"""Schedules that start runs. Times are Unix seconds and durations are seconds."""

from dataclasses import dataclass, replace
from heapq import heappop, heappush

from exporter.simulator.runs import RunScript


@dataclass(frozen=True, slots=True)
class Schedule:
    """Starts a run at `first`, `first + every`, ..., with its plans in turn.

    times: the number of runs; None: unlimited. deactivated: no more runs start.
    """

    id: int
    test_id: int
    first: float
    every: float
    plans: tuple[RunScript, ...]
    times: int | None = None
    deactivated: bool = False

    def start_time(self, number: int) -> float | None:
        """The time of the run with this number, from 0; None if there is no such run."""
        if self.times is not None and number >= self.times:
            return None
        return self.first + number * self.every

    def next_run(self, now: float) -> float | None:
        """The time of the next run, even if the schedule is deactivated; None after the last."""
        number = max(0, int((now - self.first) // self.every) - 1)  # one less because floats are rounded
        while (time := self.start_time(number)) is not None and time <= now:
            number += 1
        return time


class Timetable:
    """All schedules, and which of them is due next."""

    def __init__(self) -> None:
        self.schedules: dict[int, Schedule] = {}
        self._due: list[tuple[float, int, int]] = []  # time, id of the schedule, number of the run

    def add(self, schedule: Schedule) -> None:
        self.schedules[schedule.id] = schedule
        self._enqueue(schedule, 0)

    def deactivate(self, schedule_id: int) -> None:
        self.schedules[schedule_id] = replace(self.schedules[schedule_id], deactivated=True)

    def remove_test(self, test_id: int) -> None:
        """Remove the schedules of a deleted test."""
        self.schedules = {key: it for key, it in self.schedules.items() if it.test_id != test_id}

    def pop_due(self, now: float) -> tuple[float, int, RunScript] | None:
        """The oldest run that is due and not yet created: its time, test id and plan."""
        while self._due and self._due[0][0] <= now:
            time, schedule_id, number = heappop(self._due)
            schedule = self.schedules.get(schedule_id)
            # The test was deleted. A heap cannot remove an entry from its middle, so it is skipped here.
            if schedule is None:
                continue
            self._enqueue(schedule, number + 1)
            if not schedule.deactivated:
                return time, schedule.test_id, schedule.plans[number % len(schedule.plans)]
        return None

    def _enqueue(self, schedule: Schedule, number: int) -> None:
        time = schedule.start_time(number)
        if time is not None:
            heappush(self._due, (time, schedule.id, number))
