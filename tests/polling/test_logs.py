"""The exact log lines of polls, all in logs.txt; elsewhere tests assert reasons and outcomes."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.logs import LogfmtFormatter
from exporter.polling.events import MAX_RUNS
from exporter.simulator import EndStatus, Phases, RunScript, World, faults
from exporter.simulator.runs import RunError
from tests.support.golden import assert_golden
from tests.support.lab import START, TOKEN, Lab

GOLDEN = Path(__file__).parent / "logs.txt"
QUICK = Phases(created=1, validated=1, queued=1, initializing=1, running=5, processing=1)


def add_tests(world: World) -> None:
    for number in range(7):
        world.add_test(f"added-{number}")


def rename_first_test(world: World) -> None:
    world.rename_test(min(world.tests), "checkout\nlevel=error")


def delete_first_test(world: World) -> None:
    world.delete_test(min(world.tests))


def finish_runs(world: World) -> None:
    """Adds finished runs: one that passed, and some that did not."""
    test = min(world.tests)
    message = f"line 1\nlevel=error {TOKEN} " + "x" * 1000
    for i, ending in enumerate((EndStatus.FINISHED, EndStatus.ABORTED_BY_USER, EndStatus.TIMED_OUT)):
        world.add_run(test, created=START + 10 + i, phases=QUICK, ending=ending)
    world.add_run(test, created=START + 20, phases=QUICK, failed=True)
    error = RunError(8035, message)
    script_error = EndStatus.ABORTED_BY_SCRIPT_ERROR
    world.create_run(test, START + 21, RunScript(script_error, phases=QUICK, error=error))


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
    "runs finish": [None, finish_runs, None],
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


def test_poll_logs_a_limited_number_of_runs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    def fail_runs(world: World) -> None:
        for i in range(MAX_RUNS + 7):
            world.add_run(min(world.tests), created=START + 10 + i, phases=QUICK, failed=True)

    logged = list(lines([None, fail_runs, None], caplog))

    assert sum('msg="run finished"' in line for line in logged) == MAX_RUNS
    assert logged[-1].endswith("runs=7")
