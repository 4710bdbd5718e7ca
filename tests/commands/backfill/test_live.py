"""The past is told as it would have been seen: a live exporter and a backfill of the same stretch agree."""

from bisect import bisect_right
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.simulator import Phases, RunScript, World
from tests.commands.backfill.harness import API_VERSIONS, ENDINGS, Samples, run_command, samples_of
from tests.support.lab import START, Lab, Series

SINCE, UNTIL = START - 6 * 3600, START - 3 * 3600
# All that each generation tells of the past: legacy knows of a beginning, a start and an end.
TOLD = {
    "legacy": Phases(
        created=70, validated=None, queued=None, initializing=None, running=600, processing=None
    ),
    "v6": Phases(created=10, validated=None, queued=30, initializing=40, running=600, processing=50),
}


def build_world(phases: Phases) -> World:
    """Two tests with overlapping runs that end in every way, one that runs seldom, one that begins later."""
    made = World()
    for name, every in (("often", 500.0), ("hourly", 3600.0), ("seldom", 5.5 * 3600)):
        test = made.add_test(name)
        endings = [replace(it, phases=phases) if isinstance(it, RunScript) else it for it in ENDINGS]
        made.schedule(test, every=every, first=START - 14 * 3600, endings=endings, phases=phases, vus=50)
    made.add_run(made.add_test("late"), created=START - 5 * 3600, phases=phases)
    return made


def live(made: World, api_version: str, moments: list[float]) -> dict[float, Series]:
    """What the pages of an exporter said that polled at these moments."""
    pages: dict[float, Series] = {}
    with Lab(made, api={"url": "http://k6.test", **API_VERSIONS[api_version]}) as lab:
        for moment in moments:
            lab.at(moment - START).poll()
            pages[moment] = {in_order(series): value for series, value in facts(lab).items()}
    return pages


def facts(lab: Lab) -> Series:
    return lab.series("k6_cloud_run_") | lab.series("k6_cloud_test_")


def in_order(series: str) -> str:
    """A series with its labels in the order of their names; none of their values has a comma here."""
    name, _, labels = series.removesuffix("}").partition("{")
    return f"{name}{{{','.join(sorted(labels.split(',')))}}}"


def newest(samples: list[tuple[float, float]], moment: float) -> tuple[float, float] | None:
    place = bisect_right(samples, (moment, float("inf")))
    return samples[place - 1] if place else None


def of_test(series: str) -> str:
    return series.split('test_id="')[1].split('"', maxsplit=1)[0]


@pytest.fixture(params=API_VERSIONS)
def both(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Samples, dict[float, Series]]:
    """The same stretch as it is told afterwards, and as it was seen whenever something is told of it."""
    output, phases = tmp_path / "past.om", TOLD[request.param]
    code, _ = run_command(build_world(phases), output, request.param, since="6h", idle_step="10m")
    assert code == 0
    past = samples_of(output.read_text())
    moments = sorted({moment for samples in past.values() for moment, _ in samples})
    assert (moments[0], moments[-1]) == (SINCE, UNTIL)
    return past, live(build_world(phases), request.param, moments)


def test_the_past_and_a_live_exporter_agree(both: tuple[Samples, dict[float, Series]]) -> None:
    past, pages = both
    told_of = min_moments(past)
    compared = 0

    # Whatever is told of a moment, a scrape at that moment would have shown ...
    for series, samples in past.items():
        for moment, value in samples:
            assert pages[moment].get(series) == value, (moment - SINCE, series)
            compared += 1
    # ... and whatever a scrape would have shown, the newest sample tells, but for what nobody knows any more.
    for moment, page in pages.items():
        moving = {of_test(series) for series, value in page.items() if is_moving(series, value)}
        for series, value in page.items():
            if "schedule_next_run" in series or moment < told_of.get(of_test(series), float("inf")):
                continue
            found = newest(past.get(series, []), moment)
            assert found is not None, (moment - SINCE, series)
            assert found[1] == value, (moment - SINCE, series)
            if of_test(series) in moving and series.startswith("k6_cloud_test_"):
                assert moment - found[0] < 300, (moment - SINCE, series)  # Prometheus looks no further back
            compared += 1
    assert compared > 20_000


def min_moments(past: Samples) -> dict[str, float]:
    """From when on each test is told of."""
    begun: dict[str, float] = {}
    for series, samples in past.items():
        id_ = of_test(series)
        begun[id_] = min(begun.get(id_, float("inf")), samples[0][0])
    return begun


def is_moving(series: str, value: float) -> bool:
    return series.startswith("k6_cloud_test_active_runs") and value > 0
