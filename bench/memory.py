"""(e) Resident memory by number of runs, and during a simulated hour with new runs.

The exporter runs in its own process, `python -m bench.memory URL POLLS PAGES`, and k6 Cloud in another. Each
size is measured with pages and, if PAGES is 0, without: memory for runs, and memory for pages.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import httpx

from bench.fake_cloud import CLOCK, TOKEN, Plan
from bench.fleet import NOW, RUNS
from bench.measure import Json, module, resident
from exporter.app import Exporter, create_exporter
from exporter.clock import Clock
from exporter.commands.process import run_async as finish
from exporter.config import Config
from exporter.credentials import Secret
from exporter.store import State

INTERVAL = 15.0
WARM = 40  # polls: ten minutes


@dataclass(frozen=True, slots=True)
class Fleet:
    """The number of stored runs, three per test, and of polls. Each test runs once an hour."""

    runs: int
    polls: int


FLEETS = (Fleet(1_000, WARM), Fleet(3_000, WARM), Fleet(10_000, 240))
SMALL = (Fleet(3, 2),)


@dataclass(frozen=True, slots=True)
class Held:
    """Runs and tests that the exporter stores after its polls, and the bytes of its rendered pages.

    `resident` is its memory in bytes after each poll.
    """

    runs: int
    tests: int
    pages: int
    resident: Sequence[int]


def run(fleets: Sequence[Fleet] = FLEETS) -> list[Json]:
    """A row for each fleet, compared with an exporter without runs."""
    base = settled_memory(measure(Fleet(0, fleets[0].polls), pages=True))
    return [make_row(measure(fleet, pages=True), measure(fleet, pages=False), base) for fleet in fleets]


def settled_memory(held: Held) -> int:
    """Resident memory at the end: the maximum of the last polls, since it varies with each poll."""
    return max(held.resident[-10:])


def make_row(held: Held, bare: Held, base: int) -> Json:
    return {
        "runs": held.runs,
        "tests": held.tests,
        "polls": len(held.resident),
        "resident_bytes": settled_memory(held),
        "base_bytes": base,
        "runs_bytes": settled_memory(bare) - base,
        "pages_bytes": settled_memory(held) - settled_memory(bare),
        "pages_held_bytes": held.pages,
        "bytes_per_run": (settled_memory(bare) - base) / held.runs,
        "start_bytes": held.resident[0],
        "warm_bytes": max(held.resident[:WARM][-10:]),
        "end_bytes": settled_memory(held),
    }


def measure(fleet: Fleet, *, pages: bool) -> Held:
    print(f"  {fleet.runs:,} runs {'with' if pages else 'without'} pages", flush=True)
    plan = Plan(fleet.runs // RUNS, churn=True)
    with (
        module("bench.fake_cloud", plan.to_json()) as (_, url),
        module("bench.memory", url, fleet.polls, int(pages)) as (_, line),
    ):
        return Held(**json.loads(line))


async def publish_nothing(_: State) -> Callable[[], None]:
    """Replaces the rendering of the exporter."""
    return lambda: None


async def watch(url: str, polls: int, *, pages: bool) -> Held:
    """Poll this often, every 15 simulated seconds."""
    now = NOW

    def clock() -> float:
        return now

    async def sleep(seconds: float) -> None:
        assert seconds == 0, f"the exporter waits {seconds:g} s"

    config = Config.model_validate({"api": {"url": url, "stack": 1, "requests_per_minute": 100_000}})
    after = []
    async with (
        create_exporter(config, Secret(TOKEN), clock=Clock(time=clock, monotonic=clock, sleep=sleep)) as made,
        httpx.AsyncClient(base_url=url, trust_env=False) as control,
    ):
        if not pages:
            made.poller._publish = publish_nothing
        for number in range(polls):
            now = NOW + number * INTERVAL
            await control.get(f"{CLOCK}{now}")
            poll_result = await made.poller.poll()
            if poll_result.outcome != "success":
                raise AssertionError(f"a poll ended as {poll_result.outcome}: {poll_result.failures}")
            after.append(resident(os.getpid()))
        return summarize(made, after)


def summarize(made: Exporter, after: Sequence[int]) -> Held:
    test_state = made.poller.state.tests.values()
    return Held(sum(len(one.runs) for one in test_state), len(test_state), rendered_bytes(made), after)


def rendered_bytes(made: Exporter) -> int:
    """Bytes of the blocks and of both pages, each object counted once."""
    pages = made._snapshot
    parts = [*pages.text.body, *pages.openmetrics.body, pages.text._head, pages.openmetrics._head]
    return sum(map(sys.getsizeof, {id(part): part for part in parts}.values()))


def main() -> None:
    url, polls, pages = sys.argv[1:]
    held = finish(watch(url, int(polls), pages=pages == "1"))
    print(json.dumps(asdict(held)), flush=True)


if __name__ == "__main__":
    main()
