"""The official Go client of the v6 API uses the simulated k6 Cloud. It refuses what its schema forbids."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.exporter_process import Process
from tests.support.programs import TOOLS

BUILT = TOOLS / "v6-client"


@pytest.fixture(scope="module")
def client() -> str:
    """The program in tests/system/v6_client; `make tools` builds it where Go is installed."""
    if BUILT.exists():
        return str(BUILT)
    if os.environ.get("CI") == "true" and shutil.which("go"):
        pytest.fail("v6-client is missing; build it with make tools")
    pytest.skip("the Go client is not built; make tools builds it where Go is installed")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    listen = ("--web.listen-address", "127.0.0.1:0")
    with Process("simulator", *listen, "--speed", "5", "--history", "3d") as simulator:
        yield simulator.url()


def run_client(client: str, url: str, command: str) -> Any:
    environment = {"K6_CLOUD_HOST_V6": url, "K6_CLOUD_TOKEN": "demo", "K6_CLOUD_STACK_ID": "1"}
    done = subprocess.run(
        [client, command], env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_go_client_reads_every_list_to_its_end(client: str, url: str) -> None:
    lists = run_client(client, url, "lists")

    assert (lists["stack"], lists["projects"], lists["limits"]) == (1, 4, 4)
    assert (lists["tests"], lists["schedules"], lists["deactivated"], lists["zones"]) == (17, 17, 1, 3)
    assert lists["runs"] > 200
    assert sum(lists["results"].values()) == lists["runs"]
    assert set(lists["results"]) >= {
        *("completed passed", "completed failed", "completed error", "aborted failed", "aborted error"),
        "running ",
    }


def test_go_client_starts_and_aborts_a_run(client: str, url: str) -> None:
    run = run_client(client, url, "runs")

    assert run["page"].startswith("https://simulated.grafana.net/a/k6-app/runs/")
    assert (run["same"], run["listed"]) == (True, 1)
    # 300 seconds in the script, five times as fast.
    assert (run["vus"], run["planned"]) == (6, 60)
    assert (run["by"], run["result"]) == ("owner@example.com", "error")


def test_go_client_changes_what_terraform_does(client: str, url: str) -> None:
    assert run_client(client, url, "changes") == {
        "vus": 70,
        "zones": 1,
        "script": "// second",
        "tests": 1,
        "frequency": "HOURLY",
        "deactivated": True,
        "next": True,
        "gone": 404,
    }
