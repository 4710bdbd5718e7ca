"""A real Prometheus scrapes the demo; the stored samples agree with the simulated k6 Cloud."""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.lab import Lab
from tests.support.processes import eventually, exporter_command, free_port, run_process
from tests.support.scripted_world import build_scripted_world

CONFIGURATION = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: k6-cloud
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


class Demo:
    """The demo and the Prometheus that scrapes it."""

    def __init__(self, exporter: str, cloud: str, prometheus: str) -> None:
        self.exporter = exporter
        self.cloud = cloud
        self.prometheus = prometheus

    def query(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        params = {"query": expression} | ({"time": str(at)} if at is not None else {})
        answer = httpx.get(f"{self.prometheus}/api/v1/query", params=params).json()
        assert answer["status"] == "success"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def values(self, expression: str, label: str, at: float | None = None) -> dict[str, float]:
        return {sample["metric"][label]: float(sample["value"][1]) for sample in self.query(expression, at)}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, prometheus_program: str) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    port, prometheus_port = free_port(), free_port()
    configuration = folder / "prometheus.yml"
    configuration.write_text(CONFIGURATION.format(port=port))
    prometheus = (
        prometheus_program,
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{prometheus_port}",
    )
    with (
        run_process(
            *exporter_command("demo", "--web.listen-address", f"127.0.0.1:{port}"), log=folder / "demo.log"
        ),
        run_process(*prometheus, log=folder / "prometheus.log"),
    ):
        log = folder / "demo.log"
        cloud = eventually(lambda: re.search(r"k6 Cloud: (http://\S+)\n", log.read_text()))
        found = Demo(f"http://127.0.0.1:{port}", cloud[1], f"http://127.0.0.1:{prometheus_port}")
        eventually(lambda: found.query("k6_cloud_run_status"), seconds=40)
        yield found


def test_target_is_up(demo: Demo) -> None:
    (up,) = demo.query('up{job="k6-cloud"}')

    assert up["value"][1] == "1"
    (polled,) = demo.query("k6_cloud_up")
    assert polled["value"][1] == "1"


def test_what_prometheus_stores_of_finished_runs_is_the_truth(demo: Demo) -> None:
    truth = {str(run["id"]): run for run in httpx.get(f"{demo.cloud}/simulator/state").json()["runs"]}
    statuses = demo.values("k6_cloud_run_status", "run_id")
    results = demo.values("k6_cloud_run_result_status", "run_id")
    ended = demo.values("k6_cloud_run_ended_timestamp_seconds", "run_id")
    over = {run_id for run_id in results if truth[run_id]["finished"] is not None}

    assert len(over) >= 30
    for run_id in over:
        run = truth[run_id]
        assert statuses[run_id] == run["run_status"]
        assert results[run_id] == (1 if run["result"] == "failed" else 0)
        assert abs(ended[run_id] - run["ended"]) <= 1  # the legacy API has whole seconds


PHASES = {"created": -2, "validated": -1, "queued": 0, "initializing": 1, "running": 2}


def test_stored_active_runs_were_true_just_before(demo: Demo) -> None:
    """Polls follow every 2 seconds and scrapes every second, so each sample was true within the last 4."""
    moment = time.time()
    stored = demo.values("k6_cloud_run_status < 3", "run_id", at=moment)
    scraped = demo.values("timestamp(k6_cloud_run_status < 3)", "run_id", at=moment)
    truth = {str(run["id"]): run for run in httpx.get(f"{demo.cloud}/simulator/state").json()["runs"]}

    assert len(stored) >= 5
    for run_id, status in stored.items():
        steps = [(step["entered"], PHASES.get(step["phase"])) for step in truth[run_id]["history"]]
        ends = [entered for entered, _ in steps[1:]] + [float("inf")]
        recent = {
            code
            for (entered, code), end in zip(steps, ends, strict=True)
            if entered <= scraped[run_id] and end >= scraped[run_id] - 4
        }
        assert status in recent


def test_demo_shows_every_state_of_a_run(demo: Demo) -> None:
    states = [f"k6_cloud_run_status == {code}" for code in range(-2, 10)]
    states += [f"k6_cloud_run_processing_status == {code}" for code in range(4)]
    states += [f"k6_cloud_run_result_status == {code}" for code in range(2)]

    def unseen() -> list[str]:
        return [state for state in states if not demo.query(f"max_over_time(count({state})[5m:1s])")]

    eventually(lambda: not unseen(), seconds=60)


def test_no_scrape_failed(demo: Demo) -> None:
    targets = httpx.get(f"{demo.prometheus}/api/v1/targets").json()["data"]["activeTargets"]

    assert [(target["health"], target["lastError"]) for target in targets] == [("up", "")]


def test_promtool_accepts_the_metrics(promtool: str) -> None:
    with Lab(build_scripted_world()) as lab:
        lab.poll()
        page = lab.get().content

    checked = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False)

    assert (checked.stdout.decode(), checked.stderr.decode(), checked.returncode) == ("", "", 0)


def test_curl_decompresses_the_metrics(demo: Demo, tmp_path: Path) -> None:
    read = tmp_path / "page"
    subprocess.run(
        ["curl", "--silent", "--compressed", "--output", read, f"{demo.exporter}/metrics"], check=True
    )

    assert read.read_text().rstrip().splitlines()[-1].startswith("k6_cloud_exporter_build_info")
