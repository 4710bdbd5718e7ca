"""(g) Delay from the end of a run to its series, with and without the webhook, at default intervals."""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import uvicorn

from bench.measure import HERE, Json, find_url, spread
from exporter.simulator import Phases, Simulator, World
from exporter.web.server import base_url, bind

SECRET = "not-a-secret-but-long-enough"
SCRAPE_INTERVAL = 0.02  # seconds


@dataclass(frozen=True, slots=True)
class EndingRuns:
    """Runs that end one after the other, `apart` seconds apart."""

    runs: int = 10
    apart: float = 8.3  # not a divisor of an interval, so that runs end anywhere between two polls


SMALL = EndingRuns(runs=1, apart=1)


def run(ends: EndingRuns = EndingRuns()) -> Json:
    return {
        "without": spread(measure_delays(ends, is_triggered=False)),
        "with": spread(measure_delays(ends, is_triggered=True)),
    }


def measure_delays(ends: EndingRuns, *, is_triggered: bool) -> list[float]:
    print(f"  {ends.runs} runs end, {'with' if is_triggered else 'without'} the webhook", flush=True)
    world, ends_by_test = make_world(ends)
    with (
        serve_cloud(world) as api_url,
        start_exporter(api_url) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        delays = []
        for test, end in ends_by_test.items():
            time.sleep(max(end - time.time(), 0))
            if is_triggered:
                client.post(f"/webhook/{SECRET}", json={"load_test_id": test}).raise_for_status()
            while not has_finished(client.get("/metrics").text, test):
                time.sleep(SCRAPE_INTERVAL)
            delays.append(time.time() - end)
    return delays


def make_world(ends: EndingRuns) -> tuple[World, dict[int, float]]:
    """Tests with one run each, and the time when each run ends."""
    world, ends_by_test = World(), dict[int, float]()
    now = time.time()
    for i in range(ends.runs):
        test, end = world.add_test(f"test {i}"), now + 6 + ends.apart * i
        phases = Phases(
            created=1, validated=None, queued=None, initializing=None, running=end - now + 59, processing=None
        )
        world.add_run(test, created=now - 60, phases=phases)
        ends_by_test[test] = end
    return world, ends_by_test


@contextmanager
def serve_cloud(world: World) -> Iterator[str]:
    listening = bind("127.0.0.1:0")
    server = uvicorn.Server(uvicorn.Config(Simulator(world, tokens=["t"]), lifespan="off", log_config=None))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    try:
        yield base_url(listening)
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def start_exporter(api_url: str) -> Iterator[str]:
    """The exporter in its own process, with the required settings only. Yields its URL."""
    with tempfile.TemporaryDirectory() as folder:
        secret, log = Path(folder, "secret"), Path(folder, "log")
        secret.write_text(SECRET, encoding="ascii")
        settings = {
            "K6_CLOUD_TOKEN": "t",
            "K6_CLOUD_STACK_ID": "1",
            "K6_CLOUD_EXPORTER_API__URL": api_url,
            "K6_CLOUD_EXPORTER_WEB__WEBHOOK_SECRET_FILE": str(secret),
            "K6_CLOUD_EXPORTER_LOG__FORMAT": "json",
        }
        command = [sys.executable, "-m", "exporter", "serve", "--web.listen-address", "127.0.0.1:0"]
        with (
            log.open("wb") as errors,
            subprocess.Popen(
                command, stderr=errors, cwd=HERE.parent, env={**os.environ, **settings}
            ) as child,
        ):
            try:
                while not (url := find_url(log.read_text(encoding="utf-8"))):
                    time.sleep(SCRAPE_INTERVAL)
                yield url
            finally:
                child.terminate()


def has_finished(page: str, test: int) -> bool:
    return (
        re.search(rf'^k6_cloud_test_last_finished_run_id{{.*test_id="{test}"', page, re.MULTILINE) is not None
    )
