"""(c) The duration of a poll that fetches every test, compared with the minimum that the latency allows."""

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass

from prometheus_client import Counter

from bench.fake_cloud import TOKEN, Plan
from bench.fleet import NOW
from bench.measure import Json, module, spread
from exporter.app import create_exporter
from exporter.clock import Clock
from exporter.commands.process import run_async as finish
from exporter.config import Config
from exporter.credentials import Secret

STACK = {"legacy": None, "v6": 1}


@dataclass(frozen=True, slots=True)
class Cycle:
    """A first poll of `tests` tests in `projects` projects.

    The runs are two days old, so that the exporter has to fetch the v6 runs of each test; otherwise one list
    would have all.
    """

    api: str
    tests: int = 1_000
    projects: int = 1
    latency: float = 0.05
    concurrency: int = 10


@dataclass(frozen=True, slots=True)
class FirstPoll:
    """The number of requests of a poll, its duration and its CPU time in seconds."""

    requests: int
    took: float
    cpu: float


CYCLES = (Cycle("v6"), Cycle("legacy"), Cycle("legacy", projects=10))
SMALL = (Cycle("v6", 3, latency=0.001), Cycle("legacy", 3, latency=0.001, projects=2))


def run(cycles: Sequence[Cycle] = CYCLES, times: int = 7) -> list[Json]:
    """A row for each cycle. They run in turns, so that noise affects all of them."""
    polls: dict[Cycle, list[FirstPoll]] = {cycle: [] for cycle in cycles}
    with ExitStack() as stack:
        for cycle in cycles:
            print(f"  {cycle.api}, {cycle.tests:,} tests in {cycle.projects} projects", flush=True)
        urls = {
            cycle: stack.enter_context(module("bench.fake_cloud", make_plan(cycle).to_json()))[1]
            for cycle in cycles
        }
        for cycle in cycles:
            finish(first_poll(urls[cycle], cycle))  # records the responses
        for _ in range(times):
            for cycle in cycles:
                polls[cycle].append(finish(first_poll(urls[cycle], cycle)))
    return [make_row(cycle, polls[cycle]) for cycle in cycles]


def make_plan(cycle: Cycle) -> Plan:
    return Plan(cycle.tests, cycle.projects, hours_ago=48, latency=cycle.latency, recorded=True)


def make_row(cycle: Cycle, polls: Sequence[FirstPoll]) -> Json:
    requests = polls[0].requests
    limit = math.ceil(requests / cycle.concurrency) * cycle.latency
    return {
        **asdict(cycle),
        "requests": requests,
        "limit_seconds": limit,
        "seconds": spread([poll.took for poll in polls]),
        "ratio": spread([poll.took / limit for poll in polls]),
        "cpu_seconds_per_request": spread([poll.cpu / requests for poll in polls]),
    }


async def first_poll(url: str, cycle: Cycle) -> FirstPoll:
    """The first poll of a new exporter, including its page."""
    config = Config.model_validate(
        {
            "api": {
                "url": url,
                "stack": STACK[cycle.api],
                "concurrency": cycle.concurrency,
                "requests_per_minute": 100_000,  # so that the rate limiter does not count
            }
        }
    )
    async with create_exporter(config, Secret(TOKEN), clock=Clock(time=lambda: NOW)) as made:
        began, cpu_before = time.perf_counter(), time.process_time()
        poll_result = await made.poller.poll()
        took, cpu = time.perf_counter() - began, time.process_time() - cpu_before
        if poll_result.outcome != "success" or len(poll_result.updates) != cycle.tests:
            raise AssertionError(f"{cycle.api}: {poll_result.outcome}, {len(poll_result.updates)} tests")
        return FirstPoll(count_requests(made.self_metrics.api_requests), took, cpu)


def count_requests(counter: Counter) -> int:
    """The value of a counter, summed over its labels."""
    return sum(
        round(sample.value)
        for metric in counter.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )
