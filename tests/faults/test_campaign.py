"""The campaign with two polls for each fault, and with a selection of the statuses and network faults.

`make faults` runs all of it, at full length. Its results are in RESULTS.md.
"""

from itertools import cycle

import pytest

from tests.faults import catalogue, network, report
from tests.faults.campaign import run_scenario, run_scenario_on_network, shortened
from tests.faults.scenario import Scenario

# One status of each kind. The exporter handles the others of the catalogue in the same way.
STATUSES = {f"HTTP {status}" for status in (204, 304, 400, 401, 403, 404, 503)}
LONG = {"down for 10 minutes: 503", "down for 10 minutes: no response", "down for 10 minutes: reset"}
ON_NETWORK = {
    "connection refused",
    "server: resets before the response",
    "server: closes in the body",
    "server: no last chunk",
    "server: slow body, byte by byte",
    "server: an endless body",
    "server: binary data",
    "server: a header of 200 kB",
    "server: two Content-Length headers",
    "server: gzip in chunks",
}


def select_scenarios() -> list[Scenario]:
    similar = {f"HTTP {status}" for status in catalogue.ALL_STATUSES} - STATUSES
    return [it for it in catalogue.list_scenarios() if it.name not in similar | LONG]


def alternate_versions(scenarios: list[Scenario]) -> list[object]:
    """Each scenario with one API version, the next with the other, as far as they apply."""
    versions = cycle(("legacy", "v6"))
    return [
        pytest.param(
            it, version if (version := next(versions)) in it.api_versions else it.api_versions[0], id=it.name
        )
        for it in scenarios
    ]


@pytest.mark.parametrize(("scenario", "api_version"), alternate_versions(select_scenarios()))
def test_invariants_hold_for_every_fault(scenario: Scenario, api_version: str) -> None:
    assert run_scenario(shortened(scenario), api_version).violations == []


@pytest.mark.parametrize(
    ("scenario", "api_version"),
    alternate_versions([it for it in network.list_scenarios() if it.name in ON_NETWORK]),
)
def test_invariants_hold_for_network_faults(scenario: Scenario, api_version: str) -> None:
    assert run_scenario_on_network(shortened(scenario), api_version).violations == []


@pytest.mark.parametrize("api_version", ["legacy", "v6"])
def test_ten_minute_outage_drops_series_and_loses_no_run(api_version: str) -> None:
    scenario = next(it for it in catalogue.list_scenarios() if it.name == "down for 10 minutes: 503")

    result = run_scenario(scenario, api_version)

    before, *polls = result.during
    assert before.is_correct
    shown = [observation.fresh + observation.stale for observation in polls]
    assert (shown[0] > 100, shown[-1]) == (True, 0)
    assert not any(observation.up or observation.wrong for observation in polls)
    assert (result.polls, result.violations) == (1, [])


def test_campaign_detects_a_wrong_value() -> None:
    """Without `false_metrics` a scenario in which k6 Cloud reports false values violates an invariant."""
    known = next(it for it in catalogue.list_scenarios() if it.name == "an unknown status word")

    violations = run_scenario(Scenario(known.name, known.inject), "v6").violations
    assert any("never right" in violation for violation in violations)


def test_catalogue_has_more_than_150_scenarios() -> None:
    names = [it.name for it in (*catalogue.list_scenarios(), *network.list_scenarios())]

    assert len(names) == len(set(names)) > 150


def test_results_are_current_and_without_violations() -> None:
    results = report.read()

    assert report.DOCUMENT.read_text(encoding="utf-8") == report.document(results)
    assert results.keys() >= {"campaign", "fuzz", "soak"}
    assert report.find_violations(results) == []
    scenarios = (*catalogue.list_scenarios(), *network.list_scenarios())
    assert {row["fault"] for row in results["campaign"]} == {it.name for it in scenarios}
