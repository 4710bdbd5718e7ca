"""Parsing and validation of the flags."""

from pathlib import Path
from typing import Any

import pytest

from exporter.config import ConfigError
from tests.commands.backfill.harness import parse_flags
from tests.support.lab import START  # 2026-09-21T14:13:20Z

HOUR = 3600.0

# Invalid flags, and the flag that the error names. The exact errors are in messages.txt.
INVALID: tuple[tuple[dict[str, Any], str], ...] = (
    ({"since": "90"}, "--since"),
    ({"since": "2026-13-01"}, "--since"),
    ({"since": "2h"}, "--since"),
    ({"until": "1h"}, "--until"),
    ({"until": "2027-01-01"}, "--until"),
    ({"step": "500ms"}, "--step"),
    ({"idle_step": "often"}, "--idle-step"),
    ({"label": ["job"]}, "--label"),
    ({"label": ["job="]}, "--label"),
    ({"label": ["a-b=c"]}, "--label"),
    ({"label": ["test_id=1"]}, "--label"),
    ({"label": ["outcome=1"]}, "--label"),
    ({"label": ["__name__=x"]}, "--label"),
    ({"label": ["a=1", "a=2"]}, "--label"),
    ({"split": "1h"}, "--split"),
    ({"split": "7d", "output": "-"}, "--split"),
    ({"output": "/nowhere/past.om"}, "--output"),
    ({"output": "/"}, "--output"),
)


def test_range_ends_three_hours_ago_by_default() -> None:
    options = parse_flags(since="90d")

    assert (options.since, options.until) == (START - 90 * 86400, START - 3 * HOUR)
    assert (options.step, options.idle_step) == (240, 3600)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-09-01", 1788220800),
        ("2026-09-01T12:00Z", 1788264000),
        ("2026-09-01T12:00:00+02:00", 1788256800),
    ],
)
def test_dates_are_utc_by_default(text: str, seconds: float) -> None:
    assert parse_flags(since=text).since == seconds


def test_labels_are_sorted_by_name() -> None:
    assert parse_flags(label=("job=k6", "instance=a=b")).labels == (("instance", "a=b"), ("job", "k6"))


def test_without_split_there_is_one_file() -> None:
    assert [file for *_, file in parse_flags().split_output()] == [Path("past.om")]
    assert [file for *_, file in parse_flags(output="-").split_output()] == [None]


def test_split_files_have_adjacent_ranges() -> None:
    parts = list(parse_flags(since="2026-09-01", split="10d", until="1d").split_output())

    assert [str(file) for *_, file in parts] == ["past.2026-09-01T000000Z.om", "past.2026-09-11T000000Z.om"]
    assert [(since, until) for since, until, _ in parts] == [
        (1788220800, 1789084800),
        (1789084800, START - 86400),
    ]


@pytest.mark.parametrize(("flags", "flag"), INVALID)
def test_invalid_flag_is_an_error(flags: dict[str, Any], flag: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_flags(**flags)

    (message,) = error.value.messages
    assert message.startswith(f"{flag}: ")


def test_all_errors_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        parse_flags(since="x", until="1s", step="0s", label=["job"])

    flags = [message.split(":")[0] for message in error.value.messages]
    assert flags == ["--until", "--since", "--step", "--label"]
