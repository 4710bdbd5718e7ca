"""A response body that is compressed once, with different self metrics in each response."""

import gzip
import json
import shutil
import subprocess
import sys
import zlib
from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition.body import PageBody

# A page with parts of some length, empty parts, and parts that are too short to compress.
LINES = "".join(f'k6_cloud_run_vus{{test_id="{i}"}} {i % 7}\n' for i in range(9000))
PARTS = ["# HELP\n", LINES, "", "#\n"]
SELF_METRICS = "k6_cloud_up 1\n" * 200
# Compresses this page where ISA-L cannot be imported.
WITHOUT_ISAL = """
import json, sys
sys.modules["isal"] = None
from exporter.exposition.body import PageBody
parts, self_metrics = json.load(sys.stdin)
assert "isal.isal_zlib" not in sys.modules
body = PageBody(part.encode() for part in parts)
sys.stdout.buffer.write(b"".join(body.add_self_metrics(self_metrics.encode()).gzip))
"""


def compress(parts: list[bytes], self_metrics: bytes) -> bytes:
    return b"".join(PageBody(parts).add_self_metrics(self_metrics).gzip)


@given(st.lists(st.binary(max_size=50_000), max_size=5), st.binary(max_size=20_000))
def test_gzip_is_one_member_of_body_and_self_metrics(body: list[bytes], self_metrics: bytes) -> None:
    member = zlib.decompressobj(wbits=31)

    assert member.decompress(compress(body, self_metrics)) == b"".join(body) + self_metrics
    assert (member.eof, member.unused_data) == (True, b"")


def test_body_can_be_sent_with_changing_self_metrics() -> None:
    body = PageBody([b"runs\n"])
    pages = [body.add_self_metrics(b"%d\n" % i) for i in range(3)]

    expected = [b"runs\n0\n", b"runs\n1\n", b"runs\n2\n"]
    assert [b"".join(page.plain) for page in pages] == expected
    assert [gzip.decompress(b"".join(page.gzip)) for page in pages] == expected


def test_bodies_share_equal_parts() -> None:
    part = b"k6_cloud_up 1\n" * 100_000

    assert PageBody([part]).body[0] is PageBody([b"# HELP", part]).body[1] is part


@pytest.fixture(params=["isal", "zlib"])
def compressed(request: pytest.FixtureRequest) -> bytes:
    """The page, compressed with and without ISA-L."""
    if request.param == "isal":
        if find_spec("isal") is None:
            pytest.skip("no ISA-L for this platform")
        return compress([part.encode() for part in PARTS], SELF_METRICS.encode())
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_ISAL],
        input=json.dumps([PARTS, SELF_METRICS]).encode(),
        capture_output=True,
        check=True,
    ).stdout


def test_page_is_compressed_with_and_without_isal(compressed: bytes) -> None:
    page = ("".join(PARTS) + SELF_METRICS).encode()
    member = zlib.decompressobj(wbits=31)

    assert member.decompress(compressed) == page
    assert (member.eof, member.unused_data) == (True, b"")
    assert len(compressed) < len(page) / 5


@pytest.mark.skipif(not shutil.which("gzip"), reason="no gzip")
def test_gzip_accepts_checksum_and_size(compressed: bytes) -> None:
    subprocess.run(["gzip", "--test"], input=compressed, check=True)
