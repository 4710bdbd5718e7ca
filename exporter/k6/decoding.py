"""Reading an answer's body within bounds: what has to be inflated is cut while it inflates."""

import zlib
from collections.abc import AsyncIterator
from typing import Protocol

# Pages of a thousand runs have been seen with more than 2 MB, for each run brings its options. This is more
# than ten times as much.
MAX_BYTES = 32 * 2**20
MAX_PARTS = 4096  # that wait to be joined: one of a byte takes forty
ACCEPTED = "gzip"  # one coding, applied once; several would multiply what each may do


class BodyTooLarge(ValueError):
    """A body beyond the bound, as it came or inflated."""


class DecodingError(ValueError):
    """A body that is not encoded as its header says, or in a way that was not asked for."""


class Streamed(Protocol):
    """A body that comes in parts, as it travels."""

    def aiter_raw(self) -> AsyncIterator[bytes]: ...


async def read(response: Streamed, coding: str, most: int = MAX_BYTES) -> bytes:
    """The body as it was before it was encoded. Raises TooLong or WronglyEncoded."""
    is_gzip = is_compressed(coding)
    inflating = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16) if is_gzip else None
    parts: list[bytes] = []
    received = length = 0
    async for part in response.aiter_raw():
        received += len(part)
        try:
            told = inflating.decompress(part, most + 1 - length) if inflating else part
        except zlib.error as error:
            raise DecodingError("not encoded as its header says") from error
        length += len(told)
        if received > most or length > most:
            raise BodyTooLarge(f"longer than {most} bytes")
        parts.append(told)
        if len(parts) == MAX_PARTS:
            parts = [b"".join(parts)]
    if inflating and received and not inflating.eof:
        raise DecodingError("not encoded as its header says")
    return b"".join(parts)


def is_compressed(coding: str) -> bool:
    """Whether a Content-Encoding means gzip, or else nothing at all. Raises WronglyEncoded for any other."""
    codings = [name for part in coding.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if codings not in ([], ["gzip"], ["x-gzip"]):
        raise DecodingError(f"encoded as {', '.join(codings)!r}, which was not asked for")
    return bool(codings)
