"""A past for a world: runs of its tests over the last days or months, with believable outcomes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import merge
from itertools import repeat
from random import Random

from exporter.simulator.runs import EndStatus, Phases, RunScript
from exporter.simulator.world import World

_HOUR = 3600.0
# Hours between two runs of a test, one for each test in turn: as tests are scheduled in practice, and few
# enough that a year of them fits into memory.
_PERIODS = (6, 4, 12, 3, 24, 8)
_SECONDS_APART = 540.0  # of the tests, so that they do not all start on the hour
_SCALE = 20.0  # a demo shortens runs so that one can watch them; past runs took minutes
_PHASES = Phases(created=3, validated=3, queued=20, initializing=30, processing=40)
_MOST_VUS = 1000  # a breakpoint test that passes stays below its limit
# A test that has failed usually fails again, until it is repaired.
_FAILURE_BEGINS, _FAILURE_GOES_ON = 0.05, 0.6


def add_past(world: World, since: float, until: float, plans: Mapping[int, Sequence[RunScript]]) -> None:
    """Add runs that were created between these times, in Unix seconds.

    plans: the runs of each test in a demo. The same seed and the same times give the same runs.
    """
    runs = []
    for number, test_id in enumerate(plans):
        period = _PERIODS[number % len(_PERIODS)] * _HOUR
        first = since + number * _SECONDS_APART
        times = [first + index * period for index in range(math.ceil((until - first) / period))]
        outcomes = _draw_plans(Random(f"{world.seed}/{test_id}/past"), plans[test_id])
        runs.append(zip(times, repeat(test_id), outcomes, strict=False))
    for created, test_id, plan in merge(*runs, key=lambda run: run[0]):
        world.create_run(test_id, created, plan)


def _draw_plans(draw: Random, plans: Sequence[RunScript]) -> Iterator[RunScript]:
    """The runs of a test, without an end."""
    # Two objects, shared by all runs.
    passing, failing = _make_passing(plans[0]), _make_failing(plans)
    fails = False
    while True:
        fails = draw.random() < (_FAILURE_GOES_ON if fails else _FAILURE_BEGINS)
        yield failing if fails else passing


def _make_passing(plan: RunScript) -> RunScript:
    seconds = max(plan.planned_seconds, 10) * _SCALE
    return RunScript(phases=replace(_PHASES, running=seconds), vus=min(plan.vus, _MOST_VUS), note=plan.note)


def _make_failing(plans: Sequence[RunScript]) -> RunScript:
    """The first unsuccessful run of the demo, or else one that crosses a threshold."""
    bad = next(filter(_is_unsuccessful, plans), replace(plans[0], failed=True))
    phases = replace(_PHASES, running=bad.phases.running and bad.phases.running * _SCALE)
    if phases.running is None:
        phases = bad.phases
    duration = None if bad.duration is None else round(bad.duration * _SCALE)
    return replace(bad, phases=phases, duration=duration)


def _is_unsuccessful(plan: RunScript) -> bool:
    return plan.ending is not EndStatus.FINISHED or plan.failed or plan.processing_fails
