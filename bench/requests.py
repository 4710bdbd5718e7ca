"""(d) Requests a minute that it takes to notice a change within 15 seconds, counted over a simulated hour."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.fake_cloud import Plan, world
from bench.measure import Json
from tests.support.lab import START, Lab

INTERVAL = 15
GENERATIONS: dict[str, dict[str, object]] = {
    "v6": {"stack": 1},
    "legacy": {},
}


@dataclass(frozen=True, slots=True)
class Hour:
    """So many idle tests, watched for so many minutes."""

    tests: int
    minutes: int = 60


# Ten minutes of ten thousand tests have two discoveries, as many for their length as an hour has.
HOURS = (Hour(10), Hour(100), Hour(1_000), Hour(10_000, minutes=10))
SMALL = (Hour(2, minutes=1),)


def run(hours: Sequence[Hour] = HOURS) -> list[Json]:
    return [row(hour, api) for hour in hours for api in GENERATIONS]


def row(hour: Hour, api: str) -> Json:
    """What was asked, discovery and sweep included, and what asking each test would take."""
    print(f"  {api}, {hour.tests:,} tests", flush=True)
    first, later = requests(hour, api)
    return {
        "api": api,
        "tests": hour.tests,
        "minutes": hour.minutes,
        "first_poll": first,
        "a_minute": later / hour.minutes,
        "naive_a_minute": hour.tests * 60 / INTERVAL,
    }


def requests(hour: Hour, api: str) -> tuple[int, int]:
    """Requests of the first poll, and of those in the time after it."""
    poll = {"interval": f"{INTERVAL}s", "idle_interval": f"{INTERVAL}s"}
    settings = {"url": "http://k6.test", "requests_per_minute": 100_000, **GENERATIONS[api]}
    with Lab(world(Plan(hour.tests)), api=settings, poll=poll) as lab:
        first = polled(lab, 0)
        later = sum(polled(lab, at) for at in range(INTERVAL, hour.minutes * 60 + 1, INTERVAL))
    return first, later


def polled(lab: Lab, at: int) -> int:
    """How many requests a poll made. Nothing may have waited, which would move the lab's clock on."""
    poll_result = lab.at(at).poll()
    if poll_result.outcome != "success" or lab.now.value != START + at:
        raise AssertionError(f"a poll ended as {poll_result.outcome}, {lab.now.value - START - at:g} s late")
    return len(lab.take_requests())
