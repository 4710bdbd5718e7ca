"""Progress: lines on standard error at intervals, and bars on a terminal."""

import asyncio
import os
import pty
import re
import subprocess
import sys

import pytest

from exporter.commands.progress import LINE_INTERVAL, ProgressLines, Steps
from exporter.simulator import Simulator, World
from tests.support.exporter_process import COMMAND_TIMEOUT, environment, run_exporter
from tests.support.lab import ManualClock
from tests.support.simulator_server import serve_simulator

COMMANDS = (["check"], ["once"], ["backfill", "--since", "1d", "-o", "-"])


def test_lines_are_printed_at_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    now = ManualClock()
    steps = Steps(ProgressLines(now.clock).report, "fetching")
    for _ in range(100):
        asyncio.run(now.sleep(1))
        steps(total=200)

    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"fetching: {done} of 200" for done in range(10, 101, int(LINE_INTERVAL))]


def test_line_is_repeated_while_no_step_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    now = ManualClock()
    steps = Steps(ProgressLines(now.clock).report, "fetching")
    for _ in range(20):
        asyncio.run(now.sleep(1))
        steps.show()

    assert capsys.readouterr().err == "fetching\nfetching\n"


def run_on_terminal(arguments: list[str], url: str) -> tuple[bytes, str]:
    """The output, which is no terminal, and what is shown on standard error, which is one."""
    ours, theirs = pty.openpty()
    result = subprocess.run(
        [sys.executable, "-m", "exporter", *arguments],
        env=environment(TERM="xterm", COLUMNS="100", K6_CLOUD_TOKEN="demo", K6_CLOUD_EXPORTER_API__URL=url),
        stdout=subprocess.PIPE, stderr=theirs, timeout=COMMAND_TIMEOUT, check=False,
    )  # fmt: skip
    shown = os.read(ours, 1_000_000).decode()
    os.close(ours)
    os.close(theirs)
    return result.stdout, shown


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[0])
def test_commands_show_a_bar_only_on_a_terminal(arguments: list[str]) -> None:
    world = World()
    for number in range(20):
        world.add_run(world.add_test(f"test {number}"), created=1_700_000_000)
    with serve_simulator(Simulator(world, tokens=["demo"])) as url:
        output, shown = run_on_terminal(arguments, url)
        plain = run_exporter(*arguments, K6_CLOUD_TOKEN="demo", K6_CLOUD_EXPORTER_API__URL=url)

    assert re.search(r"\d+ of 20", shown)
    assert "\x1b[2K" in shown
    assert b"\x1b" not in output
    assert "\x1b" not in plain.stderr
