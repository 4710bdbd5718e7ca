"""One request, a server that may respond with anything, and the result."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import count
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.k6.errors import (
    ApiError,
    DecodeError,
    NetworkError,
    NotFound,
    RateLimited,
    RequestTimeout,
    ServerError,
    Unauthorized,
)
from exporter.k6.transport import RateLimiter, parse_retry_after
from tests.support.k6_server import (
    CLOCK,
    RUNS,
    TOKEN,
    Script,
    TransportClient,
    answers,
    refusal,
    run_skipping,
)
from tests.support.lab import START, ManualClock

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@pytest.mark.parametrize("code", [500, 502, 503, 504, 599])
def test_server_error_is_retried(code: int) -> None:
    server = Script(*answers(code, code), httpx.Response(200, content=b"all is well"))
    client = TransportClient(server)

    assert client.get() == b"all is well"
    assert client.log.requests == [(RUNS, str(code)), (RUNS, str(code)), (RUNS, "200")]
    assert client.log.retries == 2


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (httpx.ReadTimeout("slow"), "timeout"),
        (httpx.ConnectTimeout("slow"), "timeout"),
        (httpx.ReadError("reset"), "network"),
        (httpx.ConnectError("refused"), "network"),
        (httpx.RemoteProtocolError("nonsense"), "network"),
        (httpx.WriteError("broken pipe"), "network"),
        (httpx.ProxyError("no way"), "network"),
    ],
)
def test_timeouts_and_broken_connections_are_retried(failure: Exception, expected: str) -> None:
    server = Script(failure, failure, *answers(200))
    client = TransportClient(server)

    assert client.get() == b"{}"
    assert client.log.requests == [(RUNS, expected), (RUNS, expected), (RUNS, "200")]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(500), ServerError),
        (httpx.ReadTimeout("slow"), RequestTimeout),
        (httpx.ReadError("reset"), NetworkError),
        (httpx.Response(429), RateLimited),
    ],
)
def test_the_third_failure_is_the_last(answer: httpx.Response | Exception, error: type[ApiError]) -> None:
    server = Script(answer)
    client = TransportClient(server)

    with pytest.raises(error):
        client.get()
    assert (len(server.got), client.log.retries) == (3, 2)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 409, 418, 301, 304, 451])
def test_permanent_error_is_not_retried(code: int) -> None:
    server = Script(*answers(code))
    client = TransportClient(server)

    with pytest.raises(ApiError):
        client.get()
    assert (len(server.got), client.pauses, client.log.retries) == (1, [], 0)


def test_pauses_double_and_are_jittered_by_half() -> None:
    for _ in range(30):
        client = TransportClient(Script(*answers(500)))

        with pytest.raises(ServerError):
            client.get()

        first, second = client.pauses
        assert 0.25 <= first <= 0.75
        assert 0.5 <= second <= 1.5


def test_backoff_has_jitter() -> None:
    pauses = set()
    for _ in range(20):
        client = TransportClient(Script(*answers(500, 200)))
        client.get()
        pauses.update(client.pauses)

    assert len(pauses) == 20


@pytest.mark.parametrize("code", [429, 503])
def test_a_retry_waits_as_long_as_retry_after_says(code: int) -> None:
    client = TransportClient(Script(*answers(code, retry_after="7"), *answers(200)))

    assert client.get() == b"{}"
    assert client.elapsed == 7


def test_a_retry_after_can_be_a_date() -> None:
    date = format_datetime(datetime.fromtimestamp(START + 12, UTC), usegmt=True)
    client = TransportClient(Script(*answers(429, retry_after=date), *answers(200)))

    client.get()

    assert client.elapsed == 12


@pytest.mark.parametrize("skew", [-3600, 3600, -86400 * 400])
def test_retry_after_date_is_by_the_clock_of_the_server(skew: float) -> None:
    retry_at, date = (
        format_datetime(datetime.fromtimestamp(START + skew + seconds, UTC), usegmt=True)
        for seconds in (7, 0)
    )
    client = TransportClient(Script(*answers(429, retry_after=retry_at, date=date), *answers(200)))

    client.get()

    assert client.elapsed == 7


def test_short_retry_after_keeps_the_backoff() -> None:
    client = TransportClient(Script(*answers(429, retry_after="0"), *answers(200)))

    client.get()

    assert 0.25 <= client.elapsed <= 0.75


def test_retry_after_holds_back_later_requests() -> None:
    server = Script(*answers(429, retry_after="20"), *answers(200))
    client = TransportClient(server)

    with pytest.raises(RateLimited):
        client.post("/loadtests/v2/runs/{id}/stop", id=1)
    assert client.elapsed == 0
    client.now.value += 5
    client.get("/another")

    assert client.pauses == [15]
    assert [request.url.path for request in server.got] == ["/loadtests/v2/runs/1/stop", "/another"]


def test_retry_after_holds_back_requests_that_wait_for_a_slot() -> None:
    sent: list[tuple[str, float]] = []

    async def serve(request: httpx.Request) -> httpx.Response:
        sent.append((request.url.path, CLOCK.monotonic()))
        if request.url.path == "/first":
            await asyncio.sleep(50)
            return httpx.Response(429, headers={"Retry-After": "25"})
        return httpx.Response(200)

    client = TransportClient(httpx.MockTransport(serve), requests_per_minute=1, timeout=100, clock=CLOCK)

    async def both() -> None:
        await asyncio.gather(
            client.transport.post("/first"), client.transport.get("/second"), return_exceptions=True
        )

    run_skipping(both())

    # At 50 a Retry-After holds until 75; the slot would have been free at 60.
    assert sent[0] == ("/first", 0)
    assert sent[1][0] == "/second"
    assert sent[1][1] >= 75


def test_server_sees_at_most_the_rate_limit() -> None:
    arrivals: list[float] = []

    async def serve(_: httpx.Request) -> httpx.Response:
        arrivals.append(CLOCK.monotonic())
        await asyncio.sleep(0.3)
        return httpx.Response(503 if len(arrivals) % 7 == 0 else 200)

    client = TransportClient(httpx.MockTransport(serve), requests_per_minute=20, concurrency=6, clock=CLOCK)

    async def many() -> None:
        await asyncio.gather(*(client.transport.get(RUNS) for _ in range(150)), return_exceptions=True)

    run_skipping(many())

    assert len(arrivals) > 150
    for earlier, later in zip(arrivals, arrivals[20:], strict=False):
        assert later - earlier >= 60 - 1e-6


def test_long_retry_after_fails_the_request_at_once() -> None:
    server = Script(*answers(429, retry_after="31"))
    client = TransportClient(server)

    with pytest.raises(RateLimited):
        client.get()

    assert (len(server.got), client.pauses, client.log.retries) == (1, [], 0)
    assert client.log.throttles == 1


def test_long_retry_after_prevents_all_requests() -> None:
    server = Script(*answers(429, retry_after="100"), *answers(200))
    client = TransportClient(server)

    with pytest.raises(RateLimited):
        client.get()
    client.now.value += 10
    with pytest.raises(RateLimited, match=r"\b90s\b"):
        client.get()
    with pytest.raises(RateLimited):
        client.post("/loadtests/v2/runs/{id}/stop", id=1)
    assert len(server.got) == 1
    client.now.value += 90
    client.get()

    assert len(server.got) == 2


def test_requests_during_retry_after_take_no_slot() -> None:
    server = Script(*answers(429, retry_after="100"), *answers(200))
    client = TransportClient(server, requests_per_minute=2)

    for _ in range(10):
        with pytest.raises(RateLimited):
            client.get()
    client.now.value += 100
    client.get()

    assert client.pauses == []


def test_longer_retry_after_holds() -> None:
    server = Script(*answers(503, retry_after="30"), *answers(503, retry_after="2"), *answers(200))
    client = TransportClient(server)

    async def both() -> None:
        await asyncio.gather(client.transport.get("/a"), client.transport.get("/b"))

    client.run(both())

    assert client.elapsed >= 30


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("5", 5),
        (" 5 ", 5),
        ("-5", 0),
        ("1.5", 0),
        ("²", 0),
        ("soon", 0),
        ("0", 0),
        ("86400", 3600),
        ("9" * 400, 3600),
        ("9" * 5000, 3600),
        ("Mon, 21 Sep 2026 14:13:50 GMT", 30),
        ("Mon, 21 Sep 2026 14:13:50 -0000", 30),
        ("Mon, 21 Sep 2026 14:13:50", 30),
        ("Mon, 21 Sep 2026 16:13:50 +0200", 30),
        ("Monday, 21-Sep-26 14:13:50 GMT", 30),
        ("Mon, 21 Sep 2026 14:13:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ("Mon, 32 Sep 2026 14:13:50 GMT", 0),
        # This one used to end the poll with an OverflowError.
        ("Mon, 21 Sep 2026 14:13:50 +99999999999999999999", 0),
    ],
)
def test_a_retry_after_is_read_as_seconds_from_now(header: str | None, seconds: float) -> None:
    assert parse_retry_after(header, START) == seconds


@settings(derandomize=True, deadline=None, max_examples=500)
@given(
    st.text(max_size=40)
    | st.builds("Mon, {} Sep {} {}:13:50 {}".format, st.integers(), st.integers(), st.integers(), st.text())
    | st.builds("Mon, 21 Sep 2026 14:13:50 {:+}".format, st.integers(-(10**12), 10**12))
)
def test_any_retry_after_is_within_an_hour(header: str) -> None:
    assert 0 <= parse_retry_after(header, START) <= 3600


@pytest.mark.parametrize(
    ("body", "explanation"),
    [
        (b"", ""),
        (b"<html><body>403 Forbidden</body></html>", ""),
        (b"null", ""),
        (b"[]", ""),
        (b'{"error": null}', ""),
        (b'{"error": "no"}', ""),
        (b'{"error": {"message": ""}}', ""),
        (b'{"error": {"message": 5}}', ": 5"),
        (b'{"error": {"message": 5}, "more": ' + b"[" * 99 + b"]" * 99 + b"}", ": 5"),
        (b'{"error": {"message": 5}, "more": ' + b"[" * 100 + b"]" * 100 + b"}", ""),
        (b'{"error": {"message": "\xff\xfe"}}', ""),
        (b'{"error": {"message": "\\ud800 alone"}}', ": alone"),
        (b'{"error": {"message": "a\\nb\\u0000c\\u001b[31md"}}', ": a b c [31md"),
        (b'{"error": {"message": "' + b"x" * 10_000 + b'"}}', ": " + "x" * 200),
        (b"[" * 100_000, ""),
        (b'{"error": ' * 50_000, ""),
        (b'{"error": {"message": ' + b"9" * 5000 + b"}}", ""),
    ],
    ids=range(17),
)
def test_error_message_is_one_printable_bounded_line(body: bytes, explanation: str) -> None:
    with pytest.raises(NotFound) as raised:
        TransportClient(Script(httpx.Response(404, content=body))).get()

    assert f" (404 at GET {RUNS}{explanation})" in str(raised.value)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location",
    [
        "https://evil.test/loadtests/v2/runs",
        "//evil.test/",
        "http://k6.test/",
        "/elsewhere",
        "https:///x",
        "%",
    ],
)
def test_a_redirect_takes_the_token_nowhere(code: int, location: str) -> None:
    reached = []

    async def serve(request: httpx.Request) -> httpx.Response:
        reached.append((request.url.host, request.url.path))
        return httpx.Response(code, headers={"Location": location})

    with pytest.raises(ApiError, match=f"{code} at GET {RUNS}"):
        TransportClient(httpx.MockTransport(serve)).get()

    assert reached == [("k6.test", RUNS)]


def test_redirect_to_invalid_url_is_not_followed() -> None:
    reached = []

    async def serve(request: httpx.Request) -> httpx.Response:
        reached.append(request.url.host)
        return httpx.Response(302, headers={"Location": "http://[evil:99999999/"})

    with pytest.raises(ApiError):
        TransportClient(httpx.MockTransport(serve)).get()

    assert set(reached) == {"k6.test"}


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 429, 500])
def test_echoed_token_is_redacted(code: int) -> None:
    with pytest.raises(ApiError) as raised:
        TransportClient(Script(refusal(code, f"who is 'Token {TOKEN}'? {TOKEN}!"))).get()

    assert TOKEN not in str(raised.value)
    assert "who is 'Token ***'? ***!" in str(raised.value)


def test_token_at_the_cut_of_a_message_is_redacted() -> None:
    with pytest.raises(ApiError) as raised:
        TransportClient(Script(refusal(400, "x" * 195 + TOKEN))).get()

    assert TOKEN[:4] not in str(raised.value)


def test_token_echoed_in_a_status_line_is_redacted() -> None:
    echo = httpx.RemoteProtocolError(f"illegal status line: bytearray(b'Authorization: Token {TOKEN}')")

    with pytest.raises(NetworkError) as raised:
        TransportClient(Script(echo)).get()

    assert str(raised.value).endswith("illegal status line: bytearray(b'Authorization: Token ***')")


def test_token_is_read_for_each_try() -> None:
    tokens = count(1)
    server = Script(*answers(500, 500, 200))
    client = TransportClient(server, authorize=lambda: {"Authorization": f"Token t{next(tokens)}"})

    client.get()

    assert [request.headers["Authorization"] for request in server.got] == [
        "Token t1",
        "Token t2",
        "Token t3",
    ]


def test_without_a_token_no_request_is_sent_or_observed() -> None:
    def authorize() -> dict[str, str]:
        raise Unauthorized("there is no token")

    server = Script(*answers(200))
    client = TransportClient(server, authorize=authorize)

    with pytest.raises(Unauthorized, match=r"^there is no token$"):
        client.get()
    assert (server.got, client.log.requests) == ([], [])


def test_observer_receives_templates_without_ids() -> None:
    server = Script(*answers(200))
    client = TransportClient(server)

    client.get("/loadtests/v2/runs/{id}", id=5_000_001)

    assert server.got[0].url.path == "/loadtests/v2/runs/5000001"
    assert client.log.requests == [("/loadtests/v2/runs/{id}", "200")]


def test_only_a_429_counts_as_throttled() -> None:
    client = TransportClient(Script(*answers(429, 503, 200)))

    client.get()

    assert (client.log.throttles, client.log.retries) == (1, 2)


class Drip(httpx.AsyncByteStream):
    """A body that comes byte by byte, forever, each well within any time-out."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.001)


def test_dripping_body_times_out() -> None:
    async def serve(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Drip())

    client = TransportClient(httpx.MockTransport(serve), timeout=0.05)

    with pytest.raises(RequestTimeout, match=r"\b0\.05s\b"):
        client.get()
    assert client.log.requests == [(RUNS, "timeout")] * 3


def test_request_without_response_times_out() -> None:
    async def silent(_: Message, receive: Receive, __: Send) -> None:
        await receive()
        await asyncio.Event().wait()

    client = TransportClient(httpx.ASGITransport(silent), timeout=0.02)

    with pytest.raises(RequestTimeout):
        client.get()
    assert client.log.requests == [(RUNS, "timeout")] * 3


@pytest.mark.parametrize(
    ("coding", "expected"),
    [
        ("gzip", "not valid gzip"),
        ("deflate", "encoded as 'deflate'.*"),
        ("gzip, gzip", "encoded as 'gzip, gzip'.*"),
        ("\x1b[1mx" * 99, "encoded as '.{1,200}"),
    ],
)
def test_body_with_wrong_encoding_is_a_decode_error(coding: str, expected: str) -> None:
    async def serve(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Encoding": coding}, stream=httpx.ByteStream(b"not so"))

    client = TransportClient(httpx.MockTransport(serve))

    with pytest.raises(DecodeError, match=rf"^GET /loadtests/v2/runs: the response body is {expected}$"):
        client.get()
    assert len(client.log.requests) == 1


async def dense(limiter: RateLimiter, now: ManualClock, gaps: list[float]) -> list[float]:
    departures = []
    for gap in gaps:
        now.value += gap
        await limiter.acquire()
        departures.append(now.value)
    return departures


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    gaps=st.lists(st.floats(0, 90) | st.just(0.0), max_size=60),
    per_minute=st.integers(1, 12),
)
def test_rate_limit_holds_in_any_minute(gaps: list[float], per_minute: int) -> None:
    now = ManualClock(0.0)

    departures = asyncio.run(dense(RateLimiter(per_minute, now.clock), now, gaps))

    for earlier, later in zip(departures, departures[per_minute:], strict=False):
        assert later - earlier >= 60 - 1e-9


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    arrivals=st.lists(st.floats(0, 200), min_size=1, max_size=40).map(sorted),
    per_minute=st.integers(1, 8),
)
def test_concurrent_requests_keep_the_rate_limit(arrivals: list[float], per_minute: int) -> None:
    """Each request arrives at its own time of one clock, while earlier ones may still wait."""
    departures: list[float] = []
    waits: list[float] = []
    now = ManualClock(0.0)
    now.boot = 0.0  # no rounding

    async def note(seconds: float) -> None:
        waits.append(seconds)

    async def all_of_them() -> None:
        limiter = RateLimiter(per_minute, replace(now.clock, sleep=note))
        for arrival in arrivals:
            now.value = arrival
            waits.clear()
            await limiter.acquire()
            departures.append(arrival + sum(waits))

    asyncio.run(all_of_them())

    assert departures == sorted(departures)
    for earlier, later in zip(departures, departures[per_minute:], strict=False):
        assert later - earlier >= 60 - 1e-9
    if len(arrivals) <= per_minute:
        assert departures == arrivals


@pytest.mark.parametrize(("width", "requests"), [(1, 5), (3, 20), (10, 10)])
def test_concurrency_is_limited(width: int, requests: int) -> None:
    under_way = 0
    most = 0

    async def serve(_: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        return httpx.Response(200)

    client = TransportClient(httpx.MockTransport(serve), concurrency=width)

    async def all_of_them() -> None:
        await asyncio.gather(*(client.transport.get(RUNS) for _ in range(requests)))

    client.run(all_of_them())

    assert most == width


def test_failed_request_frees_its_slot() -> None:
    server = Script(httpx.ReadError("reset"), httpx.ReadError("reset"), *answers(404, 200))
    client = TransportClient(server, concurrency=1)

    with pytest.raises(NotFound):
        client.get()
    assert client.get() == b"{}"


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    code=st.integers(200, 599),
    headers=st.dictionaries(
        st.sampled_from(["Retry-After", "Location", "Content-Encoding", "Content-Type", "Set-Cookie"]),
        st.binary(max_size=20),
    ),
    body=st.binary(max_size=60),
)
def test_any_response_is_bytes_or_an_api_error(code: int, headers: dict[str, bytes], body: bytes) -> None:
    async def serve(_: httpx.Request) -> httpx.Response:
        named = [(name.encode(), value) for name, value in headers.items()]
        return httpx.Response(code, headers=named, stream=httpx.ByteStream(body))

    client = TransportClient(httpx.MockTransport(serve))
    for _ in range(2):  # the first response must not affect the second request
        with suppress(ApiError):
            assert isinstance(client.get(), bytes)


def test_non_ascii_cookie_breaks_no_later_request() -> None:
    cookie = httpx.Response(200, headers=[(b"Set-Cookie", b"a=\xe9; Path=/")])
    server = Script(cookie, *answers(200))
    client = TransportClient(server)

    client.get()
    client.get()

    assert "Cookie" not in server.got[1].headers


def test_cancelled_request_is_counted_as_such() -> None:
    arrived = asyncio.Event()

    async def serve(_: httpx.Request) -> httpx.Response:
        arrived.set()
        await asyncio.Event().wait()
        raise AssertionError

    client = TransportClient(httpx.MockTransport(serve))

    async def scene() -> None:
        request = asyncio.create_task(client.transport.get(RUNS))
        await arrived.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request

    client.run(scene())

    assert client.log.requests == [(RUNS, "cancelled")]


def test_each_request_is_logged_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "exporter.k6")
    client = TransportClient(Script(*answers(503, 200)))

    client.run(
        client.transport.get("/cloud/v6/load_tests/{id}/test_runs", [("$top", 10), ("x", "a b")], id=7)
    )

    records = [record for record in caplog.records if record.name == "exporter.k6.transport"]
    path = "/cloud/v6/load_tests/7/test_runs?$top=10&x=a b"
    assert [
        (it.getMessage(), *(vars(it)[name] for name in ("method", "path", "status", "attempt")))
        for it in records
    ] == [
        ("request", "GET", path, "503", 1),
        ("request", "GET", path, "200", 2),
    ]
    assert all(record.levelno == logging.DEBUG for record in records)
    assert not [record for record in records if TOKEN in str(vars(record))]


def test_log_of_a_request_hides_the_base_url(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "exporter.k6")
    client = TransportClient(Script(*answers(200)))
    client.client.base_url = "https://k6.test/secret-path"

    client.get()

    assert not [record for record in caplog.records if "secret-path" in str(vars(record))]


def test_first_404_of_a_list_names_the_host() -> None:
    client = TransportClient(Script(*[httpx.Response(status, text="{}") for status in (404, 404, 200, 404)]))

    def sentence(endpoint: str, **ids: int) -> str:
        with pytest.raises(NotFound) as raised:
            client.get(endpoint, **ids)
        return str(raised.value)

    assert "api.url, which is https://k6.test" in sentence(RUNS)
    assert "api.url" not in sentence("/loadtests/v2/runs/{id}", id=7)
    client.get()
    assert "api.url" not in sentence(RUNS)
