"""How often a configuration asks k6 Cloud: reckoned from its intervals and from what two polls needed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from exporter.k6.legacy import client as legacy
from exporter.k6.v6 import client as v6
from exporter.polling.legacy import SWEEP_PARTS

HOUR = 3600.0  # seconds
ABOUT_RUNS = frozenset({legacy.RUNS, legacy.RUN, v6.RUNS, v6.RUN, v6.TEST_RUNS})

Requests = Mapping[str, int]  # how often each endpoint was asked


@dataclass(frozen=True, slots=True)
class RequestEstimate:
    """Requests of a poll while nothing moves, and what a discovery and (at most) a moving run add."""

    poll: float
    discovery: float
    moving: float = 1.0

    def requests_per_hour(self, interval: float, discovery_interval: float, moving: int = 0) -> float:
        """Requests in an hour of polls `interval` seconds apart, with so many runs moving all the time."""
        polls = HOUR / interval
        return polls * (self.poll + self.moving * moving) + self.discovery * discoveries_per_hour(
            interval, discovery_interval
        )


def discoveries_per_hour(interval: float, discovery_interval: float) -> float:
    """How many polls in an hour are discoveries: the first one after each discovery interval."""
    return HOUR / interval / max(math.ceil(discovery_interval / interval), 1)


def estimate_requests(first: Requests, second: Requests, *, api_version: str, tests: int) -> RequestEstimate:
    """What polls cost, by the first poll, which discovers, and the one after it, which does not."""
    discovering = sum(first.values()) - count_run_requests(first)
    if api_version == "v6":
        return RequestEstimate(poll=second.get(v6.RUNS, 1), discovery=discovering)
    listing = sum(second.values()) - count_run_requests(second)
    # A discovery lists the tests in its own way.
    return RequestEstimate(poll=listing, discovery=discovering - listing + tests / SWEEP_PARTS)


def count_run_requests(requests: Requests) -> int:
    return sum(count for endpoint, count in requests.items() if endpoint in ABOUT_RUNS)
