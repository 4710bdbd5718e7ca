"""The campaign reports what it found; its scenarios name alerts that exist."""

import pytest

from tests.alerts.live import report
from tests.alerts.live.scenarios import Expected, Scenario, list_scenarios
from tests.alerts.live.stage import Message, Stage
from tests.alerts.test_rules import ALERTS

EXPECTED = (
    Expected("K6CloudTestFailing", "checkout", "firing", 0, 10),
    Expected("K6CloudTestFailing", "checkout", "resolved", 20, 30),
)
FIRING = Message(5, "firing", "K6CloudTestFailing", "checkout")
RESOLVED = Message(25, "resolved", "K6CloudTestFailing", "checkout")
OTHER = Message(7, "firing", "K6CloudDataStale", "")


def play_nothing(_: Stage) -> None:
    """For scenarios whose messages are given."""


@pytest.mark.parametrize(
    ("messages", "differences"),
    [
        ([FIRING, RESOLVED], []),
        ([FIRING], ["K6CloudTestFailing checkout: firing at 5 instead of"]),
        ([], ["K6CloudTestFailing checkout: nothing instead of"]),
        (
            [FIRING, FIRING, RESOLVED],
            ["K6CloudTestFailing checkout: firing at 5, firing at 5, resolved at 25"],
        ),
        ([FIRING, Message(15, "resolved", "K6CloudTestFailing", "checkout")], ["resolved at 15 instead of"]),
        ([FIRING, RESOLVED, OTHER], ["K6CloudDataStale: firing at 7 instead of nothing"]),
    ],
    ids=["as expected", "not resolved", "nothing sent", "sent twice", "resolved early", "another alert"],
)
def test_differences_from_the_expectation_are_found(messages: list[Message], differences: list[str]) -> None:
    result = report.compare(Scenario("s", 40, play_nothing, EXPECTED), messages, [])

    found = report.find_differences({"scenarios": [result]})

    assert len(found) == len(differences)
    assert all(part in line for part, line in zip(differences, found, strict=True))


def test_error_of_a_rule_is_a_difference() -> None:
    result = report.compare(Scenario("s", 40, play_nothing, ()), [], ["K6CloudDataStale: many-to-many"])

    assert report.find_differences({"scenarios": [result]}) == ["s: K6CloudDataStale: many-to-many"]


def test_scenarios_expect_alerts_that_exist() -> None:
    scenarios = list(list_scenarios())

    assert len({scenario.name for scenario in scenarios}) == len(scenarios)
    assert {one.alert for scenario in scenarios for one in scenario.expected} <= ALERTS.keys()


def test_document_matches_the_results() -> None:
    assert report.DOCUMENT.read_text(encoding="utf-8") == report.document(report.read())
