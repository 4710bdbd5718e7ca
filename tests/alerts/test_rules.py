"""The alerts are good rules, on metrics that there are, each with its stories and its runbook."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.promtool import STORIES, told

ROOT = Path(__file__).parent.parent.parent
RULES = ROOT / "grafana" / "alerts.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks.md"
GOLDEN = [ROOT / "tests" / "exposition" / name for name in ("legacy.prom", "v6.prom")]

BASE = "https://github.com/k6-cloud-exporter/k6-cloud-exporter/blob/main/docs/runbooks.md"
TEST = {"project_id", "test_id", "test_name"}
# What Prometheus adds to each series, and the series that it makes itself.
OF_PROMETHEUS = {"job", "instance"}
# What users may record themselves; see the runbook of K6CloudTestNotRun.
OF_USERS = {"k6_cloud:test_expected_interval_seconds"}

Rule = dict[str, Any]


def rules() -> list[Rule]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS: dict[str, Rule] = {rule["alert"]: rule for rule in rules() if "alert" in rule}
RECORDED = {rule["record"] for rule in rules() if "record" in rule}


def exposed() -> dict[str, set[str]]:
    """The labels of each metric that the exporter tells, from the golden files."""
    found: dict[str, set[str]] = {}
    for golden in GOLDEN:
        for line in golden.read_text(encoding="utf-8").splitlines():
            if line.startswith("# TYPE "):
                found.setdefault(line.split(" ")[2], set())
            elif not line.startswith("#"):
                name, labels = re.match(r"(\w+)(?:\{(.*)\})? ", line).groups()  # type: ignore[union-attr]
                found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels or ""))
    return found


def metrics(expression: str) -> set[str]:
    return set(re.findall(r"\bk6_cloud[\w:]+", expression))


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Each metric in an expression that is selected by labels, and these labels."""
    for name, matchers in re.findall(r"\b(k6_cloud[\w:]+)\{([^}]*)\}", expression):
        yield name, set(re.findall(r"(\w+)\s*[=!]~?", matchers))


def grouped_by(expression: str) -> set[str]:
    """Every label by which something is aggregated, matched or brought along, or that is made."""
    lists = re.findall(r"\b(?:by|on|group_left|ignoring|without)\s*\(([^)]*)\)", expression)
    return {label.strip() for labels in lists for label in labels.split(",") if label.strip()}


def made_by(expression: str) -> set[str]:
    return set(re.findall(r'count_values by \([^)]*\) \("(\w+)"', expression))


def test_promtool_finds_nothing_to_say_about_the_rules(promtool: str) -> None:
    checked = subprocess.run(
        [promtool, "check", "rules", "--lint=all", "--lint-fatal", RULES],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stderr) == (0, "")
    assert f"SUCCESS: {len(rules())} rules found" in checked.stdout


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.stem)
def test_a_story_goes_as_it_is_told(story: Path, promtool: str) -> None:
    said = told(promtool, story, yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"])

    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_silent_a_firing_and_a_resolved_story(alert: str) -> None:
    (file,) = [story for story in STORIES if story.stem == alert]
    kinds: dict[str, list[list[int]]] = {"silent": [], "firing": [], "resolved": []}
    for story in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]:
        checks = story["alert_rule_test"]
        assert {check["alertname"] for check in checks} == {alert}
        kinds[story["name"].split(":")[0]].append([len(check.get("exp_alerts", [])) for check in checks])

    assert all(kinds.values())
    assert not any(any(counts) for counts in kinds["silent"])
    # The minute before is told as well, but for what is there from the beginning.
    assert all(counts[-1] for counts in kinds["firing"] if len(counts) == 1)
    assert any(counts[0] == 0 and counts[1] > 0 for counts in kinds["firing"] if len(counts) > 1)
    assert all(counts[0] > 0 and counts[-1] == 0 for counts in kinds["resolved"])


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_how_bad_it_is_what_it_is_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    annotations = rule["annotations"]

    assert alert.startswith("K6Cloud")
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert annotations["summary"].endswith(".")
    assert "{{" not in annotations["summary"]
    assert annotations["runbook_url"] == f"{BASE}#{alert.lower()}"
    assert "{{ $labels." in annotations["description"] or alert == "K6CloudExporterAbsent"


@pytest.mark.parametrize("alert", [alert for alert in ALERTS if alert.startswith("K6CloudTest")])
def test_an_alert_on_a_test_names_it_and_links_to_its_page_without_being_another_for_each(alert: str) -> None:
    rule = ALERTS[alert]

    for label in TEST:
        assert f"$labels.{label}" in rule["annotations"]["description"]
    assert "{{ $labels.url }}" in {
        rule["annotations"].get("run_url", ""),
        rule["annotations"].get("test_url", ""),
    }
    assert rule["labels"]["url"] == ""


def test_every_metric_in_a_rule_is_told_by_the_exporter_or_recorded() -> None:
    known = exposed().keys() | RECORDED | OF_USERS

    assert {name for rule in rules() for name in metrics(rule["expr"])} <= known


def test_every_recorded_series_is_used() -> None:
    used = {name for rule in rules() for name in metrics(rule["expr"]) if rule.get("record") != name}

    assert used >= RECORDED


def test_every_label_that_selects_is_one_that_the_metric_has() -> None:
    labels: Mapping[str, set[str]] = exposed() | {"k6_cloud:test_last_finished_status": TEST | {"outcome"}}

    for rule in rules():
        for name, selected in selectors(rule["expr"]):
            assert selected <= labels[name], (name, selected)


def test_every_label_that_groups_or_joins_is_told_by_one_of_the_metrics_or_made() -> None:
    told = {label for labels in exposed().values() for label in labels} | OF_PROMETHEUS

    for rule in rules():
        assert grouped_by(rule["expr"]) <= told | made_by(rule["expr"]), rule


def test_no_rule_about_tests_keeps_which_exporter_told_it() -> None:
    """They begin with recorded series, and what these keep is spelled out."""
    for alert, rule in ALERTS.items():
        if alert.startswith("K6CloudTest"):
            assert metrics(rule["expr"]) <= RECORDED | OF_USERS


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    text = RUNBOOKS.read_text(encoding="utf-8")
    sections = re.findall(r"^## (K6Cloud\w+)$", text, re.MULTILINE)

    assert sections == list(ALERTS)
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        if section.startswith("K6Cloud"):
            for part in ("**Means:**", "**Look at:**", "**Do:**"):
                assert part in section, section


def queries() -> list[str]:
    text = RUNBOOKS.read_text(encoding="utf-8")
    return [
        line for block in re.findall(r"```promql\n(.*?)```", text, re.DOTALL) for line in block.splitlines()
    ]


def test_every_query_in_a_runbook_is_promql_on_metrics_and_labels_that_there_are(
    tmp_path: Path, promtool: str
) -> None:
    asked = [{"record": f"q:{number}", "expr": query} for number, query in enumerate(queries())]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": asked}]}), encoding="utf-8")

    subprocess.run([promtool, "check", "rules", file], check=True, capture_output=True)
    for query in queries():
        assert metrics(query) <= exposed().keys()
        for name, selected in selectors(query):
            assert selected <= (exposed()[name] or TEST), query  # no test of the golden files has a schedule


def test_every_link_within_the_runbooks_leads_somewhere() -> None:
    text = RUNBOOKS.read_text(encoding="utf-8")
    headings = {heading.lower() for heading in re.findall(r"^## (\w+)$", text, re.MULTILINE)}

    assert set(re.findall(r"\]\(#(\w+)\)", text)) <= headings


def example(name: str) -> str:
    found = re.search(f"<!-- {name} -->\n```yaml\n(.*?)```", RUNBOOKS.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def test_the_alertmanager_example_names_only_alerts_that_there_are() -> None:
    told = yaml.safe_load(example("alertmanager"))

    for rule in told["inhibit_rules"]:
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            pattern = re.fullmatch(r'alertname=~?"(.*)"', matcher)
            assert pattern
            for name in pattern[1].split("|"):
                assert any(re.fullmatch(name, alert) for alert in ALERTS), name


def test_the_rule_by_which_users_say_how_often_a_test_should_run_is_good(
    tmp_path: Path, promtool: str
) -> None:
    file = tmp_path / "expected.yaml"
    file.write_text(example("expected"), encoding="utf-8")

    subprocess.run([promtool, "check", "rules", file], check=True, capture_output=True)
    (rule,) = yaml.safe_load(example("expected"))["groups"][0]["rules"]
    assert rule["record"] in OF_USERS
