"""`runs show` with and without --watch: output, polling interval, and exit codes."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from exporter.cli import main
from exporter.commands.runs.watch import backoff, next_interval
from exporter.model import Run, RunStatus
from exporter.simulator import EndStatus, faults
from tests.commands.runs.worlds import LONG, one_run
from tests.support.lab import START
from tests.support.runs_shell import API_VERSIONS, Shell

HOUR_LONG = replace(LONG, running=3600)
both = pytest.mark.parametrize("api_version", API_VERSIONS)


def watch(shell: Shell, **options: Any) -> int:
    return shell.command(**options).show(5000001, watch=True, interval=5)


def test_show_prints_every_known_fact() -> None:
    shell = Shell(one_run(), "v6")
    shell.now.value += 57

    assert shell.command().show(5000001, watch=False, interval=5) == 0
    facts = dict(re.split(" {2,}", line, maxsplit=1) for line in shell.out.splitlines())
    assert (facts["run"], facts["test"], facts["project"]) == (
        "5000001",
        "soak (400001)",
        "Default project (30001)",
    )
    assert (facts["state"], facts["ran"]) == ("● running", "30 s of 1 min")
    assert facts["created"] == "2026-09-21 14:13:19 UTC (58 s ago)"
    assert facts["started"] == "2026-09-21 14:13:47 UTC (30 s ago)"
    assert (facts["phases"], facts["VUs"]) == ("queued 8 s, initializing 12 s", "50")
    assert "https://app.k6.io/runs/5000001" in facts.values()


def test_show_without_access_to_projects_prints_the_id() -> None:
    shell = Shell(one_run(), "v6")
    shell.simulator.faults.add(faults.error(403).on("/cloud/v6/projects"))

    assert shell.command().show(5000001, watch=False, interval=5) == 0
    assert "project  30001\n" in shell.out
    assert shell.err == ""


@both
def test_json_has_no_outcome_before_the_end(api_version: str) -> None:
    shell = Shell(one_run(failed=True), api_version)
    shell.now.value += 57

    assert shell.command(is_json=True).show(5000001, watch=False, interval=5) == 0
    run = shell.json()
    assert (run["state"], run["is_finished"], run["outcome"], run["result_status"]) == (
        *("running", False, None, None),
    )
    shell.now.value += 60
    assert shell.command(is_json=True).show(5000001, watch=False, interval=5) == 0
    run = shell.json()
    assert (run["state"], run["is_finished"], run["outcome"], run["result_status"]) == (
        *("finished, failed", True, "failed", 1),
    )


def test_each_change_is_a_line_if_there_is_no_terminal() -> None:
    shell = Shell(one_run(), "v6")

    assert watch(shell) == 0
    assert [(line.split()[0][11:19], line.partition("soak: ")[2]) for line in shell.out.splitlines()] == [
        ("14:13:20", "created"),
        ("14:13:30", "queued (1 min planned)"),
        ("14:13:35", "initializing (1 min planned)"),
        ("14:13:50", "running (3 s of 1 min)"),
        ("14:14:50", "finished, processing results (1 min of 1 min)"),
        ("14:15:10", "finished, passed (1 min of 1 min)"),
    ]
    assert shell.err == ""


@both
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
def test_exit_code_depends_on_the_outcome(
    api_version: str,
    ending: EndStatus,
    failed: bool,
    status: int,
) -> None:
    shell = Shell(one_run(ending, failed=failed), api_version)

    assert watch(shell) == status
    assert shell.err == ""


@both
@pytest.mark.parametrize("timeout", [30, 3600])
def test_timeout_ends_watching_but_not_the_run(api_version: str, timeout: float) -> None:
    shell = Shell(one_run(phases=LONG), api_version)

    assert shell.command().show(5000001, watch=True, interval=5, timeout=timeout) == 124
    assert shell.now.value == START + timeout
    assert "run 5000001 continues" in shell.err
    assert {request.split()[0] for request in shell.take_requests()} == {"GET"}


@both
def test_timeout_during_an_outage_ends_watching(api_version: str) -> None:
    shell = Shell(one_run(), api_version)
    shell.events[20] = lambda: shell.simulator.faults.add(faults.reset())

    assert shell.command().show(5000001, watch=True, interval=5, timeout=300) == 124
    assert START + 300 <= shell.now.value < START + 310


@both
def test_run_that_ends_before_the_timeout_has_a_result(api_version: str) -> None:
    # The last request is sent at the end of the time, however long the interval is.
    shell = Shell(one_run(), api_version)

    assert shell.command().show(5000001, watch=True, interval=600, timeout=400) == 0
    assert shell.now.value == START + 400


def test_timeout_requires_watch() -> None:
    for arguments in (["show", "5000001"], ["start", "soak"]):
        result = CliRunner().invoke(main, ["runs", *arguments, "--timeout=1m"])

        assert result.exit_code == 2
        assert "--watch" in result.stderr


def test_progress_without_a_terminal_is_a_line_a_minute() -> None:
    shell = Shell(one_run(phases=HOUR_LONG), "v6")

    assert watch(shell, is_json=True) == 0
    # Never in the output, which scripts parse.
    assert {json.loads(line)["id"] for line in shell.out.splitlines()} == {5000001}
    lines = shell.err.splitlines()
    assert 55 <= len(lines) <= 60
    assert all("run 5000001 of soak: running (" in line for line in lines)


@both
def test_watching_a_finished_run_ends_at_once(api_version: str) -> None:
    shell = Shell(one_run(), api_version)
    shell.now.value += 1000

    assert watch(shell) == 0
    assert shell.now.value == START + 1000


def test_each_change_is_a_json_object_on_a_line() -> None:
    shell = Shell(one_run(failed=True))

    assert watch(shell, is_json=True) == 1
    run = [json.loads(line) for line in shell.out.splitlines()]
    assert [(run["run_status"], run["outcome"]) for run in run] == [
        *((-2, None), (-1, None), (0, None), (1, None), (2, None), (3, None), (3, "failed")),
    ]


def test_terminal_shows_a_bar_that_fills() -> None:
    shell = Shell(one_run(), "v6")

    assert watch(shell, is_terminal=True, width=100) == 0
    frames = shell.out.replace("\x1b[2K", "").split("\r")
    halfway = {frame.strip() for frame in frames if "30 s of 1 min" in frame}
    assert halfway == {f"run 5000001 of soak: running {'━' * 15:30} 30 s of 1 min"}
    lines = "".join(frames).splitlines()
    assert "run 5000001 of soak: ● finished, passed (1 min of 1 min)" in lines[-2]
    assert lines[-1] == "https://app.k6.io/runs/5000001"


def test_bar_moves_on_between_two_requests() -> None:
    shell = Shell(one_run(phases=HOUR_LONG), "v6")
    shell.now.value += 600
    world = shell.simulator.world
    shell.events[660] = lambda: world.stop(5000001, START + 660)

    assert watch(shell, is_terminal=True, width=100) == 3
    shown = {word.split(" s of")[0] for word in shell.out.split("9 min ") if " s of 1 h" in word}
    assert len(shown) >= 8
    assert len(shell.take_requests()) < 8


def test_interval_is_longer_while_the_end_is_far_off() -> None:
    def run(status: int, *, started: float | None = None, duration: float | None = None) -> Run:
        return Run(1, 1, status=status, started=started, duration=duration)

    assert next_interval(run(RunStatus.QUEUED, duration=7200), 100, 5) == 5
    assert next_interval(run(RunStatus.RUNNING, started=100), 100, 5) == 5
    assert next_interval(run(RunStatus.RUNNING, started=100, duration=7200), 100, 5) == 30
    assert next_interval(run(RunStatus.RUNNING, started=100, duration=300), 100, 5) == 15
    assert next_interval(run(RunStatus.RUNNING, started=100, duration=300), 390, 5) == 5
    assert next_interval(run(RunStatus.RUNNING, started=100, duration=7200), 100, 90) == 90
    assert next_interval(run(RunStatus.FINISHED, started=100, duration=7200), 7400, 5) == 5


def test_backoff_is_bounded() -> None:
    assert [backoff(failures, 5) for failures in (1, 2, 3, 4, 100_000)] == [10, 20, 40, 60, 60]


@both
def test_run_of_an_hour_takes_less_than_200_requests(api_version: str) -> None:
    shell = Shell(one_run(phases=HOUR_LONG), api_version)

    assert watch(shell) == 0
    assert len(shell.take_requests()) < 200


@both
@pytest.mark.parametrize(
    "fault",
    [faults.error(503, html=True), faults.reset(), faults.not_json()],
    ids=["503", "reset", "not JSON"],
)
def test_watching_continues_after_an_outage(api_version: str, fault: faults.Fault) -> None:
    shell = Shell(one_run(), api_version)
    shell.events = {
        20: lambda: shell.simulator.faults.add(fault),
        55: shell.simulator.faults.clear,
    }

    assert watch(shell) == 0
    first, last = shell.err.splitlines()
    assert "runs/{id}" in first
    assert first != last
    assert shell.out.splitlines()[-1].endswith("finished, passed (1 min of 1 min)")


def test_retry_after_holds_back_the_next_request() -> None:
    shell = Shell(one_run(phases=HOUR_LONG), "v6")
    limited = faults.error(429, retry_after=300)
    shell.events[100] = lambda: shell.simulator.faults.add(limited.on(times=1))

    assert watch(shell) == 0
    times = [request.at - START for request in shell.simulator.requests]
    limited_at = next(at for at in times if at >= 100)
    assert min(at for at in times if at > limited_at) >= limited_at + 300
    assert "(429 at GET /cloud/v6/test_runs/{id}" in shell.err


@both
def test_deleted_run_ends_watching_with_an_error(api_version: str) -> None:
    shell = Shell(one_run(), api_version)
    shell.events[40] = lambda: shell.simulator.world.delete_run(5000001)

    assert watch(shell) == 3
    assert re.match(r"error: run 5000001 .* \(404 at GET ", shell.err)


@both
def test_revoked_token_ends_watching_with_an_error(api_version: str) -> None:
    shell = Shell(one_run(), api_version)
    shell.events[40] = shell.simulator.tokens.clear

    assert watch(shell) == 3
    assert re.match(r"error: .* run 5000001\b.* \(401 at GET ", shell.err)


@both
def test_ages_use_the_clock_of_k6_cloud(api_version: str) -> None:
    shell = Shell(one_run(), api_version)
    shell.now.value += 57
    shell.now.wall_error = 7200

    assert shell.command().show(5000001, watch=False, interval=5) == 0
    assert "(30 s ago)\nran" in shell.out


@both
@pytest.mark.parametrize("watch", [False, True])
def test_show_with_a_wrong_id_is_an_error(api_version: str, watch: bool) -> None:
    shell = Shell(one_run(), api_version)

    assert shell.command().show(7, watch=watch, interval=5) == 3
    assert re.fullmatch(r"error: run 7 .*\n", shell.err)
    assert shell.command().show(400001, watch=watch, interval=5) == 3
    assert re.fullmatch(r"error: 400001 .* runs list --test 400001\n", shell.err)
    assert shell.out == ""
