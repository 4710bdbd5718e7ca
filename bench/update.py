"""(b) The time of a poll after its responses, by the share of tests with new runs."""

import gc
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TypeVar

from prometheus_client import generate_latest

from bench.facts import list_facts, make_registry
from bench.fleet import RUNS, make_fleet, make_update, pick_share
from bench.measure import Json, spread
from bench.servers import FAMILIES
from exporter.exposition.body import PageBody
from exporter.exposition.compression import LEVEL
from exporter.exposition.render import Exposition
from exporter.store import State, StateUpdate

T = TypeVar("T")

SHARES = (0.0, 0.01, 0.1, 1.0)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The number of tests, and of repetitions of each update and of the rendering by prometheus-client."""

    tests: int
    steps: int
    renders: int


FLEETS = (Fleet(2_000, steps=21, renders=5), Fleet(20_000, steps=3, renders=3))
SMALL = (Fleet(4, steps=1, renders=1),)


@dataclass(frozen=True, slots=True)
class UpdateTimes:
    """Seconds of the parts of one update."""

    state: float
    page: float
    compression: float


def run(fleets: Sequence[Fleet] = FLEETS) -> list[Json]:
    return [row for each in fleets for row in measure(each)]


def measure(size: Fleet) -> list[Json]:
    """A row for each share. Each round measures all shares, so that noise affects all of them."""
    print(f"  {size.tests:,} tests", flush=True)
    state = make_fleet(size.tests)
    exposition = Exposition(FAMILIES).update(state)
    took: dict[float, list[UpdateTimes]] = {share: [] for share in SHARES}
    renders: list[float] = []
    number = RUNS
    for round_ in range(size.steps):
        for share in SHARES:
            poll = make_update(state, pick_share(state, share), number)
            state, exposition, one = apply_update(state, exposition, poll)
            took[share].append(one)
            number += 1
        if round_ < size.renders:
            renders.append(render_with_client_python(state))
    compressors = compare_compressors(exposition.text())
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
            "compressors": compressors,
            "client_python_ratio": spread(
                [render / (one.state + one.page) for render, one in zip(renders, took[share], strict=False)]
            ),
        }
        for share in SHARES
    ]


def apply_update(
    state: State, exposition: Exposition, poll: StateUpdate
) -> tuple[State, Exposition, UpdateTimes]:
    """The work after a poll: a new state, a new page, and the compression of both formats."""
    next_state, state_took = measure_time(lambda: state.apply(poll))

    def make_page() -> tuple[Exposition, tuple[bytes, ...], tuple[bytes, ...]]:
        following = exposition.update(next_state)
        if following is exposition:
            return following, (), ()
        following.series()
        return following, following.text(), following.openmetrics()

    (next_exposition, text, openmetrics), page_took = measure_time(make_page)
    _, compression_took = measure_time(lambda: (PageBody(text), PageBody(openmetrics)) if text else None)
    return next_state, next_exposition, UpdateTimes(state_took, page_took, compression_took)


def compare_compressors(parts: Sequence[bytes], times: int = 3) -> Json:
    """Seconds and bytes of a compressed page with ISA-L, if it is available, and with zlib."""
    libraries = {"zlib": zlib} | ({"isal": import_module("isal.isal_zlib")} if find_spec("isal") else {})
    took: dict[str, list[float]] = {name: [] for name in libraries}
    sizes: dict[str, int] = {}
    for _ in range(times):
        for name, library in libraries.items():
            sizes[name], seconds = measure_time(partial(deflated_size, library, parts))
            took[name].append(seconds)
    return {name: {"seconds": spread(took[name]), "bytes": sizes[name]} for name in libraries}


def deflated_size(library: ModuleType, parts: Sequence[bytes]) -> int:
    compressor = library.compressobj(LEVEL, library.DEFLATED, -library.MAX_WBITS)
    return sum(len(compressor.compress(part)) for part in parts) + len(compressor.flush())


def render_with_client_python(state: State) -> float:
    """Seconds that prometheus-client needs to render the same samples."""
    registered = make_registry(list_facts(state, FAMILIES))
    return measure_time(lambda: generate_latest(registered))[1]


def measure_time(work: Callable[[], T]) -> tuple[T, float]:
    """The result of the work, and its seconds. Garbage of earlier work is collected before."""
    gc.collect()
    began = time.perf_counter()
    made = work()
    return made, time.perf_counter() - began
