"""Sockets, servers and signals: from an ASGI app to a process that starts and stops as it should."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]
App = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]

LAST_MOMENT = 0.5  # seconds that answers under way have to be read when the process ends


class ListenError(Exception):
    """An address that cannot be listened on; the message says why and what to do."""


class Server(uvicorn.Server):
    """A server that leaves signals to the process: uvicorn's own would end it with the signal, not with 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answers under way get a moment; then whoever has not read theirs is hung up on.

        Left to uvicorn, such an answer would be cancelled, with a traceback for a farewell.
        """
        asyncio.get_running_loop().call_later(LAST_MOMENT, self._hang_up)
        await super().shutdown(sockets)

    def _hang_up(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def listen(address: str) -> socket.socket:
    """A listening socket for host:port, or for every interface if there is no host. Raises ListenError."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    everywhere = not host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if everywhere or ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, int(port)), family=family, dualstack_ipv6=everywhere)
    except (OSError, UnicodeError) as error:
        # The standard library adds the address once more, as a tuple.
        reason = str(getattr(error, "strerror", error)).partition(" (while")[0]
        raise ListenError(
            f"web.listen_address: cannot listen on {address}: {reason}; "
            "choose another with --web.listen-address"
        ) from error
    # What is accepted inherits it. Only uvloop would set it by itself; without it the parts of an answer wait
    # some 40 ms for each other.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def url(listening: socket.socket) -> str:
    """Where a socket is reached from this machine."""
    host, port = listening.getsockname()[:2]
    if host in ("::", "0.0.0.0"):  # noqa: S104 (compared, not bound)
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(
    *sites: tuple[App, socket.socket], reload: Callable[[], Coroutine[Any, Any, object]] | None = None
) -> None:
    """Serve each app on its socket until SIGTERM or SIGINT; reload on SIGHUP, if there is a way."""
    servers = [
        Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
            )
        )
        for app, _ in sites
    ]

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    reloads = set[asyncio.Task[object]]()  # a loop alone would let go of a task that is under way
    if reload:

        def hang_up() -> None:
            reloads.add(task := loop.create_task(reload()))
            task.add_done_callback(reloads.discard)

        loop.add_signal_handler(signal.SIGHUP, hang_up)
    await asyncio.gather(
        *(server.serve(sockets=[listening]) for server, (_, listening) in zip(servers, sites, strict=True))
    )
