"""What commands need around their work: a listening socket, the web configuration, an event loop."""

import asyncio
import socket
import sys
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from exporter.clock import Clock
from exporter.commands.configuration import exit_with_errors
from exporter.config import Config, ConfigError
from exporter.config.types import parse_addresses
from exporter.web.server import ListenError, bind

if TYPE_CHECKING:
    from exporter.web.security import WebConfigMiddleware

T = TypeVar("T")

SWITCH_INTERVAL = 0.0005  # seconds until a thread lets another one run


def bind_or_exit(addresses: Sequence[str]) -> list[socket.socket]:
    """A listening socket for each address. Prints the reason and exits with 2 if one cannot be used."""
    try:
        return [bind(address) for address in parse_addresses(addresses)]
    except ValueError as error:
        exit_with_errors([f"--web.listen-address: {error}"])
    except ListenError as error:
        exit_with_errors([str(error)])


def load_web_config_or_exit(config: Config) -> "WebConfigMiddleware | None":
    """The access policy, if a web configuration file is set. Prints every error in it and exits with 2."""
    if config.web.config_file is None:
        return None
    # Imported here, since few configurations have the file.
    from exporter.web.security import WebConfigMiddleware  # noqa: PLC0415

    try:
        return WebConfigMiddleware(config.web.config_file, Clock())
    except ConfigError as error:
        exit_with_errors(error.messages)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, on uvloop where it is installed."""
    # Scrapes wait this long, several times, while a thread renders. Python's default is 5 ms.
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        from uvloop import new_event_loop  # noqa: PLC0415 (not on every platform)
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)
