"""Run every fault scenario with both API versions; the results are the rows of RESULTS.md."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from tests.faults import catalogue, network
from tests.faults.scenario import FaultLab, Scenario, ScenarioResult, execute
from tests.support.k6_server import SkippingLoop
from tests.support.scheduled_polls import SkippingClock


def run_scenario(scenario: Scenario, api_version: str) -> ScenarioResult:
    """Run in an event loop that skips every wait."""
    random.seed(0)  # for the jitter of polls and retries

    async def run_in_loop() -> ScenarioResult:
        return await execute(scenario, FaultLab(api_version, SkippingClock()))

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(run_in_loop())


def run_scenario_on_network(scenario: Scenario, api_version: str) -> ScenarioResult:
    async def run_in_loop() -> ScenarioResult:
        return await execute(scenario, network.NetworkLab(api_version))

    return asyncio.run(run_in_loop())


def shortened(scenario: Scenario) -> Scenario:
    """The same scenario with two polls during the fault."""
    return replace(scenario, duration=min(scenario.duration, 30.0))


def run() -> list[dict[str, Any]]:
    """All scenarios, in the order of the catalogue."""
    logging.disable(logging.CRITICAL)  # the rows say more than the log
    try:
        return [
            *run_scenarios(catalogue.list_scenarios(), run_scenario),
            *run_scenarios(network.list_scenarios(), run_scenario_on_network),
        ]
    finally:
        logging.disable(logging.NOTSET)


def run_scenarios(
    scenarios: Iterable[Scenario], run_one: Callable[[Scenario, str], ScenarioResult]
) -> Iterable[dict[str, Any]]:
    for scenario in scenarios:
        for api_version in scenario.api_versions:
            result = run_one(scenario, api_version)
            print(f"  {scenario.name} ({api_version}): {'; '.join(result.violations) or 'held'}", flush=True)
            yield {
                "fault": scenario.name,
                "api": api_version,
                "during": str(result.worst),
                "after": str(result.after[-1]),
                "polls": result.polls,
                "false_metrics": sorted(scenario.false_metrics),
                "violations": result.violations,
            }
