"""A real process that is stopped and continued, and one that ends at different moments of a poll."""

import re
import signal
import time

import httpx
import pytest

from tests.support.exporter_process import Cloud, Process
from tests.support.processes import eventually

ANY_PORT = ("--web.listen-address", "127.0.0.1:0")
NO_RATE_LIMIT = {"K6_CLOUD_EXPORTER_API__REQUESTS_PER_MINUTE": "100000"}
STACKS = {"legacy": {}, "v6": {"K6_CLOUD_EXPORTER_API__STACK": "1"}}
STALE_AFTER = 4.0  # seconds


@pytest.mark.parametrize("api_version", STACKS)
def test_stopped_process_continues_with_stale_data(cloud: Cloud, api_version: str) -> None:
    settings = {
        "K6_CLOUD_EXPORTER_POLL__INTERVAL": "1s",
        "K6_CLOUD_EXPORTER_POLL__IDLE_INTERVAL": "1s",
        "K6_CLOUD_EXPORTER_POLL__STALE_AFTER": f"{STALE_AFTER:.0f}s",
    }
    with Process(
        *ANY_PORT, **cloud.environment(**settings, **NO_RATE_LIMIT, **STACKS[api_version])
    ) as process:
        url = process.ready()
        assert process.value("k6_cloud_up") == 1

        process.send(signal.SIGSTOP)
        # So that no poll can end in the moment between SIGCONT and the scrape.
        cloud.fail(kind="hang")
        time.sleep(STALE_AFTER + 0.5)
        process.send(signal.SIGCONT)

        page = process.get()
        assert "\nk6_cloud_up 0.0\n" in page
        assert "k6_cloud_test_info{" not in page
        assert httpx.get(url + "/-/ready", trust_env=False).status_code == 503
        assert 'class="outage"' in process.get("/")
        assert process.get("/-/healthy")

        cloud.heal()
        eventually(lambda: process.value("k6_cloud_up") == 1)
        assert "k6_cloud_test_info{" in process.get()
        assert httpx.get(url + "/-/ready", trust_env=False).is_success


@pytest.mark.parametrize("api_version", STACKS)
def test_sigterm_at_any_moment_of_a_poll_logs_no_error(cloud: Cloud, api_version: str) -> None:
    # Polls without a pause, so that the signal arrives during one, with a response to handle meanwhile.
    names = ("POLL__INTERVAL", "POLL__IDLE_INTERVAL", "POLL__DISCOVERY_INTERVAL")
    settings = {f"K6_CLOUD_EXPORTER_{name}": "1ms" for name in names} | NO_RATE_LIMIT | STACKS[api_version]
    for delay in (0.1, 0.2, 0.3, 0.35, 0.4, 0.45):
        with Process(*ANY_PORT, **cloud.environment(**settings)) as process:
            process.url()
            time.sleep(delay)

            code = process.end()

            assert code == 0
            assert "Traceback" not in process.log
            assert set(re.findall(r"\blevel=(\w+)", process.log)) == {"info"}
