"""The estimate of requests agrees with an hour of polls."""

import pytest

from exporter.commands.check.command import count_requests
from exporter.commands.check.estimate import RequestEstimate, estimate_requests
from exporter.simulator import Phases, World
from tests.support.lab import START, Lab

LONG = Phases(created=1, validated=1, queued=1, initializing=1, running=10_000, processing=5)


def build_world(tests: int, active: int) -> World:
    """Tests with a finished run each; the first ones have an active run as well."""
    world = World()
    for number in range(tests):
        test = world.add_test(f"test {number}")
        world.add_run(test, created=START - 4000 - number)
        if number < active:
            world.add_run(test, created=START - 2000 + 200 * number, phases=LONG)
    return world


def poll_for_an_hour(lab: Lab) -> tuple[RequestEstimate, int]:
    """The estimate after two polls, and the number of requests in the hour after them."""
    lab.at(0).poll()
    first = count_requests(lab.exporter)
    lab.poll()
    second = count_requests(lab.exporter) - first
    tests = len(lab.exporter.poller.state.tests)
    version = lab.config.api.effective_version
    estimate = estimate_requests(first, second, api_version=version, tests=tests)
    lab.take_requests()
    start = lab.now.value
    at = lab.exporter.poller.interval
    while at <= 3600:
        lab.at(at)
        lab.now.value = max(lab.now.value, start)
        lab.poll()
        at += lab.exporter.poller.interval
    return estimate, len(lab.take_requests())


@pytest.mark.parametrize("api", [{}, {"stack": 1}], ids=["legacy", "v6"])
@pytest.mark.parametrize(("tests", "active"), [(1, 0), (130, 0), (30, 1), (30, 4)])
def test_estimate_matches_requests_of_an_hour(api: dict[str, int], tests: int, active: int) -> None:
    limits = {"url": "http://k6.test", "requests_per_minute": 100_000}
    with Lab(build_world(tests, active), api=limits | api) as lab:
        interval = lab.config.poll.interval if active else lab.config.poll.idle_interval
        estimate, requests = poll_for_an_hour(lab)

    estimated = estimate.requests_per_hour(interval, lab.config.poll.discovery_interval, active)
    assert requests == pytest.approx(estimated, rel=0.05)


def test_first_poll_after_the_interval_discovers() -> None:
    assert RequestEstimate(poll=1, discovery=2, active_run=1).requests_per_hour(60, 300) == 60 + 12 * 2
    assert RequestEstimate(poll=1, discovery=2, active_run=1).requests_per_hour(60, 290) == 60 + 12 * 2
    assert RequestEstimate(poll=1, discovery=2, active_run=1).requests_per_hour(60, 30) == 60 + 60 * 2
    assert (
        RequestEstimate(poll=1, discovery=0, active_run=1).requests_per_hour(15, 300, active_runs=3)
        == 240 * 4
    )
