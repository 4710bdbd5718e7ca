"""What was wished for: flags in, moments and labels out, or a sentence for each mistake."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from exporter.backfill.replay import Span
from exporter.config.values import duration, seconds, shown
from exporter.families import Labels, families

T = TypeVar("T")
NO_LABELS: Labels = ()

HEAD = 3 * 3600.0  # seconds; what is younger, Prometheus has in its head, and no block may overlap that
SHORTEST = 7200.0  # seconds; the shortest block there is
DEFAULTS = {"step": "4m", "idle_step": "1h"}

OURS = {"project_id", "test_id", "test_name", "run_id"} | {
    label for family in families("", "") for label in family.labels
}


class MistakenError(Exception):
    """What was written makes no sense; `sentences` say why."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__("; ".join(sentences))
        self.sentences = tuple(sentences)


@dataclass(frozen=True, slots=True)
class Wish:
    """Which past to tell, with which labels on every sample, and where to; None is standard output.

    With `split`, a file for each so many seconds.
    """

    span: Span
    labels: Labels
    output: Path | None
    split: float | None = None

    def pieces(self) -> Iterator[tuple[Span, Path | None]]:
        """The spans to be written, each to a file of its own."""
        if self.output is None or self.split is None:
            yield self.span, self.output
            return
        since = self.span.since
        while since < self.span.until:
            until = min(since + self.split, self.span.until)
            name = f"{self.output.stem}.{written(since).replace(':', '')}{self.output.suffix}"
            yield replace(self.span, since=since, until=until), self.output.with_name(name)
            since = until


def wish(
    *,
    since: str,
    until: str | None,
    step: str,
    idle_step: str,
    label: Sequence[str],
    output: str,
    split: str | None,
    now: float,
) -> Wish:
    """What the flags mean at this moment (Unix seconds). Raises MistakenError."""
    mistakes: list[str] = []

    def read(flag: str, how: Callable[[], T], otherwise: T) -> T:
        try:
            return how()
        except ValueError as error:
            mistakes.append(f"{flag}: {error}")
            return otherwise

    latest = float(int(now - HEAD))
    end = read("--until", lambda: latest if until is None else not_in_the_head(until, latest, now), latest)
    begin = read("--since", lambda: earlier(since, end, now), 0.0)
    span = Span(
        begin,
        end,
        read("--step", lambda: whole_seconds(step), 0.0),
        read("--idle-step", lambda: whole_seconds(idle_step), 0.0),
    )
    labels = read("--label", lambda: labels_of(label), NO_LABELS)
    length = read("--split", lambda: None if split is None else splitting(split, output), None)
    file = read("--output", lambda: file_in_a_folder(output), None)
    if mistakes:
        raise MistakenError(mistakes)
    return Wish(span, labels, file, length)


def moment(text: str, now: float) -> float:
    """So long ago, or a date or time (UTC unless it says otherwise), as whole Unix seconds."""
    if re.match(r"[0-9]{4}-", text):
        try:
            read = datetime.fromisoformat(text)
            return float(int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()))
        except (ValueError, OverflowError) as error:
            raise ValueError(
                f'{shown(text)} is no date; write one like "2026-08-01" or "2026-08-01T12:00Z"'
            ) from error
    try:
        return float(int(now - seconds(text)))
    except ValueError as error:
        raise ValueError(f'{error}, or a date like "2026-08-01"') from error


def not_in_the_head(text: str, latest: float, now: float) -> float:
    end = moment(text, now)
    if end > latest:
        raise ValueError(
            f"{shown(text)} is less than {duration(HEAD)} ago; Prometheus has the last hours in its head, "
            f'which no block may overlap; write "{duration(HEAD)}" or more, or leave it out'
        )
    return end


def earlier(text: str, end: float, now: float) -> float:
    begin = moment(text, now)
    if begin >= end:
        raise ValueError(f"{shown(text)} is not before the end, {written(end)}; write an earlier moment")
    return begin


def whole_seconds(text: str) -> float:
    length = seconds(text)
    if length < 1 or length % 1:
        raise ValueError(f'{shown(text)} is not a number of whole seconds; write one like "1m"')
    return length


def splitting(text: str, output: str) -> float:
    length = whole_seconds(text)
    if length < SHORTEST:
        raise ValueError(f'{shown(text)} is too short; the least is {duration(SHORTEST)}, and "7d" is good')
    if output == "-":
        raise ValueError("standard output is one file; leave --split out, or give --output a name")
    return length


def file_in_a_folder(output: str) -> Path | None:
    """Where to write, None for standard output; told before k6 Cloud is asked for a long time."""
    if output == "-":
        return None
    path = Path(output)
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(f"{shown(output)} cannot be a file; name one in a folder that there is")
    return path


def labels_of(given: Sequence[str]) -> Labels:
    """Labels by name, none of them ours or Prometheus' own. Raises ValueError."""
    labels: dict[str, str] = {}
    for text in given:
        name, _, value = text.partition("=")
        if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) or not value:
            raise ValueError(f'{shown(text)} is no label; write one like "job=k6-cloud"')
        if name.startswith("__"):
            raise ValueError(f"{shown(name)} is Prometheus' own; no sample carries it")
        if name in OURS:
            raise ValueError(f"{shown(name)} is a label of our own; samples would carry it twice")
        if name in labels:
            raise ValueError(f"{shown(name)} is given twice; once is enough")
        labels[name] = value
    return tuple(sorted(labels.items()))


def written(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
