"""A run as text for a terminal, and as JSON for scripts."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from exporter.commands.runs.list import RunRow
from exporter.config import Config
from exporter.formatting import (
    describe_reason,
    describe_run,
    escape_unprintable,
    format_age,
    format_duration,
    format_iso_timestamp,
    format_timestamp,
)
from exporter.model import LoadTest, Outcome, Run

# Columns of a terminal that has room for a reason beside other columns of the table, and beside all of them.
MIN_WIDTH, FULL_WIDTH = 110, 140

# The colour of a run's dot, by outcome; an active run has none.
COLOURS: Mapping[Outcome | None, str] = {
    None: "blue",
    Outcome.PASSED: "green",
    Outcome.FAILED: "red",
    Outcome.ERROR: "red",
    Outcome.TIMED_OUT: "yellow",
    Outcome.ABORTED: "magenta",
    Outcome.NONE: "bright_black",
}


def as_json(row: RunRow, config: Config) -> dict[str, Any]:
    """A run for scripts: times in ISO 8601 (UTC), durations in seconds, null for unknown values.

    `result_status` and `outcome` are null until the run has finished.
    """
    # Scripts depend on the keys: they may be added to, but not renamed.
    run = row.run
    return {
        "id": run.id,
        "test_id": run.test_id,
        "test_name": row.test.name,
        "project_id": row.test.project_id,
        "project_name": row.project_name or None,
        "state": describe_run(run),
        "is_finished": run.is_finished,
        "outcome": run.outcome,
        "run_status": run.status,
        "processing_status": run.processing,
        "result_status": run.final_result,
        "reason": run.reason.word if run.reason else None,
        "reason_code": run.reason.code if run.reason else None,
        "reason_message": (run.reason.message or None) if run.reason else None,
        "created": iso_or_none(run.created),
        "started": iso_or_none(run.started),
        "ended": iso_or_none(run.ended),
        "planned_seconds": run.duration,
        "execution_seconds": run.execution if run.is_finished else None,
        "phase_seconds": {phase.value: seconds for phase, seconds in run.phases.items()},
        "vus": run.vus,
        "vuh": run.vuh if run.is_finished else None,
        "url": run.page_url(config.app_url),
        "api": config.api.effective_version,
    }


def format_table(rows: Sequence[RunRow], now: float, width: int) -> Table:
    """A table of runs, one per line; `now` is Unix seconds, `width` that of the terminal in columns."""
    has_reasons = any(row.run.reason for row in rows)
    has_projects = any(row.project_name for row in rows) and width >= MIN_WIDTH
    # What remains for the reasons on a narrow terminal would explain nothing.
    has_load = not has_reasons or width >= (FULL_WIDTH if has_projects else MIN_WIDTH)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("RUN", no_wrap=True)
    table.add_column("TEST", overflow="fold")
    if has_projects:
        table.add_column("PROJECT", overflow="fold")
    table.add_column("STATE")
    table.add_column("CREATED", no_wrap=True)
    if has_load:
        table.add_column("RAN", no_wrap=True)
        table.add_column("VUS", no_wrap=True, justify="right")
    if has_reasons:
        table.add_column("REASON")
    for run, test, project_name in rows:
        cells: list[RenderableType] = [str(run.id), format_test(test)]
        if has_projects:
            cells.append(escape_unprintable(project_name))
        cells += [format_state(run), "" if run.created is None else format_age(run.created, now)]
        if has_load:
            cells += [format_progress(run, now), format_vus(run)]
        if has_reasons:
            # Cut, and not wrapped: a message can fill a screen.
            cells.append(Text(format_reason(run), no_wrap=True, overflow="ellipsis"))
        table.add_row(*cells)
    return table


def format_details(row: RunRow, config: Config, now: float) -> Table:
    """Everything known about one run, one fact per line; `now` is Unix seconds."""
    run = row.run
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    facts: list[tuple[str, RenderableType]] = [
        ("run", str(run.id)),
        ("test", format_test(row.test)),
        ("project", format_project(row)),
        ("state", format_state(run)),
        ("outcome", run.outcome.replace("_", " ") if run.outcome else ""),
        ("reason", describe_reason(run.reason) if run.reason else ""),
        ("reason code", "" if run.reason is None or run.reason.code is None else str(run.reason.code)),
        ("created", format_time(run.created, now)),
        ("started", format_time(run.started, now)),
        ("ended", format_time(run.ended, now)),
        ("ran", format_progress(run, now)),
        ("phases", ", ".join(f"{phase} {format_duration(seconds)}" for phase, seconds in run.phases.items())),
        ("VUs", format_vus(run)),
        ("VU hours", "" if run.vuh is None else f"{run.vuh:g}" + ("" if run.is_finished else " (forecast)")),
        ("not recognized", ", ".join(run.invalid_fields)),
        ("URL", run.page_url(config.app_url)),
    ]
    for name, fact in facts:
        if str(fact):  # unknown facts are left out
            table.add_row(name, fact)
    return table


def format_test(test: LoadTest) -> str:
    """A test's name and ID; what is not printable in the name could control the terminal."""
    return f"{escape_unprintable(test.name)} ({test.id})"


def format_project(row: RunRow) -> str:
    """The name of a run's project, if it is known, and its ID; empty if that is unknown."""
    if row.test.project_id is None:
        return ""
    name = escape_unprintable(row.project_name)
    return f"{name} ({row.test.project_id})" if name else str(row.test.project_id)


def format_state(run: Run) -> Text:
    """The state of a run: a coloured dot and a description."""
    return Text.assemble(("● ", COLOURS[run.outcome]), describe_run(run))


def format_reason(run: Run) -> str:
    """Why a run did not pass, beside its state; without the word if the state contains it."""
    if run.reason is None:
        return ""
    is_known = run.reason.word.replace("_", " ") == describe_run(run)
    return describe_reason(replace(run.reason, word="") if is_known else run.reason)


def format_progress(run: Run, now: float) -> str:
    """How long the load has run, and the planned duration: "30 s of 1 min". Empty if neither is known."""
    planned = "" if run.duration is None else format_duration(run.duration)
    elapsed = elapsed_seconds(run, now)
    if elapsed is None:
        return f"{planned} planned" if planned and not run.is_finished else ""
    return f"{format_duration(elapsed)} of {planned}" if planned else format_duration(elapsed)


def format_vus(run: Run) -> str:
    return "" if run.vus is None else f"{run.vus:g}"


def elapsed_seconds(run: Run, now: float) -> float | None:
    """Seconds of load until `now` (Unix seconds) or until the run ended; None before the load starts."""
    if run.started is None:
        return None
    if run.is_finished and run.execution is not None:
        return run.execution
    return max((now if run.ended is None else run.ended) - run.started, 0.0)


def format_name(run: Run, test: LoadTest) -> str:
    """Which run it is, as watching shows it: run 5000001 of soak."""
    return f"run {run.id} of {escape_unprintable(test.name)}"


def format_change(run: Run, test: LoadTest, now: float) -> str:
    """The line that watching prints for a change of state; `now` is Unix seconds."""
    progress = format_progress(run, now)
    suffix = f" ({progress})" if progress else ""
    suffix += f": {describe_reason(run.reason)}" if run.reason else ""
    return f"{format_iso_timestamp(round(now))} {format_name(run, test)}: {describe_run(run)}{suffix}"


def format_time(timestamp: float | None, now: float) -> str:
    """A timestamp and its age, both times in Unix seconds; empty for None."""
    return "" if timestamp is None else f"{format_timestamp(timestamp)} ({format_age(timestamp, now)})"


def iso_or_none(timestamp: float | None) -> str | None:
    return None if timestamp is None else format_iso_timestamp(timestamp)
