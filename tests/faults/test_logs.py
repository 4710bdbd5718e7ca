"""A log that cannot be written, for the disk is full or nobody reads it, does not stop an exporter."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.faults.soak import OFTEN
from tests.support.exporter_process import Cloud, environment
from tests.support.processes import eventually, free_port
from tests.system.conftest import cloud, shared_cloud

__all__ = ["cloud", "shared_cloud"]  # fixtures

FULL = Path("/dev/full")


def scrape(url: str) -> str:
    return httpx.get(url + "/metrics", trust_env=False).raise_for_status().text


def outlives_its_log(cloud: Cloud, stderr: int, format_: str) -> None:
    """Polls that fail are to be logged; they go on, and recover."""
    port = free_port()
    command = [sys.executable, "-m", "exporter", "--web.listen-address", f"127.0.0.1:{port}"]
    given = cloud.environment(**OFTEN, K6_CLOUD_EXPORTER_LOG__FORMAT=format_)
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(command, env=environment(**given), stdout=stderr, stderr=stderr)
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
def test_a_full_disk_stops_no_poll_and_no_scrape(cloud: Cloud, format_: str) -> None:
    with FULL.open("wb") as full:
        outlives_its_log(cloud, full.fileno(), format_)


def test_a_log_that_nobody_reads_any_more_stops_no_poll_and_no_scrape(cloud: Cloud) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        outlives_its_log(cloud, writing, "logfmt")
    finally:
        os.close(writing)
