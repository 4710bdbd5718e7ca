"""Why a run did not pass, as `runs` prints it: complete where there is room, and never more than a text."""

import pytest

from exporter.simulator import EndStatus, RunScript, World
from exporter.simulator.runs import RunError
from tests.commands.runs.worlds import SLOW
from tests.support.lab import START, TOKEN
from tests.support.runs_shell import API_VERSIONS, Shell

MESSAGE = "TypeError: " + "Cannot read property 'id' of undefined, " * 10
both = pytest.mark.parametrize("api_version", API_VERSIONS)


def failed_run(message: str) -> World:
    """400001 soak with the run 5000001, whose script throws an exception with this message."""
    world = World()
    script = RunScript(
        EndStatus.ABORTED_BY_SCRIPT_ERROR, phases=SLOW, vus=20_000, error=RunError(8035, message)
    )
    world.add_test("größentabelle-smoke-with-a-long-name", plan=script)
    world.start(400001, START)
    return world


def later(world: World, api_version: str, **options: str) -> Shell:
    """A shell after the end of the run."""
    shell = Shell(world, api_version, **options)  # type: ignore[arg-type]
    shell.now.value += 300
    return shell


@both
def test_show_prints_the_full_message(api_version: str) -> None:
    shell = later(failed_run(MESSAGE), api_version)

    assert shell.command().show(5000001, watch=False, interval=5) == 0
    lines = shell.out.splitlines()
    assert f"reason       script exception: {MESSAGE.strip()}" in lines
    assert "reason code  8035" in lines


@both
def test_json_has_word_code_and_message(api_version: str) -> None:
    shell = later(failed_run(MESSAGE), api_version)
    reason = {"reason": "script_exception", "reason_code": 8035, "reason_message": MESSAGE.strip()}

    assert shell.command(is_json=True).show(5000001, watch=False, interval=5) == 0
    assert shell.json().items() >= reason.items()
    assert shell.command(is_json=True).list(limit=20, active=False) == 0
    assert shell.json()[0].items() >= reason.items()


@both
def test_json_of_an_active_run_has_no_reason(api_version: str) -> None:
    shell = Shell(failed_run(MESSAGE), api_version)

    assert shell.command(is_json=True).show(5000001, watch=False, interval=5) == 0
    run = shell.json()
    assert (run["reason"], run["reason_code"], run["reason_message"]) == (None, None, None)


@both
def test_last_line_of_watching_has_the_reason(api_version: str) -> None:
    shell = Shell(failed_run(MESSAGE), api_version)

    assert shell.command().show(5000001, watch=True, interval=5) == 3
    *others, last = shell.out.splitlines()
    assert last.endswith(f": script exception: {MESSAGE.strip()}")
    assert not [line for line in others if "exception" in line]


@both
def test_bar_of_watching_ends_with_the_reason(api_version: str) -> None:
    shell = Shell(failed_run(MESSAGE), api_version)

    assert shell.command(is_terminal=True, width=100).show(5000001, watch=True, interval=5) == 3
    *_, reason, url = shell.out.splitlines()
    assert reason == f"script exception: {MESSAGE.strip()}"
    assert url.endswith("/runs/5000001")


@both
@pytest.mark.parametrize("width", [80, 120])
def test_list_cuts_the_reason_to_the_terminal(api_version: str, width: int) -> None:
    shell = later(failed_run(MESSAGE), api_version)

    assert shell.command(is_terminal=True, width=width).list(limit=20, active=False) == 0
    lines = shell.out.splitlines()
    assert max(map(len, lines)) <= width
    assert [line for line in lines if "script exception" in line and line.endswith("…")]
    assert lines[1].startswith("5000001")


@both
def test_list_in_a_pipe_has_the_full_message(api_version: str) -> None:
    shell = later(failed_run(MESSAGE), api_version)

    assert shell.command().list(limit=20, active=False) == 0
    header, row = shell.out.splitlines()
    assert header.endswith("REASON")
    assert row.endswith(f"script exception: {MESSAGE.strip()}")


@both
def test_word_that_the_state_contains_is_not_repeated(api_version: str) -> None:
    world = World()
    test = world.add_test("soak")
    world.add_run(test, created=START - 600, phases=SLOW, ending=EndStatus.ABORTED_BY_THRESHOLD)
    shell = Shell(world, api_version)

    assert shell.command().list(limit=20, active=False) == 0
    assert shell.out.count("aborted by threshold") == 1
    assert shell.out == ""


@both
def test_message_cannot_control_the_terminal(api_version: str) -> None:
    shell = later(failed_run("[red]\x1b[31m\r\n5000002  soak  ● finished, passed\u202e"), api_version)

    shell.command(is_terminal=True, width=200).list(limit=20, active=False)
    shell.command(is_terminal=True, width=200).show(5000001, watch=False, interval=5)
    shell.command().show(5000001, watch=True, interval=5)
    out = shell.out
    assert out.count("[red]") == 3
    assert not set(out) & {"\x1b", "\r", "\u202e"}
    assert not [line for line in out.splitlines() if line.startswith("5000002")]


@both
def test_token_in_a_message_is_redacted(api_version: str) -> None:
    shell = later(failed_run(f"cannot log in with {TOKEN}"), api_version)

    for is_json in (False, True):
        shell.command(is_json=is_json).list(limit=20, active=False)
        shell.command(is_json=is_json).show(5000001, watch=False, interval=5)
        shell.command(is_json=is_json).show(5000001, watch=True, interval=5)
    out = shell.out
    assert out.count("cannot log in with ***") == 6
    assert TOKEN not in out + shell.err
