"""A run in words for a terminal, and in JSON for scripts."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from exporter.commands.runs.list import RunRow
from exporter.config import Config
from exporter.formatting import (
    describe_run,
    escape_unprintable,
    format_age,
    format_duration,
    format_iso_timestamp,
    format_timestamp,
)
from exporter.model import Outcome, Run

COLOURS: Mapping[str, str] = {
    "moving": "blue",
    Outcome.PASSED: "green",
    Outcome.FAILED: "red",
    Outcome.ERROR: "red",
    Outcome.TIMED_OUT: "yellow",
    Outcome.ABORTED: "magenta",
    Outcome.NONE: "bright_black",
}


def as_json(row: RunRow, config: Config) -> dict[str, Any]:
    """A run for scripts: moments in ISO 8601 (UTC), lengths in seconds, null for what is not known.

    `result_status` and `outcome` are null until the run is over.
    """
    run = row.run
    return {
        "id": run.id,
        "test_id": run.test_id,
        "test_name": row.test.name,
        "project_id": row.test.project_id,
        "state": describe_run(run),
        "is_over": run.is_finished,
        "outcome": run.outcome,
        "run_status": run.status,
        "processing_status": run.processing,
        "result_status": run.final_result,
        "created": iso_or_null(run.created),
        "started": iso_or_null(run.started),
        "ended": iso_or_null(run.ended),
        "planned_seconds": run.duration,
        "execution_seconds": run.execution if run.is_finished else None,
        "phase_seconds": {phase.value: seconds for phase, seconds in run.phases},
        "vus": run.vus,
        "vuh": run.vuh if run.is_finished else None,
        "url": run_url(run, config),
        "api": config.api.effective_version,
    }


def table(rows: Sequence[RunRow], now: float) -> Table:
    """A line for each run; `now` is Unix seconds."""
    told = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    told.add_column("RUN", no_wrap=True)
    told.add_column("TEST", overflow="fold")
    told.add_column("STATE")
    told.add_column("CREATED", no_wrap=True)
    told.add_column("RAN", no_wrap=True)
    told.add_column("VUS", no_wrap=True, justify="right")
    for row in rows:
        run = row.run
        told.add_row(
            str(run.id),
            test_of(row),
            state(run),
            "" if run.created is None else format_age(run.created, now),
            progress(run, now),
            "" if run.vus is None else f"{run.vus:g}",
        )
    return told


def details(row: RunRow, config: Config, now: float) -> Table:
    """All that is known of one run, a line for each fact; `now` is Unix seconds."""
    run = row.run
    told = Table.grid(padding=(0, 2, 0, 0))
    told.add_column(style="bold", no_wrap=True)
    told.add_column(overflow="fold")
    facts: list[tuple[str, RenderableType]] = [
        ("run", str(run.id)),
        ("test", test_of(row)),
        ("project", "" if row.test.project_id is None else str(row.test.project_id)),
        ("state", state(run)),
        ("outcome", run.outcome.replace("_", " ") if run.outcome else ""),
        ("created", timestamp_cell(run.created, now)),
        ("started", timestamp_cell(run.started, now)),
        ("ended", timestamp_cell(run.ended, now)),
        ("ran", progress(run, now)),
        ("phases", ", ".join(f"{phase} {format_duration(seconds)}" for phase, seconds in run.phases)),
        ("VUs", "" if run.vus is None else f"{run.vus:g}"),
        ("VU hours", "" if run.vuh is None else f"{run.vuh:g}" + ("" if run.is_finished else " (forecast)")),
        ("not understood", ", ".join(run.invalid_fields)),
        ("page", run_url(run, config)),
    ]
    for name, fact in facts:
        if str(fact):
            told.add_row(name, fact)
    return told


def test_of(row: RunRow) -> Text:
    return Text(f"{escape_unprintable(row.test.name)} ({row.test.id})")


def state(run: Run) -> Text:
    """How the run stands: a dot for the eye, and words."""
    look = (run.outcome or Outcome.NONE) if run.is_finished else "moving"
    return Text.assemble(("● ", COLOURS[look]), describe_run(run))


def progress(run: Run, now: float) -> str:
    """How long the load has run, against what is planned; empty before there is anything to say."""
    planned = "" if run.duration is None else format_duration(run.duration)
    ran = elapsed(run, now)
    if ran is None:
        return f"{planned} planned" if planned and not run.is_finished else ""
    return f"{format_duration(ran)} of {planned}" if planned else format_duration(ran)


def elapsed(run: Run, now: float) -> float | None:
    """Seconds of load until now, or until it ended; None if none has begun."""
    if run.started is None:
        return None
    if run.is_finished and run.execution is not None:
        return run.execution
    return max((now if run.ended is None else run.ended) - run.started, 0.0)


def run_url(run: Run, config: Config) -> str:
    """The run's page in the k6 app."""
    return f"{config.app_url}/runs/{run.id}"


def timestamp_cell(timestamp: float | None, now: float) -> str:
    return "" if timestamp is None else f"{format_timestamp(timestamp)} ({format_age(timestamp, now)})"


def iso_or_null(timestamp: float | None) -> str | None:
    return None if timestamp is None else format_iso_timestamp(timestamp)
