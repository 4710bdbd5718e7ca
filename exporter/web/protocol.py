"""Connections that nobody can hold for long or fill for nothing: uvicorn's, with bounds.

uvicorn bounds neither how much its faster parser reads before a request is complete, nor how long a client
may take to ask or to read its answer. How long is judged from outside, once a second, so that it costs a
scrape nothing.
"""

import asyncio
from typing import TYPE_CHECKING

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_HEAD = 16 * 1024  # bytes of request line and headers
MAX_BODY = 64 * 1024  # bytes; what is served takes no body, or a small one
MAX_PIPELINED = 4  # requests that wait for the answer to one before
CHUNK = 4096  # bytes that are parsed before they are counted
REQUEST_TIMEOUT = 10.0  # seconds in which a request has to be there whole
RESPONSE_TIMEOUT = 60.0  # seconds in which an answer has to be read; no scrape waits longer
CLOSE_TIMEOUT = 30.0  # seconds in which the last that was written has to be read
MAX_WRITE_BUFFER = 64 * 1024  # bytes that a client may leave unread before more is held back
INFINITE = float("inf")

if TYPE_CHECKING:
    Base = H11Protocol
else:
    Base = object


class BoundedProtocol(Base):
    """What either of uvicorn's protocols lacks: by when a connection has to have done what."""

    since = 0.0  # seconds of the loop's clock at which it began to be as it is
    phase: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        transport.set_write_buffer_limits(MAX_WRITE_BUFFER)  # over TLS it would be eight times as much
        if certificate := transport.get_extra_info("peercert"):
            self.app_state = {**self.app_state, "client_certificate": certificate}

    def has_timed_out(self, now: float) -> bool:
        """Whether it has been as it is for too long; to be asked about once a second."""
        present, most = self._phase_and_timeout()
        if present != self.phase:
            self.phase, self.since = present, now
        return now - self.since > most

    def is_idle(self) -> bool:
        """Whether nothing is asked or answered, so that nobody misses it."""
        return self.timeout_keep_alive_task is not None and not self.transport.is_closing()

    def has_response_in_flight(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _phase_and_timeout(self) -> tuple[object, float]:
        """What it does now, and for how many seconds it may."""
        if self.transport.is_closing():
            return "closing", CLOSE_TIMEOUT
        if self.has_response_in_flight():
            return self.cycle, RESPONSE_TIMEOUT
        if self.flow.write_paused:
            return "unread", CLOSE_TIMEOUT
        # How long it may be idle uvicorn sees to.
        return ("idle", INFINITE) if self.is_idle() else ("asking", REQUEST_TIMEOUT)


class BoundedH11Protocol(BoundedProtocol, H11Protocol):
    """With uvicorn's slower parser, which counts by itself what it reads."""


BOUNDED_PROTOCOL: type[asyncio.Protocol] = BoundedH11Protocol
try:
    import httptools
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError:
    pass  # not on every platform
else:

    class HttpTools(BoundedProtocol, HttpToolsProtocol):  # type: ignore[misc]  # two protocols of the same attributes
        """With uvicorn's faster parser, which by itself would read without end."""

        taken = 0  # bytes of the request that is being read
        most = MAX_HEAD

        def data_received(self, data: bytes) -> None:
            self._unset_keepalive_if_required()
            for start in range(0, len(data), CHUNK):
                if not self.transport.is_closing():
                    self._read(data[start : start + CHUNK])

        def on_message_begin(self) -> None:
            if len(self.pipeline) >= MAX_PIPELINED:
                raise ValueError("too many requests at once")  # ends parsing
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            super().on_headers_complete()  # not for a target that it cannot read, such as CONNECT's
            self.most = MAX_HEAD + MAX_BODY

        def on_message_complete(self) -> None:
            self.taken, self.most = 0, MAX_HEAD
            super().on_message_complete()

        def _read(self, piece: bytes) -> None:
            self.taken += len(piece)
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade:
                # The request is answered as if it had no such wish; what follows would not be read.
                self.cycle.keep_alive = False
            except httptools.HttpParserError:
                self._hang_up(b"400 Bad Request")
            else:
                if self.taken > self.most:
                    self._hang_up(b"431 Request Header Fields Too Large")

        def _hang_up(self, status: bytes) -> None:
            """End the connection, with an answer unless there is one already."""
            if self.most == MAX_HEAD and not self.has_response_in_flight():
                self.transport.write(
                    b"HTTP/1.1 %b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % status
                )
            self.transport.close()

    BOUNDED_PROTOCOL = HttpTools
