"""Schedules that start runs. Times are Unix seconds."""

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush

from exporter.simulator.recurrence import Rule
from exporter.simulator.runs import RunScript


@dataclass(frozen=True, slots=True)
class Schedule:
    """Starts a run at `first` and then by its rule, with its plans in turn.

    plans: None in place of a plan is a slot that is missed, where no run starts. Empty: the test's own.
    times: the number of runs; None: unlimited. until: no run starts after this time.
    deactivated: no more runs start. misses_slots: neither, but the schedule still claims to be active.
    starts: what a client gave as its start, where that is earlier than `first`.
    recurrence: how a client described it, in the words of the v6 API; None: derived from the rule.
    """

    id: int
    test_id: int
    first: float
    rule: Rule
    plans: tuple[RunScript | None, ...] = ()
    times: int | None = None
    until: float = math.inf
    deactivated: bool = False
    misses_slots: bool = False
    starts: float | None = None
    recurrence: dict[str, object] | None = field(default=None, compare=False)

    def start_time(self, number: int) -> float | None:
        """The time of the run with this number, from 0; None if there is no such run."""
        if self.times is not None and number >= self.times:
            return None
        time = self.rule.time(self.first, number)
        return None if time > self.until or time == math.inf else time

    def next_run(self, now: float) -> float | None:
        """The time of the next run, even if the schedule is deactivated; None after the last."""
        return self.start_time(bisect_right(self._numbers(now), now, key=self._time))

    def next_number(self, since: float) -> int:
        """The number of the first run at that time or later."""
        return bisect_left(self._numbers(since), since, key=self._time)

    def _numbers(self, until: float) -> range:
        """At least all numbers up to that time; not many more, since a cron rule computes each of them."""
        end = 1
        while self._time(end) <= until:
            end *= 2
        return range(end)

    def _time(self, number: int) -> float:
        return self.rule.time(self.first, number)


class Timetable:
    """All schedules, and which of them is due next."""

    def __init__(self) -> None:
        self.schedules: dict[int, Schedule] = {}
        self._due: list[tuple[float, int, int]] = []  # time, id of the schedule, number of the run

    def add(self, schedule: Schedule, number: int = 0) -> None:
        """A new schedule, whose first run is the one with this number."""
        self.schedules[schedule.id] = schedule
        self._enqueue(schedule, number)

    def set_deactivated(self, schedule_id: int, *, deactivated: bool) -> None:
        self.schedules[schedule_id] = replace(self.schedules[schedule_id], deactivated=deactivated)

    def set_misses_slots(self, schedule_id: int, *, misses_slots: bool) -> None:
        self.schedules[schedule_id] = replace(self.schedules[schedule_id], misses_slots=misses_slots)

    def remove(self, schedule_id: int) -> None:
        del self.schedules[schedule_id]

    def remove_test(self, test_id: int) -> None:
        """Remove the schedules of a deleted test."""
        self.schedules = {key: it for key, it in self.schedules.items() if it.test_id != test_id}

    def pop_due(self, now: float) -> tuple[float, Schedule, RunScript | None] | None:
        """The oldest run that is due and not yet created: its time, schedule and plan, if it has one."""
        while self._due and self._due[0][0] <= now:
            time, schedule_id, number = heappop(self._due)
            schedule = self.schedules.get(schedule_id)
            # It was deleted. A heap cannot remove an entry from its middle, so it is skipped here.
            if schedule is None:
                continue
            self._enqueue(schedule, number + 1)
            plan = schedule.plans[number % len(schedule.plans)] if schedule.plans else None
            is_missed = schedule.misses_slots or (plan is None and bool(schedule.plans))
            if not schedule.deactivated and not is_missed:
                return time, schedule, plan
        return None

    def _enqueue(self, schedule: Schedule, number: int) -> None:
        time = schedule.start_time(number)
        if time is not None:
            heappush(self._due, (time, schedule.id, number))
