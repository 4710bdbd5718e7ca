"""The rules are valid, use metrics and labels that exist, and each alert has test cases and a runbook."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter import PROJECT_URL
from tests.support.promtool import CASES, run_case

ROOT = Path(__file__).parent.parent.parent
RULES = ROOT / "grafana" / "alerts.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks.md"
GOLDEN = [ROOT / "tests" / "exposition" / name for name in ("legacy.prom", "v6.prom")]

RUNBOOK_URL = f"{PROJECT_URL}/blob/main/docs/runbooks.md"
TEST_LABELS = {"project_id", "test_id", "test_name"}
TARGET = {"job", "instance"}  # the labels that Prometheus adds to each series
# Recorded by users themselves; see the runbook of K6CloudTestNotRun.
USER_RECORDED = {"k6_cloud:test_expected_interval_seconds"}

Rule = dict[str, Any]


def load_rules() -> list[Rule]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS: dict[str, Rule] = {rule["alert"]: rule for rule in load_rules() if "alert" in rule}
RECORDED = {rule["record"] for rule in load_rules() if "record" in rule}


def read_exposed_labels() -> dict[str, set[str]]:
    """The labels of each metric that the exporter exposes, from the golden expositions."""
    found: dict[str, set[str]] = {}
    for golden in GOLDEN:
        for line in golden.read_text(encoding="utf-8").splitlines():
            if line.startswith("# TYPE "):
                found.setdefault(line.split(" ")[2], set())
            elif not line.startswith("#"):
                name, labels = re.match(r"(\w+)(?:\{(.*)\})? ", line).groups()  # type: ignore[union-attr]
                found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels or ""))
    return found


def find_metrics(expression: str) -> set[str]:
    return set(re.findall(r"\bk6_cloud[\w:]+", expression))


def find_selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Each metric in an expression that is selected by labels, and these labels."""
    for name, matchers in re.findall(r"\b(k6_cloud[\w:]+)\{([^}]*)\}", expression):
        yield name, set(re.findall(r"(\w+)\s*[=!]~?", matchers))


def find_grouping_labels(expression: str) -> set[str]:
    """Every label that an expression aggregates by, matches on or copies."""
    lists = re.findall(r"\b(?:by|on|group_left|ignoring|without)\s*\(([^)]*)\)", expression)
    return {label.strip() for labels in lists for label in labels.split(",") if label.strip()}


def find_created_labels(expression: str) -> set[str]:
    """The labels that count_values adds."""
    return set(re.findall(r'count_values by \([^)]*\) \("(\w+)"', expression))


def test_promtool_lint_finds_no_problem_in_the_rules(promtool: str) -> None:
    checked = subprocess.run(
        [promtool, "check", "rules", "--lint=all", "--lint-fatal", RULES],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stderr) == (0, "")
    assert f"SUCCESS: {len(load_rules())} rules found" in checked.stdout


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_alerts_fire_as_the_case_expects(case: Path, promtool: str) -> None:
    result = run_case(promtool, case, yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"])

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_silent_firing_and_resolved_cases(alert: str) -> None:
    (file,) = [case for case in CASES if case.stem == alert]
    kinds: dict[str, list[list[int]]] = {"silent": [], "firing": [], "resolved": []}
    for case in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]:
        checks = case["alert_rule_test"]
        assert {check["alertname"] for check in checks} == {alert}
        kinds[case["name"].split(":")[0]].append([len(check.get("exp_alerts", [])) for check in checks])

    assert all(kinds.values())
    assert not any(any(counts) for counts in kinds["silent"])
    # A firing case also checks the minute before, unless the alert fires from the start.
    assert all(counts[-1] for counts in kinds["firing"] if len(counts) == 1)
    assert any(counts[0] == 0 and counts[1] > 0 for counts in kinds["firing"] if len(counts) > 1)
    assert all(counts[0] > 0 and counts[-1] == 0 for counts in kinds["resolved"])


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_has_severity_summary_description_and_runbook(alert: str) -> None:
    rule = ALERTS[alert]
    annotations = rule["annotations"]

    assert alert.startswith("K6Cloud")
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert not annotations["summary"].endswith(".")
    assert "{{ $labels." in annotations["summary"] or alert == "K6CloudExporterAbsent"
    assert annotations["runbook_url"] == f"{RUNBOOK_URL}#{alert.lower()}"


@pytest.mark.parametrize("alert", [alert for alert in ALERTS if alert.startswith("K6CloudTest")])
def test_alert_on_a_test_names_and_links_it(alert: str) -> None:
    rule = ALERTS[alert]

    assert rule["annotations"]["summary"].startswith("k6 test {{ $labels.test_name }} ")
    for label in TEST_LABELS:
        assert f"$labels.{label}" in rule["annotations"]["description"]
    assert "{{ $labels.url }}" in {
        rule["annotations"].get("run_url", ""),
        rule["annotations"].get("test_url", ""),
    }
    # Otherwise each run would raise an alert of its own.
    assert rule["labels"]["url"] == ""


def test_every_metric_in_a_rule_is_exposed_or_recorded() -> None:
    known = read_exposed_labels().keys() | RECORDED | USER_RECORDED

    assert {name for rule in load_rules() for name in find_metrics(rule["expr"])} <= known


def test_every_recorded_series_is_used() -> None:
    used = {
        name for rule in load_rules() for name in find_metrics(rule["expr"]) if rule.get("record") != name
    }

    assert used >= RECORDED


def test_selectors_use_labels_of_the_metric() -> None:
    labels: Mapping[str, set[str]] = read_exposed_labels() | {
        "k6_cloud:test_last_finished_status": TEST_LABELS | {"outcome"}
    }

    for rule in load_rules():
        for name, selected in find_selectors(rule["expr"]):
            assert selected <= labels[name], (name, selected)


def test_grouping_and_joining_labels_exist() -> None:
    known = {label for labels in read_exposed_labels().values() for label in labels} | TARGET

    for rule in load_rules():
        assert find_grouping_labels(rule["expr"]) <= known | find_created_labels(rule["expr"]), rule


def test_alerts_on_tests_do_not_depend_on_the_exporter() -> None:
    """They use recorded series only, whose labels are listed explicitly."""
    for alert, rule in ALERTS.items():
        if alert.startswith("K6CloudTest"):
            assert find_metrics(rule["expr"]) <= RECORDED | USER_RECORDED


def test_alerts_and_runbooks_match() -> None:
    text = RUNBOOKS.read_text(encoding="utf-8")
    sections = re.findall(r"^## (K6Cloud\w+)$", text, re.MULTILINE)

    assert sections == list(ALERTS)
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        if section.startswith("K6Cloud"):
            for part in ("**Meaning:**", "**Impact:**", "**Check:**", "**Fix:**"):
                assert section.count(part) == 1, section


def read_runbook_queries() -> list[str]:
    text = RUNBOOKS.read_text(encoding="utf-8")
    return [
        line for block in re.findall(r"```promql\n(.*?)```", text, re.DOTALL) for line in block.splitlines()
    ]


def test_runbook_queries_use_existing_metrics_and_labels(tmp_path: Path, promtool: str) -> None:
    recorded = [
        {"record": f"q:{number}", "expr": query} for number, query in enumerate(read_runbook_queries())
    ]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": recorded}]}), encoding="utf-8")

    subprocess.run([promtool, "check", "rules", file], check=True, capture_output=True)
    for query in read_runbook_queries():
        assert find_metrics(query) <= read_exposed_labels().keys()
        for name, selected in find_selectors(query):
            # No test in the golden expositions has a schedule.
            assert selected <= (read_exposed_labels()[name] or TEST_LABELS), query


def test_links_within_the_runbooks_have_targets() -> None:
    text = RUNBOOKS.read_text(encoding="utf-8")
    headings = {heading.lower() for heading in re.findall(r"^## (\w+)$", text, re.MULTILINE)}

    assert set(re.findall(r"\]\(#(\w+)\)", text)) <= headings


def read_example(name: str) -> str:
    """The YAML block of docs/runbooks.md after the comment with this name."""
    found = re.search(f"<!-- {name} -->\n```yaml\n(.*?)```", RUNBOOKS.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def test_alertmanager_example_names_existing_alerts() -> None:
    config = yaml.safe_load(read_example("alertmanager"))

    for rule in config["inhibit_rules"]:
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            pattern = re.fullmatch(r'alertname=~?"(.*)"', matcher)
            assert pattern
            for name in pattern[1].split("|"):
                assert any(re.fullmatch(name, alert) for alert in ALERTS), name


def test_example_of_the_expected_interval_is_valid(tmp_path: Path, promtool: str) -> None:
    file = tmp_path / "expected.yaml"
    file.write_text(read_example("expected"), encoding="utf-8")

    subprocess.run([promtool, "check", "rules", file], check=True, capture_output=True)
    (rule,) = yaml.safe_load(read_example("expected"))["groups"][0]["rules"]
    assert rule["record"] in USER_RECORDED
