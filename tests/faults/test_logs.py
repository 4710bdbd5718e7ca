"""An exporter goes on when its log cannot be written: the disk is full, or the pipe is closed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.faults.soak import FREQUENT_POLLS
from tests.support.exporter_process import Cloud, environment
from tests.support.processes import eventually, free_port
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
