"""The body of a response within bounds: compressed data is cut while it is inflated, JSON is checked."""

import zlib
from collections.abc import AsyncIterable

from exporter.nesting import MAX_NESTING, PART, is_too_deep

# Pages of a thousand runs have been seen with more than 2 MB, since each run has its options. This is more
# than ten times as much.
MAX_BYTES = 32 * 2**20
MAX_PARTS = 4096  # parts kept before they are joined; a part of one byte takes 40 bytes of memory
# A decoded value takes some 60 bytes; `[[],[],...` has one in three bytes of the response.
MAX_VALUES = 2_000_000  # in one response: a thousand runs with 20 kB of options each
ACCEPTED = "gzip"  # one encoding, applied once: several would multiply the size


class BodyTooLarge(ValueError):
    """A body that exceeds a limit: too long, compressed or inflated, too deep, or with too many values."""


class DecodingError(ValueError):
    """A body that does not match its Content-Encoding, or has one that we do not accept."""


async def read(parts: AsyncIterable[bytes], encoding: str, limit: int = MAX_BYTES) -> bytes:
    """Joins and inflates the parts of a body. Raises BodyTooLarge or DecodingError.

    The body ends with the first gzip stream: what follows it is not inflated, and not read beyond one part.
    RFC 1952 permits several streams, but no server is known to send them.
    """
    # 16 accepts gzip only. The automatic detection would accept zlib's format too.
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16) if is_gzip(encoding) else None
    inflated: list[bytes] = []
    received = length = 0
    async for part in parts:
        # Not before there is another part: a connection is reused only if its response was read to the end.
        if inflater and inflater.eof:
            break
        received += len(part)
        try:
            # One byte more than the limit shows that it is exceeded; the rest is never inflated.
            data = inflater.decompress(part, limit + 1 - length) if inflater else part
        except zlib.error as error:
            raise DecodingError("not valid gzip") from error
        length += len(data)
        # Both are limited: empty blocks can go on forever and inflate to nothing.
        if received > limit or length > limit:
            raise BodyTooLarge(f"longer than {limit} bytes")
        inflated.append(data)
        if len(inflated) == MAX_PARTS:
            inflated = [b"".join(inflated)]
    # A body that was cut lacks gzip's trailer. An empty body needs none.
    if inflater and received and not inflater.eof:
        raise DecodingError("not valid gzip")
    return b"".join(inflated)


def check_structure(body: bytes) -> None:
    """Raises BodyTooLarge for JSON that the parser must not see: it would use the memory, or recurse."""
    if has_too_many_values(body):
        raise BodyTooLarge(f"has more than {MAX_VALUES} values")
    if is_too_deep(body):
        raise BodyTooLarge(f"is nested more than {MAX_NESTING} levels deep")


def has_too_many_values(body: bytes) -> bool:
    """Whether a response has more than MAX_VALUES values, or more such characters in its strings."""
    if len(body) <= MAX_VALUES:
        return False
    # Each value but the first follows on one of these three. Part by part, so that other threads can run.
    starts = range(0, len(body), PART)
    return sum(body.count(mark, at, at + PART) for at in starts for mark in (b",", b"[", b"{")) > MAX_VALUES


def is_gzip(encoding: str) -> bool:
    """Whether a Content-Encoding means gzip; False for no encoding. Raises DecodingError for any other."""
    names = [name for part in encoding.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if names not in ([], ["gzip"], ["x-gzip"]):
        raise DecodingError(f"encoded as {', '.join(names)!r}, but only {ACCEPTED} is accepted")
    return bool(names)
