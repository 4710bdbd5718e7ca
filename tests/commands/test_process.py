"""What commands need around their work."""

import sys
from collections.abc import Iterator

import pytest

from exporter.commands.process import run_async


@pytest.fixture
def switch_interval() -> Iterator[float]:
    """The interval before the test, to which it returns afterwards."""
    before = sys.getswitchinterval()
    yield before
    sys.setswitchinterval(before)


def test_scrapes_wait_less_than_usual_for_a_thread(switch_interval: float) -> None:
    async def read() -> float:
        return sys.getswitchinterval()

    assert run_async(read()) < switch_interval / 5
