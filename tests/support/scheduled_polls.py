"""An exporter whose scheduler polls, in an event loop that skips every wait."""

import asyncio
from dataclasses import replace

from exporter.app import Exporter
from exporter.clock import Clock
from tests.support.lab import START, ManualClock

PATIENCE = 7200.0  # seconds of the loop's time


class SkippingClock(ManualClock):
    """The time of the running loop, a SkippingLoop. Its other hands are set as those of a ManualClock."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self.clock = replace(self.clock, sleep=asyncio.sleep)

    def read(self) -> float:
        return START + self._loop.time() - self._began

    def stop_process(self, seconds: float) -> None:
        """Let this time pass without any code being run, as between SIGSTOP and SIGCONT."""
        self._began -= seconds


class ScheduledPolls:
    """Waits for polls that the scheduler of an exporter starts. The exporter has to be given `clock`.

    A poll has ended when the scheduler waits for the next one, so nothing has to look again and again. If
    `is_held`, the scheduler stays there until the next poll is awaited: for a clock on which waits end at
    once. `patience` is in seconds of the loop's time.
    """

    def __init__(self, clock: Clock, *, is_held: bool = False, patience: float = PATIENCE) -> None:
        self.clock = replace(clock, sleep=self._sleep)
        self._wait = clock.sleep
        self._is_held, self._patience = is_held, patience
        self._exporter: Exporter | None = None
        self._last: float | None = None
        self._ended, self._awaited = asyncio.Event(), asyncio.Event()

    async def _sleep(self, seconds: float) -> None:
        exporter = self._exporter
        is_waiting = exporter and exporter.scheduler.next_poll() is not None
        # A trigger makes it wait anew, without a poll in between.
        if exporter and is_waiting and exporter.poller.last_poll != self._last:
            self._last = exporter.poller.last_poll
            self._ended.set()
            if self._is_held:
                self._awaited.clear()
                await self._awaited.wait()
        await self._wait(seconds)

    def start(self, exporter: Exporter) -> None:
        """Start polling."""
        self._exporter = exporter
        exporter.scheduler.start()

    async def next(self) -> None:
        """Wait for the end of a poll. Raises TimeoutError if polls have ceased."""
        self._ended.clear()
        self._awaited.set()
        async with asyncio.timeout(self._patience):
            await self._ended.wait()
