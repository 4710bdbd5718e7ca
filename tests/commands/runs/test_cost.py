"""`runs start` shows what the last run cost, and does not start beyond a limit without a second flag."""

import pytest

from exporter.simulator import REJECTED, EndStatus, faults
from tests.commands.runs.worlds import LONG, big_test, one_test
from tests.support.lab import START
from tests.support.runs_shell import Shell


def start(shell: Shell, answer: str = "", *, yes: bool = False, force: bool = False) -> int:
    return shell.command(answer).start(400001, yes=yes, force=force, watch=False, interval=5)


def started(shell: Shell) -> int:
    return sum(request.startswith("POST ") for request in shell.take_requests())


def test_v6_start_shows_cost_and_limits_first() -> None:
    shell = Shell(big_test(vus=90), "v6")

    assert start(shell, "n\n") == 3
    prompt, _, _ = shell.err.partition("Continue?")
    assert all(text in prompt for text in ("5000001", "1.5 VU hours", "90 VUs", "1 min."))
    assert all(text in prompt for text in ("20 VU hours per month", "500 VUs per test", "1 h per test"))
    assert shell.take_requests() == [
        "GET /cloud/v6/load_tests/400001",
        "GET /cloud/v6/load_tests/400001/test_runs",
        "GET /cloud/v6/project-limits",
    ]


def test_legacy_start_takes_no_further_request() -> None:
    shell = Shell(big_test())

    assert start(shell, yes=True) == 0
    assert shell.take_requests() == [
        "GET /loadtests/v2/tests/400001",
        "POST /loadtests/v2/tests/400001/start-testrun",
    ]


@pytest.mark.parametrize(
    ("vus", "vus_limit", "seconds", "limit"),
    [
        (600, 500, 60, "500 VUs"),
        (2, 500, 7200, "1 h"),
        (500, 500, 3600, "20 VU hours"),
    ],
)
def test_yes_does_not_start_beyond_a_limit(vus: int, vus_limit: int, seconds: int, limit: str) -> None:
    shell = Shell(big_test(vus=vus, vus_limit=vus_limit, seconds=seconds), "v6")

    assert start(shell, yes=True) == 2
    assert started(shell) == 0
    *_, exceeded, error = shell.err.splitlines()
    assert f"(limit {limit} per " in exceeded
    assert exceeded.count("(limit") == 1
    assert "--force" in error


def test_force_starts_beyond_a_limit() -> None:
    shell = Shell(big_test(), "v6")

    assert start(shell, yes=True, force=True) == 0
    assert started(shell) == 1
    assert "(limit 500 VUs per test)" in shell.err


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 3), ("", 2)])
def test_answer_decides_about_a_start_beyond_a_limit(answer: str, code: int) -> None:
    shell = Shell(big_test(), "v6")

    assert start(shell, answer) == code
    assert started(shell) == (code == 0)
    assert "(limit 500 VUs per test)" in shell.err.partition("Continue?")[0]


def test_force_alone_needs_confirmation() -> None:
    shell = Shell(big_test(), "v6")

    assert start(shell, force=True) == 2
    assert started(shell) == 0


def test_run_at_the_limit_is_within_it() -> None:
    shell = Shell(big_test(vus=18, vus_limit=18, seconds=3600), "v6")

    assert start(shell, yes=True) == 0


@pytest.mark.parametrize("path", ["*/test_runs", "*/project-limits"])
@pytest.mark.parametrize("fault", [faults.error(403), faults.error(500), faults.not_json()])
def test_start_needs_neither_cost_nor_limits(path: str, fault: faults.Fault) -> None:
    shell = Shell(big_test(), "v6")
    shell.simulator.faults.add(fault.on(path, method="GET"))

    assert start(shell, yes=True) == 0
    assert started(shell) == 1


def test_first_start_has_no_cost() -> None:
    shell = Shell(one_test(), "v6")

    assert start(shell, yes=True) == 0
    assert "VU hours" not in shell.err


def test_cost_is_that_of_the_last_run_that_has_one() -> None:
    world = big_test(vus=90)
    world.add_run(400001, created=START - 600, phases=REJECTED, ending=EndStatus.ABORTED_BY_SYSTEM)
    world.add_run(400001, created=START - 300, phases=LONG, vus=400)
    shell = Shell(world, "v6")

    assert start(shell, yes=True) == 0
    assert "5000001: 1.5 VU hours" in shell.err
