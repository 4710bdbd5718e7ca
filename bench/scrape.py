"""(a) Latency and throughput of scrapes without changes, compared with other servers of the same samples."""

import asyncio
import random
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import uvloop

from bench import facts
from bench.client import Scraper, fetch_samples, scrape_for, throughput
from bench.fleet import SERIES, make_fleet
from bench.measure import CLIENT_GOLANG, Json, module, process, spread
from bench.servers import FAMILIES

ENCODINGS = ("gzip", "identity")
TURN = 0.02  # seconds
PAUSE = 1.1  # seconds; Prometheus also pauses between scrapes


@dataclass(frozen=True, slots=True)
class Size:
    """The number of series and of rounds of single scrapes, and how throughput is measured."""

    series: int
    rounds: int
    connections: int = 8
    seconds: float = 2.0

    @property
    def tests(self) -> int:
        return round(self.series / SERIES)


SIZES = (
    Size(1_000, rounds=12),
    Size(10_000, rounds=12),
    Size(100_000, rounds=20),
    Size(1_000_000, rounds=4, connections=2),  # with eight, some servers need ten gigabytes
)
SMALL = (Size(100, rounds=1, connections=1, seconds=0.01),)


def run(sizes: tuple[Size, ...] = SIZES, pause: float = PAUSE) -> list[Json]:
    return [row for size in sizes for row in measure_size(size, pause)]


def measure_size(size: Size, pause: float) -> list[Json]:
    with start_servers(size.tests) as urls:
        series = check_same_facts(urls)
        print(f"  {series:,} series: {', '.join(urls)}", flush=True)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return [
                {"series": series, **row}
                for encoding in ENCODINGS
                for row in runner.run(measure(urls, encoding, size, pause))
            ]


@contextmanager
def start_servers(tests: int) -> Iterator[Mapping[str, str]]:
    """All servers, each in its own process, with their URLs."""
    with ExitStack() as stack:
        urls = {
            kind: stack.enter_context(module("bench.servers", kind, tests))[1]
            for kind in ("ours", "static", "client_python")
        }
        if CLIENT_GOLANG.exists():
            file = Path(stack.enter_context(tempfile.TemporaryDirectory()), "facts.json")
            facts.write(facts.list_facts(make_fleet(tests), FAMILIES), file)
            urls["client_golang"] = stack.enter_context(process(CLIENT_GOLANG, file))[1]
        yield urls


def check_same_facts(urls: Mapping[str, str]) -> int:
    """The number of series. All servers must expose the same samples."""
    ours = fetch_samples(urls["ours"], "gzip")
    for kind, url in urls.items():
        if fetch_samples(url, "identity") != ours:
            raise AssertionError(f"{kind} does not expose the same samples")
    return len(ours)


async def measure(urls: Mapping[str, str], encoding: str, size: Size, pause: float) -> list[Json]:
    """Latency in turns, so that noise affects all servers; then throughput, one by one.

    Each round has another order, since a server finds the caches of the CPU as the one before it leaves them,
    and the first scrape after the pause wakes up this process too.
    """
    scrapers = {kind: Scraper(url, encoding) for kind, url in urls.items()}
    turns: dict[str, list[list[float]]] = {kind: [] for kind in urls}
    order, shuffle = list(urls), random.Random(0).shuffle  # noqa: S311
    for _ in range(size.rounds):
        shuffle(order)
        await asyncio.sleep(pause)
        for kind in order:
            turns[kind].append(await scrape_for(scrapers[kind], seconds=TURN))
    for scraper in scrapers.values():
        scraper.close()
    return [
        {
            "server": kind,
            "encoding": encoding,
            "bytes": scrapers[kind].size,
            "after_pause_seconds": spread([first for first, *_ in turns[kind]]),
            "after_pause_relative": spread(
                [turn[0] / ours[0] for turn, ours in zip(turns[kind], turns["ours"], strict=True)]
            ),
            "back_to_back_relative": spread(
                [median(turn) / median(ours) for turn, ours in zip(turns[kind], turns["ours"], strict=True)]
            ),
            "back_to_back_seconds": spread([one for took in turns[kind] for one in took]),
            "connections": size.connections,
            "scrapes_per_second": await throughput(
                url, encoding, connections=size.connections, seconds=size.seconds
            )
            if encoding == "gzip"  # as Prometheus requests
            else None,
        }
        for kind, url in urls.items()
    ]
