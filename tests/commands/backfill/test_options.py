"""What the flags mean, and the sentence that each mistake earns."""

from pathlib import Path
from typing import Any

import pytest

from exporter.commands.backfill import DEFAULTS, BackfillOptions, OptionsError, parse_options
from tests.support.lab import START  # 2026-09-21T14:13:20Z

HOUR = 3600.0


def wished(**flags: Any) -> BackfillOptions:
    given = (
        {"since": "90d", "until": None, "label": (), "output": "past.om", "split": None} | DEFAULTS | flags
    )
    return parse_options(now=START, **given)


def test_durations_are_counted_back_and_the_end_is_three_hours_ago() -> None:
    span = wished().span

    assert (span.since, span.until, span.step, span.idle_step) == (
        START - 90 * 86400,
        START - 3 * HOUR,
        240,
        3600,
    )


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2026-09-01", 1788220800),
        ("2026-09-01T12:00Z", 1788264000),
        ("2026-09-01T12:00:00+02:00", 1788256800),
    ],
)
def test_dates_are_utc_unless_they_say_otherwise(written: str, seconds: float) -> None:
    assert wished(since=written).span.since == seconds


def test_labels_come_in_the_order_of_their_names() -> None:
    assert wished(label=("job=k6", "instance=a=b")).labels == (("instance", "a=b"), ("job", "k6"))


def test_without_a_split_there_is_one_file() -> None:
    assert [file for _, file in wished().splits()] == [Path("past.om")]
    assert [file for _, file in wished(output="-").splits()] == [None]


def test_a_split_makes_files_that_follow_each_other() -> None:
    pieces = list(wished(since="2026-09-01", split="10d", until="1d").splits())

    assert [str(file) for _, file in pieces] == ["past.2026-09-01T000000Z.om", "past.2026-09-11T000000Z.om"]
    assert [(span.since, span.until) for span, _ in pieces] == [
        (1788220800, 1789084800),
        (1789084800, START - 86400),
    ]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ({"since": "90"}, '--since: "90" has no unit; write "90s", or a date like "2026-08-01"'),
        ({"since": "2026-13-01"}, '--since: "2026-13-01" is no date; write one like "2026-08-01" or '),
        (
            {"since": "2h"},
            '--since: "2h" is not before the end, 2026-09-21T11:13:20Z; write an earlier moment',
        ),
        ({"until": "1h"}, '--until: "1h" is less than 3h ago; Prometheus has the last hours in its head, '),
        ({"until": "2027-01-01"}, '--until: "2027-01-01" is less than 3h ago; '),
        ({"step": "500ms"}, '--step: "500ms" is not a number of whole seconds; write one like "1m"'),
        ({"idle_step": "often"}, '--idle-step: "often" is not a duration; '),
        ({"label": ["job"]}, '--label: "job" is no label; write one like "job=k6-cloud"'),
        ({"label": ["job="]}, '--label: "job=" is no label; '),
        ({"label": ["a-b=c"]}, '--label: "a-b=c" is no label; '),
        ({"label": ["test_id=1"]}, '--label: "test_id" is a label of our own; samples would carry it twice'),
        ({"label": ["outcome=1"]}, '--label: "outcome" is a label of our own; '),
        ({"label": ["__name__=x"]}, '--label: "__name__" is Prometheus\' own; no sample carries it'),
        ({"label": ["a=1", "a=2"]}, '--label: "a" is given twice; once is enough'),
        ({"split": "1h"}, '--split: "1h" is too short; the least is 2h, and "7d" is good'),
        ({"split": "7d", "output": "-"}, "--split: standard output is one file; "),
        ({"output": "/nowhere/past.om"}, '--output: "/nowhere/past.om" cannot be a file; '),
    ],
)
def test_a_mistake_is_a_sentence(flags: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionsError) as mistaken:
        wished(**flags)

    assert [told.startswith(sentence) for told in mistaken.value.messages] == [True], mistaken.value.messages


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(OptionsError) as mistaken:
        wished(since="x", until="1s", step="0s", label=["job"])

    assert [told.split(":")[0] for told in mistaken.value.messages] == [
        "--until",
        "--since",
        "--step",
        "--label",
    ]
