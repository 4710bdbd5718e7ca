"""The command: ask, live the past through again, write it down."""

import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import IO, Any

import click

from exporter.asking import Cloud
from exporter.backfill.asking import History, Stretch, Told, history
from exporter.backfill.options import Wish, written
from exporter.backfill.replay import replay, within
from exporter.backfill.writing import Scroll, bodies
from exporter.config import Config
from exporter.families import families
from exporter.polling.findings import Findings
from exporter.store import Retention
from exporter.token import Token


def backfilled(
    config: Config,
    token: Token,
    wish: Wish,
    connected: AbstractAsyncContextManager[Cloud],
    *,
    run: Callable[[Coroutine[Any, Any, History]], History],
) -> int:
    """Write the past that is wished for; the exit status. What is to be said goes to standard error.

    Only the asking is `run` on an event loop: one in the midst of writing would not heed Ctrl-C.
    """
    findings = Findings()
    with progress_bar() as bar:
        past = run(learnt(config, wish, connected, findings, bar("asking k6 Cloud")))
        findings.conceal(token.conceal)
        complaints = complaints_about(past, findings, wish)
        samples = 0
        if not complaints:
            try:
                samples = write(config, wish, past, bar("writing"))
            except OSError as error:
                complaints = [f"cannot write to {wish.output or 'standard output'}: {error.strerror}"]
    tell_what_is_left_out(past, findings, findings.unresolved if config.tests else ())
    for complaint in complaints:
        say(f"error: {complaint}")
    if complaints:
        return 1
    conclude(wish, past, samples)
    return 0


def tell_what_is_left_out(past: History, findings: Findings, lost: Sequence[str]) -> None:
    for entry in lost:
        say(f"left out: {entry}; nothing in k6 Cloud fits this, or the token may not see it")
    for skipped in findings.skipped:
        say(f"left out: {skipped.which}")
    for run in past.unplaceable:
        say(f"left out: run {run.id} of test {run.test_id}; k6 Cloud does not say when it began, or ended")


async def learnt(
    config: Config,
    wish: Wish,
    connected: AbstractAsyncContextManager[Cloud],
    findings: Findings,
    told: Told,
) -> History:
    stretch = Stretch(wish.span.since - config.runs.max_age, wish.span.since, wish.span.until)
    async with connected as cloud:
        return await history(
            cloud.api, cloud.inquiry, stretch, findings, width=config.api.concurrency, told=told
        )


def complaints_about(past: History, findings: Findings, wish: Wish) -> list[str]:
    """Why nothing is written: a past with holes would look like a whole one."""
    if findings.failures:
        return [failure.sentence for failure in findings.failures]
    if not past.tests:
        return ["the configuration means no test that the token sees; k6-cloud-exporter check says why"]
    if not any(past.runs.get(test.id) for test in past.tests):
        until = written(wish.span.until)
        return [f"k6 Cloud knows no run before {until} of the tests that are meant, {len(past.tests)} in all"]
    return []


def write(config: Config, wish: Wish, past: History, told: Told) -> int:
    """Write what is wished for; how many samples that is. Raises OSError."""
    retention = Retention(config.runs.keep, config.runs.max_age, config.poll.stale_after)
    catalogue = families(config.app_url, config.api.generation)
    pieces = list(wish.pieces())
    samples = 0
    for number, (piece, output) in enumerate(pieces):
        # The end itself belongs to the last of them.
        end = piece.until + (piece.until == wish.span.until)
        with Scroll(catalogue, folder_of(output)) as scroll:
            for done, test in enumerate(past.tests, start=1):
                pictures = replay(test, past.runs.get(test.id, []), retention, wish.span)
                scroll.add(bodies(within(pictures, piece.since, end), catalogue, wish.labels))
                told(number * len(past.tests) + done, len(pieces) * len(past.tests))
            samples += scroll.samples
            if scroll.samples:  # promtool refuses a file without any
                with opened(output) as out:
                    scroll.write(out)
    return samples


def folder_of(output: Path | None) -> Path | None:
    """Where there is room for what is written, so room for its parts."""
    return None if output is None or is_special(output) else output.parent


@contextmanager
def opened(output: Path | None) -> Iterator[IO[bytes]]:
    """Where to write: standard output, or a file that is there only once it is whole."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif is_special(output):
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


def is_special(output: Path) -> bool:
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


def say(sentence: str) -> None:
    click.echo(sentence, err=True)


def conclude(wish: Wish, past: History, samples: int) -> None:
    """What was written, and what to know of it."""
    span = wish.span
    runs = sum(len(past.runs.get(test.id, [])) for test in past.tests)
    say(
        f"{samples} samples of {len(past.tests)} tests and {runs} runs, "
        f"from {written(span.since)} to {written(span.until)}"
    )
    missing = [name for name in ("job", "instance") if name not in dict(wish.labels)]
    if missing:
        say(
            f"without --label {'=… --label '.join(missing)}=… these are other series than those that are "
            "scraped: Prometheus adds job and instance to what it scrapes, but not to what it imports"
        )
