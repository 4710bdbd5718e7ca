"""Connections that nobody can hold for long or fill for nothing: uvicorn's, with bounds.

uvicorn bounds neither how much its faster parser reads before a request is complete, nor how long a client
may take to ask or to read its answer. How long is judged from outside, once a second, so that it costs a
scrape nothing.
"""

import asyncio
from typing import TYPE_CHECKING

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_HEAD = 16 * 1024  # bytes of request line and headers
MOST_BODY = 64 * 1024  # bytes; what is served takes no body, or a small one
MOST_AHEAD = 4  # requests that wait for the answer to one before
PIECE = 4096  # bytes that are parsed before they are counted
TO_ASK = 10.0  # seconds in which a request has to be there whole
TO_ANSWER = 60.0  # seconds in which an answer has to be read; no scrape waits longer
TO_CLOSE = 30.0  # seconds in which the last that was written has to be read
UNREAD = 64 * 1024  # bytes that a client may leave unread before more is held back
INFINITE = float("inf")

if TYPE_CHECKING:
    Base = H11Protocol
else:
    Base = object


class Timed(Base):
    """What either of uvicorn's protocols lacks: by when a connection has to have done what."""

    since = 0.0  # seconds of the loop's clock at which it began to be as it is
    was: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        transport.set_write_buffer_limits(UNREAD)  # over TLS it would be eight times as much
        if certificate := transport.get_extra_info("peercert"):
            self.app_state = {**self.app_state, "client_certificate": certificate}

    def is_overdue(self, now: float) -> bool:
        """Whether it has been as it is for too long; to be asked about once a second."""
        present, most = self._present()
        if present != self.was:
            self.was, self.since = present, now
        return now - self.since > most

    def is_idle(self) -> bool:
        """Whether nothing is asked or answered, so that nobody misses it."""
        return self.timeout_keep_alive_task is not None and not self.transport.is_closing()

    def is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _present(self) -> tuple[object, float]:
        """What it does now, and for how many seconds it may."""
        if self.transport.is_closing():
            return "closing", TO_CLOSE
        if self.is_answering():
            return self.cycle, TO_ANSWER
        if self.flow.write_paused:
            return "unread", TO_CLOSE
        # How long it may be idle uvicorn sees to.
        return ("idle", INFINITE) if self.is_idle() else ("asking", TO_ASK)


class H11(Timed, H11Protocol):
    """With uvicorn's slower parser, which counts by itself what it reads."""


BOUNDED: type[asyncio.Protocol] = H11
try:
    import httptools
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError:
    pass  # not on every platform
else:

    class HttpTools(Timed, HttpToolsProtocol):  # type: ignore[misc]  # two protocols of the same attributes
        """With uvicorn's faster parser, which by itself would read without end."""

        taken = 0  # bytes of the request that is being read
        most = MOST_HEAD

        def data_received(self, data: bytes) -> None:
            self._unset_keepalive_if_required()
            for start in range(0, len(data), PIECE):
                if not self.transport.is_closing():
                    self._read(data[start : start + PIECE])

        def on_message_begin(self) -> None:
            if len(self.pipeline) >= MOST_AHEAD:
                raise ValueError("too many requests at once")  # ends parsing
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            super().on_headers_complete()  # not for a target that it cannot read, such as CONNECT's
            self.most = MOST_HEAD + MOST_BODY

        def on_message_complete(self) -> None:
            self.taken, self.most = 0, MOST_HEAD
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
            if self.most == MOST_HEAD and not self.is_answering():
                self.transport.write(
                    b"HTTP/1.1 %b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" % status
                )
            self.transport.close()

    BOUNDED = HttpTools
