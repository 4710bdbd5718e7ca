"""The command `runs` as a process: its flags, its exit statuses, and that serving knows nothing of it."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.exporter_process import Cloud, Process, environment, finished
from tests.support.processes import eventually

STACKS = {"legacy": {}, "v6": {"K6_CLOUD_STACK_ID": "1"}}


def told(cloud: Cloud, api_version: str, *arguments: str) -> Any:
    answer = finished("runs", *arguments, "--json", **cloud.environment(**STACKS[api_version]))
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


@pytest.mark.parametrize("api_version", STACKS)
def test_a_run_is_started_listed_shown_and_stopped(api_version: str, cloud: Cloud) -> None:
    test = str(cloud.test_ids()[0])

    run = told(cloud, api_version, "start", test, "--yes")["id"]
    assert run in {row["id"] for row in told(cloud, api_version, "list", "--active", "--test", test)}
    assert told(cloud, api_version, "stop", str(run), "--yes")["id"] == run
    tracked = finished(
        "runs", "show", str(run), "--watch", "--interval", "1s", **cloud.environment(**STACKS[api_version])
    )
    assert tracked.returncode == 3
    assert "aborted by user" in tracked.stdout


def test_ctrl_c_leaves_the_run_running_and_says_so(cloud: Cloud) -> None:
    headers = {"Authorization": "Token demo"}
    started = cloud.client.post(f"/loadtests/v2/tests/{cloud.test_ids()[0]}/start-testrun", headers=headers)
    run = started.json()["k6-run"]["id"]

    with Process("runs", "show", str(run), "--watch", **cloud.environment(**STACKS["v6"])) as watch:
        eventually(lambda: watch.output)
        code = watch.end(signal.SIGINT)
        said = watch.log

    assert code == 130
    assert f"runs show {run} --watch" in said
    assert f"runs stop {run}" in said
    state = cloud.client.get(f"/loadtests/v2/runs/{run}", headers=headers).json()["k6-run"]["run_status"]
    assert state < 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "soak"), "Invalid value for 'RUN'"),
        (("show", "1", "--interval", "5"), 'Invalid value for \'--interval\': "5" has no unit; write "5s"'),
        (("show", "1", "--interval", "10ms"), "10ms is too short; the minimum is 1s"),
        (("list", "--api.version", "v7"), 'error: --api.version: "v7" is not one of'),
    ],
)
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...], said: str, cloud: Cloud) -> None:
    answer = finished("runs", *arguments, **cloud.environment())

    assert answer.returncode == 2
    assert said in answer.stderr


def test_a_list_without_colours_or_letters_goes_where_there_is_no_terminal(cloud: Cloud) -> None:
    answer = finished("runs", "list", **cloud.environment(PYTHONIOENCODING="ascii"))

    assert (answer.returncode, answer.stderr) == (0, "")
    assert "gr??entabelle-smoke (400004)" in answer.stdout
    assert "\x1b" not in answer.stdout


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_an_answer_that_nobody_takes_does_not_mean_that_a_run_failed(
    form: tuple[str, ...], cloud: Cloud
) -> None:
    command = [sys.executable, "-m", "exporter", "runs", "list", *form]
    given = environment(**cloud.environment())
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "wb") as unread, Path("/dev/full").open("wb") as full:
        for out, why in ((full, "No space left on device"), (unread, "Broken pipe")):
            ended = subprocess.run(
                command, env=given, stdout=out, stderr=subprocess.PIPE, text=True, timeout=20, check=False
            )
            assert (ended.returncode, ended.stderr) == (3, f"error: cannot write: {why}\n")
        silent = subprocess.run(command, env=given, stdout=full, stderr=full, timeout=20, check=False)
        assert silent.returncode == 3


def on_a_terminal(*arguments: str, **given: str) -> str:
    """What a command writes to a terminal of 100 columns."""
    command = [sys.executable, "-m", "exporter", *arguments]
    ours, theirs = pty.openpty()
    given = {"TERM": "xterm", "COLUMNS": "100"} | given
    with subprocess.Popen(
        command, env=environment(**given), stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL
    ) as process:
        os.close(theirs)
        written = b""
        try:
            while piece := os.read(ours, 4096):
                written += piece
        except OSError:
            pass  # how a terminal says that nobody is at its other end
        process.wait(20)
    os.close(ours)
    return written.decode()


def test_a_terminal_gets_colours_unless_they_are_not_wanted(cloud: Cloud) -> None:
    coloured = on_a_terminal("runs", "list", **cloud.environment())
    plain = on_a_terminal("runs", "list", **cloud.environment(NO_COLOR="1"))

    assert "\x1b[31m●" in coloured
    assert not re.search(r"\x1b\[(3|9)\d", plain)
    assert "größentabelle-smoke" in coloured


def test_who_serves_imports_neither_what_acts_nor_rich(cloud: Cloud) -> None:
    with Process(
        "--web.listen-address", "127.0.0.1:0", **cloud.environment(PYTHONPROFILEIMPORTTIME="1")
    ) as process:
        process.ready()
        imported = {line.rpartition("|")[2].strip() for line in process.log.splitlines()}

    assert {"exporter.cli", "exporter.commands.runs.command", "exporter.k6.v6.client"} <= imported
    assert not {name for name in imported if name.split(".")[0] in ("rich", "pygments")}
    assert not {name for name in imported if name.startswith("exporter.simulator")}
    assert not {
        name for name in imported if name.startswith(("exporter.k6.write", "exporter.commands.runs."))
    } - {"exporter.commands.runs.command"}
