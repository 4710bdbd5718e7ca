"""uvicorn's HTTP protocols with limits on size and time, so that a client cannot hold a connection or memory.

uvicorn limits neither the size of an incomplete request with its faster parser, nor the time that a client
takes to send a request or to read the response. The server checks the times once a second rather than with
a timer for each connection, so that a scrape costs nothing more.
"""

import asyncio
from typing import TYPE_CHECKING

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_HEAD = 16 * 1024  # bytes of request line and headers
MAX_BODY = 64 * 1024  # bytes; only the webhook needs a body, and a small one
MAX_PIPELINED = 4  # requests that wait for the response to an earlier one
PARSED_CHUNK = 4096  # bytes that are parsed at once, between two checks of the limits
PARSED_CHUNK_H11 = 1024  # likewise; a head may exceed its limit by this much
REQUEST_TIMEOUT = 10.0  # seconds until a request must be complete
RESPONSE_TIMEOUT = 60.0  # seconds until a response must be read; no scrape waits longer
CLOSE_TIMEOUT = 30.0  # seconds until a closing client must read the rest
MAX_WRITE_BUFFER = 64 * 1024  # unread bytes at which writing pauses
NO_TIMEOUT = float("inf")
IDLE, RECEIVING = "idle", "receiving"  # phases before a complete request

if TYPE_CHECKING:
    Base = H11Protocol
else:
    Base = object


class BoundedProtocol(Base):
    """Adds to either of uvicorn's protocols the phase of a connection and its timeout."""

    phase: object = None
    since = 0.0  # start of the phase, in seconds of the loop's clock

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self.phase, self.since = RECEIVING, self.loop.time()
        transport.set_write_buffer_limits(MAX_WRITE_BUFFER)  # asyncio's default with TLS is eight times that
        # The handshake is over by now. A copy, since uvicorn shares this dictionary between all connections:
        # without it, the certificate of one client would count for all clients.
        if certificate := transport.get_extra_info("peercert"):
            self.app_state = {**self.app_state, "client_certificate": certificate}

    def has_timed_out(self, now: float) -> bool:
        """Whether the present phase takes too long. Must be called about once a second."""
        phase, timeout = self._phase_and_timeout()
        # Each request has its own cycle, so a second request on the same connection gets its full time.
        if phase != self.phase:
            self.phase, self.since = phase, now
        return now - self.since > timeout

    def is_idle(self) -> bool:
        """Whether it waits for a next request, so that closing it loses nothing."""
        return self.timeout_keep_alive_task is not None and not self.transport.is_closing()

    def may_be_closed(self) -> bool:
        """Whether it has no complete request, so that it can make room for another connection."""
        return self._phase_and_timeout()[0] in (IDLE, RECEIVING)

    def has_response_in_flight(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _phase_and_timeout(self) -> tuple[object, float]:
        """The present phase and its timeout in seconds."""
        if self.transport.is_closing():
            return "closing", CLOSE_TIMEOUT
        if self.has_response_in_flight():
            return self.cycle, RESPONSE_TIMEOUT
        if self.flow.write_paused:
            # The app has finished, but the client reads nothing: it would seem idle and keep the memory.
            return "unread", CLOSE_TIMEOUT
        # uvicorn has a timeout of its own for idle connections.
        return (IDLE, NO_TIMEOUT) if self.is_idle() else (RECEIVING, REQUEST_TIMEOUT)


class BoundedH11Protocol(BoundedProtocol, H11Protocol):
    """With uvicorn's slower parser, which limits only incomplete requests."""

    def data_received(self, data: bytes) -> None:
        # In small parts, since a head that arrives as a whole would be accepted at any size.
        for start in range(0, len(data), PARSED_CHUNK_H11):
            if not self.transport.is_closing():
                super().data_received(data[start : start + PARSED_CHUNK_H11])


BOUNDED_PROTOCOL: type[BoundedProtocol] = BoundedH11Protocol
try:
    import httptools
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError:
    pass  # httptools has no wheels for some platforms
else:

    class BoundedHttpToolsProtocol(BoundedProtocol, HttpToolsProtocol):  # type: ignore[misc]  # two protocols of the same attributes
        """With uvicorn's faster parser, which does not limit the size of a request."""

        received = 0  # bytes of the present request
        limit = MAX_HEAD  # bytes of the present request, until its headers are complete

        def data_received(self, data: bytes) -> None:
            self._unset_keepalive_if_required()
            while data and not self.transport.is_closing():
                # Up to the limit and no further, or the rest of a large head could complete it.
                size = min(PARSED_CHUNK, max(self.limit - self.received, 1))
                self._parse(data[:size])
                data = data[size:]

        def on_message_begin(self) -> None:
            if len(self.pipeline) >= MAX_PIPELINED:
                # They are queued in memory, and a client can send them without ever reading a response.
                raise ValueError("too many pipelined requests")  # ends parsing
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            super().on_headers_complete()  # raises for a target that it cannot parse, such as CONNECT's
            self.limit = MAX_HEAD + MAX_BODY

        def on_message_complete(self) -> None:
            self.received, self.limit = 0, MAX_HEAD
            super().on_message_complete()

        def _parse(self, chunk: bytes) -> None:
            self.received += len(chunk)
            try:
                self.parser.feed_data(chunk)
            except httptools.HttpParserUpgrade:
                # The request is answered without the upgrade. The parser reads nothing after it.
                self.cycle.keep_alive = False
            except httptools.HttpParserError:
                self._reject(b"400 Bad Request")
            else:
                if self.received > self.limit:
                    self._reject(b"431 Request Header Fields Too Large")

        def _reject(self, status: bytes) -> None:
            """Close the connection, with a response unless one has already begun."""
            # Once its headers are complete, the app responds: a second status line would corrupt this.
            if self.limit == MAX_HEAD and not self.has_response_in_flight():
                self.transport.write(
                    b"HTTP/1.1 %b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % status
                )
            self.transport.close()

    BOUNDED_PROTOCOL = BoundedHttpToolsProtocol
