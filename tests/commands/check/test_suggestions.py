"""Suggestions for entries that match nothing; suggestions.txt has the exact sentences."""

from pathlib import Path
from typing import Any

import pytest

from exporter.commands.check.suggestions import suggest
from exporter.model import LoadTest
from exporter.polling.selector import Rule
from exporter.regex import Regex
from tests.support.golden import assert_golden

TESTS = (
    LoadTest(400001, "Checkout nightly", 567),
    LoadTest(400002, "checkout smoke", 567),
    LoadTest(400003, "login-spike", 567),
    LoadTest(400010, "ledger", 568),
    LoadTest(400011, "Login-Spike", 568),
)
TEST_OF_RUN = {5000009: 400010}


def rule(project: int | None = None, include: str | None = None, exclude: str | None = None) -> Rule:
    compiled: list[Any] = [None if text is None else Regex(text) for text in (include, exclude)]
    return Rule(project, *compiled)


IDS = {567: "--project 567", 5000009: "400010", 7: "no such test"}
# Each rule with what its suggestion mentions.
RULES = (
    (rule(400010), "--test 400010"),
    (rule(5000009), "400010"),
    (rule(576), "no such project"),
    (rule(include="^CHECKOUT"), "(?i)^CHECKOUT"),
    (rule(567, include="ledger"), "400010 ledger without project 567"),
    (rule(include="^loginspike$"), "400003 login-spike, 400011 Login-Spike"),
    (rule(include="zebra"), "5 tests"),
    (rule(include="login", exclude="spike"), "exclude"),
    (rule(568, exclude="."), "without exclude"),
    (Rule(name="Ledgr"), "400010 ledger"),
    (Rule(567, name="ledger"), "without project 567"),
)


def test_golden_suggestions() -> None:
    entries = {f"test {id_}": suggest(id_, TESTS, TEST_OF_RUN) for id_ in IDS}
    entries |= {str(entry): suggest(entry, TESTS, TEST_OF_RUN) for entry, _ in RULES}

    assert_golden(
        Path(__file__).with_name("suggestions.txt"),
        "".join(f"{entry}: {text}\n" for entry, text in entries.items()),
    )


@pytest.mark.parametrize(("id_", "part"), IDS.items())
def test_unknown_id_is_looked_up_elsewhere(id_: int, part: str) -> None:
    assert part in suggest(id_, TESTS, TEST_OF_RUN)


@pytest.mark.parametrize(("entry", "part"), RULES)
def test_rule_without_matches_suggests_similar_ones(entry: Rule, part: str) -> None:
    assert part in suggest(entry, TESTS, TEST_OF_RUN)


def test_rule_without_visible_tests_says_so() -> None:
    assert "no tests" in suggest(rule(include="login"), (), {})


def test_unprintable_name_is_escaped() -> None:
    assert "soak\\x1b[31m" in suggest(rule(1), (LoadTest(1, "soak\x1b[31m", 2),), {})
