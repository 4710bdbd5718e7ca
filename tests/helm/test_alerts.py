"""The PrometheusRule holds the project's rules as they are, but for what the values change."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.chart import CHART, ROOT, Tree, one, with_secret
from tests.support.promtool import PROMTOOLS, STORIES, find_promtool, told

RULES = yaml.safe_load((ROOT / "grafana" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
THRESHOLDS = yaml.safe_load((CHART / "files" / "thresholds.yaml").read_text(encoding="utf-8"))

Promtool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module", params=PROMTOOLS)
def path(request: pytest.FixtureRequest) -> str:
    return find_promtool(request.param)


@pytest.fixture(scope="module")
def promtool(path: str) -> Promtool:
    return lambda *arguments: subprocess.run(
        [path, *arguments], capture_output=True, text=True, timeout=300, check=False
    )


def groups(**values: Any) -> list[Tree]:
    spec = one("PrometheusRule", with_secret(prometheusRule={"enabled": True} | values))["spec"]
    found: list[Tree] = spec["groups"]
    return found


def alerts(found: list[Tree]) -> dict[str, Tree]:
    return {rule["alert"]: rule for group in found for rule in group["rules"] if "alert" in rule}


def test_without_changes_the_rules_are_the_projects_word_by_word() -> None:
    assert groups() == RULES


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.stem)
def test_the_rules_that_are_made_bear_out_each_story(story: Path, path: str) -> None:
    said = told(path, story, groups())

    assert said.returncode == 0, said.stdout + said.stderr


def test_the_rules_of_everything_at_once_are_good(tmp_path: Path, promtool: Promtool) -> None:
    values = yaml.safe_load((CHART / "ci" / "full-values.yaml").read_text(encoding="utf-8"))
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(one("PrometheusRule", values)["spec"]), encoding="utf-8")

    said = promtool("check", "rules", "--lint=all", "--lint-fatal", file)

    assert said.returncode == 0, said.stdout + said.stderr


def test_an_alert_that_is_disabled_is_left_out_and_no_other() -> None:
    left = alerts(groups(disabled=["K6CloudTestFailing", "K6CloudDataStale"]))

    assert left == {
        name: rule
        for name, rule in alerts(RULES).items()
        if name not in {"K6CloudTestFailing", "K6CloudDataStale"}
    }


def test_an_override_changes_what_it_names_and_nothing_else() -> None:
    override = {"for": "10m", "severity": "page", "threshold": 1800}
    changed = alerts(groups(overrides={"K6CloudTestRunStuck": override}))
    before = alerts(RULES)

    assert changed.pop("K6CloudTestRunStuck") == before.pop("K6CloudTestRunStuck") | {
        "for": "10m",
        "labels": {"severity": "page", "url": ""},
        "expr": "k6_cloud:run_waiting_seconds > 1800",
    }
    assert changed == before


def test_a_verdict_may_be_given_a_for() -> None:
    assert "for" not in alerts(RULES)["K6CloudTestFailing"]
    assert (
        alerts(groups(overrides={"K6CloudTestFailing": {"for": "1m"}}))["K6CloudTestFailing"]["for"] == "1m"
    )


@pytest.mark.parametrize("alert", THRESHOLDS)
def test_a_threshold_stands_once_in_its_alert(alert: str) -> None:
    expression = alerts(RULES)[alert]["expr"]
    compared = THRESHOLDS[alert]["compared"]

    assert re.fullmatch(r"[<>]=? [\d.]+", compared)
    assert len(re.findall(rf"(?<!\S){re.escape(compared)}(?!\S)", expression)) == 1
    assert expression.count(compared) == 1


def test_each_threshold_can_be_changed_and_nothing_else_changes_with_it(
    tmp_path: Path, promtool: Promtool
) -> None:
    made = groups(overrides={alert: {"threshold": 12345678} for alert in THRESHOLDS})

    for alert, threshold in THRESHOLDS.items():
        before, after = alerts(RULES)[alert]["expr"], alerts(made)[alert]["expr"]
        (number,) = set(after.split()) - set(before.split())
        operator = threshold["compared"].split(" ")[0]
        assert float(number) == 12345678
        assert after.replace(f"{operator} {number}", threshold["compared"]) == before
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": made}), encoding="utf-8")
    assert promtool("check", "rules", file).returncode == 0


def test_a_threshold_of_zero_and_a_fraction_are_numbers_like_others() -> None:
    made = alerts(
        groups(overrides={"K6CloudApiErrors": {"threshold": 0}, "K6CloudApiRateLimited": {"threshold": 0.1}})
    )

    assert made["K6CloudApiErrors"]["expr"].endswith("> 0\n")
    assert made["K6CloudApiRateLimited"]["expr"].endswith("> 0.1\n")


def test_labels_and_annotations_of_users_are_on_each_alert_and_go_before_ours() -> None:
    made = groups(
        ruleLabels={"team": "load", "severity": "info"},
        ruleAnnotations={"summary": "Read the description."},
        overrides={"K6CloudDataStale": {"severity": "critical"}},
    )

    for name, rule in alerts(made).items():
        assert rule["labels"]["team"] == "load"
        assert rule["labels"]["severity"] == ("critical" if name == "K6CloudDataStale" else "info")
        assert rule["annotations"]["summary"] == "Read the description."
        assert rule["annotations"]["description"] == alerts(RULES)[name]["annotations"]["description"]
    assert [rule for group in made for rule in group["rules"] if "record" in rule] == [
        rule for group in RULES for rule in group["rules"] if "record" in rule
    ]


def test_labels_that_our_rules_take_off_stay_off() -> None:
    made = alerts(groups(ruleLabels={"team": "load"}))

    assert made["K6CloudTestFailing"]["labels"] == {
        "severity": "warning",
        "outcome": "",
        "run_id": "",
        "url": "",
        "team": "load",
    }


def test_runbooks_may_be_ones_own_and_a_dashboard_can_be_named() -> None:
    made = alerts(groups(runbookUrl="https://wiki.example.com/k6", dashboardUrl="https://g.example.com/d/x"))

    for name, rule in made.items():
        assert rule["annotations"]["runbook_url"] == f"https://wiki.example.com/k6#{name.lower()}"
        assert rule["annotations"]["dashboard_url"] == "https://g.example.com/d/x"


def test_rules_of_users_are_a_group_of_their_own_and_no_template() -> None:
    rule = {
        "alert": "Mine",
        "expr": "vector(1)",
        "annotations": {"summary": "{{ $value }} of {{ .Values }}."},
    }

    assert groups(extraRules=[rule]) == [*RULES, {"name": "k6-cloud-extra", "rules": [rule]}]
