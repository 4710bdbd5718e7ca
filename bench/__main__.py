"""`python -m bench` runs all benchmarks and writes results.json, RESULTS.md, plot.svg and the README's table.

`python -m bench NAME...` only prints the results of these, so that everything written comes from one run.
`python -m bench report` writes the documents again from results.json.

`python -m bench sizing` measures what many tests need, and writes sizing.json and the table of
docs/install-and-upgrade.md. It takes five minutes, with `--hour` an hour.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping

from bench import (
    cycle,
    flood,
    history,
    memory,
    report,
    requests,
    scrape,
    sizing,
    stall,
    start,
    trigger,
    update,
)
from bench.measure import describe_machine

BENCHMARKS: Mapping[str, Callable[[], object]] = {
    "scrape": scrape.run,
    "update": update.run,
    "cycle": cycle.run,
    "start": start.run,
    "requests": requests.run,
    "memory": memory.run,
    "stall": stall.run,
    "flood": flood.run,
    "trigger": trigger.run,
    "history": history.run,
}


def main() -> None:
    names = sys.argv[1:]
    if names[:1] == ["sizing"]:
        sizing.write(sizing.run(is_real=names[1:] == ["--hour"]))
        return
    if names and names != ["report"]:
        print(json.dumps(run_benchmarks(names), indent=1))
        return
    if not names:
        results = {"machine": describe_machine(), **run_benchmarks(BENCHMARKS)}
        report.RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    report.write(report.read())


def run_benchmarks(names: Iterable[str]) -> report.Results:
    results = {}
    for name in names:
        print(name, flush=True)
        began = time.monotonic()
        results[name] = BENCHMARKS[name]()
        print(f"  took {time.monotonic() - began:.0f} s", flush=True)
    return results


main()
