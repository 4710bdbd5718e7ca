"""Limits of a response; what exceeds them is rejected while it arrives, before it fills the memory."""

import asyncio
import gzip
import itertools
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from exporter.k6 import decoding
from exporter.k6.coerce import MAX_TEXT
from exporter.k6.decoding import MAX_BYTES, MAX_VALUES
from exporter.k6.errors import ApiError, DecodeError, ServerError, Unauthorized
from exporter.k6.legacy.client import LegacyClient
from exporter.k6.pagination import MAX_ITEMS, PARSED_AT_ONCE
from exporter.k6.transport import MAX_CHECKED_ON_LOOP
from exporter.k6.v6.client import V6Client
from exporter.nesting import MAX_NESTING
from tests.support.k6_server import RUNS, TransportClient

MIB = 2**20


class Stream(httpx.AsyncByteStream):
    """A body in parts; `sent` counts those that were taken."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = parts
        self.sent = 0
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            self.sent += 1
            yield part

    async def aclose(self) -> None:
        self.is_closed = True


def client_with(stream: Stream, status: int = 200, **headers: str) -> TransportClient:
    async def serve(_: httpx.Request) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.Response(status, headers=named, stream=stream)

    return TransportClient(httpx.MockTransport(serve))


def served(body: bytes) -> TransportClient:
    """A client of a server that sends this body to each request."""
    return client_with(Stream([body]))


def bomb() -> Iterable[bytes]:
    """16 GiB of spaces, in parts of 16 KiB that inflate to 16 MiB each."""
    packing = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    spaces = b" " * (16 * MIB)
    waiting = b""
    for _ in range(1024):
        waiting += packing.compress(spaces)
        while len(waiting) >= 2**14:
            yield waiting[: 2**14]
            waiting = waiting[2**14 :]


def peak(work: Callable[[], object]) -> int:
    """The bytes that were held at most while this was done."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refused(client: TransportClient) -> str:
    with pytest.raises(DecodeError) as raised:
        client.get()
    return str(raised.value)


def test_endless_response_is_cut_and_closed() -> None:
    stream = Stream(b"x" * MIB for _ in iter(int, 1))
    client = client_with(stream)

    assert str(MAX_BYTES) in refused(client)
    assert stream.sent == 33
    assert stream.is_closed
    assert client.log.requests == [(RUNS, "200")]  # it would be no shorter the next time


def test_response_of_maximum_size_is_read() -> None:
    assert len(client_with(Stream([b" " * MIB] * 32)).get()) == MAX_BYTES


def test_a_gzip_bomb_is_cut_while_it_inflates() -> None:
    stream = Stream(bomb())
    client = client_with(stream, Content_Encoding="gzip")

    assert peak(lambda: refused(client)) < 5 * MAX_BYTES
    assert stream.sent <= 3


def test_nested_gzip_is_not_inflated() -> None:
    twice = gzip.compress(gzip.compress(b" " * (512 * MIB), 1), 9)
    client = client_with(Stream([twice]), Content_Encoding="gzip, gzip")

    assert peak(lambda: refused(client)) < MIB
    assert "'gzip, gzip'" in refused(client)


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZip", "identity, gzip", "gzip,"])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_gzip_is_read_in_whatever_parts_it_comes(coding: str, size: int) -> None:
    page = json.dumps({"value": list(range(1000))}).encode()
    packed = gzip.compress(page)
    parts = [packed[at : at + size] for at in range(0, len(packed), size)]

    assert client_with(Stream(parts), Content_Encoding=coding).get() == page


@pytest.mark.parametrize("coding", ["", "identity", "identity,identity"])
def test_uncompressed_body_is_read(coding: str) -> None:
    assert client_with(Stream([b"{", b"}"]), Content_Encoding=coding).get() == b"{}"


def test_truncated_gzip_is_a_decode_error() -> None:
    packed = gzip.compress(b"[1, 2, 3]" * 1000)

    assert "gzip" in refused(client_with(Stream([packed[:-9]]), Content_Encoding="gzip"))


def garbage(*first: bytes) -> Stream:
    """These parts and then more than anybody wants."""
    return Stream(itertools.chain(first, (b"\xff" * 2**16 for _ in iter(int, 1))))


@pytest.mark.parametrize("cut", [1, -1, -8, 10_000])
def test_body_ends_with_the_gzip_stream(cut: int) -> None:
    packed = gzip.compress(b"[1, 2, 3]")
    stream = garbage(*filter(None, (packed[:cut], packed[cut:])))

    assert client_with(stream, Content_Encoding="gzip").get() == b"[1, 2, 3]"
    assert stream.sent <= 3
    assert stream.is_closed


def test_garbage_in_the_last_part_of_gzip_is_ignored() -> None:
    packed = gzip.compress(b"[1, 2, 3]")

    assert client_with(Stream([packed + b"garbage"]), Content_Encoding="gzip").get() == b"[1, 2, 3]"


def test_gzip_is_read_to_the_end_of_its_response() -> None:
    # Otherwise its connection could not be used again.
    stream = Stream([gzip.compress(b"[]")])
    ended = []

    async def parts() -> AsyncIterator[bytes]:
        async for part in stream:
            yield part
        ended.append(True)

    asyncio.run(decoding.read(parts(), "gzip"))
    assert ended


def test_only_gzip_is_accepted() -> None:
    encodings: list[str] = []

    async def serve(request: httpx.Request) -> httpx.Response:
        encodings.append(request.headers["Accept-Encoding"])
        return httpx.Response(200)

    TransportClient(httpx.MockTransport(serve)).get()
    assert encodings == ["gzip"]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ([b"x" * 2**16] * 2, {}),
        ([b"not so"], {"Content_Encoding": "gzip"}),
        ([b"not so"], {"Content_Encoding": "br"}),
    ],
    ids=["long", "not gzip", "brotli"],
)
@pytest.mark.parametrize(("status", "error"), [(401, Unauthorized), (503, ServerError)])
def test_error_with_unusable_body_keeps_its_status(
    status: int, error: type[ApiError], body: list[bytes], headers: dict[str, str]
) -> None:
    with pytest.raises(error, match=rf"\({status} at GET {RUNS}\)"):
        client_with(Stream(body), status, **headers).get()


class BreaksOff(Stream):
    """A body whose connection breaks."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'{"error": '
        raise httpx.ReadError("Connection reset by peer")


def test_error_with_broken_body_is_not_retried() -> None:
    client = client_with(BreaksOff([]), 401)

    with pytest.raises(Unauthorized):
        client.get()
    assert client.log.requests == [(RUNS, "401")]


def legacy(body: bytes) -> Any:
    client = served(body)
    return client.run(LegacyClient(client.transport).list_runs(7))


def v6(body: bytes) -> Any:
    client = served(body)
    return client.run(V6Client(client.transport).list_runs(0.0))


READERS = [
    pytest.param(legacy, b'{"k6-runs": [%s]}', id="legacy"),
    pytest.param(v6, b'{"value": [%s]}', id="v6"),
]


@pytest.mark.parametrize(("read", "page"), READERS)
def test_page_of_1000_runs_with_options_is_read(read: Callable[[bytes], Any], page: bytes) -> None:
    options = {"stages": [{"duration": "30s", "target": 50}] * 300}
    runs = [
        {"id": n, "test_id": 7, "created": "2026-09-21T14:00:00Z", "options": options} for n in range(1000)
    ]
    body = page % json.dumps(runs)[1:-1].encode()
    assert len(body) > 10 * MIB

    assert len(read(body).runs) == 1000


@pytest.mark.parametrize(("read", "page"), READERS)
@pytest.mark.parametrize("value", [b"1,", b"[],", b"[[[[[]]]]],", b'{"id":{}},'], ids=bytes.decode)
def test_response_with_millions_of_values_is_rejected(
    read: Callable[[bytes], Any], page: bytes, value: bytes
) -> None:
    body = page % (value * (30 * MIB // len(value)) + b"1")

    def read_body() -> None:
        with pytest.raises(DecodeError, match=f"{MAX_VALUES} values"):
            read(body)

    assert peak(read_body) < 3 * MAX_BYTES


@pytest.mark.parametrize(
    ("size", "is_in_thread"), [(MAX_CHECKED_ON_LOOP, False), (MAX_CHECKED_ON_LOOP + 1, True)]
)
def test_large_body_is_checked_in_a_thread(size: int, is_in_thread: bool) -> None:
    ran: list[bool] = []

    async def scene() -> None:
        executor = ThreadPoolExecutor(initializer=lambda: ran.append(True))
        asyncio.get_running_loop().set_default_executor(executor)
        client = client_with(Stream([b"[]".ljust(size)]))
        await client.transport.get(RUNS)

    asyncio.run(scene())

    assert bool(ran) is is_in_thread


@pytest.mark.parametrize(
    ("api", "page"),
    [(LegacyClient, b'{"k6-runs": [%s]}'), (V6Client, b'{"value": [%s]}')],
    ids=["legacy", "v6"],
)
def test_scrapes_are_served_while_a_page_is_parsed(
    api: type[LegacyClient] | type[V6Client], page: bytes
) -> None:
    client = served(page % b",".join([b"1"] * 1000))

    client.run(api(client.transport).list_newest_runs(7, 1000))

    assert client.pauses.count(0) == 1000 / PARSED_AT_ONCE


@pytest.mark.parametrize(("read", "page"), READERS)
def test_list_with_too_many_items_is_rejected(read: Callable[[bytes], Any], page: bytes) -> None:
    with pytest.raises(DecodeError, match=f"{MAX_ITEMS} items"):
        read(page % (b"1," * MAX_ITEMS + b"1"))


@pytest.mark.parametrize(("read", "page"), READERS)
@pytest.mark.parametrize("depth", [3_000, 5_000_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")], ids=["lists", "objects"])
def test_deeply_nested_response_is_rejected(
    read: Callable[[bytes], Any], page: bytes, depth: int, opening: bytes, closing: bytes
) -> None:
    with pytest.raises(DecodeError, match=rf"nested.* {MAX_NESTING}\b|{MAX_VALUES} values"):
        read(page % (opening * depth + b"1" + closing * depth))


@pytest.mark.parametrize(("read", "page"), READERS)
@pytest.mark.parametrize("place", [b'"options": %s', b'"status": %s', b'"options": {"a": ["]]}", %s]}'])
def test_response_may_be_nested_100_levels(read: Callable[[bytes], Any], page: bytes, place: bytes) -> None:
    def nested(depth: int) -> bytes:
        inner = (
            depth - 3 - 2 * place.count(b']}"')
        )  # within the answer, its list, the run, and what place adds
        return page % (b'{"id": 8, "test_id": 7, %s}' % (place % (b"[" * inner + b"]" * inner)))

    assert [run.id for run in read(nested(MAX_NESTING)).runs] == [8]
    with pytest.raises(DecodeError, match=rf"nested.* {MAX_NESTING}\b"):
        read(nested(MAX_NESTING + 1))


@pytest.mark.parametrize(("read", "page"), READERS)
def test_number_of_a_million_digits_skips_one_run(read: Callable[[bytes], Any], page: bytes) -> None:
    good = b'{"id": 8, "test_id": 7, "created": "2026-09-21T14:00:00Z"}'

    listing = read(page % (b'{"id": %s, "test_id": 7}, ' % (b"9" * MIB) + good))

    assert [run.id for run in listing.runs] == [8]
    assert [skipped.reason for skipped in listing.skipped] == ["invalid"]
    assert len(listing.skipped[0].description) < 500


@pytest.mark.parametrize(
    ("tests", "page"),
    [
        (lambda transport: LegacyClient(transport).list_tests(), b'{"k6-tests": [%s]}'),
        (lambda transport: V6Client(transport).list_tests(), b'{"value": [%s]}'),
    ],
    ids=["legacy", "v6"],
)
def test_test_name_is_cut(tests: Callable[..., Any], page: bytes) -> None:
    client = served(page % json.dumps({"id": 7, "name": "x" * MIB}).encode())

    [test] = client.run(tests(client.transport)).tests
    assert test.name == "x" * MAX_TEXT
