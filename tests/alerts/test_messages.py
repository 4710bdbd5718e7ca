"""The text that every alert of the test cases sends, in messages.txt."""

from pathlib import Path
from textwrap import indent

import yaml

from tests.alerts.test_rules import ALERTS, RULES
from tests.support.golden import assert_golden
from tests.support.promtool import CASES, count_expected_alerts, render_messages

MESSAGES = Path(__file__).parent / "messages.txt"
HEADER = """\
The text of each alert in tests/alerts/cases, and at which times of which test cases it is sent.
Written by `make golden`. Runbook links are left out; tests/alerts/test_rules.py checks them.
"""


def format_message(alert: str, annotations: dict[str, str]) -> str:
    text = "\n".join([annotations["summary"], annotations["description"], annotations["dashboard_url"]])
    return f"{alert}\n{indent(text, '    ')}"


def test_golden_messages_of_alerts(promtool: str) -> None:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    cases_of: dict[str, list[str]] = {}
    for case in CASES:
        rendered = list(render_messages(promtool, case, groups))
        tests = yaml.safe_load(case.read_text(encoding="utf-8"))["tests"]
        assert len(rendered) == sum(count_expected_alerts(test) for test in tests)
        for alert, name, annotations in rendered:
            # What the alert means, and what to do.
            assert len(annotations["description"].splitlines()) == 2
            cases_of.setdefault(format_message(alert, annotations), []).append(name)

    assert {message.split("\n")[0] for message in cases_of} == set(ALERTS)
    parts = [f"{message}\n{indent(chr(10).join(names), '  - ')}\n" for message, names in cases_of.items()]
    assert_golden(MESSAGES, "\n".join([HEADER, *parts]))
