"""(d) Requests per minute to notice a change within 15 seconds, counted over a simulated hour."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.fake_cloud import Plan, make_world
from bench.measure import Json
from tests.support.lab import START, Lab

INTERVAL = 15
API_SETTINGS: dict[str, dict[str, object]] = {
    "v6": {"stack": 1},
    "legacy": {},
}


@dataclass(frozen=True, slots=True)
class Hour:
    """Idle tests, polled for some minutes."""

    tests: int
    minutes: int = 60


# Ten minutes include two discoveries, the same rate as in an hour.
HOURS = (Hour(10), Hour(100), Hour(1_000), Hour(10_000, minutes=10))
SMALL = (Hour(2, minutes=1),)


def run(hours: Sequence[Hour] = HOURS) -> list[Json]:
    return [make_row(hour, api) for hour in hours for api in API_SETTINGS]


def make_row(hour: Hour, api: str) -> Json:
    """The requests, including discovery and sweep, and those of one list of runs per test and poll."""
    print(f"  {api}, {hour.tests:,} tests", flush=True)
    first, later = count_requests(hour, api)
    return {
        "api": api,
        "tests": hour.tests,
        "minutes": hour.minutes,
        "first_poll": first,
        "a_minute": later / hour.minutes,
        "naive_a_minute": hour.tests * 60 / INTERVAL,
    }


def count_requests(hour: Hour, api: str) -> tuple[int, int]:
    """Requests of the first poll, and of the polls after it."""
    intervals = {"interval": f"{INTERVAL}s", "idle_interval": f"{INTERVAL}s"}
    settings = {"url": "http://k6.test", "requests_per_minute": 100_000, **API_SETTINGS[api]}
    with Lab(make_world(Plan(hour.tests)), api=settings, poll=intervals) as lab:
        first = poll(lab, 0)
        later = sum(poll(lab, at) for at in range(INTERVAL, hour.minutes * 60 + 1, INTERVAL))
    return first, later


def poll(lab: Lab, at: int) -> int:
    """The number of requests of a poll. No request may wait, because that would move the lab's clock."""
    poll_result = lab.at(at).poll()
    if poll_result.outcome != "success" or lab.now.value != START + at:
        raise AssertionError(f"a poll ended as {poll_result.outcome}, {lab.now.value - START - at:g} s late")
    return len(lab.take_requests())
