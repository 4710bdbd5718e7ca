"""The command: ask, live the past through again, write it down."""

import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import IO, Any

import click

from exporter.commands.backfill.fetch import FetchWindow, History, Told, fetch_history
from exporter.commands.backfill.openmetrics import OpenMetricsWriter, render_samples
from exporter.commands.backfill.options import BackfillOptions
from exporter.commands.backfill.replay import clip, replay
from exporter.config import Config
from exporter.credentials import Secret
from exporter.exposition.families import build_families
from exporter.formatting import format_iso_timestamp
from exporter.polling.factory import K6Client
from exporter.polling.result import PollResult
from exporter.store import RetentionPolicy


def run_backfill(
    config: Config,
    token: Secret,
    wish: BackfillOptions,
    connected: AbstractAsyncContextManager[K6Client],
    *,
    run: Callable[[Coroutine[Any, Any, History]], History],
) -> int:
    """Write the past that is wished for; the exit status. What is to be said goes to standard error.

    Only the asking is `run` on an event loop: one in the midst of writing would not heed Ctrl-C.
    """
    poll_result = PollResult()
    with progress_bar() as bar:
        past = run(fetch(config, wish, connected, poll_result, bar("asking k6 Cloud")))
        poll_result.redact(token.redact)
        complaints = validate_history(past, poll_result, wish)
        samples = 0
        if not complaints:
            try:
                samples = write(config, wish, past, bar("writing"))
            except OSError as error:
                complaints = [f"cannot write to {wish.output or 'standard output'}: {error.strerror}"]
    print_skipped(past, poll_result, poll_result.unresolved if config.tests else ())
    for complaint in complaints:
        echo_err(f"error: {complaint}")
    if complaints:
        return 1
    print_summary(wish, past, samples)
    return 0


def print_skipped(past: History, poll_result: PollResult, lost: Sequence[str]) -> None:
    for entry in lost:
        echo_err(f"left out: {entry}; nothing in k6 Cloud fits this, or the token may not see it")
    for skipped in poll_result.skipped:
        echo_err(f"left out: {skipped.description}")
    for run in past.undated:
        echo_err(
            f"left out: run {run.id} of test {run.test_id}; k6 Cloud does not say when it began, or ended"
        )


async def fetch(
    config: Config,
    wish: BackfillOptions,
    connected: AbstractAsyncContextManager[K6Client],
    poll_result: PollResult,
    told: Told,
) -> History:
    stretch = FetchWindow(wish.span.since - config.runs.max_age, wish.span.since, wish.span.until)
    async with connected as cloud:
        return await fetch_history(
            cloud.api, cloud.source, stretch, poll_result, concurrency=config.api.concurrency, told=told
        )


def validate_history(past: History, poll_result: PollResult, wish: BackfillOptions) -> list[str]:
    """Why nothing is written: a past with holes would look like a whole one."""
    if poll_result.failures:
        return [failure.message for failure in poll_result.failures]
    if not past.tests:
        return ["the configuration means no test that the token sees; k6-cloud-exporter check says why"]
    if not any(past.runs.get(test.id) for test in past.tests):
        until = format_iso_timestamp(wish.span.until)
        return [f"k6 Cloud knows no run before {until} of the tests that are meant, {len(past.tests)} in all"]
    return []


def write(config: Config, wish: BackfillOptions, past: History, told: Told) -> int:
    """Write what is wished for; how many samples that is. Raises OSError."""
    retention = RetentionPolicy(config.runs.keep, config.runs.max_age, config.poll.stale_after)
    catalogue = build_families(config.app_url, config.api.effective_version)
    pieces = list(wish.splits())
    samples = 0
    for number, (piece, output) in enumerate(pieces):
        # The end itself belongs to the last of them.
        end = piece.until + (piece.until == wish.span.until)
        with OpenMetricsWriter(catalogue, temp_dir_for(output)) as scroll:
            for done, test in enumerate(past.tests, start=1):
                pictures = replay(test, past.runs.get(test.id, []), retention, wish.span)
                scroll.add(render_samples(clip(pictures, piece.since, end), catalogue, wish.labels))
                told(number * len(past.tests) + done, len(pieces) * len(past.tests))
            samples += scroll.samples
            if scroll.samples:  # promtool refuses a file without any
                with open_output(output) as out:
                    scroll.write(out)
    return samples


def temp_dir_for(output: Path | None) -> Path | None:
    """Where there is room for what is written, so room for its parts."""
    return None if output is None or is_pipe_or_device(output) else output.parent


@contextmanager
def open_output(output: Path | None) -> Iterator[IO[bytes]]:
    """Where to write: standard output, or a file that is there only once it is whole."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif is_pipe_or_device(output):
        with output.open("wb") as file:
            yield file
    else:
        made = output.with_name(f"{output.name}.partial")
        try:
            with made.open("wb") as file:
                yield file
            made.replace(output)
        finally:
            made.unlink(missing_ok=True)


def is_pipe_or_device(output: Path) -> bool:
    """Whether it is a pipe or a device, which nothing may take the place of."""
    return output.exists() and not output.is_file()


@contextmanager
def progress_bar() -> Iterator[Callable[[str], Told]]:
    """Bars on standard error if that is a terminal: one for each thing that is begun by its name."""
    from rich.console import Console  # noqa: PLC0415 (takes a while, and only this command needs it)
    from rich.progress import Progress  # noqa: PLC0415

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:

        def begun(name: str) -> Told:
            task = progress.add_task(name, total=None)
            return lambda done, total: progress.update(task, completed=done, total=total)

        yield begun


def echo_err(sentence: str) -> None:
    click.echo(sentence, err=True)


def print_summary(wish: BackfillOptions, past: History, samples: int) -> None:
    """What was written, and what to know of it."""
    span = wish.span
    runs = sum(len(past.runs.get(test.id, [])) for test in past.tests)
    echo_err(
        f"{samples} samples of {len(past.tests)} tests and {runs} runs, "
        f"from {format_iso_timestamp(span.since)} to {format_iso_timestamp(span.until)}"
    )
    missing = [name for name in ("job", "instance") if name not in dict(wish.labels)]
    if missing:
        echo_err(
            f"without --label {'=… --label '.join(missing)}=… these are other series than those that are "
            "scraped: Prometheus adds job and instance to what it scrapes, but not to what it imports"
        )
