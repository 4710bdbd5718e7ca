"""python -m tests.alerts.live [scenario ...]: run the live alert campaign and write RESULTS.md.

A scenario is selected by a part of its name. Exit code 1 if anything else was sent than expected.
"""

import argparse
import re
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

from tests.alerts.live import report
from tests.alerts.live.campaign import run
from tests.alerts.live.scenarios import list_scenarios
from tests.alerts.live.stage import ROOT
from tests.support.programs import require_program


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.alerts.live", description=__doc__)
    parser.add_argument("scenarios", nargs="*", help="parts of names of scenarios; all if there are none")
    parser.add_argument("--speed", type=float, default=30.0, help="how many times faster than normal")
    parser.add_argument("--parallel", type=int, default=4, help="scenarios at the same time")
    parser.add_argument("--keep", help="a folder for configurations, logs and data")
    arguments = parser.parse_args()
    prometheus = require_program("prometheus", "prometheus")
    alertmanager = require_program("prometheus-alertmanager", "prometheus-alertmanager")
    scenarios = [
        it
        for it in list_scenarios()
        if not arguments.scenarios or any(part in it.name for part in arguments.scenarios)
    ]
    began = time.monotonic()
    results: dict[str, dict[str, Any]] = {}
    # The longest first, so that it does not run alone at the end.
    with ProcessPoolExecutor(arguments.parallel, mp_context=get_context("spawn")) as pool:
        futures = [
            pool.submit(run, it.name, arguments.speed, prometheus, alertmanager, arguments.keep)
            for it in sorted(scenarios, key=lambda it: -it.minutes)
        ]
        for future in as_completed(futures):
            result = future.result()
            results[result["scenario"]] = result
            differences = report.find_differences({"scenarios": [result]})
            print("\n".join(differences) or f"{result['scenario']}: as expected", flush=True)
    campaign = {
        "speed": arguments.speed,
        "seconds": time.monotonic() - began,
        "scenarios": [results[it.name] for it in scenarios],
    }
    if not arguments.scenarios:
        report.write(read_version(prometheus), campaign)
    return 1 if report.find_differences(campaign) else 0


def read_version(prometheus: str) -> str:
    """The version as the program prints it, or that of our Go module: `go build` sets none."""
    printed = subprocess.run([prometheus, "--version"], capture_output=True, text=True, check=True)
    if found := re.search(r"version (\d+\.\d+\.\d+)", printed.stdout + printed.stderr):
        return found[1]
    module = (ROOT / "tests" / "system" / "prometheus_3" / "go.mod").read_text(encoding="utf-8")
    found = re.search(r"prometheus/prometheus v0\.(\d)(\d\d)\.(\d+)", module)  # v0.313.5 is 3.13.5
    assert found
    return f"{found[1]}.{int(found[2])}.{found[3]}"


if __name__ == "__main__":
    sys.exit(main())
