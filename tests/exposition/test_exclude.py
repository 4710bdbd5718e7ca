"""`metrics.exclude`: which metrics are not exposed, in both formats."""

from typing import Any

import pytest

from exporter.simulator import World
from tests.support.lab import START, Lab

V6 = {"url": "http://k6.test", "stack": 1}
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


def build_world() -> World:
    world = World()
    world.add_run(world.add_test("checkout", project_id=world.add_project("Shop")), created=START - 600)
    return world


def lab(*patterns: str, **settings: Any) -> Lab:
    return Lab(build_world(), api=V6, metrics={"exclude": patterns}, **settings)


def names(exporter: Lab, **headers: str) -> set[str]:
    """The names in HELP and TYPE lines and of samples."""
    lines = exporter.get(**headers).text.splitlines()
    found = {line.split(" ")[2] for line in lines if line.startswith("# ") and line != "# EOF"}
    return found | {line.partition(" ")[0].partition("{")[0] for line in lines if not line.startswith("#")}


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("k6_cloud_run_vuh", "k6_cloud_run_vuh"),
        ("k6_cloud_test_last_run_.*", "k6_cloud_test_last_run_id"),
        ("k6_cloud_test_runs_finished_total", "k6_cloud_test_runs_finished_total"),
        ("k6_cloud_project_.*", "k6_cloud_project_info"),
        ("k6_cloud_up", "k6_cloud_up"),
        ("k6_cloud_exporter_polls_total", "k6_cloud_exporter_polls_total"),
        ("python_.*", "python_info"),
        ("k6_cloud_exporter_poll_duration_seconds", "k6_cloud_exporter_poll_duration_seconds_bucket"),
        ("k6_cloud_(run|test)_info", "k6_cloud_test_info"),
    ],
)
@pytest.mark.parametrize("headers", [{}, OPENMETRICS], ids=["text", "openmetrics"])
def test_excluded_metric_is_not_exposed(pattern: str, name: str, headers: dict[str, str]) -> None:
    with lab() as exporter:
        exporter.poll()
        everything = names(exporter, **headers)
    with lab(pattern) as exporter:
        exporter.poll()
        left = names(exporter, **headers)

    assert name in everything
    assert name not in left
    assert name.removesuffix("_total") not in left
    assert left < everything


@pytest.mark.parametrize("pattern", ["k6_cloud_run", "run_vuh", "cloud_run_.*", "K6_CLOUD_RUN_VUH", ""])
def test_pattern_must_match_the_whole_name(pattern: str) -> None:
    with lab() as exporter:
        exporter.poll()
        everything = names(exporter)
    with lab(pattern) as exporter:
        exporter.poll()

        assert names(exporter) == everything


def test_reload_changes_the_excluded_metrics() -> None:
    with lab() as exporter:
        exporter.poll()
        everything = names(exporter)
        patterns = ("k6_cloud_run_.*", "k6_cloud_project_.*", "k6_cloud_exporter_polls_total")
        for excluded in (patterns, ()):
            assert exporter.reload(api=V6, metrics={"exclude": excluded}).is_success
            exporter.poll()
            gone = {name for name in everything if name.startswith(("k6_cloud_run_", "k6_cloud_project_"))}
            gone |= {"k6_cloud_exporter_polls_total"}
            assert names(exporter) == (everything - gone if excluded else everything)


def test_excluded_series_are_not_counted() -> None:
    with lab() as every, lab("k6_cloud_run_.*") as few:
        every.poll()
        few.poll()
        runs = len(every.series("k6_cloud_run_"))

        assert runs > 0
        total = every.value("k6_cloud_exporter_series") or 0
        assert few.value("k6_cloud_exporter_series") == total - runs


def test_everything_can_be_excluded() -> None:
    with lab(".*") as exporter:
        exporter.poll()

        assert exporter.get().text.strip() == ""
        assert exporter.get(**OPENMETRICS).text == "# EOF\n"
        assert exporter.get("/-/ready").is_success
