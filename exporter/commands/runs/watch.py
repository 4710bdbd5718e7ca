"""Following a run to its end: when to look, and what to show meanwhile."""

import json
from collections.abc import Callable
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from exporter.clock import Clock
from exporter.commands.runs.client import RunsClient
from exporter.commands.runs.list import RunRow
from exporter.commands.runs.output import as_json, elapsed, progress, run_url, state
from exporter.config import Config
from exporter.formatting import describe_run, escape_unprintable, format_iso_timestamp
from exporter.k6.errors import (
    ApiError,
    DecodeError,
    NetworkError,
    NotFound,
    RateLimited,
    RequestTimeout,
    ServerError,
)
from exporter.model import LoadTest, Run, RunStatus

# What may pass: k6 Cloud being down, slow, too often asked, or answered for by something else.
PASSING = (RateLimited, ServerError, RequestTimeout, NetworkError, DecodeError)
LONGEST_PAUSE = 60.0  # seconds between looks during an outage
SLOWEST = 30.0  # seconds between looks at a run whose planned end is far
SHARE = 20  # a run is looked at so often at least in what is left of its plan
SHOWS_LATE = 30.0  # seconds for which a run that was just started may not be found


class WatchView(Protocol):
    """What shows a run while it is followed. Moments are Unix seconds."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def update(self, run: Run, now: float) -> None:
        """The run as it is now."""

    def tick(self, now: float) -> None:
        """Time has passed."""

    def say(self, sentence: str) -> None:
        """Something about the watching, not about the run."""


class LineView:
    """A line for each change, for logs and pipes."""

    def __init__(self, test: LoadTest, out: Callable[[str], None], err: Callable[[str], None]) -> None:
        self._test = test
        self._out = out
        self._err = err
        self._said = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def update(self, run: Run, now: float) -> None:
        said = describe_run(run)
        if said != self._said:
            more = f" ({ran})" if (ran := progress(run, now)) else ""
            self._out(
                f"{format_iso_timestamp(round(now))} run {run.id} of "
                f"{escape_unprintable(self._test.name)}: {said}{more}"
            )
        self._said = said

    def tick(self, now: float) -> None: ...

    def say(self, sentence: str) -> None:
        self._err(sentence)


class JsonLineView(LineView):
    """An object on a line for each change, for scripts."""

    def __init__(
        self, test: LoadTest, config: Config, out: Callable[[str], None], err: Callable[[str], None]
    ) -> None:
        super().__init__(test, out, err)
        self._config = config

    def update(self, run: Run, now: float) -> None:  # noqa: ARG002 (a face is told the time; JSON has its own)
        said = describe_run(run)
        if said != self._said:
            self._out(json.dumps(as_json(RunRow(run, self._test), self._config)))
        self._said = said


class ProgressView:
    """A bar on a terminal: how long the load has run, against what is planned."""

    def __init__(
        self,
        test: LoadTest,
        config: Config,
        console: Console,
        clock: Clock,
        redact: Callable[[str], str],
    ) -> None:
        self._test = test
        self._redact = redact
        self._config = config
        self._console = console
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
        self.progress.stop()
        if self._run and self._run.is_finished:
            self._console.print(Text.assemble(self._name(self._run), state(self._run), self._ran(self._run)))
            self._console.print(run_url(self._run, self._config), soft_wrap=True)

    def update(self, run: Run, now: float) -> None:
        self._run = run
        self.tick(now)

    def tick(self, now: float) -> None:
        if self._run is not None:
            self.progress.update(
                self._task, **progress_fields(self._run, now), description=self._label(self._run)
            )
            self.progress.refresh()

    def say(self, sentence: str) -> None:
        self._console.print(self._redact(sentence), style="yellow", soft_wrap=True)

    def _label(self, run: Run) -> str:
        return f"{self._name(run)}{describe_run(run)}"

    def _name(self, run: Run) -> str:
        return f"run {run.id} of {escape_unprintable(self._test.name)}: "

    def _ran(self, run: Run) -> str:
        ran = progress(run, run.ended or 0.0)
        return f" ({ran})" if ran else ""


def progress_fields(run: Run, now: float) -> dict[str, Any]:
    """The fields of a bar: it fills by time, and stands still before and after the load."""
    ran = elapsed(run, now) or 0.0
    planned = run.duration or None
    if run.status == RunStatus.FINISHED:
        planned, ran = 1.0, 1.0
    total = planned if ran or planned else None
    return {"total": total, "completed": min(ran, total or 0.0), "ran": progress(run, now)}


async def watch_run(
    cloud: RunsClient, run: Run, face: WatchView, *, every: float, is_new: bool = False
) -> Run:
    """The run as it is in the end, shown on the way; looked at `every` so many seconds, or less often.

    An outage of k6 Cloud is sat out. A run that `is_new` may not be found at first. Raises ApiError.
    """
    began = cloud.clock.monotonic()
    failures = 0
    face.update(run, cloud.server_now)
    while not run.is_finished:
        pause = backoff(failures, every) if failures else interval(run, cloud.server_now, every)
        await sleep_with_ticks(cloud, face, pause)
        try:
            run = await cloud.read_run(run.id)
        except PASSING as error:
            failures += 1
            if failures == 1:
                face.say(f"{error}; the run goes on, and it is asked about again until there is an answer")
            continue
        except NotFound as error:
            if is_new and cloud.clock.monotonic() - began < SHOWS_LATE:
                continue
            raise NotFound(f"run {run.id} is no more: {error}") from error
        except ApiError as error:
            raise type(error)(f"run {run.id} goes on, but is no longer watched: {error}") from error
        if failures:
            face.say("k6 Cloud answers again")
        is_new = False
        failures = 0
        face.update(run, cloud.server_now)
    return run


def backoff(failures: int, every: float) -> float:
    """Seconds until the next look after so many that failed."""
    return min(every * 2.0 ** min(failures, 10), LONGEST_PAUSE)


def interval(run: Run, now: float, every: float) -> float:
    """Seconds until the next look: `every`, or longer while the planned end is far."""
    if run.status != RunStatus.RUNNING or run.started is None or run.duration is None:
        return every
    left = run.started + run.duration - now
    return max(every, min(left / SHARE, SLOWEST))


async def sleep_with_ticks(cloud: RunsClient, face: WatchView, seconds: float) -> None:
    """Let so many seconds pass, and show each."""
    end = cloud.clock.monotonic() + seconds
    while (left := end - cloud.clock.monotonic()) > 0:
        await cloud.clock.sleep(min(left, 1.0))
        face.tick(cloud.server_now)
