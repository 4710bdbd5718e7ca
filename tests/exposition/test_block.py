"""Blocks of lines, of which single chunks are replaced."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition.block import Block

CHUNKS = st.sampled_from([b"", b"a 1\n", b"b 2\n", b"longer 1\n", b"a 1\nb 2\n"])


@given(st.lists(CHUNKS, min_size=1, max_size=9), st.data())
def test_replaced_block_equals_a_joined_one(chunks: list[bytes], data: st.DataObject) -> None:
    block = Block.join(chunks)
    for _ in range(3):  # the positions must be right after a change, too
        positions = data.draw(st.sets(st.integers(0, len(chunks) - 1)))
        changes = {i: data.draw(CHUNKS) for i in sorted(positions)}
        block = block.replace(changes)
        chunks = [changes.get(i, chunk) for i, chunk in enumerate(chunks)]

        assert block.lines == b"".join(chunks)
        assert block.series == block.lines.count(b"\n")


def test_block_with_equal_chunks_is_the_same() -> None:
    block = Block.join([b"a 1\n", b"", b"c 3\n"])

    assert block.replace({0: b"a 1\n", 1: b"", 2: b"c 3\n"}) is block
    assert block.replace({1: b"b 2\n"}).replace({1: b""}).lines == block.lines
