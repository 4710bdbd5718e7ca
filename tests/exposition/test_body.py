"""A response body that is compressed once, with different self metrics in each response."""

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition.body import ResponseBody


@given(st.lists(st.binary(max_size=50_000), max_size=5), st.binary(max_size=20_000))
def test_gzip_is_one_member_of_body_and_self_metrics(body: list[bytes], self_metrics: bytes) -> None:
    compressed = b"".join(ResponseBody(body).gzip(self_metrics))

    member = zlib.decompressobj(wbits=31)
    assert member.decompress(compressed) == b"".join(body) + self_metrics
    assert (member.eof, member.unused_data) == (True, b"")


def test_body_can_be_sent_with_changing_self_metrics() -> None:
    response = ResponseBody([b"runs\n"])

    assert b"".join(response.plain(b"1\n")) == b"runs\n1\n"
    assert [gzip.decompress(b"".join(response.gzip(b"%d\n" % i))) for i in range(3)] == [
        b"runs\n0\n",
        b"runs\n1\n",
        b"runs\n2\n",
    ]


def test_bodies_share_equal_parts() -> None:
    part = b"k6_cloud_up 1\n" * 100_000

    assert ResponseBody([part]).body[0] is ResponseBody([b"# HELP", part]).body[1] is part
