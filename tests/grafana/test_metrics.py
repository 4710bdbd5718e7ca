"""Dashboards query only metrics and labels that exist, and every metric is used by a dashboard or alert."""

import re
from pathlib import Path

import pytest
import yaml

from exporter.exposition.families import build_families, build_project_families
from exporter.self_metrics import SelfMetrics
from tests.support.dashboards import ROOT, DashboardQuery, all_queries

GOLDEN = Path(__file__).parent.parent / "exposition"
ALERTS = ROOT / "grafana" / "alerts.yaml"

# Series that Prometheus itself creates for targets and alerts.
PROMETHEUS_SERIES = {
    "up": set[str](),
    "scrape_duration_seconds": set[str](),
    "scrape_samples_scraped": set[str](),
    "ALERTS": {"alertname", "alertstate", "test_name"},
}
TARGET_LABELS = {"job", "namespace", "instance"}
CREATED_LABELS = {"text", "page", "newest_first"}  # by the expressions themselves
SUFFIXES = ("_bucket", "_sum", "_count")

# Metrics about tests, runs and projects that no dashboard and no alert uses, each with the reason.
LIMIT = "a limit to compare with, and not every project has one"
UNUSED: dict[str, str] = {
    "k6_cloud_test_last_finished_run_id": "k6_cloud_test_last_finished_info has it as a label",
    "k6_cloud_project_limit_vuh_per_month": LIMIT,
    "k6_cloud_project_limit_vus_per_test": LIMIT,
    "k6_cloud_project_limit_duration_seconds": LIMIT,
}


def read_known_metrics() -> dict[str, set[str]]:
    """Every metric with its labels, from the golden expositions and the self metrics."""
    found = {name: set(labels) for name, labels in PROMETHEUS_SERIES.items()}
    pages = [(GOLDEN / f"{api_version}.prom").read_text(encoding="utf-8") for api_version in ("legacy", "v6")]
    pages.append(SelfMetrics(version="", revision="").render_text().decode())
    for page in pages:
        for name in re.findall(r"^# TYPE (\w+) ", page, re.MULTILINE):
            found.setdefault(name, set())
        for name, labels in re.findall(r"^(\w+)(?:{(.*)})? \S+$", page, re.MULTILINE):
            found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    for name in [name for name in found if name.endswith("_timestamp_seconds")]:
        found[name] |= {"project_id", "test_id", "test_name"} if name.startswith("k6_cloud_test_") else set()
    return found


KNOWN = read_known_metrics()


def find_metrics(expr: str) -> set[str]:
    """The metrics of an expression: the names before a brace."""
    return set(re.findall(r"([a-zA-Z_]\w*)(?={)", expr))


def read_alert_expressions() -> list[str]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("query", all_queries(), ids=str)
def test_queried_metrics_exist(query: DashboardQuery) -> None:
    named = set(re.findall(r"\bk6_cloud_\w+", query.expr)) | find_metrics(query.expr)

    assert named
    assert named <= set(KNOWN)


@pytest.mark.parametrize("query", all_queries(), ids=str)
def test_queried_labels_exist(query: DashboardQuery) -> None:
    for name, selector in re.findall(r"(\w+){([^{}]*)}", query.expr):
        assert set(re.findall(r"(\w+)\s*[=!]~?\s*\"", selector)) <= KNOWN[name] | TARGET_LABELS
    grouped = ", ".join(re.findall(r"\b(?:by|on|without|ignoring) \(([^()]*)\)", query.expr))
    of_any = set().union(*(KNOWN[name] for name in find_metrics(query.expr)))
    assert set(re.findall(r"\w+", grouped)) <= of_any | TARGET_LABELS | CREATED_LABELS


@pytest.mark.parametrize("query", all_queries(), ids=str)
def test_displayed_labels_exist(query: DashboardQuery) -> None:
    of_any = set().union(*(KNOWN[name] for name in find_metrics(query.expr)))

    assert query.labels <= of_any | TARGET_LABELS | CREATED_LABELS


def test_every_metric_about_k6_cloud_is_used() -> None:
    used = "\n".join([*(query.expr for query in all_queries()), *read_alert_expressions()])
    families = (*build_families("", "v6"), *build_project_families())
    unused = {family.name for family in families if not re.search(rf"\b{family.name}\b", used)}

    assert unused == set(UNUSED)


def test_every_self_metric_is_used() -> None:
    used = "\n".join([*(query.expr for query in all_queries()), *read_alert_expressions()])
    own = {
        name.removesuffix("_total") for name in KNOWN if name.startswith(("k6_cloud_exporter", "k6_cloud_up"))
    }
    own = {name for name in own if not name.endswith(SUFFIXES)}

    assert {name for name in own if name not in used} == set()
