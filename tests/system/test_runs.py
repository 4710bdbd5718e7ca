"""The command `runs` as a process: its flags and exit codes; `serve` does not import it."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from exporter.simulator import Simulator, faults
from tests.commands.runs.worlds import one_test
from tests.support.exporter_process import TOKEN, Cloud, Process, environment, run_exporter
from tests.support.processes import eventually
from tests.support.simulator_server import serve_simulator

STACKS = {"legacy": {}, "v6": {"K6_CLOUD_STACK_ID": "1"}}


def run_json(cloud: Cloud, api_version: str, *arguments: str) -> Any:
    result = run_exporter("runs", *arguments, "--json", **cloud.environment(**STACKS[api_version]))
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("api_version", STACKS)
def test_run_is_started_listed_and_stopped(api_version: str, cloud: Cloud) -> None:
    test = str(cloud.test_ids()[0])

    run = run_json(cloud, api_version, "start", test, "--yes")["id"]
    assert run in {row["id"] for row in run_json(cloud, api_version, "list", "--active", "--test", test)}
    assert run_json(cloud, api_version, "stop", str(run), "--yes")["id"] == run
    watched = run_exporter(
        "runs", "show", str(run), "--watch", "--interval", "1s", **cloud.environment(**STACKS[api_version])
    )
    assert watched.returncode == 3
    assert "aborted by user" in watched.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_leaves_the_watched_run_active(number: signal.Signals, cloud: Cloud) -> None:
    headers = {"Authorization": "Token demo"}
    started = cloud.client.post(f"/loadtests/v2/tests/{cloud.test_ids()[0]}/start-testrun", headers=headers)
    run = started.json()["k6-run"]["id"]

    with Process("runs", "show", str(run), "--watch", **cloud.environment(**STACKS["v6"])) as watch:
        eventually(lambda: watch.output)
        code = watch.end(number)
        part = watch.log

    assert code == 130
    assert f"runs show {run} --watch" in part
    assert f"runs stop {run}" in part
    state = cloud.client.get(f"/loadtests/v2/runs/{run}", headers=headers).json()["k6-run"]["run_status"]
    assert state < 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_during_a_start_says_that_it_may_run(number: signal.Signals) -> None:
    simulator = Simulator(one_test(), tokens=[TOKEN], clock=time.time)
    simulator.faults.add(faults.hang().on("*", method="POST"))

    with serve_simulator(simulator) as url:
        given = {"K6_CLOUD_TOKEN": TOKEN, "K6_CLOUD_EXPORTER_API__URL": url, **STACKS["v6"]}
        with Process("runs", "start", "400001", "--yes", **given) as start:
            eventually(lambda: any(request.method == "POST" for request in simulator.requests))
            code = start.end(number)
            log = start.log

    assert code == 130, log
    assert "runs list --test 400001" in log


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("show", "soak"), "Invalid value for 'RUN'"),
        (("show", "1", "--interval", "5"), 'Invalid value for \'--interval\': "5" has no unit; write "5s"'),
        (("show", "1", "--interval", "10ms"), "10ms is too short; the minimum is 1s"),
        (("list", "--api.version", "v7"), 'error: --api.version: "v7" is not one of'),
    ],
)
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...], part: str, cloud: Cloud) -> None:
    result = run_exporter("runs", *arguments, **cloud.environment())

    assert result.returncode == 2
    assert part in result.stderr


def test_list_without_a_terminal_is_plain_text(cloud: Cloud) -> None:
    result = run_exporter("runs", "list", **cloud.environment(PYTHONIOENCODING="ascii"))

    assert (result.returncode, result.stderr) == (0, "")
    assert "gr??entabelle-smoke (400004)" in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_closed_stdout_exits_with_3(form: tuple[str, ...], cloud: Cloud) -> None:
    command = [sys.executable, "-m", "exporter", "runs", "list", *form]
    settings = environment(**cloud.environment())
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "wb") as unread, Path("/dev/full").open("wb") as full:
        for out, why in ((full, "No space left on device"), (unread, "Broken pipe")):
            ended = subprocess.run(
                command, env=settings, stdout=out, stderr=subprocess.PIPE, text=True, timeout=20, check=False
            )
            assert (ended.returncode, ended.stderr) == (3, f"error: cannot write: {why}\n")
        silent = subprocess.run(command, env=settings, stdout=full, stderr=full, timeout=20, check=False)
        assert silent.returncode == 3


def on_a_terminal(*arguments: str, **settings: str) -> str:
    """What a command writes to a terminal of 100 columns."""
    command = [sys.executable, "-m", "exporter", *arguments]
    ours, theirs = pty.openpty()
    settings = {"TERM": "xterm", "COLUMNS": "100"} | settings
    with subprocess.Popen(
        command, env=environment(**settings), stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL
    ) as process:
        os.close(theirs)
        written = b""
        try:
            while piece := os.read(ours, 4096):
                written += piece
        except OSError:
            pass  # a terminal reports that its other end is closed
        process.wait(20)
    os.close(ours)
    return written.decode()


def test_terminal_gets_colours_unless_disabled(cloud: Cloud) -> None:
    coloured = on_a_terminal("runs", "list", **cloud.environment())
    plain = on_a_terminal("runs", "list", **cloud.environment(NO_COLOR="1"))

    assert "\x1b[31m●" in coloured
    assert not re.search(r"\x1b\[(3|9)\d", plain)
    assert "größentabelle-smoke" in coloured


def test_serving_imports_no_writing_code_and_no_rich(cloud: Cloud) -> None:
    with Process(
        "--web.listen-address", "127.0.0.1:0", **cloud.environment(PYTHONPROFILEIMPORTTIME="1")
    ) as process:
        process.ready()
        imported = {line.rpartition("|")[2].strip() for line in process.log.splitlines()}

    assert {"exporter.cli", "exporter.commands.serve.run", "exporter.k6.v6.client"} <= imported
    assert not {name for name in imported if name.split(".")[0] in ("rich", "pygments")}
    unused = ("exporter.simulator", "exporter.k6.write", "exporter.web.security")
    assert not {name for name in imported if name.startswith(unused)}
    commands = {name.split(".")[2] for name in imported if name.startswith("exporter.commands.")}
    assert not commands & {"backfill", "check", "demo", "once", "simulator"}
    runs = {name for name in imported if name.startswith("exporter.commands.runs.")}
    assert runs == {"exporter.commands.runs.exit_codes"}
