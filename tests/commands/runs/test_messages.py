"""The exact text of tables, lines and messages of `runs`, in the golden file messages.txt."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from exporter.simulator import World, faults
from tests.commands.runs.worlds import (
    SLOW,
    big_test,
    many_tests,
    one_run,
    one_test,
    same_names,
    several_tests,
)
from tests.support.golden import assert_golden
from tests.support.lab import START
from tests.support.runs_shell import Shell

FIVE_MINUTES = replace(SLOW, running=300)
MESSAGES = Path(__file__).parent / "messages.txt"


def at(shell: Shell, second: float) -> Shell:
    shell.now.value = START + second
    return shell


def with_fault(shell: Shell, fault: faults.Fault) -> Shell:
    shell.simulator.faults.add(fault)
    return shell


def with_event(shell: Shell, second: float, event: Callable[[Shell], object]) -> Shell:
    shell.events[second] = lambda: event(shell)
    return shell


def list_runs(shell: Shell, *, active: bool = False) -> Shell:
    shell.command().list(limit=20, active=active)
    return shell


def list_by(shell: Shell, **query: Any) -> Shell:
    shell.command().list(limit=20, active=False, **query)
    return shell


def show(shell: Shell, run_id: int = 5000001, *, watch: bool = False) -> Shell:
    shell.command().show(run_id, watch=watch, interval=5)
    return shell


def watch_with_timeout(shell: Shell) -> Shell:
    shell.command().show(5000001, watch=True, interval=5, timeout=60)
    return shell


def start(shell: Shell, test: int | str = 400001, answer: str = "") -> Shell:
    shell.command(answer).start(test, yes=not answer, watch=False, interval=5)
    return shell


def stop(shell: Shell, answer: str = "") -> Shell:
    shell.command(answer).stop(5000001, yes=not answer)
    return shell


def unconfirmed(shell: Shell) -> Shell:
    shell.command("").stop(5000001, yes=False)
    return shell


def outage(shell: Shell) -> Shell:
    with_event(shell, 20, lambda s: s.simulator.faults.add(faults.error(503)))
    return with_event(shell, 55, lambda s: s.simulator.faults.clear())


SCENARIOS: dict[str, Callable[[], Shell]] = {
    "runs list": lambda: list_runs(Shell(several_tests())),
    "runs list without runs": lambda: list_runs(Shell(World())),
    "runs list --active without active runs": lambda: list_runs(Shell(World()), active=True),
    "runs list with an entry that matches no test": lambda: list_runs(
        Shell(several_tests(), tests=[{"id": 400002}, {"id": 7}])
    ),
    "runs list with fewer runs than wanted": lambda: list_runs(Shell(many_tests(12, every=60), "v6")),
    "runs list with a refused token": lambda: list_runs(Shell(several_tests(), "v6", token="wrong-token")),
    "runs list --run": lambda: list_by(Shell(several_tests(), "v6"), run_ids=(5000003, 7)),
    "runs list --public-id": lambda: list_by(Shell(several_tests()), public_id="abc"),
    "runs list --public-id, v6": lambda: list_by(Shell(several_tests(), "v6"), public_id="abc"),
    "runs show, legacy": lambda: show(at(Shell(one_run()), 57)),
    "runs show, v6": lambda: show(at(Shell(one_run(), "v6"), 57)),
    "runs show after the end": lambda: show(at(Shell(one_run(failed=True), "v6"), 1000)),
    "runs show with an unknown ID": lambda: show(Shell(one_run()), 7),
    "runs show with the ID of a test": lambda: show(Shell(one_run()), 400001),
    "runs show --watch, legacy": lambda: show(Shell(one_run()), watch=True),
    "runs show --watch, v6": lambda: show(Shell(one_run(), "v6"), watch=True),
    "runs show --watch during an outage": lambda: show(outage(Shell(one_run(), "v6")), watch=True),
    "runs show --watch while rate limited": lambda: show(
        with_event(
            Shell(one_run(), "v6"),
            20,
            lambda s: s.simulator.faults.add(faults.error(429, retry_after=300).on(times=1)),
        ),
        watch=True,
    ),
    "runs show --watch when the run is deleted": lambda: show(
        with_event(Shell(one_run()), 40, lambda s: s.world.delete_run(5000001)), watch=True
    ),
    "runs show --watch when the token is revoked": lambda: show(
        with_event(Shell(one_run()), 40, lambda s: s.simulator.tokens.clear()), watch=True
    ),
    "runs show --watch --timeout": lambda: watch_with_timeout(Shell(one_run())),
    "runs show --watch during a long run": lambda: show(Shell(one_run(phases=FIVE_MINUTES)), watch=True),
    "runs start": lambda: start(Shell(one_test()), answer="y\n"),
    "runs start, declined": lambda: start(Shell(one_test()), answer="n\n"),
    "runs start with an unknown ID": lambda: start(Shell(one_run()), 7),
    "runs start with the ID of a run": lambda: start(Shell(one_run()), 5000001),
    "runs start with an unknown name": lambda: start(Shell(several_tests()), "Soak"),
    "runs start with an ambiguous name": lambda: start(Shell(same_names(), "v6"), "login"),
    "runs list with an unknown name": lambda: list_runs(
        Shell(several_tests(), tests=[{"id": 400002}, {"name": "soack"}])
    ),
    "runs list with an ambiguous name": lambda: list_runs(
        Shell(same_names(), "v6", tests=[{"name": "login"}])
    ),
    "runs start when the response is lost": lambda: start(
        with_fault(Shell(one_test(), "v6"), faults.reset().on(method="POST"))
    ),
    "runs start when it is forbidden": lambda: start(
        with_fault(Shell(one_test(), "v6"), faults.error(403, message="Not for you").on(method="POST"))
    ),
    "runs start, v6": lambda: start(Shell(big_test(vus=50), "v6"), answer="y\n"),
    "runs start beyond a limit": lambda: start(Shell(big_test(), "v6"), answer="n\n"),
    "runs start beyond all limits with --yes": lambda: start(Shell(big_test(seconds=7200), "v6")),
    "runs stop": lambda: stop(at(Shell(one_run()), 57), answer="y\n"),
    "runs stop without a terminal": lambda: unconfirmed(at(Shell(one_run()), 57)),
    "runs stop after the load": lambda: stop(at(Shell(one_run(), "v6"), 90)),
    "runs stop after the end": lambda: stop(at(Shell(one_run(), "v6"), 1000)),
    "runs stop when k6 Cloud refuses": lambda: stop(
        with_fault(Shell(one_run(), "v6"), faults.error(409, message="It is over").on(method="POST"))
    ),
}


def test_messages_match_the_golden_file() -> None:
    random.seed(0)  # the pauses between retries are random, and the transcript has timestamps
    transcript = ""
    for title, run_scenario in SCENARIOS.items():
        shell = run_scenario()
        transcript += f"== {title}\n{shell.out}"
        transcript += "".join(f"stderr: {line}\n" for line in shell.err.splitlines())
    assert_golden(MESSAGES, transcript)
