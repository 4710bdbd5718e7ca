"""(h) Backfill of thirty days of twenty tests: written as OpenMetrics and imported by promtool."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.measure import HERE, Json
from bench.trigger import serve_cloud
from tests.commands.backfill.harness import build_world

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class History:
    """The history of some days and tests. Each test runs every four hours for ten minutes."""

    days: int = 30
    tests: int = 20


SMALL = History(days=2, tests=1)


def run(history: History = History()) -> list[Json]:
    promtool = shutil.which("promtool")
    return [make_row(history, api, promtool) for api in ("v6", "legacy")] if promtool else []


def make_row(history: History, api: str, promtool: str) -> Json:
    print(f"  {api}, {history.days} days of {history.tests} tests", flush=True)
    now = float(int(time.time()))
    made = build_world(days=history.days, tests=history.tests, every=4 * HOUR, present=now)
    made.advance(now)
    with serve_cloud(made) as url, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        samples = write_history(history, api, url, folder)
        wrote = time.perf_counter()
        for file in sorted(folder.glob("past.*.om")):
            command = [promtool, "tsdb", "create-blocks-from", "--max-block-duration=24h", "openmetrics"]
            subprocess.run([*command, file, folder / "data"], check=True, capture_output=True)
        return {
            "api": api,
            "days": history.days,
            "tests": history.tests,
            "samples": samples,
            "bytes": sum(file.stat().st_size for file in folder.glob("past.*.om")),
            "block_bytes": sum(file.stat().st_size for file in folder.rglob("data/**/*") if file.is_file()),
            "write_seconds": wrote - began,
            "import_seconds": time.perf_counter() - wrote,
        }


def write_history(history: History, api: str, url: str, folder: Path) -> int:
    """Run `backfill` with one file per week. Returns the number of samples."""
    settings = {"K6_CLOUD_TOKEN": "t", "K6_CLOUD_EXPORTER_API__URL": url}
    stack = {"K6_CLOUD_STACK_ID": "1"} if api == "v6" else {}
    flags = ["--since", f"{history.days}d", "--split", "7d", "-o", str(folder / "past.om")]
    labels = ["--label", "job=k6-cloud", "--label", "instance=localhost:10565"]
    command = [sys.executable, "-m", "exporter", "backfill", *flags, *labels]
    done = subprocess.run(
        command,
        env={**os.environ, **settings, **stack},
        cwd=HERE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"([\d,]+) samples", done.stderr)
    assert found, done.stderr
    return int(found[1].replace(",", ""))
