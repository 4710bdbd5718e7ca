"""(i) What the exporter needs, by number of tests: series, API requests and memory.

`python -m bench sizing` writes sizing.json and the table of docs/install-and-upgrade.md. Memory is that of a
`serve` process that polls a simulated k6 Cloud for an hour and is scraped. Its clock does not wait between
two polls, so it polls, stores and renders as often as in an hour. With `--hour` it has the real clock.

`python -m bench.sizing TESTS [CLOCK]` is the simulated k6 Cloud.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from bench.fake_cloud import SHORT, TOKEN, Plan, make_world
from bench.fast_exporter import SharedTime
from bench.fleet import HOUR, RUNS
from bench.measure import HERE, Json, describe_machine, module, process, resident
from bench.report import mib, replace_section, table
from bench.requests import API_SETTINGS, Hour, count_requests
from exporter.simulator import Options, Phases, Simulator, World
from exporter.web.server import base_url, bind
from tests.support.lab import START, Lab, add_date_header

RESULTS = HERE / "sizing.json"
PAGE = HERE.parent / "docs" / "install-and-upgrade.md"
SECTION = re.compile(r"<!-- size -->\n.*?<!-- /size -->", re.DOTALL)

TESTS = (100, 1_000, 3_334)
# As in the image and in the systemd unit.
MALLOC = "MALLOC_MMAP_THRESHOLD_=131072"
INTERVAL = 15.0  # seconds between two scrapes
SIMULATED_INTERVAL = 0.1  # the same if the clock does not wait
LAST_POLL = 64.0  # seconds before the end in which there may be no poll: an interval with jitter
PAUSE = 0.01  # seconds between two readings of the memory of `check`
IDLE_MINUTES = 10  # two discoveries, the same rate as in an hour
# As of Prometheus.
ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2"
LIMIT_MARGIN = 1.25  # of the sum of the maxima
LIMIT_STEP = 64 * 2**20


def run(tests: Sequence[int] = TESTS, *, is_real: bool = False, minutes: float = 60) -> Json:
    """What is in sizing.json. The processes of all sizes run at the same time."""
    requests = [count_all_requests(count) for count in tests]
    with ThreadPoolExecutor() as pool:
        measure = partial(measure_memory, is_real=is_real, minutes=minutes)
        memory = list(pool.map(measure, (0, *tests)))
    return {
        "machine": describe_machine(),
        "real_clock": is_real,
        "minutes": minutes,
        "series": {api: count_series(api) for api in API_SETTINGS},
        "requests": requests,
        "memory": memory,
    }


def count_series(api: str) -> Mapping[str, int]:
    """Series of a test with finished runs, and those that an active run adds."""
    world = World()
    test = world.add_test("soak")
    for number in range(RUNS):
        world.add_run(test, created=START - (number + 1) * HOUR, phases=SHORT)
    idle = count_test_series(world, api)
    world.add_run(test, created=START - 60, phases=Phases(running=600))
    return {"test": idle, "active_run": count_test_series(world, api) - idle}


def count_test_series(world: World, api: str) -> int:
    with Lab(world, api=api_settings(api)) as lab:
        lab.at(0).poll()
        return sum('test_id="' in series for series in lab.series())


def count_requests_at_start(tests: int) -> Mapping[str, int]:
    """Requests of the first poll. With v6 they depend on whether the tests ran in the last day."""
    return {
        "v6_recent": count_first_poll("v6", Plan(tests)),
        "v6_old": count_first_poll("v6", Plan(tests, hours_ago=48)),
        "legacy": count_first_poll("legacy", Plan(tests)),
    }


def count_first_poll(api: str, plan: Plan) -> int:
    with Lab(make_world(plan), api=api_settings(api)) as lab:
        poll_result = lab.at(0).poll()
        assert poll_result.outcome == "success", poll_result.failures
        return len(lab.take_requests())


def api_settings(api: str) -> dict[str, object]:
    return {"url": "http://k6.test", "requests_per_minute": 100_000, **API_SETTINGS[api]}


def count_all_requests(tests: int) -> Json:
    """Requests of the first poll, and per minute after it while all tests are idle."""
    print(f"  requests of {tests:,} tests", flush=True)
    idle = {
        f"{api}_a_minute": count_requests(Hour(tests, IDLE_MINUTES), api)[1] / IDLE_MINUTES
        for api in API_SETTINGS
    }
    return {"tests": tests, **count_requests_at_start(tests), **idle}


def measure_memory(tests: int, *, is_real: bool, minutes: float) -> Json:
    """Bytes of an exporter and of `check` beside it, with the v6 API. Each test runs once an hour."""
    began = time.time()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "clock")
        SharedTime(file).write(began)
        simulated = [] if is_real else [file]
        with (
            module("bench.sizing", tests, *simulated) as (_, cloud),
            process(
                *("env", MALLOC, sys.executable, "-m", "bench.fast_exporter", cloud),
                *(() if is_real else (file, minutes * 60)),
            ) as (child, url),
            httpx.Client(base_url=url, trust_env=False, timeout=60) as client,
        ):
            read_time = time.time if is_real else SharedTime(file).read
            while client.get("/-/ready").status_code != httpx.codes.OK:
                time.sleep(PAUSE)
            first = resident(child.pid)
            check = measure_check(cloud) if tests else 0  # it would fail without tests
            # Until the next poll would be after the end.
            while read_time() < began + minutes * 60 - LAST_POLL:
                client.get("/metrics", headers={"Accept": ACCEPT}).raise_for_status()
                time.sleep(INTERVAL if is_real else SIMULATED_INTERVAL)
            page = client.get("/metrics", headers={"Accept": "text/plain"}).text
            client.get("/").raise_for_status()
            assert read_value(page, "k6_cloud_up") == 1, f"the last poll of {tests} tests failed"
            polls = read_value(page, "k6_cloud_exporter_polls_total")
            print(f"  memory of {tests:,} tests after {polls:.0f} polls", flush=True)
            return {
                "tests": tests,
                "runs": read_value(page, "k6_cloud_exporter_runs"),
                "polls": polls,
                "first_poll_bytes": first,
                "end_bytes": resident(child.pid),
                "max_bytes": read_peak(child.pid),
                "check_max_bytes": check,
            }


def read_value(page: str, name: str) -> float:
    """The sum of a metric over its labels."""
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE))


def measure_check(url: str) -> int:
    """The maximum resident memory of `check` in bytes."""
    settings = {"K6_CLOUD_TOKEN": TOKEN, "K6_CLOUD_STACK_ID": "1", "K6_CLOUD_EXPORTER_API__URL": url}
    command = [sys.executable, "-m", "exporter", "check"]
    environment = {**os.environ, **settings, **dict([MALLOC.split("=")])}
    peak = 0
    with subprocess.Popen(command, cwd=HERE.parent, env=environment, stdout=subprocess.DEVNULL) as child:
        while child.poll() is None:
            # Not from its resource usage, which includes the memory of this process before `exec`.
            peak = max(peak, read_peak(child.pid))
            time.sleep(PAUSE)
    assert child.returncode == 0, f"check exited with {child.returncode}"
    return peak


def read_peak(pid: int) -> int:
    """The maximum resident memory of a process in bytes; 0 when it has ended (Linux)."""
    found = re.search(r"^VmHWM:\s*(\d+) kB$", Path(f"/proc/{pid}/status").read_text("ascii"), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def memory_limit(row: Mapping[str, int]) -> int:
    """A memory limit in bytes for the exporter and `check` in the same container."""
    needed = (row["max_bytes"] + row["check_max_bytes"]) * LIMIT_MARGIN
    return ceil(needed / LIMIT_STEP) * LIMIT_STEP


def size_table(results: Mapping[str, Any]) -> str:
    """The table of docs/install-and-upgrade.md."""
    requests = results["requests"]
    empty, *memory = results["memory"]
    per_test = {api: series["test"] for api, series in results["series"].items()}

    def cells(text: str, values: Iterable[object]) -> Sequence[str]:
        return text, *map(str, values)

    rows = [
        *(
            cells(f"series, {api}: {count} for each test", (f"{count * row['tests']:,}" for row in requests))
            for api, count in per_test.items()
        ),
        *(
            cells(f"requests of the first poll, {text}", (f"{row[key]:,}" for row in requests))
            for text, key in (
                ("v6, if each test ran in the last day", "v6_recent"),
                ("v6, if no test did", "v6_old"),
                ("legacy", "legacy"),
            )
        ),
        *(
            cells(
                f"requests a minute, all idle, {api}", (f"{row[f'{api}_a_minute']:.1f}" for row in requests)
            )
            for api in API_SETTINGS
        ),
        *(
            cells(text, (mib(row[key]) for row in memory))
            for text, key in (
                ("memory after the first poll", "first_poll_bytes"),
                ("maximum memory within an hour", "max_bytes"),
                ("maximum memory of `check` beside it", "check_max_bytes"),
            )
        ),
        cells("**memory limit**", (f"**{mib(memory_limit(row))}**" for row in memory)),
    ]
    head = ["", *(f"{row['tests']:,} tests" for row in requests)]
    active = ", ".join(f"{series['active_run']} with {api}" for api, series in results["series"].items())
    return (
        f"{table(head, rows)}\n\nAn active run adds series: {active}. Without tests, the process needs "
        f"{mib(empty['max_bytes'])}."
    )


def read() -> Mapping[str, Any]:
    """The content of sizing.json."""
    return dict(json.loads(RESULTS.read_text(encoding="utf-8")))


def write(results: Json) -> None:
    """Write sizing.json and the table."""
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    replace_section(PAGE, SECTION, f"<!-- size -->\n{size_table(results)}\n<!-- /size -->")


async def serve_cloud(tests: int, read_time: Callable[[], float]) -> None:
    """A k6 Cloud in which each test runs once an hour, and whose Date header shows its own clock."""
    listening = bind("127.0.0.1:0")
    world = make_world(Plan(tests, churn=True, now=read_time()))
    app = add_date_header(Simulator(world, tokens=[TOKEN], clock=read_time, options=Options()))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, date_header=False))
    print(base_url(listening), flush=True)
    await server.serve(sockets=[listening])


def main(tests: str, clock: str = "") -> None:
    asyncio.run(serve_cloud(int(tests), SharedTime(Path(clock)).read if clock else time.time))


if __name__ == "__main__":
    main(*sys.argv[1:])
