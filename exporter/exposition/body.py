"""Pages that are compressed once and sent for any number of scrapes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exporter.exposition.compression import (
    GZIP_HEADER,
    continue_checksum,
    deflate_head,
    deflate_tail,
    gzip_trailer,
)


@dataclass(frozen=True, slots=True)
class MetricsPage:
    """What a scrape receives, plain or compressed, in parts to be sent one after the other."""

    plain: Sequence[bytes]
    gzip: Sequence[bytes]


class PageBody:
    """The series of tests and runs, plain and compressed, which change with a poll.

    The self metrics follow them in a page, and change all the time. Compressed, both are one gzip member: the
    deflate stream of the body is continued by theirs, and its checksum too. Several members would be simpler,
    but curl and httpx read only the first.
    """

    def __init__(self, body: Iterable[bytes]) -> None:
        # Not joined: text format and OpenMetrics share most parts, and so does the next body.
        self.body = tuple(body)
        self._size = sum(map(len, self.body))
        deflated, self._checksum = deflate_head(self.body)
        self._head = GZIP_HEADER + deflated

    def add_self_metrics(self, self_metrics: bytes) -> MetricsPage:
        """The page of this body and `self_metrics`, which is text that is not compressed yet."""
        trailer = gzip_trailer(
            continue_checksum(self_metrics, self._checksum), self._size + len(self_metrics)
        )
        tail = deflate_tail(self_metrics) + trailer
        return MetricsPage(plain=(*self.body, self_metrics), gzip=(self._head, tail))
