"""One simulated k6 Cloud for all tests of a module, in a process of its own."""

from collections.abc import Iterator

import httpx
import pytest

from tests.end_to_end.processes import eventually
from tests.process.processes import Cloud, Process


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
