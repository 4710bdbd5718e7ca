"""(b) What a poll costs beyond its requests, against the share of tests that have news."""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from prometheus_client import generate_latest

from bench.facts import facts, registry
from bench.fleet import RUNS, fleet, news, spread_out
from bench.measure import Json, spread
from bench.servers import FAMILIES
from exporter.exposition.body import ResponseBody
from exporter.exposition.render import Exposition
from exporter.store import State, StateUpdate

T = TypeVar("T")

SHARES = (0.0, 0.01, 0.1, 1.0)


@dataclass(frozen=True, slots=True)
class Fleet:
    """How many tests, and how often each step and the rendering by prometheus-client are measured."""

    tests: int
    steps: int
    renders: int


FLEETS = (Fleet(2_000, steps=21, renders=5), Fleet(20_000, steps=3, renders=3))
SMALL = (Fleet(4, steps=1, renders=1),)


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds that the parts of one step took."""

    state: float
    page: float
    compression: float


def run(fleets: Sequence[Fleet] = FLEETS) -> list[Json]:
    return [row for each in fleets for row in measured(each)]


def measured(size: Fleet) -> list[Json]:
    """A row for each share; rounds take the shares in turn, so that noise hits all alike."""
    print(f"  {size.tests:,} tests", flush=True)
    state = fleet(size.tests)
    exposition = Exposition(FAMILIES).update(state)
    took: dict[float, list[Took]] = {share: [] for share in SHARES}
    renders: list[float] = []
    number = RUNS
    for round_ in range(size.steps):
        for share in SHARES:
            poll = news(state, spread_out(state, share), number)
            state, exposition, one = step(state, exposition, poll)
            took[share].append(one)
            number += 1
        if round_ < size.renders:
            renders.append(render(state))
    return [
        {
            "tests": size.tests,
            "series": exposition.series(),
            "share": share,
            "state_seconds": spread([one.state for one in took[share]]),
            "page_seconds": spread([one.page for one in took[share]]),
            "ready_seconds": spread([one.state + one.page for one in took[share]]),
            "compression_seconds": spread([one.compression for one in took[share]]),
            "client_python_seconds": spread(renders),
        }
        for share in SHARES
    ]


def step(state: State, exposition: Exposition, poll: StateUpdate) -> tuple[State, Exposition, Took]:
    """What the exporter does when a poll has ended: a new state, a new page, and both formats compressed."""
    next_state, state_took = timed(lambda: state.apply(poll))

    def ready() -> tuple[Exposition, tuple[bytes, ...], tuple[bytes, ...]]:
        following = exposition.update(next_state)
        if following is exposition:
            return following, (), ()
        following.series()
        return following, following.text(), following.openmetrics()

    (next_exposition, text, openmetrics), page_took = timed(ready)
    _, compression_took = timed(lambda: (ResponseBody(text), ResponseBody(openmetrics)) if text else None)
    return next_state, next_exposition, Took(state_took, page_took, compression_took)


def render(state: State) -> float:
    """Seconds that prometheus-client takes to render the same facts."""
    registered = registry(facts(state, FAMILIES))
    return timed(lambda: generate_latest(registered))[1]


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """What work makes, and how long that took. Garbage of what went before is not on its bill."""
    gc.collect()
    began = time.perf_counter()
    made = work()
    return made, time.perf_counter() - began
