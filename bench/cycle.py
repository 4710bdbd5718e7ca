"""(c) How long a poll that asks about every test takes, against what the latency of the API allows."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import Counter

from bench.cloud import TOKEN, Plan
from bench.fleet import NOW
from bench.measuring import Json, module, spread
from exporter.app import exporter
from exporter.cli import run as finish
from exporter.clock import Clock
from exporter.config import Config
from exporter.token import Token

STACK = {"legacy": None, "v6": 1}


@dataclass(frozen=True, slots=True)
class Cycle:
    """A first poll: of so many tests, at so many seconds of latency, with so many requests at once.

    The runs are two days old, so that v6 has to ask for those of each test; else one list would tell all.
    """

    tests: int = 1_000
    latency: float = 0.05
    concurrency: int = 10
    times: int = 5


SMALL = Cycle(tests=3, latency=0.001, times=1)


def run(cycle: Cycle = Cycle()) -> list[Json]:  # noqa: B008  frozen, so sharing it is harmless
    print(f"  {cycle.tests:,} tests", flush=True)
    plan = Plan(cycle.tests, hours_ago=48, latency=cycle.latency, recorded=True)
    took: dict[str, list[float]] = {api: [] for api in STACK}
    requests = {}
    with module("bench.cloud", plan.told()) as (_, url):
        for api in STACK:
            requests[api], _ = finish(first_poll(url, api, cycle))  # has the answers recorded
        for _ in range(cycle.times):
            for api in STACK:
                took[api].append(finish(first_poll(url, api, cycle))[1])
    return [row(api, requests[api], took[api], cycle) for api in STACK]


def row(api: str, requests: int, took: Sequence[float], cycle: Cycle) -> Json:
    limit = math.ceil(requests / cycle.concurrency) * cycle.latency
    return {
        "api": api,
        "tests": cycle.tests,
        "latency_seconds": cycle.latency,
        "concurrency": cycle.concurrency,
        "requests": requests,
        "limit_seconds": limit,
        "seconds": spread(took),
        "ratio": spread([one / limit for one in took]),
    }


async def first_poll(url: str, api: str, cycle: Cycle) -> tuple[int, float]:
    """The requests and the seconds of the first poll of a new exporter, its page included."""
    config = Config.model_validate(
        {
            "api": {
                "url": url,
                "stack_id": STACK[api],
                "concurrency": cycle.concurrency,
                "requests_per_minute": 100_000,  # the budget is not what is measured
            }
        }
    )
    async with exporter(config, Token(TOKEN), clock=Clock(time=lambda: NOW)) as made:
        began = time.perf_counter()
        findings = await made.poller.poll()
        took = time.perf_counter() - began
        if findings.outcome != "success" or len(findings.seen) != cycle.tests:
            raise AssertionError(f"{api}: {findings.outcome}, {len(findings.seen)} tests")
        return asked(made.telemetry.api_requests), took


def asked(counter: Counter) -> int:
    """How many requests a counter has counted, under all its labels."""
    return sum(
        round(sample.value)
        for metric in counter.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )
