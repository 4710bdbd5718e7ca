"""What was wished for: flags in, moments and labels out, or a sentence for each mistake."""

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

HEAD = 3 * 3600.0  # seconds; what is younger, Prometheus has in its head, and no block may overlap that
SHORTEST = 7200.0  # seconds; the shortest block there is
DEFAULTS = {"step": "4m", "idle_step": "1h"}

OURS = {"project_id", "test_id", "test_name", "run_id"} | {
    label for family in build_families("", "") for label in family.labels
}


class OptionsError(Exception):
    """What was written makes no sense; `sentences` say why."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("; ".join(messages))
        self.messages = tuple(messages)


@dataclass(frozen=True, slots=True)
class BackfillOptions:
    """Which past to tell, with which labels on every sample, and where to; None is standard output.

    With `split`, a file for each so many seconds.
    """

    span: TimeRange
    labels: Labels
    output: Path | None
    split: float | None = None

    def splits(self) -> Iterator[tuple[TimeRange, Path | None]]:
        """The spans to be written, each to a file of its own."""
        if self.output is None or self.split is None:
            yield self.span, self.output
            return
        since = self.span.since
        while since < self.span.until:
            until = min(since + self.split, self.span.until)
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
    """What the flags mean at this moment (Unix seconds). Raises MistakenError."""
    mistakes: list[str] = []

    def read(flag: str, how: Callable[[], T], otherwise: T) -> T:
        try:
            return how()
        except ValueError as error:
            mistakes.append(f"{flag}: {error}")
            return otherwise

    latest = float(int(now - HEAD))
    end = read("--until", lambda: latest if until is None else parse_until(until, latest, now), latest)
    begin = read("--since", lambda: parse_since(since, end, now), 0.0)
    span = TimeRange(
        begin,
        end,
        read("--step", lambda: parse_step(step), 0.0),
        read("--idle-step", lambda: parse_step(idle_step), 0.0),
    )
    labels = read("--label", lambda: parse_labels(label), NO_LABELS)
    length = read("--split", lambda: None if split is None else parse_split(split, output), None)
    file = read("--output", lambda: parse_output(output), None)
    if mistakes:
        raise OptionsError(mistakes)
    return BackfillOptions(span, labels, file, length)


def parse_time(text: str, now: float) -> float:
    """So long ago, or a date or time (UTC unless it says otherwise), as whole Unix seconds."""
    if re.match(r"[0-9]{4}-", text):
        try:
            read = datetime.fromisoformat(text)
            return float(int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()))
        except (ValueError, OverflowError) as error:
            raise ValueError(
                f'{quote_value(text)} is no date; write one like "2026-08-01" or "2026-08-01T12:00Z"'
            ) from error
    try:
        return float(int(now - parse_duration(text)))
    except ValueError as error:
        raise ValueError(f'{error}, or a date like "2026-08-01"') from error


def parse_until(text: str, latest: float, now: float) -> float:
    end = parse_time(text, now)
    if end > latest:
        raise ValueError(
            f"{quote_value(text)} is less than {format_setting_duration(HEAD)} ago; "
            "Prometheus has the last hours in its head, "
            f'which no block may overlap; write "{format_setting_duration(HEAD)}" or more, or leave it out'
        )
    return end


def parse_since(text: str, end: float, now: float) -> float:
    begin = parse_time(text, now)
    if begin >= end:
        raise ValueError(
            f"{quote_value(text)} is not before the end, {format_iso_timestamp(end)}; write an earlier moment"
        )
    return begin


def parse_step(text: str) -> float:
    length = parse_duration(text)
    if length < 1 or length % 1:
        raise ValueError(f'{quote_value(text)} is not a number of whole seconds; write one like "1m"')
    return length


def parse_split(text: str, output: str) -> float:
    length = parse_step(text)
    if length < SHORTEST:
        raise ValueError(
            f"{quote_value(text)} is too short; the least is {format_setting_duration(SHORTEST)}, "
            'and "7d" is good'
        )
    if output == "-":
        raise ValueError("standard output is one file; leave --split out, or give --output a name")
    return length


def parse_output(output: str) -> Path | None:
    """Where to write, None for standard output; told before k6 Cloud is asked for a long time."""
    if output == "-":
        return None
    path = Path(output)
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(f"{quote_value(output)} cannot be a file; name one in a folder that there is")
    return path


def parse_labels(given: Sequence[str]) -> Labels:
    """Labels by name, none of them ours or Prometheus' own. Raises ValueError."""
    labels: dict[str, str] = {}
    for text in given:
        name, _, value = text.partition("=")
        if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) or not value:
            raise ValueError(f'{quote_value(text)} is no label; write one like "job=k6-cloud"')
        if name.startswith("__"):
            raise ValueError(f"{quote_value(name)} is Prometheus' own; no sample carries it")
        if name in OURS:
            raise ValueError(f"{quote_value(name)} is a label of our own; samples would carry it twice")
        if name in labels:
            raise ValueError(f"{quote_value(name)} is given twice; once is enough")
        labels[name] = value
    return tuple(sorted(labels.items()))
