"""Validates the configuration, and polls twice to estimate the API requests."""

import logging
from typing import Any

from exporter.app import create_exporter
from exporter.clock import Clock
from exporter.commands.check import report
from exporter.commands.check.estimate import estimate_requests
from exporter.commands.check.suggestions import fetch_suggestions
from exporter.commands.configuration import load_config_or_exit
from exporter.commands.poll import count_requests, poll_with_progress
from exporter.commands.process import load_web_config_or_exit, run_async
from exporter.config import Config
from exporter.credentials import Secret
from exporter.formatting import pluralize


def check_and_report(**flags: Any) -> int:
    """Check the configuration of these flags and print the report. Returns the exit code."""
    config, token = load_config_or_exit(**flags)
    load_web_config_or_exit(config)
    # The report contains what polling would log as warnings.
    logging.getLogger("exporter.polling").setLevel(logging.ERROR)
    return run_async(run_check(config, token))


async def run_check(config: Config, token: Secret) -> int:
    """Poll twice and print the report. Returns the exit code."""
    async with create_exporter(config, token) as exporter:
        poll_result = await poll_with_progress(exporter, Clock())
        state, first = exporter.poller.state, count_requests(exporter)
        report.print_access(config, poll_result)
        if poll_result.outcome != "failure":
            report.print_tests(config, state)
            # Without configured tests, nothing can be misspelled.
            if state.unresolved and config.tests:
                report.print_ambiguous(state.unresolved)
                report.print_unresolved(await fetch_suggestions(config, token, state))
        report.print_line("series", str(exporter.snapshot().series))
        report.print_line("first poll", pluralize(sum(first.values()), "request"))
        if poll_result.outcome != "success" or not state.tests:
            return 1
        # The first poll discovers tests, which few polls do. Only a second one shows the usual cost.
        await exporter.poller.poll()
        second = count_requests(exporter) - first
        version = config.api.effective_version
        estimate = estimate_requests(first, second, api_version=version, tests=len(state.tests))
        active = sum(len(test_state.active_runs) for test_state in state.tests.values())
        report.print_estimate(config, estimate, active_runs=active)
        # An entry without a match is most often a typing error, which a CI job should reject.
        return 1 if state.unresolved else 0
