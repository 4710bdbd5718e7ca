"""Estimates the number of API requests from the poll intervals and the requests of two polls."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from exporter.k6.legacy import client as legacy
from exporter.k6.v6 import client as v6
from exporter.polling.legacy import SWEEP_PARTS

HOUR = 3600.0  # seconds
RUN_ENDPOINTS = frozenset({legacy.RUNS, legacy.RUN, v6.RUNS, v6.RUN, v6.TEST_RUNS})

Requests = Mapping[str, int]  # number of requests by endpoint


@dataclass(frozen=True, slots=True)
class RequestEstimate:
    """Requests of a poll without active runs, and what a discovery and an active run add to it."""

    poll: float
    discovery: float
    active_run: float

    def requests_per_hour(self, interval: float, discovery_interval: float, active_runs: int = 0) -> float:
        """Requests in an hour of polls `interval` seconds apart, with this many runs active all the time."""
        polls = HOUR / interval
        # The first poll after each discovery interval is a discovery as well.
        discoveries = polls / max(math.ceil(discovery_interval / interval), 1)
        return polls * (self.poll + self.active_run * active_runs) + self.discovery * discoveries


def estimate_requests(first: Requests, second: Requests, *, api_version: str, tests: int) -> RequestEstimate:
    """An estimate from the requests of the first poll, which is a discovery, and of the next, which is none.

    Requests for runs are left out: their number in a first poll is not that of later ones.
    """
    discovery = count_other_requests(first)
    if api_version == "v6":
        # Active runs are in the list of runs, except old ones of a busy stack.
        return RequestEstimate(poll=second.get(v6.RUNS, 1), discovery=discovery, active_run=0)
    poll = count_other_requests(second)
    # A discovery lists the tests as well, instead of the poll, and the runs of a part of the tests.
    return RequestEstimate(poll=poll, discovery=discovery - poll + tests / SWEEP_PARTS, active_run=1)


def count_other_requests(requests: Requests) -> int:
    return sum(count for endpoint, count in requests.items() if endpoint not in RUN_ENDPOINTS)
