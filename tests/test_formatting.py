"""Durations and run states in words."""

import pytest

from exporter.formatting import (
    describe_run,
    escape_unprintable,
    format_age,
    format_duration,
    format_iso_timestamp,
    format_setting_duration,
    format_timestamp,
    pluralize,
    quote_value,
)
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


def test_setting_duration_has_one_exact_unit() -> None:
    assert [format_setting_duration(seconds) for seconds in (604800, 90, 3600, 0.25, 1.5, 86400)] == [
        "7d",
        "90s",
        "1h",
        "0.25s",
        "1.5s",
        "1d",
    ]


def test_age_is_never_negative() -> None:
    assert (format_age(100.0, 400.0), format_age(500.0, 400.0)) == ("5 min ago", "0 s ago")


def test_timestamps_are_in_utc() -> None:
    assert format_timestamp(1_790_000_000.0) == "2026-09-21 14:13:20 UTC"
    assert format_iso_timestamp(1_790_000_000.0) == "2026-09-21T14:13:20Z"
    assert format_iso_timestamp(1_790_000_000.25) == "2026-09-21T14:13:20.250000Z"


def test_only_one_is_singular() -> None:
    assert [pluralize(count, "test") for count in (0, 1, 2)] == ["0 tests", "1 test", "2 tests"]


def test_text_is_escaped_and_shortened() -> None:
    assert escape_unprintable("größe\n\x1b[31m") == r"größe\n\x1b[31m"
    assert escape_unprintable("x" * 101) == "x" * 100 + "…"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a\nb", r'"a\nb"'),
        (True, "true"),
        (None, "null"),
        (7, "7"),
        (10**5000, "a number of more than 300 digits"),
        (["secret"], "a list"),
        ({"secret": "secret"}, "a group of settings"),
    ],
    ids=["text", "bool", "null", "number", "long number", "list", "mapping"],
)
def test_quoted_value_is_one_line_without_secrets(value: object, text: str) -> None:
    assert quote_value(value) == text
