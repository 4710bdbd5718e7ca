"""Durations and run states in words."""

import pytest

from exporter.formatting import describe_run, format_duration
from exporter.model import Run


@pytest.mark.parametrize(
    ("status", "processing", "result", "text"),
    [
        (-2, 0, 0, "created"),
        (-1, 0, 0, "validated"),
        (0, 0, 0, "queued"),
        (1, 0, 0, "initializing"),
        (2, 0, 0, "running"),
        (3, 1, 0, "finished, processing results"),
        (3, 2, 0, "finished, passed"),
        (3, 2, 1, "finished, failed"),
        (3, 2, None, "finished, no result"),
        (3, 3, 0, "finished, processing failed"),
        (4, 2, 0, "timed out"),
        (5, 2, 0, "aborted by user"),
        (7, 2, 0, "aborted by script error"),
        (10, 0, 0, "archived"),
        (42, 0, 0, "unknown status 42"),
        (None, 0, 0, "status not reported"),
    ],
)
def test_run_state_has_words(status: int | None, processing: int, result: int | None, text: str) -> None:
    assert describe_run(Run(1, 7, status, processing, result)) == text


def test_duration_has_its_two_largest_units() -> None:
    assert [format_duration(seconds) for seconds in (0, 59.6, 61, 3600, 3725, 86460, 90000, 694861)] == [
        "0 s",
        "1 min",
        "1 min 1 s",
        "1 h",
        "1 h 2 min",
        "1 d",
        "1 d 1 h",
        "8 d 1 h",
    ]
