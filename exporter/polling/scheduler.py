"""When polls happen."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from exporter.polling.poller import Poller

MIN_PAUSE = timedelta(seconds=1)  # between the end of a poll and the next one
NEVER = datetime.min.replace(tzinfo=UTC)


class PollScheduler:
    """Polls at the start, then one interval after the start of the last poll. Polls never overlap."""

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        # Local time would jump when daylight saving time begins or ends.
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._last_start = NEVER
        # The earliest time of a poll that was triggered while another one was in progress.
        self._triggered_for: datetime | None = None

    def start(self) -> None:
        """Starts polling in the running event loop."""
        self._schedule(datetime.now(UTC))
        self._scheduler.start()

    def shutdown(self) -> None:
        """Cancels a poll that is in progress and starts no more."""
        self._scheduler.shutdown(wait=False)

    def trigger(self, min_interval: float) -> None:
        """Brings the next poll forward, but to no less than `min_interval` seconds after the last start."""
        self._triggered_for = max(datetime.now(UTC), self._last_start + timedelta(seconds=min_interval))
        job = self._scheduler.get_job("poll")
        if job and self._triggered_for < job.next_run_time:
            job.modify(next_run_time=self._triggered_for)

    def next_poll(self) -> float | None:
        """Unix seconds of the next poll; None while one is in progress."""
        job = self._scheduler.get_job("poll")
        return job.next_run_time.timestamp() if job else None

    async def _poll(self) -> None:
        self._last_start, self._triggered_for = datetime.now(UTC), None
        try:
            await self._poller.poll()
        except asyncio.CancelledError:
            return  # the process shuts down; APScheduler would log this as an error
        except Exception as error:  # noqa: BLE001 (logged with its traceback; polling must go on)
            self._poller.record_internal_error(error)
        # Jitter: exporters that started together must not send their requests together forever.
        pause = timedelta(seconds=self._poller.interval * random.uniform(0.95, 1.05))  # noqa: S311
        due = min(self._last_start + pause, self._triggered_for or datetime.max.replace(tzinfo=UTC))
        self._schedule(max(due, datetime.now(UTC) + min(pause, MIN_PAUSE)))

    def _schedule(self, when: datetime) -> None:
        # A job for each poll, because the interval changes. By default APScheduler would drop a job that is
        # more than a second late, and no poll would follow.
        self._scheduler.add_job(self._poll, "date", run_date=when, id="poll", misfire_grace_time=None)
