"""What an answer may be at most; what is more is refused while it comes, before it has filled the memory."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import httpx
import pytest

from exporter.k6.coerce import MAX_TEXT
from exporter.k6.decoding import MAX_BYTES
from exporter.k6.errors import ApiError, DecodeError, ServerError, Unauthorized
from exporter.k6.legacy.client import LegacyClient
from exporter.k6.pagination import MAX_ITEMS, MAX_VALUES
from exporter.k6.v6.client import V6Client
from exporter.nesting import MAX_NESTING
from tests.support.k6_server import RUNS, Desk

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


def desk_with(stream: Stream, status: int = 200, **headers: str) -> Desk:
    async def serve(_: httpx.Request) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.Response(status, headers=named, stream=stream)

    return Desk(httpx.MockTransport(serve))


def told(body: bytes) -> Desk:
    """A server that tells this to each question."""
    return desk_with(Stream([body]))


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


def refused(desk: Desk) -> str:
    with pytest.raises(DecodeError) as raised:
        desk.ask()
    return str(raised.value)


def test_an_answer_that_never_ends_is_cut_and_its_connection_closed() -> None:
    stream = Stream(b"x" * MIB for _ in iter(int, 1))
    desk = desk_with(stream)

    assert str(MAX_BYTES) in refused(desk)
    assert stream.sent == 33
    assert stream.is_closed
    assert desk.notes.asked_of == [(RUNS, "200")]  # it would be no shorter the next time


def test_an_answer_of_the_greatest_length_is_read() -> None:
    assert len(desk_with(Stream([b" " * MIB] * 32)).ask()) == MAX_BYTES


def test_a_gzip_bomb_is_cut_while_it_inflates() -> None:
    stream = Stream(bomb())
    desk = desk_with(stream, Content_Encoding="gzip")

    assert peak(lambda: refused(desk)) < 5 * MAX_BYTES
    assert stream.sent <= 3


def test_a_gzip_bomb_in_a_gzip_bomb_is_not_opened() -> None:
    twice = gzip.compress(gzip.compress(b" " * (512 * MIB), 1), 9)
    desk = desk_with(Stream([twice]), Content_Encoding="gzip, gzip")

    assert peak(lambda: refused(desk)) < MIB
    assert "'gzip, gzip'" in refused(desk)


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZip", "identity, gzip", "gzip,"])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_gzip_is_read_in_whatever_parts_it_comes(coding: str, size: int) -> None:
    page = json.dumps({"value": list(range(1000))}).encode()
    packed = gzip.compress(page)
    parts = [packed[at : at + size] for at in range(0, len(packed), size)]

    assert desk_with(Stream(parts), Content_Encoding=coding).ask() == page


@pytest.mark.parametrize("coding", ["", "identity", "identity,identity"])
def test_what_is_not_compressed_is_read_as_it_comes(coding: str) -> None:
    assert desk_with(Stream([b"{", b"}"]), Content_Encoding=coding).ask() == b"{}"


def test_half_of_a_gzip_is_not_taken_for_all_of_it() -> None:
    packed = gzip.compress(b"[1, 2, 3]" * 1000)

    assert "gzip" in refused(desk_with(Stream([packed[:-9]]), Content_Encoding="gzip"))


def test_only_what_can_be_read_in_bounds_is_asked_for() -> None:
    asked: list[str] = []

    async def serve(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["Accept-Encoding"])
        return httpx.Response(200)

    Desk(httpx.MockTransport(serve)).ask()
    assert asked == ["gzip"]


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
def test_a_refusal_says_enough_by_its_status_whatever_its_body_is(
    status: int, error: type[ApiError], body: list[bytes], headers: dict[str, str]
) -> None:
    with pytest.raises(error, match=rf"\({status} at GET {RUNS}\)"):
        desk_with(Stream(body), status, **headers).ask()


class BreaksOff(Stream):
    """A body whose connection breaks."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'{"error": '
        raise httpx.ReadError("Connection reset by peer")


def test_a_refusal_whose_body_breaks_off_is_not_asked_for_again() -> None:
    desk = desk_with(BreaksOff([]), 401)

    with pytest.raises(Unauthorized):
        desk.ask()
    assert desk.notes.asked_of == [(RUNS, "401")]


def legacy(body: bytes) -> Any:
    desk = told(body)
    return desk.run(LegacyClient(desk.transport).list_runs(7))


def v6(body: bytes) -> Any:
    desk = told(body)
    return desk.run(V6Client(desk.transport).list_runs(0.0))


READERS = [
    pytest.param(legacy, b'{"k6-runs": [%s]}', id="legacy"),
    pytest.param(v6, b'{"value": [%s]}', id="v6"),
]


@pytest.mark.parametrize(("read", "page"), READERS)
def test_a_page_of_a_thousand_runs_with_all_their_options_is_read(
    read: Callable[[bytes], Any], page: bytes
) -> None:
    options = {"stages": [{"duration": "30s", "target": 50}] * 300}
    runs = [
        {"id": n, "test_id": 7, "created": "2026-09-21T14:00:00Z", "options": options} for n in range(1000)
    ]
    body = page % json.dumps(runs)[1:-1].encode()
    assert len(body) > 10 * MIB

    assert len(read(body).runs) == 1000


@pytest.mark.parametrize(("read", "page"), READERS)
@pytest.mark.parametrize("value", [b"1,", b"[],", b"[[[[[]]]]],", b'{"id":{}},'], ids=bytes.decode)
def test_an_answer_of_millions_of_values_is_refused_before_they_fill_the_memory(
    read: Callable[[bytes], Any], page: bytes, value: bytes
) -> None:
    body = page % (value * (30 * MIB // len(value)) + b"1")

    def ask() -> None:
        with pytest.raises(DecodeError, match=f"{MAX_VALUES} values"):
            read(body)

    assert peak(ask) < 3 * MAX_BYTES


@pytest.mark.parametrize(("read", "page"), READERS)
def test_a_list_of_more_items_than_there_can_be_is_refused(read: Callable[[bytes], Any], page: bytes) -> None:
    with pytest.raises(DecodeError, match=f"{MAX_ITEMS} items"):
        read(page % (b"1," * MAX_ITEMS + b"1"))


@pytest.mark.parametrize(("read", "page"), READERS)
@pytest.mark.parametrize("depth", [3_000, 5_000_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")], ids=["lists", "objects"])
def test_an_answer_that_is_nested_without_end_is_refused(
    read: Callable[[bytes], Any], page: bytes, depth: int, opening: bytes, closing: bytes
) -> None:
    with pytest.raises(DecodeError, match=rf"nested.* {MAX_NESTING}\b|{MAX_VALUES} values"):
        read(page % (opening * depth + b"1" + closing * depth))


@pytest.mark.parametrize(("read", "page"), READERS)
@pytest.mark.parametrize("place", [b'"options": %s', b'"status": %s', b'"options": {"a": ["]]}", %s]}'])
def test_an_answer_may_be_nested_a_hundred_deep_on_every_python(
    read: Callable[[bytes], Any], page: bytes, place: bytes
) -> None:
    def nested(depth: int) -> bytes:
        inner = (
            depth - 3 - 2 * place.count(b']}"')
        )  # within the answer, its list, the run, and what place adds
        return page % (b'{"id": 8, "test_id": 7, %s}' % (place % (b"[" * inner + b"]" * inner)))

    assert [run.id for run in read(nested(MAX_NESTING)).runs] == [8]
    with pytest.raises(DecodeError, match=rf"nested.* {MAX_NESTING}\b"):
        read(nested(MAX_NESTING + 1))


@pytest.mark.parametrize(("read", "page"), READERS)
def test_a_number_of_a_million_digits_costs_its_run_and_no_other(
    read: Callable[[bytes], Any], page: bytes
) -> None:
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
def test_a_name_is_no_longer_than_a_label_can_bear(tests: Callable[..., Any], page: bytes) -> None:
    desk = told(page % json.dumps({"id": 7, "name": "x" * MIB}).encode())

    [test] = desk.run(tests(desk.transport)).tests
    assert test.name == "x" * MAX_TEXT
