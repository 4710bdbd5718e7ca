"""The campaign for two polls each, and with a choice of what is told by a status or over a real network.

`make faults` plays all of it, at length; its results are in RESULTS.md.
"""

from itertools import cycle

import pytest

from tests.faults import catalogue, network, report
from tests.faults.campaign import brief, performed, performed_on_a_network
from tests.faults.stage import Trouble

# One status of each kind; those beside them in the catalogue are dealt with alike.
ALIKE = {f"HTTP {status}" for status in (*catalogue.ODD, *catalogue.REFUSALS, *catalogue.TROUBLES)}
STATUSES = {f"HTTP {status}" for status in (204, 304, 400, 401, 403, 404, 503)}
LONG = {"down for 10 minutes: 503", "down for 10 minutes: no answer", "down for 10 minutes: reset"}
ON_A_NETWORK = {
    *("nothing listens", "server: resets before it answers", "server: closes in the midst of the body"),
    *(
        "server: never says which chunk is the last",
        "server: the body drips",
        "server: a body without an end",
    ),
    *("server: noise", "server: a header of 200 kB", "server: two lengths", "server: gzip in chunks"),
}


def chosen() -> list[Trouble]:
    return [one for one in catalogue.everything() if one.name not in (ALIKE - STATUSES) | LONG]


def taking_turns(troubles: list[Trouble]) -> list[object]:
    """Each trouble with one generation, the next one with the other, if it concerns both."""
    turns = cycle(("legacy", "v6"))
    return [
        pytest.param(
            one, turn if (turn := next(turns)) in one.generations else one.generations[0], id=one.name
        )
        for one in troubles
    ]


@pytest.mark.parametrize(("trouble", "api_version"), taking_turns(chosen()))
def test_no_wrong_value_is_fresh_no_run_is_lost_and_all_is_well_at_the_next_poll(
    trouble: Trouble, api_version: str
) -> None:
    assert performed(brief(trouble), api_version).broken == []


@pytest.mark.parametrize(
    ("trouble", "api_version"),
    taking_turns([one for one in network.everything() if one.name in ON_A_NETWORK]),
)
def test_the_same_holds_for_what_a_real_connection_can_do(trouble: Trouble, api_version: str) -> None:
    assert performed_on_a_network(brief(trouble), api_version).broken == []


@pytest.mark.parametrize("api_version", ["legacy", "v6"])
def test_ten_minutes_without_k6_cloud_withdraw_everything_and_lose_nothing(api_version: str) -> None:
    trouble = next(one for one in catalogue.everything() if one.name == "down for 10 minutes: 503")

    seen = performed(trouble, api_version)

    shown = [look.fresh + look.old for look in seen.during]
    assert (shown[0] > 100, shown[-1]) == (True, 0)
    assert not any(look.up or look.wrong for look in seen.during)
    assert (seen.polls, seen.broken) == (1, [])


def test_a_wrong_value_would_be_noticed() -> None:
    """The judge is judged: a trouble that makes k6 Cloud lie, without saying so."""
    liar = next(one for one in catalogue.everything() if one.name == "an unknown status word")

    honest = Trouble(liar.name, liar.strike)
    assert any("never was" in broken for broken in performed(honest, "v6").broken)


def test_there_are_enough_troubles() -> None:
    names = [trouble.name for trouble in (*catalogue.everything(), *network.everything())]

    assert len(names) == len(set(names)) > 150


def test_the_results_tell_what_was_measured_and_that_every_promise_was_kept() -> None:
    results = report.read()

    assert report.DOCUMENT.read_text(encoding="utf-8") == report.document(results)
    assert results.keys() >= {"campaign", "fuzz", "soak"}
    assert report.broken(results) == []
    troubles = (*catalogue.everything(), *network.everything())
    assert {row["fault"] for row in results["campaign"]} == {trouble.name for trouble in troubles}
