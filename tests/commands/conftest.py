"""Some tests run a command in this process, and `check` and `once` set the level of a logger."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _log_level() -> Iterator[None]:
    yield
    # It would hide log lines from tests elsewhere.
    logging.getLogger("exporter.polling").setLevel(logging.NOTSET)
