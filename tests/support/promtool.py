"""Runs the test cases of the rules with promtool or vmalert-tool, for grafana/alerts.yaml and the chart."""

import ast
import re
import subprocess
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.programs import prometheus_3, require_program

CASES = sorted((Path(__file__).parents[1] / "alerts" / "cases").glob("*.yaml"))
RULES = "../../../grafana/alerts.yaml"
# Version 2.42 of Debian, and the one that `make tools-prometheus-3` builds. Since Prometheus 3, ranges and
# the lookback of five minutes exclude the sample at their start.
PROMTOOLS = ("promtool", "promtool-3")
# promtool starts at the Unix time 0, and vmalert-tool at the start of the year 2000.
VMALERT_START = 946684800

Groups = list[dict[str, Any]]


def find_promtool(name: str) -> str:
    """The path of one of PROMTOOLS; a test that needs a missing one is skipped."""
    return require_program(name, "prometheus") if name == "promtool" else prometheus_3(name)


def run_case(promtool: str, case: Path, groups: Groups) -> subprocess.CompletedProcess[str]:
    """Tests these groups of rules with a file of CASES: which alerts fire, when, and with which labels.

    The annotations are removed first. Their text is in tests/alerts/messages.txt, see `render_messages`.
    """
    rules = {"groups": [_without_annotations(group) for group in groups]}
    return _run(promtool, case.read_text(encoding="utf-8"), yaml.safe_dump(rules))


def run_case_with_vmalert(program: str, case: Path, groups: Groups) -> subprocess.CompletedProcess[str]:
    """Tests these groups of rules with a file of CASES, as vmalert with VictoriaMetrics evaluates them.

    The labels of `ALERTS` can have the label `alertgroup` in addition; the cases aggregate them.
    """
    content = yaml.safe_load(case.read_text(encoding="utf-8"))
    # Aliases in YAML are the same object, so each test is copied before it is changed.
    content["tests"] = [_adapt_to_vmalert(deepcopy(test)) for test in content["tests"]]
    rules = {"groups": [_without_annotations(group) for group in groups]}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "rules.yaml").write_text(yaml.safe_dump(rules), encoding="utf-8")
        cases = yaml.safe_dump(content | {"rule_files": ["rules.yaml"]})
        (Path(folder) / "cases.yaml").write_text(cases, encoding="utf-8")
        return subprocess.run(
            [program, "unittest", "--disableAlertgroupLabel", f"--files={folder}/cases.yaml"],
            capture_output=True,
            text=True,
            check=False,
        )


def _adapt_to_vmalert(test: dict[str, Any]) -> dict[str, Any]:
    for series in test["input_series"]:
        if re.match(r"k6_cloud_\w+(_timestamp_seconds|_last_finished_info)\b", series["series"]):
            series["values"] = " ".join(map(_shift_start, series["values"].split()))
    # VictoriaMetrics returns the result of a recording rule from the next evaluation on.
    for check in test.get("alert_rule_test", [])[1:]:
        if check["alertname"].startswith("K6CloudTest"):
            check["eval_time"] = f"{_minutes(check['eval_time']) + 1}m"
    if "promql_expr_test" in test:
        test["metricsql_expr_test"] = test.pop("promql_expr_test")
        for check in test["metricsql_expr_test"]:
            # In MetricsQL, changes() counts the first sample of a series as a change.
            check["expr"] = re.sub(r"\bchanges\(", "changes_prometheus(", check["expr"])
    return test


def _shift_start(values: str) -> str:
    """Unix times such as 0+60x10, in the notation of promtool, relative to the start of vmalert-tool."""
    found = re.fullmatch(r"(-?\d+)(.*)", values)
    return f"{int(found[1]) + VMALERT_START}{found[2]}" if found else values


def _minutes(duration: str) -> int:
    """A duration such as 2h or 1h30m, in minutes."""
    return sum(int(count) * {"h": 60, "m": 1}[unit] for count, unit in re.findall(r"(\d+)([hm])", duration))


def render_messages(promtool: str, case: Path, groups: Groups) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every alert that a file of CASES expects: its name, time and test case, and annotations.

    The cases have no annotations, so promtool reports every alert as a difference and prints the annotations.
    """
    content = yaml.safe_load(case.read_text(encoding="utf-8"))
    content["tests"] = [test for test in content["tests"] if count_expected_alerts(test)]
    output = _run(promtool, yaml.safe_dump(content), yaml.safe_dump({"groups": groups})).stderr
    failure = r"name: ([^\n]*),\s+alertname: (\w+), time: (\w+),.*?got:\[(.*?)\n +\]"
    for name, alert, time, got in re.findall(failure, output, re.DOTALL):
        for annotations in re.findall(r"Annotations:\{(.*)\},?$", got, re.MULTILINE):
            # Go quotes strings as Python does.
            pairs = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*")', annotations)
            yield alert, f"{time}: {name}", {key: ast.literal_eval(value) for key, value in pairs}


def count_expected_alerts(test: dict[str, Any]) -> int:
    """How many alerts a test case expects, at all of its times together."""
    return sum(len(check.get("exp_alerts", [])) for check in test.get("alert_rule_test", []))


def _without_annotations(group: dict[str, Any]) -> dict[str, Any]:
    rules = [{key: value for key, value in rule.items() if key != "annotations"} for rule in group["rules"]]
    return group | {"rules": rules}


# A file of cases takes a second. The rules of the chart are usually the same, and so is the result.
@cache
def _run(promtool: str, cases: str, rules: str) -> subprocess.CompletedProcess[str]:
    assert yaml.safe_load(cases)["rule_files"] == [RULES]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "rules.yaml").write_text(rules, encoding="utf-8")
        (Path(folder) / "cases.yaml").write_text(cases.replace(RULES, "rules.yaml"), encoding="utf-8")
        return subprocess.run(
            [promtool, "test", "rules", Path(folder) / "cases.yaml"],
            capture_output=True,
            text=True,
            check=False,
        )
