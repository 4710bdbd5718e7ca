"""From a configuration to a desk that carries out commands, on this terminal."""

import errno
import io
import os
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from rich.console import Console

from exporter.clock import Clock
from exporter.commands.runs.actions import Connect, RunsCommand, Streams
from exporter.config import Config
from exporter.credentials import Secret
from exporter.k6.factory import open_transport
from exporter.k6.write import WriteTransport

WIDE = 10_000  # columns; what is not a terminal breaks no lines


def create_command(
    config: Config,
    token: Secret,
    *,
    clock: Clock,
    work: Callable[[Coroutine[Any, Any, Any]], Any],
    is_json: bool,
) -> RunsCommand:
    connect: Connect = partial(open_transport, config, token, WriteTransport, clock=clock)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a letter of a name shows the rest
    out = console(sys.stdout, None if sys.stdout.isatty() else WIDE)
    streams = Streams(sys.stdin, out, sys.stderr)
    return RunsCommand(
        config, connect, clock=clock, streams=streams, work=work, redact=token.redact, is_json=is_json
    )


class PipeSafeConsole(Console):
    """Leaves it to others what is done when nobody reads any more; rich would exit with 1: the run failed."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def console(file: Any, width: int | None, **more: Any) -> Console:
    """A terminal that takes what it is told as it is: names from outside are no markup."""
    return PipeSafeConsole(file=file, width=width, markup=False, highlight=False, emoji=False, **more)
