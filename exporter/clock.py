"""The only module that reads the time or waits.

Everything else receives a Clock as an argument, so that tests can set the time and never have to wait.
"""

import asyncio
import time as system
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """Two clocks and a way to wait, all in seconds.

    - `time` is Unix time by the wall clock, for what is shown and for comparison with dates.
    - `monotonic` is for intervals, ages and deadlines: the wall clock can be wrong, and can be set in either
      direction at any time. Its zero is arbitrary.

    Both continue while the process is stopped (SIGSTOP, `docker pause`): afterwards the data is old, and a
    poll is due at once. While the whole machine is suspended, `monotonic` stops on Linux, and so do all
    timers of the event loop. Afterwards, values from before are served until the next poll, which is at most
    one interval away. CLOCK_BOOTTIME would count that time as age, but the timers would still be late, and
    `/-/healthy` could get the process restarted although nothing is wrong with it.
    """

    time: Callable[[], float] = system.time
    monotonic: Callable[[], float] = system.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def to_unix(self, monotonic: float) -> float:
        """The Unix time of a monotonic time, by the wall clock as it is set now.

        A difference between two such times is right even if the wall clock was set in between.
        """
        return self.time() - (self.monotonic() - monotonic)
