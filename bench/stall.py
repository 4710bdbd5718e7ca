"""(f) The worst stall of the event loop while a page of 1,000 runs is read and a large page is made of it.

`python -m bench.stall URL TESTS RUNS` is the exporter, a process of its own.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, replace

from bench.fake_cloud import TOKEN, Plan
from bench.fleet import HOUR, NOW, RUNS
from bench.measure import Json, module, spread
from exporter.app import create_exporter
from exporter.clock import Clock
from exporter.commands.process import run_async as finish
from exporter.config import Config
from exporter.credentials import Secret
from exporter.polling.v6 import OVERLAP
from exporter.store import TestState

TICK = 0.001


@dataclass(frozen=True, slots=True)
class News:
    """So many tests whose last run is told in one page, with options of so many bytes each.

    A thousand runs, each of a test of its own, are what the largest page can bring.
    """

    tests: int = 1_550  # 100,000 series, afterwards
    runs: int = 1_000
    options_bytes: int = 5_000
    times: int = 11


SMALL = News(tests=3, runs=2, options_bytes=100, times=1)


@dataclass(frozen=True, slots=True)
class Stalled:
    """A poll that brought so many runs: how long it took, and how late the loop was at worst, in seconds."""

    told: int
    series: int
    took: float
    worst: float


def run(news: News = News()) -> Json:
    print(f"  {news.runs:,} runs in a page, {news.tests:,} tests", flush=True)
    plan = Plan(
        news.tests, hours_ago=4, pause=1, latency=0.01, recorded=True, options_bytes=news.options_bytes
    )
    with module("bench.fake_cloud", plan.told()) as (_, url):
        polls = [one_poll(url, news) for _ in range(news.times)]
    return {
        "runs": polls[0].told,
        "series": polls[0].series,
        "options_bytes": news.options_bytes,
        "poll_seconds": spread([poll.took for poll in polls]),
        "worst_stall_seconds": spread([poll.worst for poll in polls]),
    }


def one_poll(url: str, news: News) -> Stalled:
    with module("bench.stall", url, news.tests, news.runs) as (_, told):
        return Stalled(**json.loads(told))


async def watch(url: str, tests: int, runs: int) -> Stalled:
    """Learn of the fleet without its newest runs; then poll once more, and look how the loop does."""
    settings = {"url": url, "stack": 1, "requests_per_minute": 100_000}
    config = Config.model_validate({"api": settings})
    async with create_exporter(config, Secret(TOKEN), clock=Clock(time=lambda: NOW)) as made:
        await made.poller.poll()
        # As if the newest runs were yet to be heard of: the next list goes back to just before the last
        # `runs` of them.
        back = NOW - (4 - (RUNS - 1) - (tests - runs) / tests) * HOUR
        state = made.poller.state
        made.poller.state = replace(
            state,
            newest_created=back + OVERLAP,
            tests={id_: without_last(test_state) for id_, test_state in state.tests.items()},
        )
        worst = 0.0

        async def tick() -> None:
            nonlocal worst
            while True:
                began = time.perf_counter()
                await asyncio.sleep(TICK)
                worst = max(worst, time.perf_counter() - began - TICK)

        watching = asyncio.create_task(tick())
        began = time.perf_counter()
        poll_result = await made.poller.poll()
        took = time.perf_counter() - began
        watching.cancel()
        told = sum(len(test_update.runs) for test_update in poll_result.updates.values())
        return Stalled(told, made.snapshot().series, took, worst)


def without_last(test_state: TestState) -> TestState:
    return replace(test_state, runs=test_state.runs[1:], exposed_runs=test_state.exposed_runs[1:])


def main() -> None:
    url, tests, runs = sys.argv[1:]
    print(json.dumps(asdict(finish(watch(url, int(tests), int(runs))))), flush=True)


if __name__ == "__main__":
    main()
