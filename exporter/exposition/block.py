"""Blocks of lines, so that a change of few tests does not copy or compress the lines of all others."""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence

BLOCK_SIZE = 64  # tests in a block, on average


class Block:
    """The sample lines of one family for some tests, one chunk for each test. Immutable.

    Both formats share it, and so do the pages of successive polls. It does not keep the chunks, which would
    take as much memory as the lines, but their sizes.
    """

    def __init__(self, lines: bytes, sizes: "array[int]", series: int) -> None:
        self.lines = lines
        self.series = series
        self._sizes = sizes

    @classmethod
    def join(cls, chunks: Sequence[bytes]) -> "Block":
        """The block of these chunks."""
        # Each series is one line, because newlines in label values are escaped.
        return cls(
            b"".join(chunks), array("I", map(len, chunks)), sum(chunk.count(b"\n") for chunk in chunks)
        )

    def replace(self, chunks: Mapping[int, bytes]) -> "Block":
        """The block with other chunks at these positions, in ascending order; itself if they are the same."""
        changed: list[tuple[int, int, bytes]] = []  # each with the start of the chunk that it replaces
        start = before = 0
        for i, chunk in chunks.items():
            start += sum(self._sizes[before:i])
            before = i
            if len(chunk) != self._sizes[i] or not self.lines.startswith(chunk, start):
                changed.append((i, start, chunk))
        if not changed:
            return self
        sizes, series, lines, end = self._sizes[:], self.series, memoryview(self.lines), 0
        parts: list[bytes | memoryview] = []
        for i, start, chunk in changed:
            parts += [lines[end:start], chunk]
            end = start + self._sizes[i]
            series += chunk.count(b"\n") - self.lines.count(b"\n", start, end)
            sizes[i] = len(chunk)
        return Block(b"".join([*parts, lines[end:]]), sizes, series)


def split_groups(test_ids: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """Groups of ids, in the same order; those of a group share blocks.

    An id alone decides whether it begins a group, so that a new or removed test changes one group only.
    """
    group: list[int] = []
    for id_ in test_ids:
        if group and begins_group(id_):
            yield tuple(group)
            group = []
        group.append(id_)
    if group:
        yield tuple(group)


def begins_group(test_id: int) -> bool:
    """Whether a test begins a group: one of BLOCK_SIZE does, of ids in a row and of any others."""
    # Multiplication by the golden ratio spreads ids evenly over 32 bits, whatever pattern they have.
    return test_id * 0x9E3779B9 % 2**32 < 2**32 // BLOCK_SIZE
