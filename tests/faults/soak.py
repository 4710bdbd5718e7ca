"""Many scrapers at once while everything else happens: polls, faults, a token revoked, reloads.

The exporter and the simulated k6 Cloud are processes of their own; the memory and the open files of the
exporter's are read from /proc.
"""

import asyncio
import gzip
import itertools
import signal
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.exporter_process import Cloud, Process
from tests.support.processes import eventually

HERE = ("--web.listen-address", "127.0.0.1:0")
OFTEN = {
    "K6_CLOUD_EXPORTER_POLL__INTERVAL": "500ms",
    "K6_CLOUD_EXPORTER_POLL__IDLE_INTERVAL": "500ms",
    "K6_CLOUD_EXPORTER_POLL__DISCOVERY_INTERVAL": "5s",
    "K6_CLOUD_EXPORTER_POLL__STALE_AFTER": "30s",
    "K6_CLOUD_EXPORTER_API__REQUESTS_PER_MINUTE": "100000",
    "K6_CLOUD_EXPORTER_API__TIMEOUT": "2s",
}
STACK = {"legacy": {}, "v6": {"K6_CLOUD_STACK_ID": "1"}}
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "error", "status": 503},
    {"kind": "hang"},
    {"kind": "error", "status": 429, "retry_after": 1},
    {"kind": "reset"},
    {"kind": "truncated"},
    {"kind": "slow", "before": 0.3},
    {"kind": "cut_json"},
    {"kind": "not_json"},
    {"kind": "numbers_as_strings"},
    {"kind": "invalid_item"},
    {"kind": "repeated_page"},
    {"kind": "error", "status": 401},
)
PAGE_BYTES = 2**20


@dataclass
class Soaked:
    """What came of it: seconds of each scrape, what was wrong with some, and samples of the process."""

    took: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    samples: list[tuple[float, int, int]] = field(default_factory=list)  # seconds, bytes resident, open files
    faults: int = 0
    reloads: int = 0

    def told(self) -> dict[str, Any]:
        """In numbers; memory and files of the first and the last third after the warm-up."""
        took = sorted(self.took)
        warm = self.samples[len(self.samples) // 4 :]
        third = max(1, len(warm) // 3)
        first, last = warm[:third], warm[-third:]
        return {
            "scrapes": len(took),
            "wrong": self.wrong[:5],
            "p50": statistics.median(took),
            "p99": took[int(len(took) * 0.99)],
            "slowest": took[-1],
            "resident": [statistics.median(rss for _, rss, _ in part) for part in (first, last)],
            "resident_most": max(rss for _, rss, _ in self.samples),
            "files": [max(files for _, _, files in part) for part in (first, last)],
            "faults": self.faults,
            "reloads": self.reloads,
        }


@contextmanager
def exporter_and_cloud(api_version: str) -> Iterator[tuple[Process, Cloud]]:
    with Process("simulator", *HERE, "--speed", "5") as simulator:
        url = eventually(simulator.url_in_output)
        with httpx.Client(base_url=url, trust_env=False) as client:
            cloud = Cloud(url, client)
            with Process(*HERE, **cloud.environment(**OFTEN, **STACK[api_version])) as process:
                process.ready()
                yield process, cloud


def soak(
    api_version: str, *, seconds: float, scrapers: int, pause: float = 1.0, reload: bool = False
) -> Soaked:
    """So many scrapers, each `pause` seconds after its last answer, for so long."""
    with exporter_and_cloud(api_version) as (process, cloud):
        return asyncio.run(soaking(process, cloud, seconds, scrapers, pause, reload=reload))


async def soaking(
    process: Process, cloud: Cloud, seconds: float, scrapers: int, pause: float, *, reload: bool
) -> Soaked:
    soaked, end = Soaked(), time.monotonic() + seconds
    url = httpx.URL(process.url())
    async with asyncio.TaskGroup() as tasks:
        for number in range(scrapers):
            tasks.create_task(scraping(url, soaked, end, pause, number))
        tasks.create_task(sampling(process, soaked, end))
        tasks.create_task(troubling(process, cloud, soaked, end, reload=reload))
    if not process.is_alive() or "Traceback" in process.log:
        soaked.wrong.append(process.log[-2000:])
    return soaked


async def scraping(url: httpx.URL, soaked: Soaked, end: float, pause: float, number: int) -> None:
    await asyncio.sleep(pause * (number % 97) / 97)  # not all at once
    reader, writer = await asyncio.open_connection(url.host, url.port, limit=PAGE_BYTES)
    try:
        while time.monotonic() < end:
            began = time.perf_counter()
            wrong = await scrape(reader, writer, coding="gzip" if number % 2 else "identity")
            soaked.took.append(time.perf_counter() - began)
            if wrong:
                soaked.wrong.append(wrong)
            await asyncio.sleep(pause)
    except (OSError, asyncio.IncompleteReadError) as error:
        soaked.wrong.append(repr(error))
    finally:
        writer.close()


async def scrape(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, coding: str) -> str:
    """What is wrong with the answer; nothing, if it is 200 and complete."""
    writer.write(f"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {coding}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = next(line for line in head.split("\r\n") if line.startswith("content-length: "))
    body = await reader.readexactly(int(length.removeprefix("content-length: ")))
    page = gzip.decompress(body) if "content-encoding: gzip" in head else body
    if not head.startswith("http/1.1 200"):
        return head
    is_whole = page.endswith(b"\n") and b"\nk6_cloud_up " in page and b"\nprocess_open_fds " in page
    return "" if is_whole else f"a page of {len(page)} bytes that is not whole"


async def sampling(process: Process, soaked: Soaked, end: float) -> None:
    home = Path(f"/proc/{process._process.pid}")
    while (now := time.monotonic()) < end:
        pages = int((home / "statm").read_text().split()[1])
        soaked.samples.append((now, pages * 4096, len(list((home / "fd").iterdir()))))
        await asyncio.sleep(min(1.0, end - now))


async def troubling(process: Process, cloud: Cloud, soaked: Soaked, end: float, *, reload: bool) -> None:
    """One fault after the other, with as much time between them; now and then another token."""
    for fault in itertools.cycle(FAULTS):
        if time.monotonic() > end - 2:
            break
        await asyncio.to_thread(cloud.fail, **fault)
        soaked.faults += 1
        await asyncio.sleep(1)
        if reload:
            process.send(signal.SIGHUP)
            soaked.reloads += 1
        if fault["kind"] == "reset":
            await asyncio.to_thread(cloud.admit, "another")
        await asyncio.sleep(0.5)
        with suppress(httpx.TransportError):
            await asyncio.to_thread(cloud.heal)
        await asyncio.sleep(1.5)
    await asyncio.to_thread(cloud.heal)
