"""What the dashboards ask for is what the exporter has, and what the exporter has is asked for."""

import re
from pathlib import Path

import pytest
import yaml

from exporter.exposition.families import build_families
from exporter.self_metrics import SelfMetrics
from tests.support.dashboards import ROOT, Asked, everything_asked

GOLDEN = Path(__file__).parent.parent / "exposition"
ALERTS = ROOT / "grafana" / "alerts.yaml"

# What Prometheus itself adds to what it scrapes, and what it says of alerts.
PROMETHEUS = {
    "up": set[str](),
    "scrape_duration_seconds": set[str](),
    "scrape_samples_scraped": set[str](),
    "ALERTS": {"alertname", "alertstate", "test_name"},
}
OF_THE_TARGET = {"job", "instance"}
MADE = {"text", "page"}  # labels that an expression makes itself
SUFFIXES = ("_bucket", "_sum", "_count")

UNUSED: dict[str, str] = {}  # metrics about tests and runs that no dashboard and no alert uses, each with why


def known() -> dict[str, set[str]]:
    """Every metric with its labels: those of the golden expositions, and of the process."""
    found = {name: set(labels) for name, labels in PROMETHEUS.items()}
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


KNOWN = known()


def metrics(expr: str) -> set[str]:
    """The metrics of an expression: what stands before a brace."""
    return set(re.findall(r"([a-zA-Z_]\w*)(?={)", expr))


def alert_expressions() -> str:
    if not ALERTS.exists():
        return ""
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return "\n".join(rule["expr"] for group in groups for rule in group["rules"])


@pytest.mark.parametrize("asked", everything_asked(), ids=str)
def test_every_metric_asked_for_exists(asked: Asked) -> None:
    named = set(re.findall(r"\bk6_cloud_\w+", asked.expr)) | metrics(asked.expr)

    assert named
    assert named <= set(KNOWN)


@pytest.mark.parametrize("asked", everything_asked(), ids=str)
def test_every_label_asked_for_exists(asked: Asked) -> None:
    for name, selector in re.findall(r"(\w+){([^{}]*)}", asked.expr):
        assert set(re.findall(r"(\w+)\s*[=!]~?\s*\"", selector)) <= KNOWN[name] | OF_THE_TARGET
    grouped = ", ".join(re.findall(r"\b(?:by|on|without|ignoring) \(([^()]*)\)", asked.expr))
    of_any = set().union(*(KNOWN[name] for name in metrics(asked.expr)))
    assert set(re.findall(r"\w+", grouped)) <= of_any | OF_THE_TARGET | MADE


@pytest.mark.parametrize("asked", everything_asked(), ids=str)
def test_every_label_that_is_shown_exists(asked: Asked) -> None:
    of_any = set().union(*(KNOWN[name] for name in metrics(asked.expr)))

    assert asked.needs <= of_any | OF_THE_TARGET | MADE


def test_every_metric_about_tests_and_runs_is_used_or_excused() -> None:
    used = "\n".join(asked.expr for asked in everything_asked()) + alert_expressions()
    unused = {
        family.name for family in build_families("", "v6") if not re.search(rf"\b{family.name}\b", used)
    }

    assert unused == set(UNUSED)


def test_every_metric_about_the_exporter_is_used() -> None:
    used = "\n".join(asked.expr for asked in everything_asked()) + alert_expressions()
    own = {
        name.removesuffix("_total") for name in KNOWN if name.startswith(("k6_cloud_exporter", "k6_cloud_up"))
    }
    own = {name for name in own if not name.endswith(SUFFIXES)}

    assert {name for name in own if name not in used} == set()
