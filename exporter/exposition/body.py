"""Response bodies that are compressed once and sent for any number of scrapes."""

from collections.abc import Iterable

from exporter.exposition.compression import (
    GZIP_HEADER,
    continue_checksum,
    deflate_head,
    deflate_tail,
    gzip_trailer,
)


class Tail:
    """The end of a response, plain and compressed: the self metrics, which change all the time."""

    def __init__(self, plain: bytes) -> None:
        self.plain = plain
        self.deflated = deflate_tail(plain)


class ResponseBody:
    """The rest of a response, plain and compressed: the series of tests and runs, which change with a poll.

    With a tail it is one gzip member: its deflate stream is continued by that of the tail, and its checksum
    too. Several members would be simpler, but curl and httpx read only the first.
    """

    def __init__(self, body: Iterable[bytes]) -> None:
        # Not joined: text format and OpenMetrics share most parts, and so does the next body.
        self.body = tuple(body)
        self._size = sum(map(len, self.body))
        deflated, self._checksum = deflate_head(self.body)
        self._head = GZIP_HEADER + deflated

    def plain(self, tail: Tail) -> tuple[bytes, ...]:
        """The body and the tail, in parts to be sent one after the other."""
        return (*self.body, tail.plain)

    def gzip(self, tail: Tail) -> tuple[bytes, ...]:
        """The body and the tail as one gzip member, in parts to be sent one after the other."""
        checksum = continue_checksum(tail.plain, self._checksum)
        return (self._head, tail.deflated + gzip_trailer(checksum, self._size + len(tail.plain)))
