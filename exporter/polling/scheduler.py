"""When polls happen."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from exporter.app import Exporter

SOON = timedelta(seconds=1)  # polls never follow each other faster
LONG_AGO = datetime.min.replace(tzinfo=UTC)


def create_scheduler(polled: Exporter) -> AsyncIOScheduler:
    """A scheduler that polls at once, then one interval after the last poll began; polls never overlap.

    From then on the exporter can wake it, to poll without waiting for the end of the interval, and can tell
    when it will poll. It is not yet started.
    """
    scheduler = AsyncIOScheduler(timezone=UTC)
    began = LONG_AGO
    # From when on somebody wants a poll who has called while one was under way.
    wanted: datetime | None = None

    async def poll() -> None:
        nonlocal began, wanted
        began, wanted = datetime.now(UTC), None
        try:
            await polled.poller.poll()
        except asyncio.CancelledError:
            return  # the process ends; a scheduler would log this as an error
        except Exception as error:  # noqa: BLE001 (of any kind: it is logged with its traceback)
            polled.poller.record_internal_error(error)
        # Jitter: exporters that started together must not ask together for ever.
        pause = timedelta(seconds=polled.poller.interval * random.uniform(0.95, 1.05))  # noqa: S311
        due = min(began + pause, wanted) if wanted else began + pause
        add(max(due, datetime.now(UTC) + min(pause, SOON)))

    def add(when: datetime) -> None:
        scheduler.add_job(poll, "date", run_date=when, id="poll", misfire_grace_time=None)

    def wake(spacing: float) -> None:
        nonlocal wanted
        wanted = max(datetime.now(UTC), began + timedelta(seconds=spacing))
        waiting = scheduler.get_job("poll")
        if waiting and wanted < waiting.next_run_time:
            waiting.modify(next_run_time=wanted)

    def next_poll() -> float | None:
        waiting = scheduler.get_job("poll")
        return waiting.next_run_time.timestamp() if waiting else None

    polled.wake, polled.next_poll = wake, next_poll
    add(datetime.now(UTC))
    return scheduler
