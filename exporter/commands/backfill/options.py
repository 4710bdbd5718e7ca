"""The options of `backfill`: parsed and validated flags."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from exporter.commands.backfill.replay import TimeRange
from exporter.config.types import parse_duration
from exporter.exposition.families import Labels, build_families
from exporter.formatting import format_iso_timestamp, format_setting_duration, quote_value

T = TypeVar("T")
NO_LABELS: Labels = ()

# Seconds. Prometheus keeps recent samples in its head block, which no imported block may overlap.
HEAD_BLOCK_AGE = 3 * 3600.0
MIN_BLOCK_DURATION = 7200.0  # seconds; the shortest block of Prometheus

OUR_LABELS = {"project_id", "test_id", "test_name", "run_id"} | {
    label for family in build_families("", "") for label in family.labels
}


class OptionsError(Exception):
    """Invalid flags; `messages` has one sentence for each."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("; ".join(messages))
        self.messages = tuple(messages)


@dataclass(frozen=True, slots=True)
class BackfillOptions:
    """The exported time range, the labels of every sample, and the output file; None is standard output.

    With `split`, there is one output file for this many seconds.
    """

    span: TimeRange
    labels: Labels
    output: Path | None
    split: float | None = None

    def split_output(self) -> Iterator[tuple[TimeRange, Path | None]]:
        """The output files, each with its time range."""
        if self.output is None or self.split is None:
            yield self.span, self.output
            return
        since = self.span.since
        while since < self.span.until:
            until = min(since + self.split, self.span.until)
            # Without colons, which Windows does not allow in file names.
            name = f"{self.output.stem}.{format_iso_timestamp(since).replace(':', '')}{self.output.suffix}"
            yield replace(self.span, since=since, until=until), self.output.with_name(name)
            since = until


def parse_options(
    *,
    since: str,
    until: str | None,
    step: str,
    idle_step: str,
    label: Sequence[str],
    output: str,
    split: str | None,
    now: float,
) -> BackfillOptions:
    """The options that the flags describe at the time `now`, in Unix seconds. Raises OptionsError."""
    errors: list[str] = []

    def parse(flag: str, parser: Callable[[], T], default: T) -> T:
        # With a default in place of an invalid value, the other flags are still checked.
        try:
            return parser()
        except ValueError as error:
            errors.append(f"{flag}: {error}")
            return default

    latest = float(int(now - HEAD_BLOCK_AGE))
    end = parse("--until", lambda: latest if until is None else parse_until(until, latest, now), latest)
    span = TimeRange(
        parse("--since", lambda: parse_since(since, end, now), 0.0),
        end,
        parse("--step", lambda: parse_step(step), 0.0),
        parse("--idle-step", lambda: parse_step(idle_step), 0.0),
    )
    labels = parse("--label", lambda: parse_labels(label), NO_LABELS)
    length = parse("--split", lambda: None if split is None else parse_split(split, output), None)
    file = parse("--output", lambda: parse_output(output), None)
    if errors:
        raise OptionsError(errors)
    return BackfillOptions(span, labels, file, length)


def parse_time(text: str, now: float) -> float:
    """An age, such as 90d, or a date with or without a time (UTC by default), as whole Unix seconds."""
    if re.match(r"[0-9]{4}-", text):
        try:
            time = datetime.fromisoformat(text)
            return float(int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()))
        except (ValueError, OverflowError) as error:
            raise ValueError(
                f'{quote_value(text)} is not a date; write one like "2026-08-01" or "2026-08-01T12:00Z"'
            ) from error
    try:
        return float(int(now - parse_duration(text)))
    except ValueError as error:
        raise ValueError(f'{error}, or a date like "2026-08-01"') from error


def parse_until(text: str, latest: float, now: float) -> float:
    end = parse_time(text, now)
    if end > latest:
        age = format_setting_duration(HEAD_BLOCK_AGE)
        raise ValueError(
            f"{quote_value(text)} is too recent: the last {age} may still be in the Prometheus head block, "
            f'which imported blocks must not overlap; write "{age}" or more, or omit --until'
        )
    return end


def parse_since(text: str, end: float, now: float) -> float:
    begin = parse_time(text, now)
    if begin >= end:
        raise ValueError(
            f"{quote_value(text)} is not before the end of the range, {format_iso_timestamp(end)}; "
            "write an earlier time"
        )
    return begin


def parse_step(text: str) -> float:
    seconds = parse_duration(text)
    if seconds < 1 or seconds % 1:
        raise ValueError(f'{quote_value(text)} is not a whole number of seconds; write one like "1m"')
    return seconds


def parse_split(text: str, output: str) -> float:
    seconds, minimum = parse_step(text), format_setting_duration(MIN_BLOCK_DURATION)
    if seconds < MIN_BLOCK_DURATION:
        raise ValueError(
            f'{quote_value(text)} is too short; the minimum is {minimum}, and "7d" is recommended'
        )
    if output == "-":
        raise ValueError("cannot split standard output; omit --split, or set --output to a file")
    return seconds


def parse_output(output: str) -> Path | None:
    """The output file, None for standard output. Checked before the long fetch from k6 Cloud."""
    if output == "-":
        return None
    path = Path(output)
    if path.is_dir():
        raise ValueError(f"{quote_value(output)} is a directory; write the path of a file")
    if not path.parent.is_dir():
        raise ValueError(f"{quote_value(output)} is not a writable file path: the directory does not exist")
    return path


def parse_labels(texts: Sequence[str]) -> Labels:
    """Labels sorted by name. Raises ValueError for a label that the samples or Prometheus already have."""
    labels: dict[str, str] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) or not value:
            raise ValueError(f'{quote_value(text)} is not a label; write one like "job=k6-cloud"')
        if name.startswith("__"):
            raise ValueError(f"{quote_value(name)} is reserved by Prometheus; use another name")
        if name in OUR_LABELS:
            raise ValueError(f"{quote_value(name)} is a label of the exporter; use another name")
        if name in labels:
            raise ValueError(f"{quote_value(name)} is set twice; set it once")
        labels[name] = value
    return tuple(sorted(labels.items()))
