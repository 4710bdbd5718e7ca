"""The steps of `backfill`: fetch the history, replay it, write it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from exporter.clock import Clock
from exporter.commands.backfill.fetch import Connection, History, OnStep, fetch_history
from exporter.commands.backfill.openmetrics import OpenMetricsWriter, render_samples
from exporter.commands.backfill.options import BackfillOptions, parse_options
from exporter.commands.backfill.replay import clip, replay
from exporter.commands.configuration import exit_with_errors, load_config_or_exit
from exporter.commands.process import run_async
from exporter.commands.progress import Report, Steps, call_repeatedly, show_progress
from exporter.config import Config, ConfigError
from exporter.credentials import Secret
from exporter.exposition.families import build_families
from exporter.formatting import format_iso_timestamp, pluralize
from exporter.polling.factory import open_source
from exporter.polling.result import PollResult
from exporter.store import RetentionPolicy


def export_history(own_flags: Mapping[str, Any], config_flags: Mapping[str, Any]) -> int:
    """Write the history. Returns the exit code. Exits with 2 if a flag or the configuration is not valid."""
    config, token = load_config_or_exit(**config_flags)
    try:
        options = parse_options(Clock().time(), **own_flags)
    except ConfigError as error:
        exit_with_errors(error.messages)
    return run_backfill(config, token, options, open_source(config, token))


def run_backfill(config: Config, token: Secret, options: BackfillOptions, connection: Connection) -> int:
    """Write the history; the result is the exit code. Messages go to standard error."""
    result = PollResult()
    with show_progress(Clock()) as report:
        # Only fetching runs on an event loop: while one is running, Ctrl-C would not interrupt writing.
        history = run_async(fetch_with_progress(config, connection, options, result, report))
        result.redact(token.redact)
        errors = find_errors(history, result, options)
        samples = 0
        if not errors:
            try:
                samples = write(config, options, history, Steps(report, "writing"))
            except OSError as error:
                errors = [f"cannot write to {options.output or 'standard output'}: {error.strerror}"]
    print_skipped(history, result)
    for message in errors:
        print_message(f"error: {message}")
    if not errors:
        print_summary(options, history, samples)
    return 2 if history.is_ambiguous else 1 if errors else 0


async def fetch_with_progress(
    config: Config, connection: Connection, options: BackfillOptions, result: PollResult, report: Report
) -> History:
    """See fetch_history."""
    steps = Steps(report, "querying k6 Cloud")
    async with call_repeatedly(steps.show, Clock()):
        return await fetch_history(config, connection, options, result, steps)


def find_errors(history: History, result: PollResult, options: BackfillOptions) -> list[str]:
    """Why nothing is written. A gap would look as if there had been no runs."""
    if history.is_ambiguous:
        return history.unresolved
    if result.failures:
        return [failure.message for failure in dict.fromkeys(result.failures)]
    if not history.tests:
        advice = "k6-cloud-exporter check shows details"
        return [f"no test visible to the token matches the configuration; {advice}"]
    if not history.runs:
        until = format_iso_timestamp(options.until)
        return [f"none of the matching tests ({len(history.tests)}) has a run before {until}"]
    return []


def write(config: Config, options: BackfillOptions, history: History, on_step: OnStep) -> int:
    """Write the output files; the number of samples in them. Raises OSError."""
    retention = RetentionPolicy(config.runs.keep, config.runs.max_age, config.poll.stale_after)
    catalogue = build_families(config.app_url, config.api.effective_version)
    parts = list(options.split_output())
    samples = 0
    for since, until, output in parts:
        # A part excludes its end, which belongs to the next part; only the last part includes it.
        end = until + (until == options.until)
        # The directory of the output file should have the space; None is the default directory.
        temp_dir = None if output is None or is_pipe_or_device(output) else output.parent
        with OpenMetricsWriter(catalogue, temp_dir) as writer:
            for test in history.tests.values():
                snapshots = replay(test, history.runs[test.id], retention, options)
                writer.add(render_samples(clip(snapshots, since, end), catalogue, options.labels))
                on_step(len(parts) * len(history.tests))
            samples += writer.samples
            if writer.samples:  # promtool rejects a file without samples
                with open_output(output) as out:
                    writer.write(out)
    return samples


@contextmanager
def open_output(output: Path | None) -> Iterator[IO[bytes]]:
    """Standard output, or a file that appears under its name only when it is complete."""
    if output is None or is_pipe_or_device(output):
        with click.open_file(str(output or "-"), "wb") as file:
            yield file
            file.flush()
    else:
        # Beside the output file, since a rename is atomic only within one file system.
        partial = output.with_name(f"{output.name}.partial")
        try:
            with partial.open("wb") as file:
                yield file
            partial.replace(output)
        finally:
            partial.unlink(missing_ok=True)


def is_pipe_or_device(output: Path) -> bool:
    """Whether the path is a pipe or a device, which must not be replaced by a file."""
    return output.exists() and not output.is_file()


def print_message(message: str) -> None:
    click.echo(message, err=True)


def print_skipped(history: History, result: PollResult) -> None:
    for message in () if history.is_ambiguous else history.unresolved:
        print_message(f"skipped: {message}")
    for skipped in result.skipped:
        print_message(f"skipped: {skipped.description}")
    for run in history.undated:
        name = f"run {run.id} of test {run.test_id}"
        print_message(f"skipped: {name}: k6 Cloud did not return its creation or end time")


def print_summary(options: BackfillOptions, history: History, samples: int) -> None:
    """Print what was written, and which labels are missing."""
    tests = pluralize(len(history.tests), "test")
    runs = pluralize(sum(map(len, history.runs.values())), "run")
    period = f"from {format_iso_timestamp(options.since)} to {format_iso_timestamp(options.until)}"
    print_message(f"wrote {pluralize(samples, 'sample')} of {tests} and {runs}, {period}")
    missing = [name for name in ("job", "instance") if name not in dict(options.labels)]
    if missing:
        # Prometheus adds job and instance to scraped series, but not to imported ones.
        print_message(
            "the imported series differ from the scraped series, which have the labels job and instance; "
            f"to match them, use --label {'=… --label '.join(missing)}=…"
        )
