"""(g) From the end of a run to its series, with k6 Cloud's webhook and without, at the default intervals."""

import asyncio
import json
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

from bench.measure import HERE, Json, spread
from exporter.simulator import Phases, Simulator, World
from exporter.web.server import base_url, bind

SECRET = "not-a-secret-but-long-enough"
LOOK = 0.02  # seconds between looks at the page


@dataclass(frozen=True, slots=True)
class Ends:
    """So many runs that end one after the other, so many seconds apart."""

    runs: int = 10
    apart: float = 8.3  # no part of an interval, so that the ends fall anywhere between two polls


SMALL = Ends(runs=1, apart=1)


def run(ends: Ends = Ends()) -> Json:
    return {"without": spread(delays(ends, is_hinted=False)), "with": spread(delays(ends, is_hinted=True))}


def delays(ends: Ends, *, is_hinted: bool) -> list[float]:
    print(f"  {ends.runs} runs end, {'with' if is_hinted else 'without'} the webhook", flush=True)
    world, finishing = ending_world(ends)
    with (
        cloud(world) as asked,
        serving(asked) as told,
        httpx.Client(base_url=told, trust_env=False) as client,
    ):
        found = []
        for test, end in finishing.items():
            time.sleep(max(end - time.time(), 0))
            if is_hinted:
                client.post(f"/webhook/{SECRET}", json={"load_test_id": test}).raise_for_status()
            while not has_finished(client.get("/metrics").text, test):
                time.sleep(LOOK)
            found.append(time.time() - end)
    return found


def ending_world(ends: Ends) -> tuple[World, dict[int, float]]:
    """A world of tests with a run each, and the moment at which that of each ends."""
    world, finishing = World(), dict[int, float]()
    now = time.time()
    for i in range(ends.runs):
        test, end = world.add_test(f"test {i}"), now + 6 + ends.apart * i
        phases = Phases(
            created=1, validated=None, queued=None, initializing=None, running=end - now + 59, processing=None
        )
        world.add_run(test, created=now - 60, phases=phases)
        finishing[test] = end
    return world, finishing


@contextmanager
def cloud(world: World) -> Iterator[str]:
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
def serving(asked: str) -> Iterator[str]:
    """The exporter as a process of its own, with nothing set but what it must know; where it listens."""
    with tempfile.TemporaryDirectory() as folder:
        secret, log = Path(folder, "secret"), Path(folder, "log")
        secret.write_text(SECRET, encoding="ascii")
        settings = {
            "K6_CLOUD_TOKEN": "t",
            "K6_CLOUD_STACK_ID": "1",
            "K6_CLOUD_EXPORTER_API__URL": asked,
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
                while not (line := log.read_text(encoding="utf-8")).endswith("\n"):
                    time.sleep(LOOK)
                yield str(json.loads(line.splitlines()[0])["url"])
            finally:
                child.terminate()


def has_finished(page: str, test: int) -> bool:
    return (
        re.search(rf'^k6_cloud_test_last_finished_run_id{{.*test_id="{test}"', page, re.MULTILINE) is not None
    )
