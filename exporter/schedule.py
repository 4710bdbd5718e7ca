"""When polls happen."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from exporter.app import Exporter

SOON = timedelta(seconds=1)  # polls never follow each other faster


def schedule(polled: Exporter) -> AsyncIOScheduler:
    """A scheduler that polls at once, then one interval after the last poll began; polls never overlap.

    From then on the exporter can wake it, to poll without waiting for the end of the interval. It is not yet
    started.
    """
    scheduler = AsyncIOScheduler(timezone=UTC)
    is_wanted = False  # whether somebody has called for a poll while one was under way

    async def poll() -> None:
        nonlocal is_wanted
        is_wanted = False
        began = datetime.now(UTC)
        try:
            await polled.poller.poll()
        except asyncio.CancelledError:
            return  # the process ends; a scheduler would log this as an error
        except Exception as error:  # noqa: BLE001 (of any kind: it is logged with its traceback)
            polled.poller.note_bug(error)
        # Jitter: exporters that started together must not ask together for ever.
        pause = timedelta(seconds=polled.poller.interval * random.uniform(0.95, 1.05))  # noqa: S311
        soon = datetime.now(UTC) + min(pause, SOON)
        add(soon if is_wanted else max(began + pause, soon))

    def add(when: datetime) -> None:
        scheduler.add_job(poll, "date", run_date=when, id="poll", misfire_grace_time=None)

    def wake() -> None:
        nonlocal is_wanted
        is_wanted = True
        waiting = scheduler.get_job("poll")
        if waiting:
            soon = datetime.now(UTC) + SOON
            waiting.modify(next_run_time=min(waiting.next_run_time, soon))

    polled.wake = wake
    add(datetime.now(UTC))
    return scheduler
