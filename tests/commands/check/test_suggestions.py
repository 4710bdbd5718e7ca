"""What `check` says of an entry for which there is nothing."""

import re
from typing import Any

import pytest

from exporter.commands.check.suggestions import Inventory, suggest
from exporter.model import LoadTest, Run
from exporter.polling.selector import Rule, Selector

TESTS = (
    LoadTest(400001, "Checkout nightly", 567),
    LoadTest(400002, "checkout smoke", 567),
    LoadTest(400003, "login-spike", 567),
    LoadTest(400010, "ledger", 568),
    LoadTest(400011, "Login-Spike", 568),
)
SIGHTS = Inventory(TESTS, {5000009: Run(5000009, 400010)})


def rule(project: int | None = None, include: str | None = None, exclude: str | None = None) -> Rule:
    compiled: list[Any] = [None if said is None else re.compile(said) for said in (include, exclude)]
    return Rule(project, *compiled)


@pytest.mark.parametrize(
    ("id_", "said"),
    [
        (400004, "of similar id: 400002 checkout smoke, 400003 login-spike, 400010 ledger"),
        (567, "567 is the id of a project; write project: 567, or --project 567"),
        (5000009, "5000009 is the id of a run, of test 400010"),
        (7, "k6 Cloud has no such test, or the token cannot see it"),
    ],
)
def test_an_id_that_is_of_no_test_may_be_of_something_else(id_: int, said: str) -> None:
    entry = f"test {id_}"

    assert suggest(Selector({id_: None}), [entry], SIGHTS) == {entry: said}


@pytest.mark.parametrize(
    ("meant", "said"),
    [
        (rule(400010), "400010 is the id of test ledger; write id: 400010, or --test 400010"),
        (rule(5000009), "5000009 is the id of a run, of test 400010"),
        (rule(576), "k6 Cloud has no such project, or it has no tests, or the token cannot see it"),
        (rule(5677), "of similar id: project 567"),
        (
            rule(include="^CHECKOUT"),
            "but for capitals it fits 400001 Checkout nightly, 400002 checkout smoke; write (?i)^CHECKOUT",
        ),
        (rule(567, include="ledger"), "it fits 400010 ledger, of project 568"),
        (rule(include="^loginspike$"), "of similar name: 400003 login-spike, 400011 Login-Spike"),
        (rule(include="zebra"), "none of 5 tests has such a name"),
        (
            rule(include="login", exclude="spike"),
            "include fits 400003 login-spike, but exclude takes that away",
        ),
        (rule(568, exclude="."), "exclude takes away each of the 2 tests"),
    ],
)
def test_a_rule_that_fits_nothing_may_be_near_something(meant: Rule, said: str) -> None:
    found = suggest(Selector({}, (meant,)), [str(meant)], SIGHTS)

    assert found == {str(meant): said}


def test_what_means_something_needs_no_suggestion() -> None:
    assert suggest(Selector({400001: None}, (rule(567),)), [], SIGHTS) == {}


def test_a_name_that_is_no_text_is_written_as_escapes() -> None:
    sights = Inventory((LoadTest(1, "soak\x1b[31m", 2),), {})

    assert suggest(Selector({}, (rule(1),)), ["project 1"], sights) == {
        "project 1": "1 is the id of test soak\\x1b[31m; write id: 1, or --test 1"
    }
