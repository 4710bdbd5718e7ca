"""Containers of the image: unprivileged and read-only."""

import re

import httpx
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

from exporter import __version__
from tests.image.conftest import Revision
from tests.support.container_engine import Container, Image
from tests.support.processes import eventually


def get(url: str, **headers: str) -> str:
    response = httpx.get(url, headers=headers, trust_env=False)
    response.raise_for_status()
    return response.text


def address(container: Container) -> str:
    """The URL that the demo prints."""
    return eventually(lambda: re.search(r"(http://\S+:\d+)/metrics\b", container.log()))[1]


def test_demo_runs_unprivileged_and_is_scraped(image: Image, revision: Revision) -> None:
    with image.running("demo", "--web.listen-address=127.0.0.1:0", network="host") as container:
        url = address(container)
        eventually(lambda: httpx.get(f"{url}/-/ready", trust_env=False).is_success)
        process = container.process()
        page = get(f"{url}/metrics")
        exposition = get(f"{url}/metrics", Accept="application/openmetrics-text; version=1.0.0")

        code, took = container.stop()

    assert process["Uid"].split() == process["Gid"].split() == ["10001"] * 4
    assert {process[name] for name in ("CapPrm", "CapEff", "CapBnd")} == {"0" * 16}
    assert process["NoNewPrivs"] == "1"
    assert {family.name for family in text(page)} >= {"k6_cloud_up", "k6_cloud_test_last_run_status"}
    assert {family.name for family in openmetrics(exposition)} >= {
        "k6_cloud_up",
        "k6_cloud_test_last_run_status",
    }
    assert "\nk6_cloud_up 1.0\n" in page
    assert f'revision="{revision.commit}",version="{__version__}"' in page
    assert (code, took < 1) == (0, True)


def test_health_check_ignores_proxies(image: Image) -> None:
    with image.running(K6_CLOUD_TOKEN="demo", http_proxy="http://127.0.0.1:9") as container:
        eventually(container.is_healthy)
    with image.running("simulator") as container:
        eventually(lambda: re.search(r"http://\S+:\d+", container.log()))

        assert not container.is_healthy()


def test_nothing_is_compiled_at_run_time(image: Image) -> None:
    with image.running("demo", PYTHONVERBOSE="1") as container:
        eventually(container.is_healthy)
        health_check = container.execute(*image.inspect()["Healthcheck"]["Test"][1:])
        container.stop()

        log = container.log() + health_check

    assert "import 'exporter.simulator'" in log
    assert "import 'encodings.idna'" in health_check
    assert re.findall(r"^# code object from (/.*)", log, re.MULTILINE) == []


def test_container_without_token_exits_with_2(image: Image) -> None:
    with image.running() as container:
        state = eventually(lambda: state if (state := container.state())["Status"] == "exited" else None)

        assert state["ExitCode"] == 2
        assert "K6_CLOUD_TOKEN" in container.log()
