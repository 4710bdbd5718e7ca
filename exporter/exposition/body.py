"""Response bodies that are compressed once and sent for any number of scrapes."""

import zlib
from collections.abc import Iterable


class ResponseBody:
    """A fixed body, plain and gzipped, to which each response adds the self metrics.

    The body has the series of tests and runs, which change with a poll. The self metrics change all the time.
    The body is never compressed again: it is flushed to a byte boundary once, and a copy of its compressor
    finishes one gzip member for each response. Several members would be simpler, but curl and httpx read only
    the first.
    """

    def __init__(self, body: Iterable[bytes]) -> None:
        # Not joined: text format and OpenMetrics share most parts, and so does the next body.
        self.body = tuple(body)
        self._compressor = zlib.compressobj(level=1, wbits=31)  # 31: with gzip's header and checksum
        compressed = [self._compressor.compress(part) for part in self.body]
        self._head = b"".join([*compressed, self._compressor.flush(zlib.Z_SYNC_FLUSH)])

    def plain(self, self_metrics: bytes) -> tuple[bytes, ...]:
        """The body and the self metrics, in parts to be sent one after the other."""
        return (*self.body, self_metrics)

    def gzip(self, self_metrics: bytes) -> tuple[bytes, ...]:
        """The body and the self metrics as one gzip member, in parts to be sent one after the other."""
        compressor = self._compressor.copy()
        return (self._head, compressor.compress(self_metrics) + compressor.flush())
