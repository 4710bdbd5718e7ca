"""Sockets, servers and signals: from an ASGI app to a process that starts and stops as it should."""

import asyncio
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import uvicorn

from exporter.web.protocol import BOUNDED_PROTOCOL, CLOSE_TIMEOUT, MAX_HEAD, REQUEST_TIMEOUT, BoundedProtocol

Message = MutableMapping[str, Any]
App = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]

SHUTDOWN_GRACE = 0.5  # seconds that answers under way have to be read when the process ends
KEEP_ALIVE_TIMEOUT = (
    75  # seconds after which an idle connection is closed; those who scrape each minute keep theirs
)
MAX_CONNECTIONS = 512
EVICTED_AT_ONCE = 16  # idle connections that are closed when there are too many


class ListenError(Exception):
    """An address that cannot be listened on; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An app and where it is served. `tls` is asked for each new connection; None is plain HTTP."""

    app: App
    socket: socket.socket
    tls: Callable[[], ssl.SSLContext | None] = lambda: None


class Acceptor:
    """Accepts connections, as long as there are not too many; the others wait in the system's queue.

    asyncio's own would have one TLS context for ever, and any number of connections.
    """

    def __init__(
        self, site: Endpoint, protocol: Callable[[], BoundedProtocol], connections: set[BoundedProtocol]
    ) -> None:
        self._site = site
        self._protocol = protocol
        self._connections = connections
        self._beginning: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        site.socket.setblocking(False)  # noqa: FBT003 (so it is spelt)
        self.resume()

    def resume(self) -> None:
        """Accept again what was left waiting. Without effect while it accepts, and once it is closed."""
        if self._site.socket.fileno() >= 0:
            self._loop.add_reader(self._site.socket.fileno(), self._accept)

    def close(self) -> None:
        self._loop.remove_reader(self._site.socket.fileno())
        self._site.socket.close()
        for task in self._beginning:
            task.cancel()

    async def wait_closed(self) -> None:
        await asyncio.gather(*self._beginning, return_exceptions=True)

    def _accept(self) -> None:
        if len(self._connections) + len(self._beginning) >= MAX_CONNECTIONS:
            self._evict_idle()
            return
        try:
            accepted, _ = self._site.socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:  # no file descriptor is left, or no memory; there may be some soon
            self._loop.remove_reader(self._site.socket.fileno())
            return
        task = self._loop.create_task(self._handshake(accepted))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    def _evict_idle(self) -> None:
        self._loop.remove_reader(self._site.socket.fileno())
        idle = sorted((one for one in self._connections if one.is_idle()), key=lambda one: one.since)
        for connection in idle[:EVICTED_AT_ONCE]:
            connection.transport.abort()

    async def _handshake(self, accepted: socket.socket) -> None:
        tls = self._site.tls()
        patience = (
            {"ssl_handshake_timeout": REQUEST_TIMEOUT, "ssl_shutdown_timeout": CLOSE_TIMEOUT} if tls else {}
        )
        try:
            await self._loop.connect_accepted_socket(self._protocol, accepted, ssl=tls, **patience)
        except OSError:
            accepted.close()  # whoever it was speaks no TLS, has no good certificate, or is gone


class Server(uvicorn.Server):
    """A server that leaves signals to the process: uvicorn's own would end it with the signal, not with 0.

    Its connections are bounded in number, size and time, and each gets the TLS context of the day.
    """

    def __init__(self, site: Endpoint) -> None:
        super().__init__(
            uvicorn.Config(
                site.app,
                http=BOUNDED_PROTOCOL,
                ws="none",
                log_config=None,
                access_log=False,
                lifespan="off",
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_TIMEOUT,
                timeout_graceful_shutdown=1,
                h11_max_incomplete_event_size=MAX_HEAD,
            )
        )
        self._site = site

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 (uvicorn's)
        await self.lifespan.startup()
        self._acceptor = Acceptor(self._site, self._protocol, self._connections)
        self.servers = [cast("asyncio.Server", self._acceptor)]
        self.started = True

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        self._acceptor.resume()
        if counter % 10 == 0:
            self._reap_connections(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    def _reap_connections(self, now: float) -> None:
        tls = self._site.tls()
        for connection in list(self._connections):
            if connection.has_timed_out(now):
                connection.transport.abort()
            elif connection.transport.get_extra_info("sslcontext") is not tls and (
                connection.is_idle() or connection.has_response_in_flight()
            ):
                connection.shutdown()  # after the answer, if there is one under way

    def _protocol(self) -> BoundedProtocol:
        made = self.config.http_protocol_class(  # type: ignore[call-arg]  # typed as any protocol there is
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return cast("BoundedProtocol", made)

    @property
    def _connections(self) -> set[BoundedProtocol]:
        return cast("set[BoundedProtocol]", self.server_state.connections)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answers under way get a moment; then whoever has not read theirs is hung up on.

        Left to uvicorn, such an answer would be cancelled, with a traceback for a farewell.
        """
        asyncio.get_running_loop().call_later(SHUTDOWN_GRACE, self._abort_connections)
        await super().shutdown(sockets)

    def _abort_connections(self) -> None:
        for connection in list(self._connections):
            connection.transport.abort()


def bind(address: str) -> socket.socket:
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


def base_url(listening: socket.socket, *, is_tls: bool = False) -> str:
    """Where a socket is reached from this machine."""
    host, port = listening.getsockname()[:2]
    if host in ("::", "0.0.0.0"):  # noqa: S104 (compared, not bound)
        host = "localhost"
    scheme = "https" if is_tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


async def serve(*sites: Endpoint, reload: Callable[[], Coroutine[Any, Any, object]] | None = None) -> None:
    """Serve each site until SIGTERM or SIGINT; reload on SIGHUP, if there is a way."""
    servers = [Server(site) for site in sites]

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
    await asyncio.gather(*(server.serve() for server in servers))
