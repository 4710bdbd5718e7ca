"""Requests to the webhook, with a real process."""

import time
from pathlib import Path

import httpx

from tests.support.exporter_process import Cloud, Process
from tests.support.processes import eventually

SECRET = "not-a-secret-but-long-enough"


def test_webhook_requests_trigger_few_polls(cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    settings = cloud.environment(
        K6_CLOUD_EXPORTER_WEB__WEBHOOK_SECRET_FILE=str(file),
        K6_CLOUD_EXPORTER_POLL__INTERVAL="4m",
        K6_CLOUD_EXPORTER_POLL__IDLE_INTERVAL="4m",
    )
    with Process("--web.listen-address", "127.0.0.1:0", **settings) as process:

        def polls() -> float:
            return process.value('k6_cloud_exporter_polls_total{outcome="success"}') or 0

        url = process.ready()
        assert polls() == 1
        began = time.monotonic()
        with httpx.Client(trust_env=False) as client:
            for _ in range(100):
                assert client.post(f"{url}/webhook/{SECRET}").status_code == 202

        eventually(lambda: polls() >= 2)
        assert polls() <= 2 + (time.monotonic() - began) // 5
        assert SECRET not in process.log
