"""`serve` on a clock that does not wait: `python -m bench.fast_exporter URL CLOCK SECONDS`.

To wait for the next poll sets the clock forward. After SECONDS by this clock nothing is polled any more.
CLOCK is a file with the time for the simulated k6 Cloud. Without CLOCK and SECONDS the clock is the real one.

The first line of output is the URL of the exporter. This module imports only what the exporter imports,
because its memory is measured.
"""

import asyncio
import os
import struct
import sys
from pathlib import Path

from exporter import cli  # noqa: F401  (as in exporter/__main__.py)
from exporter.clock import Clock
from exporter.commands.process import run_async
from exporter.commands.serve.run import serve_exporter
from exporter.config import Config
from exporter.credentials import Secret
from exporter.web.server import base_url, bind

PAUSE = 0.02  # real seconds of each wait, in which scrapes are answered


class SharedTime:
    """A time in Unix seconds that two processes read, in a file."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_RDWR | os.O_CREAT)

    def read(self) -> float:
        return float(struct.unpack("d", os.pread(self._file, 8, 0))[0])

    def write(self, value: float) -> None:
        os.pwrite(self._file, struct.pack("d", value), 0)


def make_clock(shared: SharedTime, seconds: float) -> Clock:
    """A clock that waiting sets forward, by at most this many seconds in all."""
    end = shared.read() + seconds

    async def sleep(seconds: float) -> None:
        if shared.read() + seconds > end:
            await asyncio.Event().wait()
        if seconds:
            shared.write(shared.read() + seconds)
        await asyncio.sleep(PAUSE if seconds else 0)

    return Clock(time=shared.read, monotonic=shared.read, sleep=sleep)


def main(url: str, clock: str = "", seconds: str = "") -> None:
    config = Config.model_validate({"api": {"url": url, "stack": 1}})
    listening = bind("127.0.0.1:0")
    print(base_url(listening), flush=True)
    made = make_clock(SharedTime(Path(clock)), float(seconds)) if clock else Clock()
    run_async(serve_exporter(config, Secret("bench"), [listening], clock=made))


if __name__ == "__main__":
    main(*sys.argv[1:])
