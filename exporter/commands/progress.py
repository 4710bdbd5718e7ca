"""Progress of a command on standard error: a bar on a terminal, elsewhere a line now and then."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import click

from exporter.clock import Clock

LINE_INTERVAL = 10.0  # seconds between two lines, and before the first: short commands print none

UPDATE_INTERVAL = 0.2  # seconds between two updates of a bar

# Called with what is being done, the finished and all steps (None if unknown), and what else is known.
Report = Callable[[str, int, int | None, str], None]


class ProgressLines:
    """Progress as lines, at most one in LINE_INTERVAL."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._printed_at = clock.monotonic()

    def report(self, label: str, done: int, total: int | None, detail: str = "") -> None:
        """See Report."""
        if self._clock.monotonic() - self._printed_at >= LINE_INTERVAL:
            self._printed_at = self._clock.monotonic()
            steps = format_steps(done, total, detail)
            click.echo(f"{label}: {steps}" if steps else label, err=True)


def format_steps(done: int, total: int | None, detail: str) -> str:
    """The steps and what else is known: 12 of 40, 25 requests."""
    steps = "" if total is None else f"{done} of {total}"
    return ", ".join(filter(None, (steps, detail)))


@contextmanager
def show_progress(clock: Clock) -> Iterator[Report]:
    """A function that reports progress: as a bar, which is removed at the end, or as lines."""
    if sys.stderr.isatty():
        # Imported here, since it is slow and few commands need it.
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415

        console = Console(stderr=True)
        if not console.is_dumb_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[steps]}"))
            with Progress(*columns, console=console, transient=True) as progress:
                bar = progress.add_task("", total=None, steps="")

                def report(label: str, done: int, total: int | None, detail: str) -> None:
                    steps = format_steps(done, total, detail)
                    progress.update(bar, description=label, completed=done, total=total, steps=steps)

                yield report
            return
    yield ProgressLines(clock).report


class Steps:
    """Counts and reports steps; each call is one more."""

    def __init__(self, report: Report, label: str) -> None:
        self._report = report
        self._label = label
        self._done = 0
        self._total: int | None = None
        self.show()

    def __call__(self, total: int) -> None:
        """One more step is done; `total` is the number of all."""
        self._done, self._total = self._done + 1, total
        self.show()

    def show(self) -> None:
        """Report again; lines are only printed now and then."""
        self._report(self._label, self._done, self._total, "")


@asynccontextmanager
async def call_repeatedly(function: Callable[[], None], clock: Clock) -> AsyncIterator[None]:
    """Call a function at once, and then several times a second while the block lasts."""

    async def tick() -> None:
        while True:
            function()
            await clock.sleep(UPDATE_INTERVAL)

    task = asyncio.create_task(tick())
    try:
        yield
    finally:
        task.cancel()
