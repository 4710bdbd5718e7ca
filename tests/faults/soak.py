"""Many scrapers at once during polls, faults, a revoked token and reloads.

The exporter and the simulated k6 Cloud are processes of their own. The memory and the open files of the
exporter are read from /proc.
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

LISTEN = ("--web.listen-address", "127.0.0.1:0")
FREQUENT_POLLS = {
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
class SoakResult:
    """Seconds of each scrape, the failures, and samples of the process."""

    took: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    samples: list[tuple[float, int, int]] = field(default_factory=list)  # seconds, bytes resident, open files
    faults: int = 0
    reloads: int = 0

    def summarize(self) -> dict[str, Any]:
        """Numbers for RESULTS.md; memory and files are those of the first and last third after a warm-up."""
        took = sorted(self.took)
        warm = self.samples[len(self.samples) // 4 :]
        third = max(1, len(warm) // 3)
        first, last = warm[:third], warm[-third:]
        return {
            "scrapes": len(took),
            "failures": self.failures[:5],
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
    with Process("simulator", *LISTEN, "--speed", "5") as simulator:
        url = eventually(simulator.url_in_output)
        with httpx.Client(base_url=url, trust_env=False) as client:
            cloud = Cloud(url, client)
            with Process(*LISTEN, **cloud.environment(**FREQUENT_POLLS, **STACK[api_version])) as process:
                process.ready()
                yield process, cloud


def soak(
    api_version: str, *, seconds: float, scrapers: int, pause: float = 1.0, reload: bool = False
) -> SoakResult:
    """Scrape for `seconds`; each scraper waits `pause` seconds after a response."""
    with exporter_and_cloud(api_version) as (process, cloud):
        return asyncio.run(run_tasks(process, cloud, seconds, scrapers, pause, reload=reload))


async def run_tasks(
    process: Process, cloud: Cloud, seconds: float, scrapers: int, pause: float, *, reload: bool
) -> SoakResult:
    result, end = SoakResult(), time.monotonic() + seconds
    url = httpx.URL(process.url())
    async with asyncio.TaskGroup() as tasks:
        for number in range(scrapers):
            tasks.create_task(scrape_repeatedly(url, result, end, pause, number))
        tasks.create_task(sample_process(process, result, end))
        tasks.create_task(inject_faults(process, cloud, result, end, reload=reload))
    if not process.is_alive() or "Traceback" in process.log:
        result.failures.append(process.log[-2000:])
    return result


async def scrape_repeatedly(
    url: httpx.URL, result: SoakResult, end: float, pause: float, number: int
) -> None:
    await asyncio.sleep(pause * (number % 97) / 97)  # so that not all scrape at once
    reader, writer = await asyncio.open_connection(url.host, url.port, limit=PAGE_BYTES)
    try:
        while time.monotonic() < end:
            began = time.perf_counter()
            failure = await scrape(reader, writer, coding="gzip" if number % 2 else "identity")
            result.took.append(time.perf_counter() - began)
            if failure:
                result.failures.append(failure)
            await asyncio.sleep(pause)
    except (OSError, asyncio.IncompleteReadError) as error:
        result.failures.append(repr(error))
    finally:
        writer.close()


async def scrape(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, coding: str) -> str:
    """The failure of the response; empty if it is 200 and complete."""
    writer.write(f"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {coding}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = next(line for line in head.split("\r\n") if line.startswith("content-length: "))
    body = await reader.readexactly(int(length.removeprefix("content-length: ")))
    page = gzip.decompress(body) if "content-encoding: gzip" in head else body
    if not head.startswith("http/1.1 200"):
        return head
    is_complete = page.endswith(b"\n") and b"\nk6_cloud_up " in page and b"\nprocess_open_fds " in page
    return "" if is_complete else f"an incomplete page of {len(page)} bytes"


async def sample_process(process: Process, result: SoakResult, end: float) -> None:
    home = Path(f"/proc/{process._process.pid}")
    while (now := time.monotonic()) < end:
        pages = int((home / "statm").read_text().split()[1])
        result.samples.append((now, pages * 4096, len(list((home / "fd").iterdir()))))
        await asyncio.sleep(min(1.0, end - now))


async def inject_faults(
    process: Process, cloud: Cloud, result: SoakResult, end: float, *, reload: bool
) -> None:
    """One fault after the other, with pauses of the same length, and sometimes another token."""
    for fault in itertools.cycle(FAULTS):
        if time.monotonic() > end - 2:
            break
        await asyncio.to_thread(cloud.fail, **fault)
        result.faults += 1
        await asyncio.sleep(1)
        if reload:
            process.send(signal.SIGHUP)
            result.reloads += 1
        if fault["kind"] == "reset":
            await asyncio.to_thread(cloud.admit, "another")
        await asyncio.sleep(0.5)
        with suppress(httpx.TransportError):
            await asyncio.to_thread(cloud.heal)
        await asyncio.sleep(1.5)
    await asyncio.to_thread(cloud.heal)
