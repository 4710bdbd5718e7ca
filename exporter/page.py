"""Bytes ready for any number of scrapes: a page made once, and a tail that is new each time."""

import zlib


class Page:
    """A body with its gzip form, to which a tail can be added without compressing the body again.

    The body is flushed to a byte boundary once; a copy of its compressor then finishes one valid gzip member
    for each tail. Several members would be shorter to write, but curl and httpx do not read them whole.
    """

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._compressor = zlib.compressobj(level=1, wbits=31)
        self._head = self._compressor.compress(body) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def with_tail(self, tail: bytes) -> bytes:
        """The page and its tail."""
        return self.body + tail

    def gzip_with_tail(self, tail: bytes) -> bytes:
        """The page and its tail, as one gzip member."""
        compressor = self._compressor.copy()
        return self._head + compressor.compress(tail) + compressor.flush()
