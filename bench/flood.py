"""(i) The slowest scrape during a flood of reloads and page views from clients that hang up at once."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import uvloop

from bench.client import Scraper
from bench.fake_cloud import TOKEN, Plan
from bench.measure import HERE, Json, find_url, module, spread

RELOAD, PAGE = b"POST /-/reload", b"GET /"
FLOODS: dict[str, Sequence[bytes]] = {
    "none": (),
    "reloads": (RELOAD,),
    "page views": (PAGE,),
    "both": (RELOAD, PAGE),
}
SCRAPE_PAUSE = 0.02  # seconds
FIRST_TEST = 400_001


@dataclass(frozen=True, slots=True)
class Flood:
    """The number of tests, how long each flood takes in seconds, and its requests per second of each kind."""

    tests: int = 1_000
    seconds: float = 10.0
    rate: float = 104.0


SMALL = Flood(tests=2, seconds=0.1)


def run(flood: Flood = Flood()) -> list[Json]:
    plan = Plan(flood.tests, recorded=True)
    with (
        module("bench.fake_cloud", plan.to_json()) as (_, api_url),
        start_exporter(api_url, flood.tests) as (pid, url),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return [runner.run(measure(name, url, pid, flood)) for name in FLOODS]


async def measure(name: str, url: str, pid: int, flood: Flood) -> Json:
    print(f"  {name}", flush=True)
    used, load = cpu_seconds(pid), round(os.getloadavg()[0], 2)
    flooding = asyncio.gather(*(send_requests(url, request, flood) for request in FLOODS[name]))
    scraper = Scraper(url, "gzip")
    took: list[float] = []
    end = time.perf_counter() + flood.seconds
    while time.perf_counter() < end or not took:
        began = time.perf_counter()
        await scraper.scrape()
        took.append(time.perf_counter() - began)
        await asyncio.sleep(SCRAPE_PAUSE)
    requests = sum(await flooding)
    used_until_end = cpu_seconds(pid)
    await asyncio.sleep(flood.seconds / 2)
    scraper.close()
    return {
        "flood": name,
        "tests": flood.tests,
        "load_before": load,
        "requests": requests,
        "scrape_seconds": spread(took),
        "cpu_seconds": used_until_end - used,
        "cpu_seconds_afterwards": cpu_seconds(pid) - used_until_end,
        "seconds_afterwards": flood.seconds / 2,
    }


async def send_requests(url: str, request: bytes, flood: Flood) -> int:
    """Sends requests and closes each connection without reading. Returns their number."""
    address, sent = urlsplit(url), 0
    end = time.perf_counter() + flood.seconds
    while time.perf_counter() < end:
        with suppress(OSError):
            _, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(request + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.sleep(0.001)
            writer.transport.abort()
            sent += 1
        await asyncio.sleep(max(end - flood.seconds + sent / flood.rate - time.perf_counter(), 0))
    return sent


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def start_exporter(api_url: str, tests: int) -> Iterator[tuple[int, str]]:
    """The exporter in its own process, configured with each test by id. Yields its pid and its URL."""
    with tempfile.TemporaryDirectory() as folder:
        file, log = Path(folder, "exporter.yaml"), Path(folder, "log")
        ids = "".join(f"  - id: {FIRST_TEST + i}\n" for i in range(tests))
        api = f"api: {{url: '{api_url}', stack: 1, requests_per_minute: 100000}}\n"
        file.write_text(f"{api}log: {{format: json}}\ntests:\n{ids}", encoding="ascii")
        address = ("--web.listen-address", "127.0.0.1:0")
        command = [sys.executable, "-m", "exporter", "serve", "--config.file", str(file), *address]
        environment = {**os.environ, "K6_CLOUD_TOKEN": TOKEN}
        with (
            log.open("wb") as errors,
            subprocess.Popen(command, stderr=errors, cwd=HERE.parent, env=environment) as child,
        ):
            try:
                while not (url := find_url(log.read_text(encoding="utf-8"))):
                    time.sleep(SCRAPE_PAUSE)
                while not httpx.get(f"{url}/-/ready", trust_env=False).is_success:
                    time.sleep(SCRAPE_PAUSE)
                yield child.pid, url
            finally:
                child.terminate()
