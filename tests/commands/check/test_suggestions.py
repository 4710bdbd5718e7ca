"""Suggestions for entries that match nothing; suggestions.txt has the exact sentences."""

import re
from pathlib import Path
from typing import Any

import pytest

from exporter.commands.check.suggestions import Inventory, suggest
from exporter.model import LoadTest, Run
from exporter.polling.selector import Rule, Selector
from tests.support.golden import assert_golden

TESTS = (
    LoadTest(400001, "Checkout nightly", 567),
    LoadTest(400002, "checkout smoke", 567),
    LoadTest(400003, "login-spike", 567),
    LoadTest(400010, "ledger", 568),
    LoadTest(400011, "Login-Spike", 568),
)
INVENTORY = Inventory(TESTS, {5000009: Run(5000009, 400010)})


def rule(project: int | None = None, include: str | None = None, exclude: str | None = None) -> Rule:
    compiled: list[Any] = [None if text is None else re.compile(text) for text in (include, exclude)]
    return Rule(project, *compiled)


IDS = {400004: "400002", 567: "--project 567", 5000009: "400010", 7: "no such test"}
# Each rule with what its suggestion mentions.
RULES = (
    (rule(400010), "--test 400010"),
    (rule(5000009), "400010"),
    (rule(576), "no such project"),
    (rule(5677), "project 567"),
    (rule(include="^CHECKOUT"), "(?i)^CHECKOUT"),
    (rule(567, include="ledger"), "400010 ledger in project 568"),
    (rule(include="^loginspike$"), "400003 login-spike, 400011 Login-Spike"),
    (rule(include="zebra"), "5 tests"),
    (rule(include="login", exclude="spike"), "exclude"),
    (rule(568, exclude="."), "2 tests"),
)


def suggestions_for(*, ids: tuple[int, ...] = (), rules: tuple[Rule, ...] = ()) -> dict[str, str]:
    entries = [*(f"test {id_}" for id_ in ids), *map(str, rules)]
    return suggest(Selector(dict.fromkeys(ids), rules), entries, INVENTORY)


def test_golden_suggestions() -> None:
    found = suggestions_for(ids=tuple(IDS), rules=tuple(entry for entry, _ in RULES))

    assert_golden(
        Path(__file__).with_name("suggestions.txt"),
        "".join(f"{entry}: {text}\n" for entry, text in found.items()),
    )


@pytest.mark.parametrize(("id_", "part"), IDS.items())
def test_unknown_id_is_looked_up_elsewhere(id_: int, part: str) -> None:
    (suggestion,) = suggestions_for(ids=(id_,)).values()

    assert part in suggestion


@pytest.mark.parametrize(("entry", "part"), RULES)
def test_rule_without_matches_suggests_similar_ones(entry: Rule, part: str) -> None:
    (suggestion,) = suggestions_for(rules=(entry,)).values()

    assert part in suggestion


def test_entry_with_matches_has_no_suggestion() -> None:
    assert suggest(Selector({400001: None}, (rule(567),)), [], INVENTORY) == {}


def test_unprintable_name_is_escaped() -> None:
    inventory = Inventory((LoadTest(1, "soak\x1b[31m", 2),), {})

    assert "soak\\x1b[31m" in suggest(Selector({}, (rule(1),)), ["project 1"], inventory)["project 1"]
