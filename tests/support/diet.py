"""Counts the series that remain with `metrics.exclude`, for the table in docs/metrics.md."""

import re
from collections import Counter
from collections.abc import Sequence

from bench.fleet import make_fleet
from exporter.app import build_exposition, build_filter
from exporter.config import Config
from tests.support.documents import ROOT, format_names, format_table, read_document

SIZES = (10, 200, 2000)  # tests, with three finished runs each
PATTERNS: tuple[tuple[str, ...], ...] = (
    (),
    ("k6_cloud_run_.*_timestamp_seconds",),
    ("k6_cloud_run_(duration_seconds|execution_seconds|vus|vuh)",),
    ("k6_cloud_run_.*",),
    ("k6_cloud_test_last_run_.*",),
    ("k6_cloud_test_(active_runs|runs_finished_total)",),
    ("k6_cloud_run_.*", "k6_cloud_test_last_run_.*", "k6_cloud_test_(active_runs|runs_finished_total)"),
)
ALERTS = ROOT / "grafana" / "alerts.yaml"
DASHBOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))


def count_series(tests: int) -> dict[str, int]:
    """The series of each metric with so many tests, on v6."""
    exposition = build_exposition(Config.model_validate({"api": {"stack": 1}}), build_filter(()))
    exposition = exposition.update(make_fleet(tests))
    names = (line.partition(b"{")[0].decode() for part in exposition.text() for line in part.splitlines())
    counts = Counter(names)
    return {family.name: counts[family.name] for family in exposition.families}


def find_users(names: Sequence[str]) -> str:
    """Which of our files use one of these metrics."""
    pattern = re.compile(rf"\b(?:{'|'.join(names)})\b") if names else re.compile("(?!)")
    alerts = ["alerts"] if pattern.search(read_document(ALERTS)) else []
    is_shown = any(pattern.search(read_document(path)) for path in DASHBOARDS)
    return ", ".join(alerts + ["dashboards"] * is_shown)


def diet_table() -> str:
    counts = [count_series(tests) for tests in SIZES]
    rows = []
    for patterns in PATTERNS:
        is_excluded = build_filter(patterns)
        left = [sum(n for name, n in counted.items() if not is_excluded(name)) for counted in counts]
        users = find_users([name for name in counts[0] if is_excluded(name)])
        rows.append((format_names(patterns) or "nothing", *(f"{count:,}" for count in left), users))
    return format_table(("excluded", *(f"{tests:,} tests" for tests in SIZES), "needed by"), rows)
