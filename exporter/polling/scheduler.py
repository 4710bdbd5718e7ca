"""When polls happen."""

import asyncio
import random
from datetime import UTC, datetime

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from exporter.clock import Clock
from exporter.polling.poller import Poller

MIN_PAUSE = 1.0  # seconds between the end of a poll and the next one
PAST = datetime.fromtimestamp(0, UTC)  # due at once, wherever the wall clock is set


class PollScheduler:
    """Polls at the start, then one interval after the start of the last poll. Polls never overlap.

    A timer on the monotonic clock decides when the next poll is due, and APScheduler runs it. APScheduler
    compares dates with the wall clock: set back by an hour, no poll would follow for an hour.
    """

    def __init__(self, poller: Poller, clock: Clock) -> None:
        self._poller = poller
        self._clock = clock
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._timer: asyncio.Task[None] | None = None
        self._polling: asyncio.Task[None] | None = None
        self._is_shut_down = False
        # These are in seconds of the monotonic clock.
        self._last_start = float("-inf")
        self._due: float | None = None  # None while a poll is in progress
        # The earliest time of a poll that was triggered while another one was in progress.
        self._triggered_for = float("inf")

    def start(self) -> None:
        """Starts polling in the running event loop."""
        self._scheduler.start()
        self._schedule(self._clock.monotonic())

    async def shutdown(self) -> None:
        """Starts no more polls, cancels the one in progress, and returns when it has ended.

        APScheduler cancels its jobs as well, but does not wait for their end: the poll would go on with a
        client that is already closed.
        """
        self._is_shut_down, self._due = True, None
        tasks = [task for task in (self._timer, self._polling) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def trigger(self, min_interval: float) -> None:
        """Brings the next poll forward, but to no less than `min_interval` seconds after the last start."""
        self._triggered_for = max(self._clock.monotonic(), self._last_start + min_interval)
        if self._due is not None and self._triggered_for < self._due:
            self._schedule(self._triggered_for)

    def next_poll(self) -> float | None:
        """Unix seconds of the next poll; None while one is in progress."""
        return None if self._due is None else self._clock.to_unix(self._due)

    def _schedule(self, due: float) -> None:
        if self._is_shut_down:
            return
        self._due = due
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.create_task(self._run_when_due(due))

    async def _run_when_due(self, due: float) -> None:
        while (remaining := due - self._clock.monotonic()) > 0:
            await self._clock.sleep(remaining)
        self._due = None
        # By default APScheduler would drop a job that is more than a second late.
        self._scheduler.add_job(self._poll, "date", run_date=PAST, id="poll", misfire_grace_time=None)

    async def _poll(self) -> None:
        if self._is_shut_down:
            return
        self._polling = asyncio.current_task()
        self._last_start, self._triggered_for = self._clock.monotonic(), float("inf")
        try:
            await self._poller.poll()
        except asyncio.CancelledError:
            return  # the process shuts down; APScheduler would log this as an error
        except Exception as error:  # noqa: BLE001 (logged with its traceback; polling must go on)
            self._poller.record_internal_error(error)
        # Jitter: exporters that started together must not send their requests together forever.
        pause = self._poller.interval * random.uniform(0.95, 1.05)  # noqa: S311
        due = min(self._last_start + pause, self._triggered_for)
        self._schedule(max(due, self._clock.monotonic() + min(pause, MIN_PAUSE)))
