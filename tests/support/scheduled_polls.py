"""An exporter whose scheduler polls, in an event loop that skips every wait."""

import asyncio
from dataclasses import replace

from exporter.app import Exporter
from exporter.clock import Clock
from tests.support.lab import START, ManualClock

PATIENCE = 7200.0  # seconds of the loop's time, which are skipped


class SkippingClock(ManualClock):
    """The time of the running loop, a SkippingLoop. Its other hands are set as those of a ManualClock."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self.clock = replace(self.clock, sleep=asyncio.sleep)

    def read(self) -> float:
        return START + self._loop.time() - self._began

    async def until(self, time: float) -> None:
        """Wait until a Unix time."""
        await asyncio.sleep(time - self.read())


class ScheduledPolls:
    """Waits for polls that the scheduler of an exporter starts. The exporter has to be given `clock`.

    A poll has ended when the scheduler waits for the next one, so nothing has to look again and again.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = replace(clock, sleep=self._sleep)
        self._wait = clock.sleep
        self._exporter: Exporter | None = None
        self._last: float | None = None
        self._ended = asyncio.Event()

    async def _sleep(self, seconds: float) -> None:
        exporter = self._exporter
        is_waiting = exporter and exporter.scheduler.next_poll() is not None
        # A trigger makes it wait anew, without a poll in between.
        if exporter and is_waiting and exporter.poller.last_poll != self._last:
            self._last = exporter.poller.last_poll
            self._ended.set()
        await self._wait(seconds)

    def start(self, exporter: Exporter) -> None:
        """Start polling."""
        self._exporter = exporter
        exporter.scheduler.start()

    async def next(self) -> None:
        """Wait for the end of a poll. Raises TimeoutError if polls have ceased."""
        self._ended.clear()
        async with asyncio.timeout(PATIENCE):
            await self._ended.wait()
