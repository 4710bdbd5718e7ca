"""(j) The time of a start, and (k) the memory of an idle exporter, each compared with what it cannot avoid.

The start is compared with `python -c pass`, the memory with a process that only imports the same libraries.
"""

import http.client
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from bench.fake_cloud import TOKEN, Plan
from bench.measure import HERE, Json, module, resident, spread
from exporter.web.server import bind

Start = Callable[[], float]  # starts a process and returns the seconds until it has done its work

NOTHING = "python -c pass"
SCRAPE = "first answered scrape"
EXPORTER = ("-m", "exporter")
COMPLETION = {
    "_K6_CLOUD_EXPORTER_COMPLETE": "bash_complete",
    "COMP_WORDS": "k6-cloud-exporter ch",
    "COMP_CWORD": "1",
}
ENDING: Mapping[str, tuple[Sequence[str], Mapping[str, str]]] = {
    NOTHING: (("-c", "pass"), {}),
    "--version": ((*EXPORTER, "--version"), {}),
    "--help": ((*EXPORTER, "--help"), {}),
    "completion of a command": (EXPORTER, COMPLETION),
    "serve --help": ((*EXPORTER, "serve", "--help"), {}),
}
# Waits until it is ended. The first import keeps httpx from importing what the exporter does not need.
IMPORT_ONLY = """
import importlib, sys
import exporter.k6
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError:
        pass
print("ready", flush=True)
sys.stdin.read()
"""


def run(times: int = 10, idle_seconds: float = 5.0) -> Json:
    starts: dict[str, Start] = {
        name: lambda arguments=arguments, given=given: run_to_end(arguments, given)  # type: ignore[misc]
        for name, (arguments, given) in ENDING.items()
    }
    with module("bench.fake_cloud", Plan(0).to_json()) as (_, url):
        starts[SCRAPE] = lambda: answer_scrape(url)
        took: dict[str, list[float]] = {name: [] for name in starts}
        for number in range(times + 1):
            for name, start in starts.items():
                seconds = start()
                # The first round writes bytecode and fills the cache of the disk.
                if number:
                    took[name].append(seconds)
        nothing = spread(took[NOTHING])["median"]
        return {
            "starts": [
                {"what": name, "seconds": spread(values), "ratio": spread(values)["median"] / nothing}
                for name, values in took.items()
            ],
            "idle": measure_idle(url, max(times // 2, 1), idle_seconds),
        }


def clean_environment(**given: str) -> dict[str, str]:
    """The environment of a start, which may write bytecode."""
    present = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return present | given


def run_to_end(arguments: Sequence[str], given: Mapping[str, str]) -> float:
    """The seconds of a process that ends by itself."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        env=clean_environment(**given),
        cwd=HERE.parent,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - began


def answer_scrape(api_url: str) -> float:
    """The seconds from the start of an exporter until a scrape is answered."""
    began = time.perf_counter()
    with start_exporter(api_url) as (_, port, _):
        wait_for(port, "/metrics")
        return time.perf_counter() - began


def wait_for(port: int, path: str) -> None:
    """Requests a path until the response is a success."""
    status = 0
    while status != http.client.OK:
        time.sleep(0.001)
        with (
            suppress(OSError, http.client.HTTPException),
            closing(http.client.HTTPConnection("127.0.0.1", port)) as connection,
        ):
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            status = response.status


@contextmanager
def start_exporter(api_url: str, **given: str) -> Iterator[tuple[int, int, Path]]:
    """The exporter in its own process: its pid, its port and its log."""
    with bind("127.0.0.1:0") as free:
        port = free.getsockname()[1]
    settings = {"K6_CLOUD_TOKEN": TOKEN, "K6_CLOUD_STACK_ID": "1", "K6_CLOUD_EXPORTER_API__URL": api_url}
    command = [sys.executable, *EXPORTER, "serve", "--web.listen-address", f"127.0.0.1:{port}"]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        environ = clean_environment(**settings, **given)
        with (
            log.open("wb") as errors,
            subprocess.Popen(command, stderr=errors, cwd=HERE.parent, env=environ) as child,
        ):
            try:
                yield child.pid, port, log
            finally:
                child.terminate()


def measure_idle(api_url: str, times: int, seconds: float) -> Json:
    """Resident memory some seconds after the first poll, and of a process that imports the same libraries."""
    print("  idle", flush=True)
    with start_exporter(api_url, PYTHONPROFILEIMPORTTIME="1") as (_, port, log):
        wait_for(port, "/-/ready")
        lines = log.read_text(encoding="utf-8")
    found = re.findall(r"^import time: .*\| +(\S+)$", lines, re.MULTILINE)
    libraries = [name for name in found if name.partition(".")[0] != "exporter"]
    idle, imported = [], []
    for _ in range(times):
        with start_exporter(api_url) as (pid, port, _):
            wait_for(port, "/-/ready")
            time.sleep(seconds)
            idle.append(resident(pid))
        imported.append(import_only(libraries))
    return {
        "bytes": spread(idle),
        "libraries_bytes": spread(imported),
        "modules": len(libraries),
        "above_bytes": spread([one - other for one, other in zip(idle, imported, strict=True)]),
    }


def import_only(libraries: Sequence[str]) -> int:
    """Resident memory of a process that has imported these modules."""
    with subprocess.Popen(
        [sys.executable, "-c", IMPORT_ONLY, *libraries],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=clean_environment(),
        cwd=HERE.parent,
    ) as child:
        assert child.stdin
        assert child.stdout
        child.stdout.readline()
        memory = resident(child.pid)
        child.stdin.close()
        return memory
