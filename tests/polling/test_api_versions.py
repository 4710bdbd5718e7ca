"""Moving from legacy to v6 changes no label and no name: the same world gives the same series through both.

The differences that there are stand in one list, which the README lists (tests/docs/test_readme.py).
"""

import re
from collections.abc import Callable

from exporter.simulator import REJECTED, EndStatus, Phases, World
from tests.support.lab import START, Lab, Series

BRISK = Phases(created=4, validated=4, queued=8, initializing=12, running=60, processing=20)

# What the README tells of a difference, and which it is: the series without its labels, the value of its one
# label besides those of the test and the run if it has one, and what legacy and v6 say.
Excuse = Callable[[str, str, float | None, float | None], bool]
DIFFERENCES: dict[str, Excuse] = {
    "A validated run (-1) is told as created (-2).": lambda name, more, legacy, v6: (
        (name.endswith("run_status") and (legacy, v6) == (-1, -2))
        or (name.endswith("active_runs") and more in ("created", "validated"))
    ),
    "Planned length and VUs are not told before the run is validated.": lambda name, _, legacy, v6: (
        name.endswith(("run_duration_seconds", "run_vus")) and legacy is not None and v6 is None
    ),
    "A run that timed out (4) or met a limit (9) is told as aborted by the system (6), outcome `error`; "
    "so is one with an error in its script (7) where no code says so.": lambda name, more, legacy, v6: (
        (name.endswith("run_status") and legacy in (4, 9) and v6 == 6)
        or (name.endswith(("outcome", "finished_total")) and more in ("timed_out", "error"))
    ),
    "The result of a run that was aborted, or whose results could not be processed, is 2 (error) instead of "
    "0.": lambda name, _, legacy, v6: name.endswith("result_status") and (legacy, v6) == (0, 2),
    "The processing status of a run that is over is always 2: errors in processing (3) are told by the "
    "result, and runs that never ran are not told apart (0).": lambda name, _, legacy, v6: (
        name.endswith("processing_status") and legacy in (0, 3) and v6 == 2
    ),
    "Only v6 tells virtual user hours, schedules, and how long a run was queued, initializing and "
    "processing.": (
        lambda name, more, legacy, _: (
            legacy is None
            and (
                name.endswith(("vuh", "next_run_timestamp_seconds"))
                or (name.endswith("phase_seconds") and more in ("queued", "initializing", "processing"))
            )
        )
    ),
    '`k6_cloud_run_info` carries `api="v6"` instead of `api="legacy"`.': lambda name, more, *_: (
        name == "k6_cloud_run_info" and more in ("legacy", "v6")
    ),
}


def world() -> World:
    """Every ending there is, one after the other, each of a test of its own; moments are whole seconds."""
    made = World(stop_delay=5)
    for i, ending in enumerate(ending for ending in EndStatus if ending is not EndStatus.ARCHIVED):
        test = made.add_test(ending.name.lower(), created=START - 86400)
        made.add_run(test, created=START - 3600 - i, phases=BRISK)
        made.add_run(test, created=START + 10 * i, ending=ending, phases=BRISK, vus=10 + i)
    failed = made.add_test("thresholds crossed", created=START - 86400)
    made.add_run(failed, created=START + 3, failed=True, phases=BRISK)
    flood = made.add_test("processing fails", created=START - 86400)
    made.add_run(flood, created=START + 4, processing_fails=True, phases=BRISK)
    rejected = made.add_test("rejected", created=START - 86400)
    made.add_run(rejected, created=START + 5, ending=EndStatus.ABORTED_BY_SYSTEM, phases=REJECTED)
    made.add_test("never run", created=START - 86400)
    return made


def facts(lab: Lab) -> Series:
    return lab.series("k6_cloud_run_") | lab.series("k6_cloud_test_")


def excuses(series: str, legacy: float | None, v6: float | None) -> set[str]:
    name = series.split("{", maxsplit=1)[0]
    more = re.search(r'(?:outcome|phase|status|api)="([^"]*)"', series)
    return {told for told, is_it in DIFFERENCES.items() if is_it(name, more[1] if more else "", legacy, v6)}


def test_the_same_world_gives_the_same_series_through_both_generations() -> None:
    used: set[str] = set()
    same = 0
    with (
        Lab(world(), api={"url": "http://k6.test"}) as legacy,
        Lab(world(), api={"url": "http://k6.test", "stack": 1}) as v6,
    ):
        for second in range(0, 260, 2):
            legacy.at(second).poll()
            v6.at(second).poll()
            one, other = facts(legacy), facts(v6)
            for series in one.keys() | other.keys():
                if one.get(series) == other.get(series):
                    same += 1
                    continue
                excused = excuses(series, one.get(series), other.get(series))
                assert excused, (second, series, one.get(series), other.get(series))
                used |= excused

    assert same > 50_000
    assert used == DIFFERENCES.keys()
