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

    `time` is Unix time, for timestamps. `monotonic` is for durations, because Unix time jumps when the system
    clock is set.
    """

    time: Callable[[], float] = system.time
    monotonic: Callable[[], float] = system.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
