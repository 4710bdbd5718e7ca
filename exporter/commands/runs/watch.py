"""Watching a run until it ends: when to fetch it, and what to show meanwhile."""

from collections.abc import Callable
from typing import Self

from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from exporter.clock import Clock
from exporter.commands.runs.client import TRANSIENT_ERRORS, RunsClient
from exporter.commands.runs.output import (
    elapsed_seconds,
    format_change,
    format_name,
    format_progress,
    format_state,
)
from exporter.config import Config
from exporter.formatting import describe_reason, describe_run
from exporter.k6.errors import ApiError, NotFound
from exporter.model import LoadTest, Run, RunStatus

MAX_BACKOFF = 60.0  # seconds between requests during an outage
MAX_INTERVAL = 30.0  # seconds between requests while the planned end is far off
MIN_POLLS_LEFT = 20  # a run is fetched at least this often before its planned end
PROGRESS_INTERVAL = 60.0  # seconds without a change of state after which progress is a line of its own
NOT_FOUND_GRACE = 30.0  # seconds during which k6 Cloud may not find a run that was just started


class WatchTimeout(Exception):
    """The run has not ended in the given time."""


class LineView:
    """A line for each change of state, for logs, pipes and scripts; progress in between is a message."""

    def __init__(
        self,
        test: LoadTest,
        print_run: Callable[[Run, float], None],
        print_message: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._test = test
        self._print_run = print_run
        self.print_message = print_message
        self._clock = clock
        self._last_state = ""
        self._last_run: Run | None = None
        self._printed_at = clock.monotonic()

    def update(self, run: Run, now: float) -> None:
        """Print the run if its state has changed; `now` is Unix seconds."""
        state = describe_run(run)
        if state != self._last_state:
            self._print_run(run, now)
        # Some CI services end a job that prints nothing for long. Only if the run was fetched since then: in
        # an outage its state is not known.
        elif run is not self._last_run and self._clock.monotonic() - self._printed_at > PROGRESS_INTERVAL:
            self.print_message(format_change(run, self._test, now))
        else:
            return
        self._last_state, self._last_run = state, run
        self._printed_at = self._clock.monotonic()


class ProgressView:
    """A bar on a terminal: how long the load has run, compared with the planned duration."""

    def __init__(
        self, test: LoadTest, config: Config, console: Console, clock: Clock, redact: Callable[[str], str]
    ) -> None:
        self._test = test
        self._redact = redact
        self._config = config
        self._run: Run | None = None
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30, complete_style="blue", finished_style="blue"),
            TextColumn("{task.fields[ran]}", markup=False),
            console=console,
            auto_refresh=False,
            transient=True,
            get_time=clock.monotonic,
        )
        self._task = self.progress.add_task("", total=None, ran="")

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        # The bar is transient: once the run has ended, a few plain lines take its place.
        self.progress.stop()
        if (run := self._run) and run.is_finished:
            ran = format_progress(run, run.ended or 0.0)
            name = f"{format_name(run, self._test)}: "
            self.progress.print(Text.assemble(name, format_state(run), f" ({ran})" if ran else ""))
            if run.reason:
                self.progress.print(describe_reason(run.reason), soft_wrap=True)
            self.progress.print(run.page_url(self._config.app_url), soft_wrap=True)

    def update(self, run: Run, now: float) -> None:
        """Show the run as it is at `now`, in Unix seconds."""
        self._run = run
        label = f"{format_name(run, self._test)}: {describe_run(run)}"
        # The bar fills with the time of the load, and stands still before and after it.
        elapsed, planned = elapsed_seconds(run, now) or 0.0, run.duration or None
        if run.status == RunStatus.FINISHED:
            planned, elapsed = 1.0, 1.0
        done, ran = min(elapsed, planned or 0.0), format_progress(run, now)
        self.progress.update(self._task, description=label, total=planned, completed=done, ran=ran)
        self.progress.refresh()

    def print_message(self, message: str) -> None:
        """Print a message about watching above the bar."""
        self.progress.print(self._redact(message), style="yellow", soft_wrap=True)


View = LineView | ProgressView


async def watch_run(
    client: RunsClient, run: Run, view: View, *, interval: float, deadline: float, is_new: bool
) -> Run:
    """Show a run until it ends, and return it as it is then. `interval` is the least pause in seconds.

    Outages of k6 Cloud are waited out. A run that `is_new` may not be found at first. Raises ApiError, and
    WatchTimeout if the run has not ended at `deadline`, in monotonic seconds.
    """
    started = client.clock.monotonic()
    failures = 0
    view.update(run, client.server_now)
    while not run.is_finished:
        remaining = deadline - client.clock.monotonic()
        if remaining <= 0:
            raise WatchTimeout
        pause = backoff(failures, interval) if failures else next_interval(run, client.server_now, interval)
        await sleep_with_updates(client, run, view, min(pause, remaining))
        try:
            page = run.url
            run = await client.read_run(run.id)
            # k6 Cloud reports the page only when it starts a run.
            run = replace(run, url=run.url or page)
        except TRANSIENT_ERRORS as error:
            failures += 1
            if failures == 1:  # one message for each outage, however long it is
                view.print_message(f"{error}; the run continues, and requests are retried")
            continue
        except NotFound as error:
            if is_new and client.clock.monotonic() - started < NOT_FOUND_GRACE:
                continue
            raise NotFound(f"run {run.id} no longer exists: {error}") from error
        except ApiError as error:
            raise type(error)(f"stopped watching run {run.id}, which continues: {error}") from error
        if failures:
            view.print_message("k6 Cloud responds again")
        is_new = False
        failures = 0
        view.update(run, client.server_now)
    return run


def backoff(failures: int, interval: float) -> float:
    """Seconds until the next request after this many failures in a row."""
    # The exponent is bounded because 2.0 ** 1024 overflows.
    return min(interval * 2.0 ** min(failures, 10), MAX_BACKOFF)


def next_interval(run: Run, now: float, interval: float) -> float:
    """Seconds until the next request: `interval`, or longer while the planned end is far off."""
    if run.status != RunStatus.RUNNING or run.started is None or run.duration is None:
        return interval
    remaining = run.started + run.duration - now
    # Bounded, because an aborted run may end long before its planned end.
    return max(interval, min(remaining / MIN_POLLS_LEFT, MAX_INTERVAL))


async def sleep_with_updates(client: RunsClient, run: Run, view: View, seconds: float) -> None:
    """Sleep, and update the view every second, so that a bar moves on between two requests."""
    end = client.clock.monotonic() + seconds
    while (remaining := end - client.clock.monotonic()) > 0:
        await client.clock.sleep(min(remaining, 1.0))
        view.update(run, client.server_now)
