"""What commands need around their work."""

import sys
from collections.abc import Iterator

import pytest

from exporter.commands.process import run_async

PYTHONS_DEFAULT = 0.005  # seconds


@pytest.fixture
def switch_interval() -> Iterator[None]:
    """Python's default before the test, and what was set before afterwards."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(PYTHONS_DEFAULT)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("switch_interval")
def test_scrapes_wait_less_than_usual_for_a_thread() -> None:
    async def read() -> float:
        return sys.getswitchinterval()

    assert run_async(read()) < PYTHONS_DEFAULT / 5
