"""`runs show`, with and without --watch: what it says on the way, how often it looks, how it ends."""

import json

import pytest

from exporter.commands.runs.watch import backoff, interval
from exporter.model import Run, RunStatus
from exporter.simulator import EndStatus, Phases, World, faults
from tests.support.lab import START
from tests.support.runs_shell import GENERATIONS, Shell

BRISK = Phases(created=4, validated=4, queued=8, initializing=12, running=60, processing=20)
LONG = Phases(created=1, validated=1, queued=2, initializing=6, running=3600, processing=5)


def running(ending: EndStatus = EndStatus.FINISHED, *, failed: bool = False, phases: Phases = BRISK) -> World:
    """A world with one run, which is created a second before the start."""
    world = World()
    world.add_run(world.add_test("soak"), created=START - 1, ending=ending, failed=failed, phases=phases)
    return world


def tracked(shell: Shell, *, every: float = 5) -> int:
    return shell.desk().show(5000001, watch=True, every=every)


def test_a_run_is_shown_with_all_that_is_known_of_it() -> None:
    shell = Shell(running(), "v6")
    shell.now.value += 57

    assert shell.desk().show(5000001, watch=False, every=5) == 0
    assert shell.out == (
        "run       5000001\n"
        "test      soak (400001)\n"
        "project   30001\n"
        "state     ● running\n"
        "created   2026-09-21 14:13:19 UTC (58 s ago)\n"
        "started   2026-09-21 14:13:47 UTC (30 s ago)\n"
        "ran       30 s of 1 min\n"
        "phases    queued 8 s, initializing 12 s\n"
        "VUs       50\n"
        "VU hours  0.833333 (forecast)\n"
        "page      https://app.k6.io/runs/5000001\n"
    )


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_a_run_in_json_has_no_verdict_before_it_is_over(api_version: str) -> None:
    shell = Shell(running(failed=True), api_version)
    shell.now.value += 57

    assert shell.desk(is_json=True).show(5000001, watch=False, every=5) == 0
    told = shell.json()
    assert (told["state"], told["is_over"], told["outcome"], told["result_status"]) == (
        *("running", False, None, None),
    )
    shell.now.value += 60
    assert shell.desk(is_json=True).show(5000001, watch=False, every=5) == 0
    told = shell.json()
    assert (told["state"], told["is_over"], told["outcome"], told["result_status"]) == (
        *("finished, failed", True, "failed", 1),
    )


def test_on_what_is_no_terminal_each_change_is_a_line() -> None:
    shell = Shell(running(), "v6")

    assert tracked(shell) == 0
    assert shell.out == (
        "2026-09-21T14:13:20Z run 5000001 of soak: created\n"
        "2026-09-21T14:13:30Z run 5000001 of soak: queued (1 min planned)\n"
        "2026-09-21T14:13:35Z run 5000001 of soak: initializing (1 min planned)\n"
        "2026-09-21T14:13:50Z run 5000001 of soak: running (3 s of 1 min)\n"
        "2026-09-21T14:14:50Z run 5000001 of soak: finished, processing results (1 min of 1 min)\n"
        "2026-09-21T14:15:10Z run 5000001 of soak: finished, passed (1 min of 1 min)\n"
    )
    assert shell.err == ""


@pytest.mark.parametrize("api_version", GENERATIONS)
@pytest.mark.parametrize(
    ("ending", "failed", "status"),
    [
        (EndStatus.FINISHED, False, 0),
        (EndStatus.FINISHED, True, 1),
        (EndStatus.ABORTED_BY_THRESHOLD, False, 1),
        (EndStatus.ABORTED_BY_USER, False, 3),
        (EndStatus.ABORTED_BY_SYSTEM, False, 3),
        (EndStatus.ABORTED_BY_SCRIPT_ERROR, False, 3),
        (EndStatus.ABORTED_BY_LIMIT, False, 3),
        (EndStatus.TIMED_OUT, False, 3),
    ],
)
def test_the_exit_status_tells_how_the_run_ended(
    api_version: str,
    ending: EndStatus,
    failed: bool,
    status: int,
) -> None:
    shell = Shell(running(ending, failed=failed), api_version)

    assert tracked(shell) == status
    assert shell.err == ""


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_a_run_that_is_over_when_watched_ends_it_at_once(api_version: str) -> None:
    shell = Shell(running(), api_version)
    shell.now.value += 1000

    assert tracked(shell) == 0
    assert shell.now.value == START + 1000


def test_for_scripts_each_change_is_an_object_on_a_line() -> None:
    shell = Shell(running(failed=True))

    assert shell.desk(is_json=True).show(5000001, watch=True, every=5) == 1
    told = [json.loads(line) for line in shell.out.splitlines()]
    assert [(run["run_status"], run["outcome"]) for run in told] == [
        *((-2, None), (-1, None), (0, None), (1, None), (2, None), (3, None), (3, "failed")),
    ]


def test_on_a_terminal_a_bar_fills_with_the_time_of_the_load() -> None:
    shell = Shell(running(), "v6")

    assert shell.desk(is_terminal=True, width=100).show(5000001, watch=True, every=5) == 0
    frames = shell.out.replace("\x1b[2K", "").split("\r")
    halfway = {frame.strip() for frame in frames if "30 s of 1 min" in frame}
    assert halfway == {f"run 5000001 of soak: running {'━' * 15:30} 30 s of 1 min"}
    lines = "".join(frames).splitlines()
    assert "run 5000001 of soak: ● finished, passed (1 min of 1 min)" in lines[-2]
    assert lines[-1] == "https://app.k6.io/runs/5000001"


def test_between_two_looks_the_bar_goes_on_without_a_request() -> None:
    shell = Shell(running(phases=LONG), "v6")
    shell.now.value += 600
    world = shell.simulator.world
    shell.meanwhile[660] = lambda: world.stop(5000001, START + 660)

    assert shell.desk(is_terminal=True, width=100).show(5000001, watch=True, every=5) == 3
    shown = {word.split(" s of")[0] for word in shell.out.split("9 min ") if " s of 1 h" in word}
    assert len(shown) >= 8
    assert len(shell.asked()) < 8


def test_looks_are_rarer_while_the_planned_end_is_far() -> None:
    def run(status: int, *, started: float | None = None, duration: float | None = None) -> Run:
        return Run(1, 1, status=status, started=started, duration=duration)

    assert interval(run(RunStatus.QUEUED, duration=7200), 100, 5) == 5
    assert interval(run(RunStatus.RUNNING, started=100), 100, 5) == 5
    assert interval(run(RunStatus.RUNNING, started=100, duration=7200), 100, 5) == 30
    assert interval(run(RunStatus.RUNNING, started=100, duration=300), 100, 5) == 15
    assert interval(run(RunStatus.RUNNING, started=100, duration=300), 390, 5) == 5
    assert interval(run(RunStatus.RUNNING, started=100, duration=7200), 100, 90) == 90
    assert interval(run(RunStatus.FINISHED, started=100, duration=7200), 7400, 5) == 5


def test_looks_are_rarer_the_longer_an_outage_lasts_but_never_cease() -> None:
    assert [backoff(failures, 5) for failures in (1, 2, 3, 4, 100_000)] == [10, 20, 40, 60, 60]


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_a_run_of_an_hour_costs_less_than_200_requests(api_version: str) -> None:
    shell = Shell(running(phases=LONG), api_version)

    assert tracked(shell) == 0
    assert len(shell.asked()) < 200


@pytest.mark.parametrize("api_version", GENERATIONS)
@pytest.mark.parametrize(
    "fault",
    [faults.error(503, html=True), faults.reset(), faults.not_json()],
    ids=["503", "reset", "not JSON"],
)
def test_an_outage_is_said_once_and_sat_out(api_version: str, fault: faults.Fault) -> None:
    shell = Shell(running(), api_version)
    shell.meanwhile = {
        20: lambda: shell.simulator.faults.add(fault),
        55: shell.simulator.faults.clear,
    }

    assert tracked(shell) == 0
    first, last = shell.err.splitlines()
    assert first.endswith("; the run goes on, and it is asked about again until there is an answer")
    assert last == "k6 Cloud answers again"
    assert shell.out.splitlines()[-1].endswith("finished, passed (1 min of 1 min)")


def test_nothing_is_asked_before_a_retry_after_has_passed() -> None:
    shell = Shell(running(phases=LONG), "v6")
    limited = faults.error(429, retry_after=300)
    shell.meanwhile[100] = lambda: shell.simulator.faults.add(limited.on(times=1))

    assert tracked(shell) == 0
    asked = [request.at - START for request in shell.simulator.requests]
    refused = next(at for at in asked if at >= 100)
    assert min(at for at in asked if at > refused) >= refused + 300
    assert "k6 Cloud is rate limiting the token (429 at GET /cloud/v6/test_runs/{id}" in shell.err


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_a_run_that_is_deleted_meanwhile_ends_the_watch(api_version: str) -> None:
    shell = Shell(running(), api_version)
    shell.meanwhile[40] = lambda: shell.simulator.world.delete_run(5000001)

    assert tracked(shell) == 3
    assert shell.err.startswith("error: run 5000001 is no more: not found, or not visible")


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_a_token_that_is_revoked_meanwhile_ends_the_watch(api_version: str) -> None:
    shell = Shell(running(), api_version)
    shell.meanwhile[40] = shell.simulator.tokens.clear

    assert tracked(shell) == 3
    assert shell.err.startswith(
        "error: run 5000001 goes on, but is no longer watched: k6 Cloud rejected the t"
    )


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_time_is_told_by_the_clock_of_k6_cloud(api_version: str) -> None:
    shell = Shell(running(), api_version)
    shell.now.value += 57
    ours = shell.now.value + 7200  # two hours fast
    shell.now.clock = type(shell.now.clock)(lambda: ours, shell.now.read, shell.now.sleep)

    assert shell.desk().show(5000001, watch=False, every=5) == 0
    assert "(30 s ago)\nran" in shell.out


@pytest.mark.parametrize("api_version", GENERATIONS)
@pytest.mark.parametrize("watch", [False, True])
def test_what_is_not_found_is_one_sentence(api_version: str, watch: bool) -> None:
    shell = Shell(running(), api_version)

    assert shell.desk().show(7, watch=watch, every=5) == 3
    assert shell.err == "error: there is no run 7, or the token may not see it\n"
    assert shell.desk().show(400001, watch=watch, every=5) == 3
    assert shell.err == ("error: 400001 is the id of a test, soak; runs list --test 400001 shows its runs\n")
    assert shell.out == ""
