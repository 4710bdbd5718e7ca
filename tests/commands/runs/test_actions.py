"""`runs start` and `runs stop`: nothing changes without confirmation, and nothing is sent twice."""

import click
import pytest

from exporter.commands.runs.command import start
from exporter.simulator import EndStatus, Fault, RunScript, World, faults
from tests.commands.runs.worlds import SLOW, one_test
from tests.support.lab import START, Lab
from tests.support.runs_shell import API_VERSIONS, Shell

both = pytest.mark.parametrize("api_version", API_VERSIONS)


def active_run() -> World:
    """A test with an active run: 5000001."""
    world = one_test()
    world.add_run(400001, created=START - 60, phases=SLOW)
    return world


def writes(shell: Shell) -> list[str]:
    return [request for request in shell.take_requests() if not request.startswith("GET ")]


@pytest.mark.parametrize("api", [{}, {"stack": 1}], ids=API_VERSIONS)
def test_polling_only_reads(api: dict[str, int]) -> None:
    with Lab(active_run(), api={"url": "http://k6.test"} | api) as lab:
        for second in range(0, 600, 15):
            lab.at(second).poll()

        assert {request.method for request in lab.simulator.requests} == {"GET"}


@both
@pytest.mark.parametrize("answer", ["y\n", "Yes\n"])
def test_confirmed_start_starts_a_run(api_version: str, answer: str) -> None:
    shell = Shell(one_test(), api_version)

    assert shell.command(answer).start(400001, yes=False, watch=False, interval=5) == 0
    effect, *_, result = shell.err.splitlines()
    assert all(text in effect for text in ("400001", "soak", "http://k6.test", f"{api_version} API"))
    # Only v6 reports the page of a run, and only when it is started.
    app_url = "https://app.k6.io" if api_version == "legacy" else "https://simulated.grafana.net/a/k6-app"
    assert f"{app_url}/runs/5000001" in result
    assert list(shell.world.runs) == [5000001]


@both
@pytest.mark.parametrize(("answer", "code"), [("n\n", 3), ("\n", 3), ("yesterday\n", 3), ("", 2)])
def test_unconfirmed_command_changes_nothing(api_version: str, answer: str, code: int) -> None:
    shell = Shell(active_run(), api_version)

    assert shell.command(answer).start(400001, yes=False, watch=False, interval=5) == code
    assert ("--yes" in shell.err) == (answer == "")
    assert shell.command(answer).stop(5000001, yes=False) == code
    assert ("--yes" in shell.err) == (answer == "")
    assert writes(shell) == []


def named_tests() -> World:
    """400001 soak, 400002 login, 400003 login and 400004, whose name is 400002."""
    world = World()
    for name in ("soak", "login", "login", "400002"):
        world.add_test(name)
    return world


@both
def test_start_by_name_takes_the_exact_name(api_version: str) -> None:
    shell = Shell(named_tests(), api_version)

    assert shell.command().start("soak", yes=True, watch=False, interval=5) == 0
    assert [run.test_id for run in shell.world.runs.values()] == [400001]
    if api_version == "v6":
        # The list of tests, what a start costs, and the start.
        assert len(shell.take_requests()) == 4


@both
@pytest.mark.parametrize(
    ("name", "code", "parts"),
    [
        ("login", 2, ("400002 (project ", "400003 (project ")),
        ("Soak", 3, ("similar names: 400001 soak",)),
        ("zebra", 3, ("no matching test",)),
    ],
)
def test_start_by_another_name_starts_nothing(
    api_version: str, name: str, code: int, parts: tuple[str, ...]
) -> None:
    shell = Shell(named_tests(), api_version)

    assert shell.command().start(name, yes=True, watch=False, interval=5) == code
    assert writes(shell) == []
    error = shell.err
    assert [part for part in parts if part not in error] == []


@both
def test_start_by_alias_starts_the_configured_test(api_version: str) -> None:
    shell = Shell(named_tests(), api_version, tests=[{"id": 400001, "name": "login"}])

    assert shell.command().start("login", yes=True, watch=False, interval=5) == 0
    assert [run.test_id for run in shell.world.runs.values()] == [400001]


@both
def test_start_by_name_refuses_an_incomplete_list(api_version: str) -> None:
    shell = Shell(named_tests(), api_version)
    shell.simulator.faults.add(faults.invalid_item().on("*tests*", method="GET"))

    assert shell.command().start("soak", yes=True, watch=False, interval=5) == 3
    assert writes(shell) == []


def test_number_is_an_id_even_if_it_is_a_name() -> None:
    argument = next(param for param in start.params if param.name == "test")

    assert argument.type_cast_value(click.Context(start), "400002") == 400002
    assert argument.type_cast_value(click.Context(start), "soak") == "soak"


@pytest.mark.parametrize("text", ["", "0", "-1"])
def test_start_rejects_other_arguments(text: str) -> None:
    argument = next(param for param in start.params if param.name == "test")

    with pytest.raises(click.BadParameter):
        argument.type_cast_value(click.Context(start), text)


@both
def test_start_prints_json(api_version: str) -> None:
    shell = Shell(one_test(), api_version)

    assert shell.command(is_json=True).start(400001, yes=True, watch=False, interval=5) == 0
    run = shell.json()
    assert (run["id"], run["test_name"], run["state"], run["outcome"]) == (5000001, "soak", "created", None)


@both
@pytest.mark.parametrize(
    ("plan", "code", "end"),
    [
        (RunScript(phases=SLOW), 0, "finished, passed"),
        (RunScript(failed=True, phases=SLOW), 1, "finished, failed"),
        (RunScript(EndStatus.ABORTED_BY_SYSTEM, phases=SLOW), 3, "aborted by system"),
    ],
)
def test_started_run_can_be_watched(api_version: str, plan: RunScript, code: int, end: str) -> None:
    shell = Shell(one_test(plan), api_version)

    assert shell.command().start(400001, yes=True, watch=True, interval=5) == code
    first, *_, last = shell.out.splitlines()
    assert first.endswith("run 5000001 of soak: created" + " (1 min planned)" * (api_version == "legacy"))
    assert f"run 5000001 of soak: {end}" in last


def test_page_of_a_started_run_is_kept_while_watching() -> None:
    shell = Shell(one_test(), "v6")

    shell.command(is_terminal=True, width=100).start(400001, yes=True, watch=True, interval=5)
    assert shell.out.splitlines()[-1] == "https://simulated.grafana.net/a/k6-app/runs/5000001"


@both
def test_started_run_may_not_be_found_at_first(api_version: str) -> None:
    shell = Shell(one_test(), api_version)
    shell.simulator.faults.add(faults.error(404).on("*runs/5000001*", times=3))

    assert shell.command().start(400001, yes=True, watch=True, interval=5) == 0
    assert "finished, passed" in shell.out


@both
def test_started_run_that_is_never_found_is_an_error(api_version: str) -> None:
    shell = Shell(one_test(), api_version)
    shell.simulator.faults.add(faults.error(404).on("*runs/5000001*"))

    assert shell.command().start(400001, yes=True, watch=True, interval=5) == 3
    assert shell.err.splitlines()[-1].startswith("error: run 5000001 ")
    assert shell.now.value <= START + 60


@both
@pytest.mark.parametrize(
    "fault", [faults.not_json(), faults.reset(), faults.error(502)], ids=["not JSON", "reset", "502"]
)
def test_start_that_may_have_begun_says_how_to_check(api_version: str, fault: Fault) -> None:
    shell = Shell(one_test(), api_version)
    shell.simulator.faults.add(fault.on(method="POST"))

    assert shell.command().start(400001, yes=True, watch=True, interval=5) == 3
    assert shell.err.endswith("runs list --test 400001\n")
    assert len(shell.world.runs) <= 1


def test_legacy_start_with_a_lost_response_is_sent_once() -> None:
    shell = Shell(one_test())
    shell.simulator.faults.add(faults.truncated().on(method="POST", times=1))

    assert shell.command().start(400001, yes=True, watch=False, interval=5) == 3
    assert (len(writes(shell)), len(shell.world.runs)) == (1, 1)


def test_v6_start_with_a_lost_response_starts_one_run() -> None:
    shell = Shell(one_test(), "v6")
    shell.simulator.faults.add(faults.truncated().on(method="POST", times=1))

    assert shell.command().start(400001, yes=True, watch=False, interval=5) == 0
    assert (len(writes(shell)), list(shell.world.runs)) == (2, [5000001])


@both
def test_forbidden_start_is_an_error(api_version: str) -> None:
    shell = Shell(one_test(), api_version)
    shell.simulator.faults.add(faults.error(403, message="Not for you").on(method="POST"))

    assert shell.command().start(400001, yes=True, watch=False, interval=5) == 3
    _, error = shell.err.splitlines()
    assert error.startswith("error: ")
    assert "(403 at POST /" in error


@both
@pytest.mark.parametrize("wrong_id", [7, 5000001], ids=["unknown", "a run's"])
def test_start_with_a_wrong_id_is_an_error(api_version: str, wrong_id: int) -> None:
    shell = Shell(active_run(), api_version)

    assert shell.command().start(wrong_id, yes=True, watch=False, interval=5) == 3
    (error,) = shell.err.splitlines()
    assert error.startswith("error: ")
    assert str(wrong_id) in error
    assert writes(shell) == []


@both
def test_confirmed_stop_stops_the_run(api_version: str) -> None:
    shell = Shell(active_run(), api_version)

    assert shell.command("y\n").stop(5000001, yes=False) == 0
    effect, result = shell.err.splitlines()
    assert all(text in effect for text in ("5000001", "400001", "soak", "running", "1 min ago"))
    assert "5000001" in result
    assert len(writes(shell)) == 1
    assert shell.command().show(5000001, watch=True, interval=5) == 3
    assert "aborted by user" in shell.out


@both
@pytest.mark.parametrize(
    ("later", "state"), [(35, "finished, processing results"), (500, "finished, passed")]
)
def test_ended_run_is_not_stopped(api_version: str, later: float, state: str) -> None:
    shell = Shell(active_run(), api_version)
    shell.now.value += later

    assert shell.command().stop(5000001, yes=True) == 3
    (error,) = shell.err.splitlines()
    assert error.startswith("error: ")
    assert all(text in error for text in ("5000001", "soak", "400001", state))
    assert writes(shell) == []


def test_run_that_ends_before_the_stop_is_an_error() -> None:
    shell = Shell(active_run(), "v6")
    shell.simulator.faults.add(faults.error(409, message="It is over").on(method="POST"))

    assert shell.command().stop(5000001, yes=True) == 3
    assert "(409 at POST /cloud/v6/test_runs/{id}/abort" in shell.err


@both
def test_echoed_token_is_redacted(api_version: str) -> None:
    shell = Shell(active_run(), api_version, token="canary-17")
    shell.simulator.faults.add(faults.error(401, message="canary-17 is unknown"))

    assert shell.command().start(400001, yes=True, watch=False, interval=5) == 3
    assert shell.command().stop(5000001, yes=True) == 3
    assert shell.command().show(5000001, watch=True, interval=5) == 3
    err = shell.err
    assert err.count("(401 at GET ") == 3
    assert "canary" not in err + shell.out
