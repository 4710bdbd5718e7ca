"""(a) What a scrape costs while nothing changes: latency and throughput, beside others' of the same facts."""

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench import facts
from bench.client import Scraper, samples, throughput, turn
from bench.fleet import SERIES, fleet
from bench.measure import CLIENT_GOLANG, Json, module, process, spread
from bench.servers import FAMILIES

ENCODINGS = ("gzip", "identity")
TURN = 0.02  # seconds
PAUSE = 1.1  # seconds; Prometheus does not come back at once, nor do we


@dataclass(frozen=True, slots=True)
class Size:
    """How many series, how many rounds of single scrapes, and how throughput is taken."""

    series: int
    rounds: int
    connections: int = 8
    seconds: float = 2.0

    @property
    def tests(self) -> int:
        return round(self.series / SERIES)


SIZES = (
    Size(1_000, rounds=9),
    Size(10_000, rounds=9),
    Size(100_000, rounds=7),
    Size(1_000_000, rounds=3, connections=2),  # eight would have some of the servers need ten gigabytes
)
SMALL = (Size(100, rounds=1, connections=1, seconds=0.01),)


def run(sizes: tuple[Size, ...] = SIZES, pause: float = PAUSE) -> list[Json]:
    return [row for size in sizes for row in measured(size, pause)]


def measured(size: Size, pause: float) -> list[Json]:
    with servers(size.tests) as urls:
        series = check_same_facts(urls)
        print(f"  {series:,} series: {', '.join(urls)}", flush=True)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return [
                {"series": series, **row}
                for encoding in ENCODINGS
                for row in runner.run(measure(urls, encoding, size, pause))
            ]


@contextmanager
def servers(tests: int) -> Iterator[Mapping[str, str]]:
    """All competitors, each in a process of its own, and where they are reached."""
    with ExitStack() as stack:
        urls = {
            kind: stack.enter_context(module("bench.servers", kind, tests))[1]
            for kind in ("ours", "static", "client_python")
        }
        if CLIENT_GOLANG.exists():
            file = Path(stack.enter_context(tempfile.TemporaryDirectory()), "facts.json")
            facts.write(facts.facts(fleet(tests), FAMILIES), file)
            urls["client_golang"] = stack.enter_context(process(CLIENT_GOLANG, file))[1]
        yield urls


def check_same_facts(urls: Mapping[str, str]) -> int:
    """How many series there are; all servers must tell the very same."""
    ours = samples(urls["ours"], "gzip")
    for kind, url in urls.items():
        if samples(url, "identity") != ours:
            raise AssertionError(f"{kind} does not tell the same facts")
    return len(ours)


async def measure(urls: Mapping[str, str], encoding: str, size: Size, pause: float) -> list[Json]:
    """Latency in turns, so that noise hits all alike; then throughput, one by one."""
    scrapers = {kind: Scraper(url, encoding) for kind, url in urls.items()}
    turns: dict[str, list[list[float]]] = {kind: [] for kind in urls}
    for _ in range(size.rounds):
        await asyncio.sleep(pause)
        for kind, scraper in scrapers.items():
            turns[kind].append(await turn(scraper, seconds=TURN))
    for scraper in scrapers.values():
        scraper.close()
    return [
        {
            "server": kind,
            "encoding": encoding,
            "bytes": scrapers[kind].size,
            "after_pause_seconds": spread([first for first, *_ in turns[kind]]),
            "back_to_back_seconds": spread([one for took in turns[kind] for one in took]),
            "connections": size.connections,
            "scrapes_per_second": await throughput(
                url, encoding, connections=size.connections, seconds=size.seconds
            )
            if encoding == "gzip"  # as Prometheus asks
            else None,
        }
        for kind, url in urls.items()
    ]
