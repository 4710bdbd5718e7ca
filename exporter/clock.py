"""The only place that reads the time: whoever needs it is handed a Clock."""

import asyncio
import time as system
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """`time` is Unix seconds, for moments; `monotonic` never jumps, for lengths; `sleep` waits seconds."""

    time: Callable[[], float] = system.time
    monotonic: Callable[[], float] = system.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
