"""What `check` says that a configuration costs is what an hour of polls does cost."""

import pytest

from exporter.commands.check.estimate import RequestEstimate, estimate_requests
from exporter.commands.check.report import request_counts
from exporter.simulator import Phases, World
from tests.support.lab import START, Lab

LONG = Phases(created=1, validated=1, queued=1, initializing=1, running=10_000, processing=5)


def world(tests: int, moving: int) -> World:
    """So many tests with a finished run each; the first ones have a long one under way."""
    made = World()
    for number in range(tests):
        test = made.add_test(f"test {number}")
        made.add_run(test, created=START - 4000 - number)
        if number < moving:
            made.add_run(test, created=START - 2000 + 200 * number, phases=LONG)
    return made


def hour(lab: Lab) -> tuple[RequestEstimate, int]:
    """The price that two polls tell, and the requests of the hour after them."""
    lab.at(0).poll()
    first = request_counts(lab.exporter)
    lab.poll()
    second = {name: count - first.get(name, 0) for name, count in request_counts(lab.exporter).items()}
    tests = len(lab.exporter.poller.state.tests)
    paid = estimate_requests(first, second, api_version=lab.config.api.effective_version, tests=tests)
    lab.take_requests()
    began = lab.now.value
    at = lab.exporter.poller.interval
    while at <= 3600:
        lab.at(at)
        lab.now.value = max(lab.now.value, began)
        lab.poll()
        at += lab.exporter.poller.interval
    return paid, len(lab.take_requests())


@pytest.mark.parametrize("api", [{}, {"stack": 1}], ids=["legacy", "v6"])
@pytest.mark.parametrize(("tests", "moving"), [(1, 0), (130, 0), (30, 1), (30, 4)])
def test_the_reckoned_price_of_an_hour_is_what_it_costs(api: dict[str, int], tests: int, moving: int) -> None:
    budget = {"url": "http://k6.test", "requests_per_minute": 100_000}
    with Lab(world(tests, moving), api=budget | api) as lab:
        interval = lab.config.poll.interval if moving else lab.config.poll.idle_interval
        paid, asked = hour(lab)

    reckoned = paid.requests_per_hour(interval, lab.config.poll.discovery_interval, moving)
    if moving and api:
        # The newest run is in the list of all; the others are read.
        assert reckoned - 240 * 1.05 <= asked <= reckoned * 1.05
    else:
        assert asked == pytest.approx(reckoned, rel=0.05)


def test_a_discovery_comes_with_the_first_poll_after_its_interval() -> None:
    assert RequestEstimate(poll=1, discovery=2).requests_per_hour(60, 300) == 60 + 12 * 2
    assert RequestEstimate(poll=1, discovery=2).requests_per_hour(60, 290) == 60 + 12 * 2
    assert RequestEstimate(poll=1, discovery=2).requests_per_hour(60, 30) == 60 + 60 * 2
    assert RequestEstimate(poll=1, discovery=0).requests_per_hour(15, 300, moving=3) == 240 * 4
