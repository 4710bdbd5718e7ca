"""The exact log lines of polls, all in logs.txt; elsewhere tests assert reasons and outcomes."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.logs import LogfmtFormatter
from exporter.simulator import World, faults
from tests.support.golden import assert_golden
from tests.support.lab import START, Lab

GOLDEN = Path(__file__).parent / "logs.txt"
CASES: dict[str, list[Any]] = {
    "k6 Cloud is down, then up": [faults.error(503), None],
    "the token is rejected at one endpoint, then at another": [
        faults.error(401).on("*tests*"),
        faults.error(401),
        None,
    ],
    "one test fails": [faults.error(500).on("*runs*")],
    "a run cannot be parsed": [faults.invalid_item(), faults.invalid_item()],
    "the list of tests is empty": [None, faults.empty_page().on("*tests*")],
    "a bug": [ZeroDivisionError("example")],
}


def lines(steps: list[Any], caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    """What is logged while a poll is made after each step, each of which sets the one fault there is."""
    world = World()
    test = world.add_test("checkout")
    for run in range(3):
        world.add_run(test, created=START - 600 + run)
    caplog.clear()
    with Lab(world) as lab:
        for number, step in enumerate(steps):
            lab.simulator.faults.clear()
            lab.at(600 * number)
            if isinstance(step, Exception):
                lab.exporter.poller.record_internal_error(step)
                continue
            if step is not None:
                lab.simulator.faults.add(step)
            lab.poll()
    for record in caplog.records:
        if record.name.startswith("exporter"):
            yield LogfmtFormatter().format(record).partition(" ")[2].replace(str(test), "TEST")


def test_golden_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    sections = ["\n".join([f"# {name}", *lines(steps, caplog)]) for name, steps in CASES.items()]

    assert_golden(GOLDEN, "\n\n".join(sections) + "\n")
