"""Shared by all benchmarks: values with their spread, child processes, and facts about the machine."""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
CLIENT_GOLANG = HERE.parent / ".tools" / "client_golang"

Json = dict[str, object]
Spread = dict[str, float]


def spread(values: Sequence[float]) -> Spread:
    """Median, minimum and maximum of the measured values."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "times": len(values)}


@contextmanager
def process(*command: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A child process during the block, and the first line of its output, which says that it is ready."""
    with subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True, cwd=HERE.parent) as child:
        assert child.stdout
        try:
            first = child.stdout.readline().strip()
            if not first:
                raise RuntimeError(f"{' '.join(map(str, command))} ended before it was ready")
            yield child, first
        finally:
            child.terminate()


@contextmanager
def module(name: str, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """One of our modules in its own process."""
    with process(sys.executable, "-m", name, *map(str, arguments)) as started:
        yield started


def find_url(log: str) -> str:
    """The URL of an exporter that listens, from its log as JSON; empty before that."""
    complete = log[: log.rfind("\n") + 1].splitlines()
    return next((str(line["url"]) for line in map(json.loads, complete) if "url" in line), "")


def resident(pid: int) -> int:
    """Resident memory of a process in bytes (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def describe_machine() -> Json:
    """The machine and the versions that were measured."""
    return {
        "cpu": read_cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {
            name: version(name)
            for name in ("prometheus-client", "httpx", "uvicorn", "starlette", "isal")
            if find_spec(name.replace("-", "_"))
        },
        "go": read_go_versions(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def read_cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")


def read_go_versions() -> str | None:
    """The versions in the Go server; None if it was not built."""
    if not CLIENT_GOLANG.exists():
        return None
    return subprocess.run(
        [CLIENT_GOLANG, "-version"], capture_output=True, text=True, check=True
    ).stdout.strip()
