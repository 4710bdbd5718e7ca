"""Reading the body of a response within bounds: compressed data is cut while it is inflated."""

import zlib
from collections.abc import AsyncIterable

# Pages of a thousand runs have been seen with more than 2 MB, since each run has its options. This is more
# than ten times as much.
MAX_BYTES = 32 * 2**20
MAX_PARTS = 4096  # parts kept before they are joined; a part of one byte takes 40 bytes of memory
ACCEPTED = "gzip"  # one encoding, applied once: several would multiply the size


class BodyTooLarge(ValueError):
    """A body that is longer than the limit, compressed or inflated."""


class DecodingError(ValueError):
    """A body that does not match its Content-Encoding, or has one that we do not accept."""


async def read(parts: AsyncIterable[bytes], encoding: str, limit: int = MAX_BYTES) -> bytes:
    """Joins and inflates the parts of a body. Raises BodyTooLarge or DecodingError."""
    # 16 accepts gzip only. The automatic detection would accept zlib's format too.
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16) if is_gzip(encoding) else None
    inflated: list[bytes] = []
    received = length = 0
    async for part in parts:
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


def is_gzip(encoding: str) -> bool:
    """Whether a Content-Encoding means gzip; False for no encoding. Raises DecodingError for any other."""
    names = [name for part in encoding.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if names not in ([], ["gzip"], ["x-gzip"]):
        raise DecodingError(f"encoded as {', '.join(names)!r}, but only {ACCEPTED} is accepted")
    return bool(names)
