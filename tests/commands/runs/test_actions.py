"""`runs start` and `runs stop`: nothing is done before it was said and agreed to."""

import pytest

from exporter.simulator import EndStatus, Fault, Phases, RunScript, World, faults
from tests.support.lab import START, Lab
from tests.support.runs_shell import GENERATIONS, Shell

BRISK = Phases(created=4, validated=4, queued=8, initializing=12, running=60, processing=20)
API = {"legacy": "legacy API", "v6": "v6 API"}


def world(plan: RunScript | None = None) -> World:
    """A test without runs: 400001."""
    made = World(stop_delay=5)
    made.add_test("soak", plan=plan or RunScript(phases=BRISK))
    return made


def with_run() -> World:
    """The same with a run under way: 5000001."""
    made = world()
    made.add_run(400001, created=START - 60, phases=BRISK)
    return made


@pytest.mark.parametrize("api", [{}, {"stack": 1}], ids=GENERATIONS)
def test_polls_do_nothing_but_ask(api: dict[str, int]) -> None:
    with Lab(with_run(), api={"url": "http://k6.test"} | api) as lab:
        for second in range(0, 600, 15):
            lab.at(second).poll()

        assert {request.method for request in lab.simulator.requests} == {"GET"}


def acts(shell: Shell) -> list[str]:
    return [request for request in shell.asked() if not request.startswith("GET ")]


@pytest.mark.parametrize("api_version", GENERATIONS)
@pytest.mark.parametrize("answer", ["y\n", "Yes\n"])
def test_a_start_is_said_and_done_when_agreed_to(api_version: str, answer: str) -> None:
    shell = Shell(world(), api_version)

    assert shell.desk(answer).start(400001, yes=False, watch=False, every=5) == 0
    assert shell.err == (
        f"This starts a run of test 400001 soak in k6 Cloud (http://k6.test, {API[api_version]}).\n"
        "Go on? [y/N] started run 5000001: https://app.k6.io/runs/5000001\n"
    )
    assert list(shell.world.runs) == [5000001]


@pytest.mark.parametrize("api_version", GENERATIONS)
@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ("n\n", 3, "Nothing was done."),
        ("\n", 3, "Nothing was done."),
        ("yesterday\n", 3, "Nothing was done."),
        ("", 2, "error: nothing was done, for nobody is there to answer; say --yes"),
    ],
)
def test_without_a_yes_nothing_is_done(api_version: str, answer: str, status: int, said: str) -> None:
    shell = Shell(with_run(), api_version)

    assert shell.desk(answer).start(400001, yes=False, watch=False, every=5) == status
    assert said in shell.err
    assert shell.desk(answer).stop(5000001, yes=False) == status
    assert said in shell.err
    assert acts(shell) == []


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_a_start_for_scripts_prints_the_run(api_version: str) -> None:
    shell = Shell(world(), api_version)

    assert shell.desk(is_json=True).start(400001, yes=True, watch=False, every=5) == 0
    run = shell.json()
    assert (run["id"], run["test_name"], run["state"], run["outcome"]) == (5000001, "soak", "created", None)


@pytest.mark.parametrize("api_version", GENERATIONS)
@pytest.mark.parametrize(
    ("plan", "status", "end"),
    [
        (RunScript(phases=BRISK), 0, "finished, passed"),
        (RunScript(failed=True, phases=BRISK), 1, "finished, failed"),
        (RunScript(EndStatus.ABORTED_BY_SYSTEM, phases=BRISK), 3, "aborted by system"),
    ],
)
def test_a_start_can_be_watched_to_the_end(api_version: str, plan: RunScript, status: int, end: str) -> None:
    shell = Shell(world(plan), api_version)

    assert shell.desk().start(400001, yes=True, watch=True, every=5) == status
    first, *_, last = shell.out.splitlines()
    assert first.endswith("run 5000001 of soak: created" + " (1 min planned)" * (api_version == "legacy"))
    assert f"run 5000001 of soak: {end}" in last


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_a_run_that_shows_late_is_waited_for(api_version: str) -> None:
    shell = Shell(world(), api_version)
    shell.simulator.faults.add(faults.error(404).on("*runs/5000001*", times=3))

    assert shell.desk().start(400001, yes=True, watch=True, every=5) == 0
    assert "finished, passed" in shell.out


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_a_run_that_never_shows_is_not_waited_for_for_ever(api_version: str) -> None:
    shell = Shell(world(), api_version)
    shell.simulator.faults.add(faults.error(404).on("*runs/5000001*"))

    assert shell.desk().start(400001, yes=True, watch=True, every=5) == 3
    assert "error: run 5000001 is no more" in shell.err
    assert shell.now.value <= START + 60


@pytest.mark.parametrize("api_version", GENERATIONS)
@pytest.mark.parametrize(
    "fault", [faults.not_json(), faults.reset(), faults.error(502)], ids=["not JSON", "reset", "502"]
)
def test_a_start_whose_answer_is_lost_is_not_repeated_and_left_open(api_version: str, fault: Fault) -> None:
    shell = Shell(world(), api_version)
    shell.simulator.faults.add(fault.on(method="POST"))

    assert shell.desk().start(400001, yes=True, watch=True, every=5) == 3
    assert shell.err.endswith(
        "; whether test 400001 was started is not known; look: runs list --test 400001\n"
    )
    assert len(acts(shell)) == 1


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_what_may_not_be_started_is_one_sentence(api_version: str) -> None:
    shell = Shell(world(), api_version)
    shell.simulator.faults.add(faults.error(403, message="Not for you").on(method="POST"))

    assert shell.desk().start(400001, yes=True, watch=False, every=5) == 3
    _, told = shell.err.splitlines()
    assert told.startswith("error: the token may not do this (403 at POST /")


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_what_is_no_test_is_not_started(api_version: str) -> None:
    shell = Shell(with_run(), api_version)

    assert shell.desk().start(7, yes=True, watch=False, every=5) == 3
    assert shell.err == "error: there is no test 7, or the token may not see it\n"
    assert shell.desk().start(5000001, yes=True, watch=False, every=5) == 3
    assert shell.err == "error: 5000001 is the id of a run, of test 400001\n"
    assert acts(shell) == []


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_a_stop_is_said_and_done_when_agreed_to(api_version: str) -> None:
    shell = Shell(with_run(), api_version)

    assert shell.desk("y\n").stop(5000001, yes=False) == 0
    assert shell.err == (
        "This stops run 5000001 of test 400001 soak: running, created 1 min ago.\n"
        "Go on? [y/N] run 5000001 is being stopped; it ends within moments, as aborted by user\n"
    )
    assert shell.desk().show(5000001, watch=True, every=5) == 3
    assert "aborted by user" in shell.out


@pytest.mark.parametrize("api_version", GENERATIONS)
@pytest.mark.parametrize(
    ("later", "state"), [(35, "finished, processing results"), (500, "finished, passed")]
)
def test_a_run_that_has_ended_is_not_stopped(api_version: str, later: float, state: str) -> None:
    shell = Shell(with_run(), api_version)
    shell.now.value += later

    assert shell.desk().stop(5000001, yes=True) == 3
    assert shell.err == f"error: run 5000001 of test 400001 soak has ended: {state}\n"
    assert acts(shell) == []


def test_a_run_that_ends_while_it_is_asked_about_is_not_stopped() -> None:
    shell = Shell(with_run(), "v6")
    shell.simulator.faults.add(faults.error(409, message="It is over").on(method="POST"))

    assert shell.desk().stop(5000001, yes=True) == 3
    assert "error: k6 Cloud cannot do this now (409 at POST /cloud/v6/test_runs/{id}/abort" in shell.err


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_a_refused_token_is_shown_nowhere_even_if_it_is_echoed(api_version: str) -> None:
    shell = Shell(with_run(), api_version, token="canary-17")
    shell.simulator.faults.add(faults.error(401, message="canary-17 is unknown"))

    assert shell.desk().start(400001, yes=True, watch=False, every=5) == 3
    assert shell.desk().stop(5000001, yes=True) == 3
    assert shell.desk().show(5000001, watch=True, every=5) == 3
    told = shell.err
    assert told.count("k6 Cloud refuses the token") == 3
    assert "canary" not in told + shell.out
