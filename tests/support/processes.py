"""Processes under test: started on loopback, waited for, and stopped by their own pid."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import httpx

T = TypeVar("T")


_reserved: list[socket.socket] = []


def free_port() -> int:
    """A port on which one program may listen, reserved until this process ends.

    The kernel assigns it to no other socket while ours is bound. A server that sets SO_REUSEADDR, as asyncio
    and Go do, may listen on it, since ours does not listen; until then connections are refused.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    _reserved.append(reserved)
    return int(reserved.getsockname()[1])


def eventually(check: Callable[[], T | None], *, seconds: float = 30.0) -> T:
    """The first true result of `check`, which is called repeatedly for at most this many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            found = check()
        except httpx.TransportError:
            found = None
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"no result within {seconds:g}s")


@contextmanager
def run_process(*command: str, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process while the block lasts; its output goes to the file `log`."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment or None)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def exporter_command(*arguments: str) -> tuple[str, ...]:
    """The command line of the exporter."""
    return (sys.executable, "-m", "exporter", *arguments)
