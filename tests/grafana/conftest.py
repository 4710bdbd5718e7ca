"""A real Prometheus that scrapes the demo and a second exporter that watches the same tests.

The second exporter uses the v6 API, so that every metric has samples and each test is exposed twice.
"""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.processes import eventually, exporter_command, free_port, run_process
from tests.support.programs import require_program

CONFIGURATION = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
scrape_configs:
  - job_name: k6-cloud
    static_configs: [{{targets: ["127.0.0.1:{demo}", "127.0.0.1:{second}"]}}]
"""


@dataclass(frozen=True)
class Prometheus:
    """Client of the query API, which Grafana uses too."""

    url: str

    def query_range(self, expression: str, *, seconds: int, step: int) -> list[dict[str, Any]]:
        """The series of the last `seconds`, in the order of Prometheus."""
        end = time.time()
        parameters = {"query": expression, "start": end - seconds, "end": end, "step": step}
        response = httpx.post(f"{self.url}/api/v1/query_range", data=parameters).json()
        assert response["status"] == "success", (expression, response)
        result: list[dict[str, Any]] = response["data"]["result"]
        return result

    def query(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        parameters = {"query": expression} | ({} if at is None else {"time": str(at)})
        response = httpx.post(f"{self.url}/api/v1/query", data=parameters).json()
        assert response["status"] == "success", (expression, response)
        assert not response.get("warnings"), (expression, response)
        result: list[dict[str, Any]] = response["data"]["result"]
        return result


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    prometheus_program = require_program("prometheus", "prometheus")
    folder = tmp_path_factory.mktemp("dashboards")
    demo, second, port = free_port(), free_port(), free_port()
    configuration = folder / "prometheus.yml"
    configuration.write_text(CONFIGURATION.format(demo=demo, second=second))
    with run_process(
        *exporter_command("demo", "--web.listen-address", f"127.0.0.1:{demo}"), log=folder / "demo.log"
    ):
        cloud = eventually(lambda: read_cloud_url(folder / "demo.log"))
        settings = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "K6_CLOUD_TOKEN": "demo",
            "K6_CLOUD_STACK_ID": "1",
            "K6_CLOUD_EXPORTER_API__URL": cloud,
            "K6_CLOUD_EXPORTER_API__REQUESTS_PER_MINUTE": "6000",
            "K6_CLOUD_EXPORTER_POLL__INTERVAL": "2s",
            "K6_CLOUD_EXPORTER_POLL__IDLE_INTERVAL": "2s",
        }
        scraping = (
            prometheus_program,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        )
        with (
            run_process(
                *exporter_command("--web.listen-address", f"127.0.0.1:{second}"),
                log=folder / "second.log",
                **settings,
            ),
            run_process(*scraping, log=folder / "prometheus.log"),
        ):
            server = Prometheus(f"http://127.0.0.1:{port}")
            eventually(lambda: httpx.get(f"{server.url}/-/ready").status_code == 200)
            both = "count(count by (instance) (k6_cloud_run_status)) == 2"
            eventually(lambda: server.query(both), seconds=120)
            # By then some runs have passed all phases, and the counters that rates need have increased.
            eventually(
                lambda: server.query("sum(increase(k6_cloud_test_runs_finished_total[5m])) > 4"), seconds=120
            )
            yield server


def read_cloud_url(log: Path) -> str | None:
    """The URL of the simulated k6 Cloud, once the demo has logged it."""
    found = re.search(r"^Simulated k6 Cloud: (http://\S+)\n", log.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else None


@pytest.fixture(scope="session")
def finished_test(prometheus: Prometheus) -> str:
    """The id of a test with passed runs."""
    (newest, *_) = prometheus.query(
        "topk(1, sum by (test_id) (k6_cloud_test_runs_finished_total{outcome='passed'}))"
    )
    return str(newest["metric"]["test_id"])


@pytest.fixture(scope="session")
def failing_test(prometheus: Prometheus) -> str:
    """The id of a test of which all runs fail."""
    (found,) = prometheus.query('max by (test_id) (k6_cloud_test_info{test_name="search-load"})')
    return str(found["metric"]["test_id"])


@pytest.fixture(scope="session")
def promtool() -> str:
    return require_program("promtool", "prometheus")
