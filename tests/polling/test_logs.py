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


def add_tests(world: World) -> None:
    for number in range(7):
        world.add_test(f"added-{number}")


def rename_first_test(world: World) -> None:
    world.rename_test(min(world.tests), "checkout\nlevel=error")


def delete_first_test(world: World) -> None:
    world.delete_test(min(world.tests))


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
    "tests are added, renamed and deleted": [None, add_tests, None, rename_first_test, delete_first_test],
    "a bug": [ZeroDivisionError("example")],
}


def lines(steps: list[Any], caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    """What is logged while a poll is made after each step: the one fault, or a change of the world."""
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
            if callable(step):
                step(world)
            elif step is not None:
                lab.simulator.faults.add(step)
            lab.poll()
    yield from format_records(caplog).replace(str(test), "TEST").splitlines()


def format_records(caplog: pytest.LogCaptureFixture) -> str:
    """The log lines of the exporter without their timestamps."""
    records = [record for record in caplog.records if record.name.startswith("exporter")]
    return "\n".join(LogfmtFormatter().format(record).partition(" ")[2] for record in records)


def reload_lines(caplog: pytest.LogCaptureFixture) -> Iterator[str]:
    """What is logged while the configuration changes, and polls follow."""
    world = World()
    world.add_test("checkout")
    caplog.clear()
    with Lab(world) as lab:
        lab.poll()
        lab.reload(runs={"keep": 7}, log={"level": "debug"})
        lab.reload(runs={"keep": 7}, log={"level": "debug"})
        lab.reload(tests=[{"include": "zebra"}, {"id": 7}])
        lab.at(10).poll()
        lab.at(1000).poll()
        lab.reload(web={"telemetry_path": "/elsewhere"})
    yield from format_records(caplog).splitlines()


def test_golden_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    sections = ["\n".join([f"# {name}", *lines(steps, caplog)]) for name, steps in CASES.items()]
    sections.append("\n".join(["# the configuration is reloaded", *reload_lines(caplog)]))
    caplog.set_level(logging.DEBUG, "exporter")
    sections.append("\n".join(["# level debug", *lines([None, None, faults.error(401)], caplog)]))

    assert_golden(GOLDEN, "\n\n".join(sections) + "\n")
