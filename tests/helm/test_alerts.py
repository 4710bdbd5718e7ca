"""The PrometheusRule contains the project's rules unchanged, except for what the values change."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.chart import CHART, ROOT, Tree, one, with_secret
from tests.support.promtool import CASES, PROMTOOLS, find_promtool, run_case

RULES = yaml.safe_load((ROOT / "grafana" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
THRESHOLDS = yaml.safe_load((CHART / "files" / "thresholds.yaml").read_text(encoding="utf-8"))

Promtool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module", params=PROMTOOLS)
def promtool_path(request: pytest.FixtureRequest) -> str:
    return find_promtool(request.param)


@pytest.fixture(scope="module")
def promtool(promtool_path: str) -> Promtool:
    return lambda *arguments: subprocess.run(
        [promtool_path, *arguments], capture_output=True, text=True, timeout=300, check=False
    )


def render_groups(**values: Any) -> list[Tree]:
    """The rule groups of the chart with these values under `prometheusRule`."""
    spec = one("PrometheusRule", with_secret(prometheusRule={"enabled": True} | values))["spec"]
    groups: list[Tree] = spec["groups"]
    return groups


def alerts_by_name(groups: list[Tree]) -> dict[str, Tree]:
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def test_default_rules_are_those_of_the_project() -> None:
    assert render_groups() == RULES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_rendered_rules_pass_the_alert_cases(case: Path, promtool_path: str) -> None:
    result = run_case(promtool_path, case, render_groups())

    assert result.returncode == 0, result.stdout + result.stderr


def test_rules_with_all_values_pass_the_lint(tmp_path: Path, promtool: Promtool) -> None:
    values = yaml.safe_load((CHART / "ci" / "full-values.yaml").read_text(encoding="utf-8"))
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(one("PrometheusRule", values)["spec"]), encoding="utf-8")

    result = promtool("check", "rules", "--lint=all", "--lint-fatal", file)

    assert result.returncode == 0, result.stdout + result.stderr


def test_disabled_alerts_are_left_out() -> None:
    remaining = alerts_by_name(render_groups(disabled=["K6CloudTestFailing", "K6CloudDataStale"]))

    assert remaining == {
        name: rule
        for name, rule in alerts_by_name(RULES).items()
        if name not in {"K6CloudTestFailing", "K6CloudDataStale"}
    }


def test_override_changes_only_the_named_fields() -> None:
    override = {"for": "10m", "severity": "page", "threshold": 1800}
    changed = alerts_by_name(render_groups(overrides={"K6CloudTestRunStuck": override}))
    before = alerts_by_name(RULES)

    assert changed.pop("K6CloudTestRunStuck") == before.pop("K6CloudTestRunStuck") | {
        "for": "10m",
        "labels": {"severity": "page"},
        "expr": alerts_by_name(RULES)["K6CloudTestRunStuck"]["expr"].replace("> 900", "> 1800"),
    }
    assert changed == before


def test_override_can_add_a_for() -> None:
    rendered = alerts_by_name(render_groups(overrides={"K6CloudTestFailing": {"for": "1m"}}))

    assert "for" not in alerts_by_name(RULES)["K6CloudTestFailing"]
    assert rendered["K6CloudTestFailing"]["for"] == "1m"


@pytest.mark.parametrize("alert", THRESHOLDS)
def test_threshold_occurs_once_in_its_expression(alert: str) -> None:
    expression = alerts_by_name(RULES)[alert]["expr"]
    compared = THRESHOLDS[alert]["compared"]

    assert re.fullmatch(r"[<>]=? [\d.]+", compared)
    assert len(re.findall(rf"(?<!\S){re.escape(compared)}(?!\S)", expression)) == 1
    assert expression.count(compared) == 1


def test_threshold_override_changes_only_the_number(tmp_path: Path, promtool: Promtool) -> None:
    rendered = render_groups(overrides={alert: {"threshold": 12345678} for alert in THRESHOLDS})

    for alert, threshold in THRESHOLDS.items():
        before, after = alerts_by_name(RULES)[alert]["expr"], alerts_by_name(rendered)[alert]["expr"]
        (number,) = set(after.split()) - set(before.split())
        operator = threshold["compared"].split(" ")[0]
        assert float(number) == 12345678
        assert after.replace(f"{operator} {number}", threshold["compared"]) == before
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": rendered}), encoding="utf-8")
    assert promtool("check", "rules", file).returncode == 0


def test_threshold_can_be_zero_or_a_fraction() -> None:
    rendered = alerts_by_name(
        render_groups(
            overrides={"K6CloudApiErrors": {"threshold": 0}, "K6CloudApiRateLimited": {"threshold": 0.1}}
        )
    )

    assert "\n> 0\n" in rendered["K6CloudApiErrors"]["expr"]
    assert "\n> 0.1\n" in rendered["K6CloudApiRateLimited"]["expr"]


def test_user_labels_and_annotations_override_ours() -> None:
    rendered = render_groups(
        ruleLabels={"team": "load", "severity": "info"},
        ruleAnnotations={"summary": "Read the description."},
        overrides={"K6CloudDataStale": {"severity": "critical"}},
    )

    for name, rule in alerts_by_name(rendered).items():
        assert rule["labels"]["team"] == "load"
        assert rule["labels"]["severity"] == ("critical" if name == "K6CloudDataStale" else "info")
        assert rule["annotations"]["summary"] == "Read the description."
        assert rule["annotations"]["description"] == alerts_by_name(RULES)[name]["annotations"]["description"]
    assert [rule for group in rendered for rule in group["rules"] if "record" in rule] == [
        rule for group in RULES for rule in group["rules"] if "record" in rule
    ]


def test_runbook_and_grafana_urls_can_be_set() -> None:
    rendered = alerts_by_name(
        render_groups(runbookUrl="https://wiki.example.com/k6", grafanaUrl="https://g.example.com/grafana/")
    )

    for name, rule in rendered.items():
        assert rule["annotations"]["runbook_url"] == f"https://wiki.example.com/k6#{name.lower()}"
        before = alerts_by_name(RULES)[name]["annotations"]["dashboard_url"]
        assert rule["annotations"]["dashboard_url"] == f"https://g.example.com/grafana{before}"


def test_extra_rules_are_a_separate_group_without_templating() -> None:
    rule = {
        "alert": "Mine",
        "expr": "vector(1)",
        "annotations": {"summary": "{{ $value }} of {{ .Values }}."},
    }

    assert render_groups(extraRules=[rule]) == [*RULES, {"name": "k6-cloud-extra", "rules": [rule]}]
