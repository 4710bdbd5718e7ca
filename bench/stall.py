"""(f) The longest stall of the event loop while a page of 1,000 runs is parsed and a large page is rendered.

`python -m bench.stall URL TESTS RUNS` is the exporter, in its own process.
"""

import asyncio
import gc
import json
import sys
import time
from dataclasses import asdict, dataclass

from msgspec.structs import replace

from bench.fake_cloud import TOKEN, Plan
from bench.fleet import HOUR, NOW, RUNS
from bench.measure import Json, module, spread
from exporter.app import create_exporter
from exporter.clock import Clock
from exporter.commands.process import run_async as finish
from exporter.config import Config
from exporter.credentials import Secret
from exporter.store import TestState

TICK = 0.001


@dataclass(frozen=True, slots=True)
class NewRuns:
    """Tests whose newest runs come in one page, with `options_bytes` bytes of options each.

    A thousand runs, each of another test, are the largest page.
    """

    tests: int = 1_550  # 100,000 series, afterwards
    runs: int = 1_000
    options_bytes: int = 5_000
    times: int = 11


SMALL = NewRuns(tests=3, runs=2, options_bytes=100, times=1)


@dataclass(frozen=True, slots=True)
class StallResult:
    """A poll: the received runs, the series, its duration and the longest stall in seconds."""

    runs: int
    series: int
    took: float
    worst: float


def run(new_runs: NewRuns = NewRuns()) -> Json:
    print(f"  {new_runs.runs:,} runs in a page, {new_runs.tests:,} tests", flush=True)
    plan = Plan(
        new_runs.tests,
        hours_ago=4,
        pause=1,
        latency=0.01,
        recorded=True,
        options_bytes=new_runs.options_bytes,
    )
    with module("bench.fake_cloud", plan.to_json()) as (_, url):
        polls = [measure_poll(url, new_runs) for _ in range(new_runs.times)]
    return {
        "runs": polls[0].runs,
        "series": polls[0].series,
        "options_bytes": new_runs.options_bytes,
        "poll_seconds": spread([poll.took for poll in polls]),
        "worst_stall_seconds": spread([poll.worst for poll in polls]),
    }


def measure_poll(url: str, new_runs: NewRuns) -> StallResult:
    with module("bench.stall", url, new_runs.tests, new_runs.runs) as (_, line):
        return StallResult(**json.loads(line))


async def watch(url: str, tests: int, runs: int) -> StallResult:
    """Poll, remove the newest runs from the state, then poll again and measure the loop."""
    settings = {"url": url, "stack": 1, "requests_per_minute": 100_000}
    config = Config.model_validate({"api": settings})
    async with create_exporter(config, Secret(TOKEN), clock=Clock(time=lambda: NOW)) as made:
        gc.freeze()  # as `serve` does
        await made.poller.poll()
        # As if the newest runs were unknown: the next list starts just before the last `runs` of them.
        back = NOW - (4 - (RUNS - 1) - (tests - runs) / tests) * HOUR
        state = made.poller.state
        made.poller.state = replace(
            state,
            list_since=back,
            tests={id_: remove_last_run(test_state) for id_, test_state in state.tests.items()},
        )
        worst = 0.0

        async def tick() -> None:
            nonlocal worst
            while True:
                began = time.perf_counter()
                await asyncio.sleep(TICK)
                worst = max(worst, time.perf_counter() - began - TICK)

        for is_openmetrics in (False, True):
            made.latest_page(is_openmetrics)  # as if both formats had been scraped
        watching = asyncio.create_task(tick())
        began = time.perf_counter()
        async with made.keep_pages_fresh():
            poll_result = await made.poller.poll()
        took = time.perf_counter() - began
        # The end of the poll delays the task too: it must run once more.
        await asyncio.sleep(2 * TICK)
        watching.cancel()
        received = sum(len(test_update.runs) for test_update in poll_result.updates.values())
        return StallResult(received, made.snapshot().series, took, worst)


def remove_last_run(test_state: TestState) -> TestState:
    return replace(test_state, runs=test_state.runs[1:], exposed_runs=test_state.exposed_runs[1:])


def main() -> None:
    url, tests, runs = sys.argv[1:]
    print(json.dumps(asdict(finish(watch(url, int(tests), int(runs))))), flush=True)


if __name__ == "__main__":
    main()
