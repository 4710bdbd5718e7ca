"""Bytes for scrapes: a page made once with a tail that is new each time."""

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from exporter.page import Page


@given(st.binary(max_size=100_000), st.binary(max_size=20_000))
def test_a_compressed_page_is_one_gzip_member_of_page_and_tail(body: bytes, tail: bytes) -> None:
    compressed = Page(body).gzip_with_tail(tail)

    member = zlib.decompressobj(wbits=31)
    assert member.decompress(compressed) == body + tail
    assert (member.eof, member.unused_data) == (True, b"")


def test_a_page_serves_any_number_of_tails() -> None:
    page = Page(b"facts\n")

    assert page.with_tail(b"1\n") == b"facts\n1\n"
    assert [gzip.decompress(page.gzip_with_tail(b"%d\n" % i)) for i in range(3)] == [
        b"facts\n0\n",
        b"facts\n1\n",
        b"facts\n2\n",
    ]
