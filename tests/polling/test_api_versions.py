"""Both API versions give the same series, with the same labels and names.

The differences are in one list, which is a part of the documentation.
"""

import re
from collections.abc import Callable

import pytest

from exporter.simulator import REJECTED, EndStatus, Phases, World, faults
from tests.support.lab import START, Lab, Series

BRISK = Phases(created=4, validated=4, queued=8, initializing=12, running=60, processing=20)

# The documented sentence of each difference, and a predicate of it: the name of the series, the value of its
# one label besides those of the test and the run, and the values of legacy and v6.
Excuse = Callable[[str, str, float | None, float | None], bool]
DIFFERENCES: dict[str, Excuse] = {
    "A validated run (-1) is reported as created (-2).": lambda name, more, legacy, v6: (
        (name.endswith("run_status") and (legacy, v6) == (-1, -2))
        or (name.endswith("active_runs") and more in ("created", "validated"))
    ),
    "Planned duration and VUs are missing until the run is validated.": lambda name, _, legacy, v6: (
        name.endswith(("run_duration_seconds", "run_vus")) and legacy is not None and v6 is None
    ),
    "A run that timed out (4) or met a limit (9) is reported as aborted by the system (6), outcome `error`; "
    "so is one with an error in its script (7) if the API sends no code.": lambda name, more, legacy, v6: (
        (name.endswith("run_status") and legacy in (4, 9) and v6 == 6)
        or (name.endswith(("outcome", "finished_total", "finished_info")) and more in ("timed_out", "error"))
    ),
    "The result of a run that was aborted, or whose results could not be processed, is 2 (error) instead of "
    "0.": lambda name, _, legacy, v6: name.endswith("result_status") and (legacy, v6) == (0, 2),
    "The processing status of a finished run is always 2: errors in processing (3) show in the result, and "
    "runs that never ran (0) are not distinguished.": lambda name, _, legacy, v6: (
        name.endswith("processing_status") and legacy in (0, 3) and v6 == 2
    ),
    "Only v6 has virtual user hours, schedules, and the time that a run was queued, initializing and "
    "processing.": (
        lambda name, more, legacy, _: (
            legacy is None
            and (
                name.endswith(("vuh", "vuh_total"))
                or name.startswith("k6_cloud_test_schedule_")
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
    return {text for text, is_it in DIFFERENCES.items() if is_it(name, more[1] if more else "", legacy, v6)}


def test_both_api_versions_give_the_same_series() -> None:
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


@pytest.mark.parametrize(("stack", "field"), [(None, "duration"), (1, "estimated_duration")])
@pytest.mark.parametrize("length", [-1, 0])
def test_run_without_defined_length_is_exposed(stack: int | None, field: str, length: int) -> None:
    world = World()
    run = world.add_run(world.add_test("endurance"), created=START - 1800, phases=Phases(running=90_000))
    with Lab(world, api={"url": "http://k6.test", "stack": stack}) as lab:
        lab.simulator.faults.add(faults.field(field, length))
        lab.poll()

        assert lab.series("k6_cloud_run_duration") == lab.series("k6_cloud_test_last_run_duration") == {}
        assert lab.series("k6_cloud_run_status").popitem()[1] == 2
        assert f'run_id="{run}"' in lab.page()
        assert lab.value('k6_cloud_exporter_unknown_values_total{field="duration"}') is None
        assert f"of {length} s" not in lab.get("/").text
