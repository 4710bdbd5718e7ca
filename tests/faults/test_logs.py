"""An exporter goes on when its log cannot be written: the disk is full, the pipe is closed or not read."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.faults.soak import FREQUENT_POLLS
from tests.support.exporter_process import STOP_TIMEOUT, Cloud, environment
from tests.support.processes import eventually, exporter_command, free_port
from tests.system.conftest import cloud, shared_cloud

__all__ = ["cloud", "shared_cloud"]  # fixtures

FULL = Path("/dev/full")


def scrape(url: str) -> str:
    return httpx.get(url + "/metrics", trust_env=False).raise_for_status().text


def assert_survives_broken_log(cloud: Cloud, stderr: int, format_: str) -> None:
    """Failed polls are logged. The exporter must go on polling, recover, and stop on SIGTERM."""
    port = free_port()
    command = [sys.executable, "-m", "exporter", "--web.listen-address", f"127.0.0.1:{port}"]
    variables = cloud.environment(**FREQUENT_POLLS, K6_CLOUD_EXPORTER_LOG__FORMAT=format_)
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(command, env=environment(**variables), stdout=stderr, stderr=stderr)
    try:
        eventually(lambda: "\nk6_cloud_up 1.0\n" in scrape(url))
        cloud.fail(kind="error", status=400)
        eventually(lambda: "\nk6_cloud_up 0.0\n" in scrape(url))
        cloud.heal()
        eventually(lambda: "\nk6_cloud_up 1.0\n" in scrape(url))
        process.terminate()
        began = time.monotonic()
        assert process.wait(10) == 0
        assert time.monotonic() - began < 2
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has /dev/full")
@pytest.mark.parametrize("format_", ["logfmt", "json"])
def test_full_disk_does_not_stop_polls_and_scrapes(cloud: Cloud, format_: str) -> None:
    with FULL.open("wb") as full:
        assert_survives_broken_log(cloud, full.fileno(), format_)


def test_closed_log_pipe_does_not_stop_polls_and_scrapes(cloud: Cloud) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        assert_survives_broken_log(cloud, write_end, "logfmt")
    finally:
        os.close(write_end)


def find_many_dropped(page: str) -> float:
    """The number of dropped log lines, or 0 while it is at most 1000."""
    found = re.search(r"log_lines_dropped_total ([1-9].*)\n", page)
    return float(found[1]) if found and float(found[1]) > 1000 else 0.0


def test_unread_log_pipe_blocks_nothing(cloud: Cloud, tmp_path: Path) -> None:
    file, port = tmp_path / "config.yaml", free_port()
    file.write_text("runs: {keep: 3}")
    command = [*exporter_command("--web.listen-address", f"127.0.0.1:{port}", "--config.file"), str(file)]
    url = f"http://127.0.0.1:{port}"
    read_end, write_end = os.pipe()
    process = subprocess.Popen(command, env=environment(**cloud.environment()), stderr=write_end)
    os.close(write_end)
    try:
        eventually(lambda: "\nk6_cloud_up 1.0\n" in scrape(url))
        assert "\nk6_cloud_exporter_log_lines_dropped_total 0.0\n" in scrape(url)
        for number in range(2):
            # Each wrong entry is a log line: more than the pipe and the waiting lines can hold.
            file.write_text("tests:\n" + f"- id: wrong-{number}\n" * 2000)
            assert httpx.post(url + "/-/reload", trust_env=False).status_code == 500

        # Self metrics are rendered once a second, so the first number can be that of the first file.
        assert eventually(lambda: find_many_dropped(scrape(url))) < 3000
        assert httpx.get(url + "/-/healthy", trust_env=False).is_success
        process.terminate()
        assert process.wait(STOP_TIMEOUT) == 0
    finally:
        process.kill()
        process.wait()
        os.close(read_end)


@pytest.mark.parametrize("last", ["", "raise ZeroDivisionError"])
def test_last_lines_are_written_in_order(last: str) -> None:
    program = f"""
import logging
from exporter import logs
logs.configure("info", "logfmt")
logs.write_in_background(lambda: None)
for number in range(900):
    logging.info("line %d", number)
{last}
"""
    result = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, check=False)

    lines = result.stderr.splitlines()
    assert result.returncode == (1 if last else 0)
    assert [line.partition("msg=")[2] for line in lines[:900]] == [f'"line {n}"' for n in range(900)]
    assert len(lines) == (901 if last else 900)
    assert not last or "ZeroDivisionError" in lines[-1].partition("level=critical")[2]
