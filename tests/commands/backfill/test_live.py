"""A backfill and a running exporter give the same samples for the same time range."""

from bisect import bisect_right
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.simulator import Phases, RunScript, World
from tests.commands.backfill.harness import API_VERSIONS, ENDINGS, Samples, parse_samples, run_command
from tests.support.lab import START, Lab, Series

SINCE, UNTIL = START - 6 * 3600, START - 3 * 3600
# The phases that each API version returns for a finished run: legacy has creation, start and end only.
API_PHASES = {
    "legacy": Phases(
        created=70, validated=None, queued=None, initializing=None, running=600, processing=None
    ),
    "v6": Phases(created=10, validated=None, queued=30, initializing=40, running=600, processing=50),
}


def world_with(phases: Phases) -> World:
    """Two tests with overlapping runs and every outcome, one with few runs, and one that begins later."""
    world = World()
    endings = [replace(end, phases=phases) if isinstance(end, RunScript) else end for end in ENDINGS]
    for name, every in (("often", 500.0), ("hourly", 3600.0), ("seldom", 5.5 * 3600)):
        test = world.add_test(name)
        world.schedule(test, every=every, first=START - 14 * 3600, endings=endings, phases=phases, vus=50)
    world.add_run(world.add_test("late"), created=START - 5 * 3600, phases=phases)
    return world


def poll_at(world: World, api_version: str, times: list[float]) -> dict[float, Series]:
    """The series that an exporter exposes when it polls at these times."""
    pages: dict[float, Series] = {}
    with Lab(world, api={"url": "http://k6.test", **API_VERSIONS[api_version]}) as lab:
        for time in times:
            lab.at(time - START).poll()
            series = lab.series("k6_cloud_run_") | lab.series("k6_cloud_test_")
            pages[time] = {sort_labels(name): value for name, value in series.items()}
    return pages


def sort_labels(series: str) -> str:
    """A series with its labels sorted by name; no label value contains a comma here."""
    name, _, labels = series.removesuffix("}").partition("{")
    return f"{name}{{{','.join(sorted(labels.split(',')))}}}"


def last_sample(samples: list[tuple[float, float]], time: float) -> tuple[float, float] | None:
    """The newest sample at that time, as Prometheus would find it."""
    index = bisect_right(samples, (time, float("inf")))
    return samples[index - 1] if index else None


def read_test_id(series: str) -> str:
    return series.split('test_id="')[1].split('"', maxsplit=1)[0]


def is_active(series: str, value: float) -> bool:
    return series.startswith("k6_cloud_test_active_runs") and value > 0


def first_timestamps(backfilled: Samples) -> dict[str, float]:
    """The first timestamp of each test."""
    first: dict[str, float] = {}
    for series, samples in backfilled.items():
        id_ = read_test_id(series)
        first[id_] = min(first.get(id_, float("inf")), samples[0][0])
    return first


@pytest.mark.parametrize("api_version", API_VERSIONS)
def test_backfill_agrees_with_a_running_exporter(api_version: str, tmp_path: Path) -> None:
    output, phases = tmp_path / "past.om", API_PHASES[api_version]
    code, _ = run_command(world_with(phases), output, api_version, since="6h", idle_step="10m")
    assert code == 0
    backfilled = parse_samples(output.read_text())
    times = sorted({time for samples in backfilled.values() for time, _ in samples})
    assert (times[0], times[-1]) == (SINCE, UNTIL)
    pages = poll_at(world_with(phases), api_version, times)
    compared = 0

    # Every backfilled sample has the value of a scrape at its timestamp ...
    for series, samples in backfilled.items():
        for time, value in samples:
            assert pages[time].get(series) == value, (time - SINCE, series)
            compared += 1
    # ... and every scraped value is that of the last sample. Schedules are an exception, because the API
    # does not keep those of the past.
    first = first_timestamps(backfilled)
    for time, page in pages.items():
        active = {read_test_id(series) for series, value in page.items() if is_active(series, value)}
        for series, value in page.items():
            id_ = read_test_id(series)
            if "k6_cloud_test_schedule_" in series or time < first.get(id_, float("inf")):
                continue
            sample = last_sample(backfilled.get(series, []), time)
            assert sample is not None, (time - SINCE, series)
            assert sample[1] == value, (time - SINCE, series)
            if id_ in active and series.startswith("k6_cloud_test_"):
                assert time - sample[0] < 300, (time - SINCE, series)  # the lookback of Prometheus
            compared += 1
    assert compared > 20_000
