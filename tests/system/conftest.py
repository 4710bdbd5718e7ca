"""One simulated k6 Cloud for all tests of a module, in a process of its own."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.exporter_process import Cloud, Process
from tests.support.processes import eventually
from tests.support.programs import require_program


@pytest.fixture(scope="module")
def shared_cloud() -> Iterator[Cloud]:
    with Process("simulator", "--web.listen-address", "127.0.0.1:0") as simulator:
        url = eventually(simulator.url_in_output)
        with httpx.Client(base_url=url, trust_env=False) as client:
            yield Cloud(url, client)


@pytest.fixture
def cloud(shared_cloud: Cloud) -> Iterator[Cloud]:
    """The simulated k6 Cloud, without faults and with the token it began with."""
    shared_cloud.heal()
    yield shared_cloud
    shared_cloud.heal()


@pytest.fixture(scope="session")
def prometheus_program() -> str:
    return require_program("prometheus", "prometheus")


@pytest.fixture(scope="session")
def promtool() -> str:
    return require_program("promtool", "prometheus")


@pytest.fixture(scope="session")
def alertmanager_program() -> str:
    return require_program("prometheus-alertmanager", "prometheus-alertmanager")
