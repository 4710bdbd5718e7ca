"""Limits of the server: a client cannot exhaust memory, hold connections or keep others out."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import trustme
import uvloop

from exporter.web.app import MAX_CHUNK, ChunkedResponse
from exporter.web.protocol import (
    BOUNDED_PROTOCOL,
    CLOSE_TIMEOUT,
    MAX_BODY,
    MAX_HEAD,
    REQUEST_TIMEOUT,
    RESPONSE_TIMEOUT,
    BoundedH11Protocol,
)
from exporter.web.server import KEEP_ALIVE_TIMEOUT
from tests.support.lab import Message, Receive, Send
from tests.support.tcp_client import RunningServer, build_request, echo_path, run_server

Scenario = Callable[[RunningServer], Coroutine[Any, Any, None]]


@pytest.fixture(params=[BOUNDED_PROTOCOL, BoundedH11Protocol], ids=["httptools", "h11"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs each test with both parsers of uvicorn, since either may be installed."""
    monkeypatch.setattr("exporter.web.server.BOUNDED_PROTOCOL", request.param)
    return "h11" if request.param is BoundedH11Protocol else "httptools"


def run_scenario(scenario: Scenario, app: Any = echo_path) -> None:
    async def run() -> None:
        async with run_server(app) as server:
            await scenario(server)

    asyncio.run(run())


def test_common_request_is_answered() -> None:
    async def scenario(server: RunningServer) -> None:
        client = await server.connect()
        for path in ("/one", "/two"):
            client.send(build_request(path, b"Cookie: " + b"x" * 8000))
            assert await client.read_response() == (b"http/1.1 200 ok", path.encode())

    run_scenario(scenario)


@pytest.mark.parametrize("is_complete", [True, False])
@pytest.mark.parametrize("size", [20_000, 2 * MAX_HEAD, 10 * MAX_HEAD])
@pytest.mark.parametrize("where", ["path", "name", "value", "many"])
def test_request_head_over_16_kib_is_rejected(where: str, size: int, is_complete: bool, parser: str) -> None:
    large = b"x" * size
    heads = {
        "path": b"GET /" + large,
        "name": b"GET / HTTP/1.1\r\nHost: x\r\n" + large,
        "value": b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + large,
        "many": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * (size // 6),
    }
    # With Host, since h11 rejects a complete request without it.
    ends = {"path": b" HTTP/1.1\r\nHost: x\r\n\r\n", "name": b": x\r\n\r\n"}
    end = ends.get(where, b"\r\n\r\n") if is_complete else b""

    async def scenario(server: RunningServer) -> None:
        client = await server.connect()
        client.send(heads[where] + end)
        data = await client.read_rest()
        assert data.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 ")) or (data == b"" and parser == "h11")

    run_scenario(scenario)


def test_request_head_of_16_kib_is_answered() -> None:
    request = build_request("/first", b"Cookie: ")
    request = request.replace(b"Cookie: ", b"Cookie: " + b"x" * (MAX_HEAD - len(request)))
    assert len(request) == MAX_HEAD

    async def scenario(server: RunningServer) -> None:
        client = await server.connect()
        for _ in range(2):
            client.send(request)
            assert await client.read_response() == (b"http/1.1 200 ok", b"/first")

    run_scenario(scenario)


@pytest.mark.parametrize(
    "data",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n"],
    ids=["TLS", "CONNECT"],
)
def test_malformed_request_is_rejected_without_a_log(
    data: bytes, parser: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(server: RunningServer) -> None:
        client = await server.connect()
        client.send(data)
        assert b"400 Bad Request" in await client.read_rest()

    if parser == "h11" and data.startswith(b"CONNECT"):
        return  # h11 takes the target for a path
    with caplog.at_level(logging.WARNING):
        run_scenario(scenario)
    assert parser == "h11" or caplog.text == ""


def test_incomplete_request_times_out_after_10_seconds() -> None:
    async def scenario(server: RunningServer) -> None:
        silent, slow = await server.connect(), await server.connect()
        slow.send(b"GET / HT")
        await server.pass_time(REQUEST_TIMEOUT - 1)
        assert not await silent.is_closed()
        slow.send(b"T")  # more bytes do not restart the timeout
        await server.pass_time(0)
        server.server._reap_connections(asyncio.get_running_loop().time() + REQUEST_TIMEOUT + 1)
        assert await silent.is_closed()
        assert await slow.is_closed()

    run_scenario(scenario)


def test_second_request_has_its_own_timeout() -> None:
    async def scenario(server: RunningServer) -> None:
        client = await server.connect()
        client.send(build_request())
        await client.read_response()
        client.send(b"GET / HT")
        await server.pass_time(REQUEST_TIMEOUT - 1)
        assert not await client.is_closed()
        await server.pass_time(REQUEST_TIMEOUT + 1)
        assert await client.is_closed()

    run_scenario(scenario)


def test_connection_survives_a_minute_between_scrapes() -> None:
    async def scenario(server: RunningServer) -> None:
        client = await server.connect()
        for _ in range(2):
            client.send(build_request())
            await client.read_response()
            await server.pass_time(60)

        assert not await client.is_closed()
        assert server.server.config.timeout_keep_alive == KEEP_ALIVE_TIMEOUT > 60

    run_scenario(scenario)


LARGE_BODY = b"x" * (10 * MAX_CHUNK)


async def large_response(scope: Message, receive: Receive, send: Send) -> None:
    """A response of 10 MiB in one part, like a compressed exposition."""
    await ChunkedResponse((LARGE_BODY,), {})(scope, receive, send)


def test_unread_response_times_out_after_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(server: RunningServer) -> None:
        client = await server.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(build_request())
        await server.pass_time(RESPONSE_TIMEOUT - 1)
        assert len(server.server.server_state.connections) == 1
        await server.pass_time(RESPONSE_TIMEOUT + 1)
        await asyncio.sleep(0.05)
        assert len(server.server.server_state.connections) == 0

    run_scenario(scenario, app=large_response)
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_unread_response_is_not_buffered(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def scenario() -> None:
        async with run_server(large_response) as server:
            client = await server.connect()
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.send(build_request())
            await asyncio.sleep(0.2)
            (connection,) = server.server.server_state.connections
            assert 0 < connection.transport.get_write_buffer_size() <= 2 * MAX_CHUNK

            client.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert await client.read_response() == (b"http/1.1 200 ok", LARGE_BODY)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(scenario())


def test_unread_end_of_a_response_times_out() -> None:
    async def large_last_response(_: Message, __: Receive, send: Send) -> None:
        headers = [(b"content-length", b"%d" % len(LARGE_BODY)), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": LARGE_BODY})

    async def scenario(server: RunningServer) -> None:
        client = await server.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(build_request())
        await server.pass_time(CLOSE_TIMEOUT - 1)
        assert len(server.server.server_state.connections) == 1
        await server.pass_time(CLOSE_TIMEOUT + 1)
        await asyncio.sleep(0.05)
        assert len(server.server.server_state.connections) == 0

    run_scenario(scenario, app=large_last_response)


def test_pipelined_requests_are_limited(parser: str) -> None:
    async def scenario(server: RunningServer) -> None:
        client = await server.connect()
        client.send(build_request() * 3)
        for _ in range(3):
            assert (await client.read_response())[0] == b"http/1.1 200 ok"
        client.send(build_request() * 2000)
        assert (await client.read_rest()).count(b"200 OK") < 2000

    if parser == "h11":
        pytest.skip("h11 reads the next request after the response to the one before")
    run_scenario(scenario)


@pytest.mark.parametrize("coding", [b"Content-Length: 1000000", b"Transfer-Encoding: chunked"])
def test_body_over_64_kib_is_not_read(coding: bytes, parser: str) -> None:
    async def scenario(server: RunningServer) -> None:
        client = await server.connect()
        body = b"f0000\r\n" + b"x" * 0xF0000 if b"chunked" in coding else b"x" * 1_000_000
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\n" + coding + b"\r\n\r\n" + body[: 2 * MAX_BODY])
        # The server closes first: read_rest() waits for half of the timeout of a request.
        assert (await client.read_rest()).count(b"HTTP/1.1 ") <= 1

    if parser == "h11":
        pytest.skip("h11 discards an unread body, for up to 10 seconds")
    run_scenario(scenario)


def test_small_body_is_ignored() -> None:
    async def scenario(server: RunningServer) -> None:
        client = await server.connect()
        for _ in range(2):
            client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20_000)
            assert (await client.read_response())[0] == b"http/1.1 200 ok"

    run_scenario(scenario)


def test_protocol_upgrade_is_ignored(parser: str) -> None:
    async def scenario(server: RunningServer) -> None:
        client = await server.connect()
        client.send(build_request("/here", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"))
        assert await client.read_response() == (b"http/1.1 200 ok", b"/here")
        assert parser == "h11" or await client.is_closed()

    run_scenario(scenario)


def test_idle_connections_are_evicted_at_the_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.web.server.MAX_CONNECTIONS", 3)
    monkeypatch.setattr("exporter.web.server.EVICTED_AT_ONCE", 1)

    async def scenario(server: RunningServer) -> None:
        idle = [await server.connect() for _ in range(3)]
        for client in idle:
            client.send(build_request())
            await client.read_response()
            await server.pass_time(0)
            await asyncio.sleep(0.01)

        late = await server.connect()
        late.send(build_request())
        assert (await late.read_response())[0] == b"http/1.1 200 ok"
        assert [await client.is_closed() for client in idle] == [True, False, False]

    run_scenario(scenario)


@pytest.mark.parametrize("start", [b"", b"GET / HT"], ids=["silent", "incomplete"])
def test_connections_without_request_are_evicted(start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.web.server.MAX_CONNECTIONS", 3)
    monkeypatch.setattr("exporter.web.server.EVICTED_AT_ONCE", 1)

    async def scenario(server: RunningServer) -> None:
        first, second, third = [await server.connect() for _ in range(3)]
        for client in (first, second, third):
            client.send(start)

        late = await server.connect()
        late.send(build_request())
        assert (await late.read_response())[0] == b"http/1.1 200 ok"
        assert [await client.is_closed() for client in (first, second, third)] == [True, False, False]

    run_scenario(scenario)


def test_silent_tls_connections_are_evicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.web.server.MAX_CONNECTIONS", 3)
    monkeypatch.setattr("exporter.web.server.EVICTED_AT_ONCE", 1)
    authority = trustme.CA()
    server_tls, client_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server_tls)
    authority.configure_trust(client_tls)

    async def scenario() -> None:
        async with run_server(echo_path, lambda: server_tls) as server:
            silent = [await server.connect() for _ in range(3)]

            late = await server.connect(client_tls)
            late.send(build_request())
            assert (await late.read_response())[0] == b"http/1.1 200 ok"
            assert [await client.is_closed() for client in silent] == [True, False, False]

    asyncio.run(scenario())


def test_new_connection_waits_while_all_are_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.web.server.MAX_CONNECTIONS", 3)
    may_respond = asyncio.Event()

    async def respond_later(scope: Message, receive: Receive, send: Send) -> None:
        await may_respond.wait()
        await echo_path(scope, receive, send)

    async def scenario(server: RunningServer) -> None:
        busy = [await server.connect() for _ in range(3)]
        for client in busy:
            client.send(build_request())
        await asyncio.sleep(0.05)
        late = await server.connect()
        late.send(build_request())
        await asyncio.sleep(0.15)
        assert len(server.server.server_state.connections) == 3
        may_respond.set()
        for client in busy:
            assert (await client.read_response())[0] == b"http/1.1 200 ok"
        assert (await late.read_response())[0] == b"http/1.1 200 ok"

    run_scenario(scenario, app=respond_later)
