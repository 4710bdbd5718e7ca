"""Bytes ready for any number of scrapes: a page made once, and a tail that is new each time."""

import zlib
from collections.abc import Iterable


class ResponseBody:
    """A body with its gzip form, to which a tail can be added without compressing the body again.

    The body stays in the parts it is made of, which other pages share. For gzip it is flushed to a byte
    boundary once; a copy of its compressor then finishes one valid gzip member for each tail. Several members
    would be shorter to write, but curl and httpx do not read them whole.
    """

    def __init__(self, body: Iterable[bytes]) -> None:
        self.body = tuple(body)
        self._compressor = zlib.compressobj(level=1, wbits=31)
        compressed = [self._compressor.compress(part) for part in self.body]
        self._head = b"".join([*compressed, self._compressor.flush(zlib.Z_SYNC_FLUSH)])

    def plain(self, tail: bytes) -> tuple[bytes, ...]:
        """The page and its tail, in parts to be sent one after the other."""
        return (*self.body, tail)

    def gzip(self, tail: bytes) -> tuple[bytes, ...]:
        """The page and its tail as one gzip member, in parts to be sent one after the other."""
        compressor = self._compressor.copy()
        return (self._head, compressor.compress(tail) + compressor.flush())
