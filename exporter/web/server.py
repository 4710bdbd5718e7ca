"""Serving an ASGI app: sockets, connections, TLS contexts, signals and graceful shutdown."""

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from exporter.web.protocol import BOUNDED_PROTOCOL, CLOSE_TIMEOUT, MAX_HEAD, REQUEST_TIMEOUT, BoundedProtocol

SHUTDOWN_GRACE = 0.5  # seconds for clients to read their responses when the process ends
KEEP_ALIVE_TIMEOUT = 75  # seconds; more than a minute, so that most scrapers keep their connection
MAX_CONNECTIONS = 512  # at most; see connection_limit()
EVICTED_AT_ONCE = 16  # connections without a request that are closed when the maximum is reached


class ListenError(Exception):
    """Cannot listen on an address; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An app and its listening sockets. `tls` is called for each new connection; None means plain HTTP."""

    app: ASGIApp
    sockets: Sequence[socket.socket]
    tls: Callable[[], ssl.SSLContext | None] = lambda: None


def connection_limit() -> int:
    """The maximum number of connections: half of the file descriptors, since polls need some too."""
    try:
        import resource  # noqa: PLC0415 (not on every platform)
    except ImportError:
        return MAX_CONNECTIONS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, max(soft // 2, 1))


class Acceptor:
    """Accepts connections up to a maximum; the others wait in the backlog of their socket.

    It replaces asyncio.Server, which keeps one TLS context forever and has no maximum.
    """

    def __init__(
        self, endpoint: Endpoint, protocol: Callable[[], BoundedProtocol], connections: set[BoundedProtocol]
    ) -> None:
        self._endpoint = endpoint
        self._protocol = protocol
        self._connections = connections
        self._limit = connection_limit()
        self._handshakes: dict[asyncio.Task[None], None] = {}  # oldest first
        self._loop = asyncio.get_running_loop()
        for listening in endpoint.sockets:
            listening.setblocking(False)  # noqa: FBT003 (its only signature)
        self.resume()

    def resume(self) -> None:
        """Accept connections again. Has no effect while accepting, or after close()."""
        for listening in self._endpoint.sockets:
            if listening.fileno() >= 0:
                self._loop.add_reader(listening.fileno(), self._accept, listening)

    def close(self) -> None:
        self._pause()
        for listening in self._endpoint.sockets:
            listening.close()
        for task in self._handshakes:
            task.cancel()

    async def wait_closed(self) -> None:
        await asyncio.gather(*self._handshakes, return_exceptions=True)

    def _accept(self, listening: socket.socket) -> None:
        if len(self._connections) + len(self._handshakes) >= self._limit:
            self._evict_oldest()
            return
        try:
            accepted, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:  # out of file descriptors or memory, which other connections can give back
            self._evict_oldest()
            return
        # In a task, so that a client with a slow TLS handshake does not delay the others.
        task = self._loop.create_task(self._handshake(accepted))
        self._handshakes[task] = None
        task.add_done_callback(self._handshakes.pop)

    def _evict_oldest(self) -> None:
        # A socket stays readable while clients wait, so the loop would call _accept again and again, and use
        # all CPU. Server.on_tick resumes it.
        self._pause()
        closable = [connection for connection in self._connections if connection.may_be_closed()]
        closable.sort(key=lambda connection: connection.since)
        for connection in closable[:EVICTED_AT_ONCE]:
            connection.transport.abort()
        # Clients that send nothing to a TLS port are still in the handshake; a dictionary keeps the order.
        for task in list(self._handshakes)[: EVICTED_AT_ONCE - len(closable[:EVICTED_AT_ONCE])]:
            task.cancel()

    def _pause(self) -> None:
        for listening in self._endpoint.sockets:
            if listening.fileno() >= 0:
                self._loop.remove_reader(listening.fileno())

    async def _handshake(self, accepted: socket.socket) -> None:
        tls = self._endpoint.tls()
        timeouts = (
            {"ssl_handshake_timeout": REQUEST_TIMEOUT, "ssl_shutdown_timeout": CLOSE_TIMEOUT} if tls else {}
        )
        try:
            await self._loop.connect_accepted_socket(self._protocol, accepted, ssl=tls, **timeouts)
        except OSError:
            accepted.close()  # the client does not use TLS, has no valid certificate, or is gone


class Server(uvicorn.Server):
    """uvicorn.Server with limits for connections and a current TLS context for each of them.

    It leaves signals to `serve`, since uvicorn would end the process by the signal rather than with status 0.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        config = uvicorn.Config(
            endpoint.app,
            http=BOUNDED_PROTOCOL,
            # The exporter has no WebSockets; their code could only be attacked.
            ws="none",
            log_config=None,
            access_log=False,
            # The exporter starts and ends outside of the app.
            lifespan="off",
            # By default uvicorn believes X-Forwarded-For of local clients.
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_TIMEOUT,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=MAX_HEAD,
        )
        super().__init__(config)
        self._endpoint = endpoint

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 (uvicorn's signature)
        self._acceptor = Acceptor(self._endpoint, self._protocol, self._connections)
        self.servers = [cast("asyncio.Server", self._acceptor)]
        self.started = True

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn ten times a second."""
        # Accepting stops at the limits. This is the only place that starts it again.
        self._acceptor.resume()
        if counter % 10 == 0:
            self._reap_connections(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    def _reap_connections(self, now: float) -> None:
        tls = self._endpoint.tls()
        for connection in list(self._connections):
            if connection.has_timed_out(now):
                connection.transport.abort()
            # Accepted before a reload, so by the old rules, perhaps with a certificate that is now revoked.
            elif connection.transport.get_extra_info("sslcontext") is not tls and (
                connection.is_idle() or connection.has_response_in_flight()
            ):
                connection.shutdown()  # after the response, if one is in flight

    def _protocol(self) -> BoundedProtocol:
        return BOUNDED_PROTOCOL(self.config, self.server_state, self.lifespan.state)

    @property
    def _connections(self) -> set[BoundedProtocol]:
        return cast("set[BoundedProtocol]", self.server_state.connections)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wait a moment for responses in flight, then abort their connections.

        uvicorn would cancel these responses itself, and log a traceback for each.
        """
        asyncio.get_running_loop().call_later(SHUTDOWN_GRACE, self._abort_connections)
        await super().shutdown(sockets)

    def _abort_connections(self) -> None:
        for connection in list(self._connections):
            connection.transport.abort()


def bind(address: str) -> socket.socket:
    """A listening socket for host:port. Raises ListenError.

    Without a host, it is for all interfaces; so it is for [::], which includes IPv4 as in Go programs.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    is_dual_stack = is_wildcard(host) and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if is_dual_stack or ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, int(port)), family=family, dualstack_ipv6=is_dual_stack)
    except (OSError, UnicodeError) as error:
        # The standard library appends the address as a tuple.
        reason = str(getattr(error, "strerror", error)).partition(" (while")[0]
        raise ListenError(
            f"web.listen_address: cannot listen on {address}: {reason}; "
            "choose another with --web.listen-address"
        ) from error
    # Accepted sockets inherit it. Without it, the parts of a response are delayed by some 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def is_wildcard(host: str) -> bool:
    """Whether it stands for all addresses of both families: empty or ::."""
    try:
        return host == "" or IPv6Address(host).is_unspecified
    except ValueError:
        return False


def bound_address(listening: socket.socket) -> str:
    """The address of a listening socket as host:port, with the port that the kernel has chosen for 0."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def base_url(listening: socket.socket, *, is_tls: bool = False) -> str:
    """The URL of a listening socket on this machine."""
    scheme, address = "https" if is_tls else "http", bound_address(listening)
    for every_interface in ("[::]:", "0.0.0.0:"):
        address = address.replace(every_interface, "localhost:")
    return f"{scheme}://{address}"


async def serve_endpoints(
    *endpoints: Endpoint, reload: Callable[[], Coroutine[Any, Any, object]] | None = None
) -> None:
    """Serve all endpoints until SIGTERM or SIGINT; call `reload` on SIGHUP."""
    servers = [Server(endpoint) for endpoint in endpoints]

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    reloads = set[asyncio.Task[object]]()  # the loop keeps only weak references to tasks
    if reload:

        def start_reload() -> None:
            reloads.add(task := loop.create_task(reload()))
            task.add_done_callback(reloads.discard)

        loop.add_signal_handler(signal.SIGHUP, start_reload)
    await asyncio.gather(*(server.serve() for server in servers))
