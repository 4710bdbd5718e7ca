"""Bytes for scrapes: a page made once with a tail that is new each time."""

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition.body import ResponseBody


@given(st.lists(st.binary(max_size=50_000), max_size=5), st.binary(max_size=20_000))
def test_a_compressed_page_is_one_gzip_member_of_page_and_tail(body: list[bytes], tail: bytes) -> None:
    compressed = b"".join(ResponseBody(body).gzip(tail))

    member = zlib.decompressobj(wbits=31)
    assert member.decompress(compressed) == b"".join(body) + tail
    assert (member.eof, member.unused_data) == (True, b"")


def test_a_page_serves_any_number_of_tails() -> None:
    page = ResponseBody([b"facts\n"])

    assert b"".join(page.plain(b"1\n")) == b"facts\n1\n"
    assert [gzip.decompress(b"".join(page.gzip(b"%d\n" % i))) for i in range(3)] == [
        b"facts\n0\n",
        b"facts\n1\n",
        b"facts\n2\n",
    ]


def test_pages_share_the_parts_that_they_have_in_common() -> None:
    part = b"k6_cloud_up 1\n" * 100_000

    assert ResponseBody([part]).body[0] is ResponseBody([b"# HELP", part]).body[1] is part
