"""(e) Resident memory against the number of runs, and over a simulated hour in which tests go on running.

The exporter is a process of its own, `python -m bench.memory URL POLLS PAGES`, and k6 Cloud another. Each
size is measured with pages made and, PAGES being 0, without: what runs cost, and what their pages do.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
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
    """So many runs remembered, three of each test, each test running once an hour; and how many polls."""

    runs: int
    polls: int


FLEETS = (Fleet(1_000, WARM), Fleet(3_000, WARM), Fleet(10_000, 240))
SMALL = (Fleet(3, 2),)


@dataclass(frozen=True, slots=True)
class Held:
    """What the exporter holds after its polls: so many runs of so many tests, lines of text and joined pages.

    `resident` is its memory after each poll. All but the first two are in bytes.
    """

    runs: int
    tests: int
    pages: int
    resident: Sequence[int]


def run(fleets: Sequence[Fleet] = FLEETS) -> list[Json]:
    """A row for each; what is counted from is an exporter that knows of none."""
    base = settled(measured(Fleet(0, fleets[0].polls), pages=True))
    return [row(measured(fleet, pages=True), measured(fleet, pages=False), base) for fleet in fleets]


def settled(held: Held) -> int:
    """Resident memory in the end: the most of the last polls, for it goes up and down with each."""
    return max(held.resident[-10:])


def row(held: Held, bare: Held, base: int) -> Json:
    return {
        "runs": held.runs,
        "tests": held.tests,
        "polls": len(held.resident),
        "resident_bytes": settled(held),
        "base_bytes": base,
        "runs_bytes": settled(bare) - base,
        "pages_bytes": settled(held) - settled(bare),
        "pages_held_bytes": held.pages,
        "bytes_per_run": (settled(bare) - base) / held.runs,
        "start_bytes": held.resident[0],
        "warm_bytes": max(held.resident[:WARM][-10:]),
        "end_bytes": settled(held),
    }


def measured(fleet: Fleet, *, pages: bool) -> Held:
    print(f"  {fleet.runs:,} runs {'with' if pages else 'without'} pages", flush=True)
    plan = Plan(fleet.runs // RUNS, churn=True)
    with (
        module("bench.fake_cloud", plan.told()) as (_, url),
        module("bench.memory", url, fleet.polls, int(pages)) as (_, told),
    ):
        return Held(**json.loads(told))


async def no_pages(_: State) -> Callable[[], None]:
    """In the place of Exporter's rendering."""
    return lambda: None


async def watch(url: str, polls: int, *, pages: bool) -> Held:
    """Poll so often, every quarter of a simulated minute."""
    now = NOW

    def clock() -> float:
        return now

    async def sleep(seconds: float) -> None:
        assert seconds == 0, f"the exporter waits {seconds:g} s"

    config = Config.model_validate({"api": {"url": url, "stack": 1, "requests_per_minute": 100_000}})
    after = []
    async with (
        create_exporter(config, Secret(TOKEN), clock=Clock(time=clock, monotonic=clock, sleep=sleep)) as made,
        httpx.AsyncClient(base_url=url) as hand,
    ):
        if not pages:
            made.poller._publish = no_pages
        for number in range(polls):
            now = NOW + number * INTERVAL
            await hand.get(f"{CLOCK}{now}")
            poll_result = await made.poller.poll()
            if poll_result.outcome != "success":
                raise AssertionError(f"a poll ended as {poll_result.outcome}: {poll_result.failures}")
            after.append(resident(os.getpid()))
        return all_held(made, after)


def all_held(made: Exporter, after: Sequence[int]) -> Held:
    test_state = made.poller.state.tests.values()
    return Held(sum(len(one.runs) for one in test_state), len(test_state), rendered_bytes(made), after)


def rendered_bytes(made: Exporter) -> int:
    """The bytes objects of the exposition and of both pages, each counted once."""
    exposition, pages = made._exposition, made._snapshot
    chunks: Mapping[int, Sequence[bytes]] = exposition.chunks
    parts = [part for test in chunks.values() for part in test]
    parts += [*exposition.bodies, pages.text._head, pages.openmetrics._head]
    return sum(map(sys.getsizeof, {id(part): part for part in parts}.values()))


def main() -> None:
    url, polls, pages = sys.argv[1:]
    held = finish(watch(url, int(polls), pages=pages == "1"))
    print(json.dumps(asdict(held)), flush=True)


if __name__ == "__main__":
    main()
