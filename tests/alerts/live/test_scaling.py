"""The rules of the live campaign are the shipped rules, only faster."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.alerts.live.scaling import MIN_SECONDS, find_numbers, scale_duration, scale_expression, scale_rules
from tests.alerts.test_rules import RULES, Rule, load_rules


def read_rules(rules: str) -> list[Rule]:
    return [rule for group in yaml.safe_load(rules)["groups"] for rule in group["rules"]]


@pytest.mark.parametrize(
    ("expression", "scaled"),
    [
        ("rate(a[5m]) > 0.05", "rate(a[5000ms]) > 0.05"),
        ("max_over_time(a[1h30m:15s] offset 1d)", "max_over_time(a[90000ms:250ms] offset 1440000ms)"),
        ("time() - a > 900", "time() - a > 15"),
        ("a >= 3 or b < 1.5 * c + 90", "a >= 3 or b < 1.5 * c + 1.5"),
        ('a{code=~"429|5.."} == 2 # after 300', 'a{code=~"429|5.."} == 2 # after 300'),
        ("a90:b_600 - 1e3", "a90:b_600 - 16.6667"),
    ],
)
def test_expression_has_durations_scaled_and_nothing_else(expression: str, scaled: str) -> None:
    assert scale_expression(expression, 60) == scaled


@pytest.mark.parametrize(
    ("duration", "scaled"), [("5m", "10000ms"), ("1d", "2880000ms"), ("1ms", "1ms"), ("1h5s", "120167ms")]
)
def test_duration_is_divided_and_never_zero(duration: str, scaled: str) -> None:
    assert scale_duration(duration, 30) == scaled


def test_rules_keep_all_but_their_durations() -> None:
    rules = RULES.read_text(encoding="utf-8")

    assert yaml.safe_load(scale_rules(rules, 1))["groups"] != yaml.safe_load(scale_rules(rules, 2))["groups"]
    for shipped, scaled in zip(load_rules(), read_rules(scale_rules(rules, 30)), strict=True):
        assert scaled.keys() == shipped.keys()
        for field in shipped.keys() - {"expr", "for", "keep_firing_for"}:
            assert scaled[field] == shipped[field]


def test_numbers_in_rules_are_clearly_seconds_or_not() -> None:
    """Where this fails, a rule has a new number: add it to its line, or see MIN_SECONDS."""
    numbers = set().union(*(find_numbers(rule["expr"]) for rule in load_rules()))

    assert {number for number in numbers if number >= MIN_SECONDS} == {60, 300, 600, 900, 1800, 86400}
    assert {number for number in numbers if number < MIN_SECONDS} == {0, 0.05, 0.2, 1, 1.5, 2, 3, 5}


def test_prometheus_accepts_the_scaled_rules(promtool: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(scale_rules(RULES.read_text(encoding="utf-8"), 30), encoding="utf-8")

    checked = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr
