"""The rules are valid, use metrics and labels that exist, and each alert has test cases and a runbook."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter import PROJECT_URL
from tests.support.programs import vmalert_tool
from tests.support.promtool import CASES, run_case, run_case_with_vmalert

ROOT = Path(__file__).parent.parent.parent
RULES = ROOT / "grafana" / "alerts.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks.md"
GOLDEN = [ROOT / "tests" / "exposition" / name for name in ("legacy.prom", "v6.prom")]

RUNBOOK_URL = f"{PROJECT_URL}/blob/main/docs/runbooks.md"
TEST_LABELS = {"project_id", "test_id", "test_name"}
# The labels that Prometheus, and on Kubernetes its operator, adds to each series.
TARGET = {"job", "namespace", "instance"}
# Recorded by users themselves; see the runbook of K6CloudTestNotRun.
USER_RECORDED = {"k6_cloud:test_expected_interval_seconds"}

Rule = dict[str, Any]


def load_rules() -> list[Rule]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS: dict[str, Rule] = {rule["alert"]: rule for rule in load_rules() if "alert" in rule}
TEST_ALERTS = [alert for alert in ALERTS if alert.startswith(("K6CloudTest", "K6CloudScheduled"))]
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
    """The labels that label_replace adds."""
    return set(re.findall(r'"(\w+)", "\w+", "", ""', expression))


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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_alerts_fire_on_vmalert_as_the_case_expects(case: Path) -> None:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]

    result = run_case_with_vmalert(vmalert_tool(), case, groups)

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


@pytest.mark.parametrize("alert", TEST_ALERTS)
def test_alert_on_a_test_names_and_links_it(alert: str) -> None:
    annotations = ALERTS[alert]["annotations"]

    assert annotations["summary"].startswith("k6 test {{ $labels.test_name }} ")
    for label in TEST_LABELS:
        assert f"$labels.{label}" in annotations["description"]
    assert "{{ .Labels.url }}" in annotations["description"]
    assert annotations["dashboard_url"] == "/d/k6-cloud-test?var-test={{ $labels.test_id }}"


def test_dashboard_urls_are_those_of_existing_dashboards() -> None:
    uids = {path.stem for path in (ROOT / "grafana" / "dashboards").glob("*.json")}

    for rule in ALERTS.values():
        assert re.fullmatch(r"/d/([\w-]+)(\?.*)?", rule["annotations"]["dashboard_url"])[1] in uids  # type: ignore[index]


def test_rules_are_short_enough_to_read() -> None:
    assert len(RECORDED) <= 3
    for rule in load_rules():
        assert len(rule["expr"].strip().splitlines()) <= 15, rule


def test_groups_have_at_most_the_20_rules_of_mimir() -> None:
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
        assert len(group["rules"]) <= 20


def test_no_rule_reads_its_own_result() -> None:
    for rule in load_rules():
        assert rule.get("record") not in find_metrics(rule["expr"])


def test_rules_remove_no_labels() -> None:
    """An empty label is removed by Prometheus, but not by vmalert."""
    for rule in load_rules():
        assert "" not in rule.get("labels", {}).values()


def test_rules_are_grouped_by_job_and_namespace() -> None:
    for rule in load_rules():
        for labels in re.findall(r"\bby \(([^)]*)\)", rule["expr"]):
            assert {"job", "namespace"} <= set(labels.split(", ")) or labels == "test_id", rule


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
        "k6_cloud:test_oldest_run_timestamp_seconds": TEST_LABELS | {"phase"}
    }

    for rule in load_rules():
        for name, selected in find_selectors(rule["expr"]):
            assert selected <= labels[name], (name, selected)


def test_grouping_and_joining_labels_exist() -> None:
    known = {label for labels in read_exposed_labels().values() for label in labels} | TARGET

    for rule in load_rules():
        assert find_grouping_labels(rule["expr"]) <= known | find_created_labels(rule["expr"]), rule


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


def test_example_of_virtual_user_hours_fires_above_80_percent(tmp_path: Path, promtool: str) -> None:
    (tmp_path / "rules.yaml").write_text(read_example("vuh"), encoding="utf-8")
    labels = 'job="k6",instance="a",project_id="7"'
    case: dict[str, Any] = {
        "interval": "1h",
        "input_series": [
            {"series": f"k6_cloud_project_limit_vuh_per_month{{{labels}}}", "values": "100x50"},
            {"series": f'k6_cloud_test_vuh_total{{{labels},test_id="1"}}', "values": "0+1x50"},
            {"series": f'k6_cloud_test_vuh_total{{{labels},test_id="2"}}', "values": "0+1x50"},
        ],
        "alert_rule_test": [
            {"eval_time": "40h", "alertname": "K6CloudVuhNearLimit"},
            {
                "eval_time": "41h",
                "alertname": "K6CloudVuhNearLimit",
                "exp_alerts": [
                    {
                        "exp_labels": {"severity": "warning", "job": "k6", "project_id": "7"},
                        "exp_annotations": {
                            "summary": "k6 project 7 has used at least 82% of its monthly virtual user hours"
                        },
                    }
                ],
            },
        ],
    }
    tests = {"rule_files": ["rules.yaml"], "evaluation_interval": "1h", "tests": [case]}
    (tmp_path / "case.yaml").write_text(yaml.safe_dump(tests), encoding="utf-8")

    tested = subprocess.run(
        [promtool, "test", "rules", tmp_path / "case.yaml"], capture_output=True, text=True, check=False
    )

    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_example_of_several_stacks_has_a_job_for_each() -> None:
    jobs = [job["job_name"] for job in yaml.safe_load(read_example("stacks"))["scrape_configs"]]

    assert len(jobs) == len(set(jobs)) == 2
