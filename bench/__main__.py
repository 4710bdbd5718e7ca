"""`python -m bench` measures everything and writes results.json, RESULTS.md, plot.svg and the README's table.

`python -m bench NAME...` only prints what these measure: all that is written comes from one run. `python -m
bench report` writes the documents anew from results.json.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping

from bench import cycle, memory, report, requests, scrape, stall
from bench import history as past
from bench import trigger as hint
from bench import update as step
from bench.measure import machine

BENCHMARKS: Mapping[str, Callable[[], object]] = {
    "scrape": scrape.run,
    "step": step.run,
    "cycle": cycle.run,
    "requests": requests.run,
    "memory": memory.run,
    "stall": stall.run,
    "hint": hint.run,
    "past": past.run,
}


def main() -> None:
    names = sys.argv[1:]
    if names and names != ["report"]:
        print(json.dumps(measured(names), indent=1))
        return
    if not names:
        results = {"machine": machine(), **measured(BENCHMARKS)}
        report.RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    report.write(report.read())


def measured(names: Iterable[str]) -> report.Results:
    results = {}
    for name in names:
        print(name, flush=True)
        began = time.monotonic()
        results[name] = BENCHMARKS[name]()
        print(f"  took {time.monotonic() - began:.0f} s", flush=True)
    return results


main()
