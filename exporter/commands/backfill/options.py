"""The options of `backfill`: parsed and validated flags."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, ValidationInfo

from exporter.config import ConfigError
from exporter.config.load import flag
from exporter.config.types import parse_duration
from exporter.exposition.families import Labels, build_families
from exporter.formatting import format_iso_timestamp, format_setting_duration, quote_value
from exporter.store import TestState

# Seconds. Prometheus keeps recent samples in its head block, which no imported block may overlap.
# https://prometheus.io/docs/prometheus/latest/storage/#backfilling-from-openmetrics-format
HEAD_BLOCK_AGE = 3 * 3600.0
MIN_BLOCK_DURATION = 7200.0  # seconds; the shortest block of Prometheus

OUR_LABELS = {"project_id", "test_id", "test_name", "run_id"} | {
    label for family in build_families("", "") for label in family.labels
}


def parse_time(text: str, now: float) -> float:
    """An age, such as 90d, or a date with or without a time (UTC by default), as whole Unix seconds."""
    if re.match(r"[0-9]{4}-", text):
        try:
            time = datetime.fromisoformat(text)
            return float(int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()))
        except (ValueError, OverflowError) as error:
            examples = '"2026-08-01" or "2026-08-01T12:00Z"'
            raise ValueError(f"{quote_value(text)} is not a date; write one like {examples}") from error
    try:
        return float(int(now - parse_duration(text)))
    except ValueError as error:
        raise ValueError(f'{error}, or a date like "2026-08-01"') from error


def parse_until(text: str, info: ValidationInfo) -> float:
    end = parse_time(text, info.data["now"])
    if end > int(info.data["now"] - HEAD_BLOCK_AGE):
        age = format_setting_duration(HEAD_BLOCK_AGE)
        raise ValueError(
            f"{quote_value(text)} is too recent: the last {age} may still be in the Prometheus head block, "
            f'which imported blocks must not overlap; write "{age}" or more, or omit --until'
        )
    return end


def parse_since(text: str, info: ValidationInfo) -> float:
    begin = parse_time(text, info.data["now"])
    # --until is missing if it is invalid; --since is still checked.
    end = info.data.get("until", info.data["now"])
    if begin >= end:
        raise ValueError(
            f"{quote_value(text)} is not before the end of the range, {format_iso_timestamp(end)}; "
            "write an earlier time"
        )
    return begin


def parse_seconds(text: str) -> float:
    seconds = parse_duration(text)
    if seconds < 1 or seconds % 1:
        raise ValueError(f'{quote_value(text)} is not a whole number of seconds; write one like "1m"')
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


def parse_split(text: str | None, info: ValidationInfo) -> float | None:
    if text is None:
        return None
    seconds = parse_seconds(text)
    if seconds < MIN_BLOCK_DURATION:
        limit = f"the minimum is {format_setting_duration(MIN_BLOCK_DURATION)}"
        raise ValueError(f'{quote_value(text)} is too short; {limit}, and "7d" is recommended')
    if "output" in info.data and info.data["output"] is None:
        raise ValueError("cannot split standard output; omit --split, or set --output to a file")
    return seconds


def parse_labels(texts: Sequence[str]) -> Labels:
    """Labels sorted by name. Raises ValueError for a label that the samples or Prometheus already have."""
    labels: dict[str, str] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) or not value:
            raise ValueError(f'{quote_value(text)} is not a label; write one like "job=k6-cloud"')
        if name.startswith("__"):
            raise ValueError(f"{quote_value(name)} is reserved by Prometheus; use another name")
        # A sample with two labels of the same name is invalid, and promtool would reject the whole file.
        if name in OUR_LABELS:
            raise ValueError(f"{quote_value(name)} is a label of the exporter; use another name")
        if name in labels:
            raise ValueError(f"{quote_value(name)} is set twice; set it once")
        labels[name] = value
    return tuple(sorted(labels.items()))


Step = Annotated[float, BeforeValidator(parse_seconds)]


class BackfillOptions(BaseModel):
    """The exported time range, the labels of every sample, and the output file; None is standard output.

    `since` and `until` are Unix seconds. Full snapshots are `step` seconds apart while a run is active,
    `idle_step` while none is. With `split`, there is one output file for this many seconds. Fields are
    checked in this order.
    """

    now: float
    until: Annotated[float, BeforeValidator(parse_until)]
    since: Annotated[float, BeforeValidator(parse_since)]
    step: Step
    idle_step: Step
    labels: Annotated[Labels, BeforeValidator(parse_labels), Field(alias="label")]
    output: Annotated[Path | None, BeforeValidator(parse_output)]
    split: Annotated[float | None, BeforeValidator(parse_split)]

    def step_for(self, test_state: TestState) -> float:
        return self.step if test_state.active_runs else self.idle_step

    def split_output(self) -> Iterator[tuple[float, float, Path | None]]:
        """The output files, each with the start and end of its time range."""
        if self.output is None or self.split is None:
            yield self.since, self.until, self.output
            return
        since = self.since
        while since < self.until:
            until = min(since + self.split, self.until)
            # Without colons, which Windows does not allow in file names.
            name = f"{self.output.stem}.{format_iso_timestamp(since).replace(':', '')}{self.output.suffix}"
            yield since, until, self.output.with_name(name)
            since = until


def parse_options(now: float, **flags: Any) -> BackfillOptions:
    """The options that the flags describe at the time `now`, in Unix seconds. Raises ConfigError."""
    try:
        return BackfillOptions(now=now, **flags)
    except ValidationError as error:
        messages = [f"{flag(str(e['loc'][0]))}: {e['ctx']['error']}" for e in error.errors()]
        raise ConfigError(messages) from error
