"""The shipped rules and settings at a higher speed: every duration divided by the same factor."""

import re
from typing import Any

import yaml

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
# A plain number in an expression is a duration from this value on. Smaller ones count something, or are codes
# and factors. test_scaling.py lists all that the rules have, so that a new one is noticed.
MIN_SECONDS = 60
# Strings, comments and names come first, since digits in them are not numbers.
TOKEN = re.compile(
    r"""
    (?P<other> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | \#[^\n]* | [A-Za-z_][\w:]* )
    | (?P<duration> (?:\d+(?:ms|[smhdwy]))+ )
    | (?P<number> \d+(?:\.\d+)?(?:e\d+)? )
    """,
    re.VERBOSE,
)
# Fields with a duration, of rules and groups. All are optional.
RULE_DURATIONS = ("for", "keep_firing_for")
GROUP_DURATIONS = ("interval", "query_offset")


def scale_rules(rules: str, speed: float) -> str:
    """A Prometheus rules file in which each duration is `speed` times shorter; annotations stay."""
    content = yaml.safe_load(rules)
    for group in content["groups"]:
        scale_fields(group, GROUP_DURATIONS, speed)
        for rule in group["rules"]:
            scale_fields(rule, RULE_DURATIONS, speed)
            rule["expr"] = scale_expression(str(rule["expr"]), speed)
    return yaml.safe_dump(content, sort_keys=False)


def scale_fields(content: dict[str, Any], names: tuple[str, ...], speed: float) -> None:
    """Change the durations with these names in place."""
    content.update({name: scale_duration(content[name], speed) for name in names if name in content})


def scale_expression(expression: str, speed: float) -> str:
    """A PromQL expression with shorter ranges and offsets, and with smaller numbers of seconds."""

    def scale(found: re.Match[str]) -> str:
        if found["duration"]:
            return scale_duration(found["duration"], speed)
        if found["number"] and float(found["number"]) >= MIN_SECONDS:
            return f"{float(found['number']) / speed:g}"
        return found[0]

    return TOKEN.sub(scale, expression)


def scale_duration(duration: str, speed: float) -> str:
    """A duration of Prometheus, such as 1h30m, in milliseconds. At least one, since 0 can mean off."""
    parts = re.findall(r"(\d+)(ms|[smhdwy])", duration)
    seconds = sum(int(number) * SECONDS[unit] for number, unit in parts)
    return f"{max(1, round(seconds * 1000 / speed))}ms"


def find_numbers(expression: str) -> set[float]:
    """The plain numbers of an expression."""
    return {float(found["number"]) for found in TOKEN.finditer(expression) if found["number"]}
