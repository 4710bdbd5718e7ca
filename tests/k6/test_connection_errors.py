"""Connections that fail: real servers and proxies, and the sentences about them in connection_errors.txt."""

import asyncio
import datetime
import errno
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
import trustme

from exporter.clock import Clock
from exporter.config import Config
from exporter.credentials import Secret
from exporter.k6.connection_errors import Target, explain
from exporter.k6.errors import ApiError, NetworkError
from exporter.k6.factory import build_http_client, build_transport
from exporter.k6.http import HttpClient
from exporter.k6.proxies import parse_proxy
from exporter.k6.transport import Transport
from tests.support.golden import assert_golden
from tests.support.k6_server import TOKEN, RequestLog, Script, TransportClient
from tests.support.processes import free_port

GOLDEN = Path(__file__).parent / "connection_errors.txt"
ENDPOINT = "/cloud/v6/test_runs"
AUTHORITY = trustme.CA()
PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
FUTURE = datetime.datetime(2099, 1, 1, tzinfo=datetime.UTC)

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def no_sleep(_: float) -> None:
    await asyncio.sleep(0)


def build_plain_transport(client: HttpClient, limit: float, proxy: str = "") -> Transport:
    return Transport(
        client,
        lambda: {"Authorization": f"Token {TOKEN}"},
        clock=Clock(sleep=no_sleep),
        timeout=limit,
        concurrency=1,
        requests_per_minute=100,
        observer=RequestLog(),
        proxy=parse_proxy(proxy, "HTTPS_PROXY") if proxy else None,
    )


async def error_of(
    url: str, *, proxy: str = "", trust: ssl.SSLContext | None = None, limit: float = 5.0
) -> str:
    """The error of a request, with the port as PORT."""
    network = httpx.AsyncHTTPTransport(proxy=proxy or None, verify=trust or True, trust_env=False)
    async with HttpClient(network, base_url=url, timeout=limit) as client:
        transport = build_plain_transport(client, limit, proxy)
        with pytest.raises(ApiError) as raised:
            await transport.get(ENDPOINT)
    sentence = re.sub(
        r"127\.0\.0\.1:\d+|localhost:\d+", lambda it: it[0].split(":")[0] + ":PORT", str(raised.value)
    )
    return f"{type(raised.value).__name__}: {sentence}"


@asynccontextmanager
async def listening(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on a free port."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


def answer(response: bytes) -> Serve:
    """Sends this response to each request, and closes the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)
        await writer.drain()
        writer.close()

    return serve


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    # Without lingering, a socket is closed by a reset.
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def speak_plain_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()
    writer.close()


def server_context(
    name: str = "localhost", *, since: datetime.datetime | None = None, until: datetime.datetime | None = None
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(name, not_before=since, not_after=until).configure_cert(context)
    return context


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


async def sentences() -> AsyncIterator[str]:
    """One line for each way in which a connection fails."""
    yield f"refused: {await error_of(f'http://127.0.0.1:{free_port()}')}"
    # A host with an address of IPv6 and one of IPv4 fails with two errors.
    yield f"refused by name: {await error_of(f'https://localhost:{free_port()}')}"
    async with listening(hang_up) as port:
        yield f"hangs up: {await error_of(f'http://127.0.0.1:{port}')}"
        yield f"hangs up during the handshake: {await error_of(f'https://127.0.0.1:{port}')}"
    async with listening(reset) as port:
        yield f"reset: {await error_of(f'http://127.0.0.1:{port}')}"
    async with listening(speak_plain_http) as port:
        yield f"TLS to a plain port: {await error_of(f'https://127.0.0.1:{port}')}"
    contexts = {
        "unknown CA": (server_context(), None),
        "expired": (server_context(since=PAST, until=PAST + datetime.timedelta(1)), trusting()),
        "not yet valid": (server_context(since=FUTURE, until=FUTURE + datetime.timedelta(1)), trusting()),
        "other host": (server_context("elsewhere.test"), trusting()),
    }
    for name, (context, trust) in contexts.items():
        async with listening(hang_up, context) as port:
            yield f"{name}: {await error_of(f'https://localhost:{port}', trust=trust)}"
    proxy = f"http://127.0.0.1:{free_port()}"
    yield f"proxy refused: {await error_of('https://k6.test', proxy=proxy)}"
    for status in ("407 Proxy Authentication Required", "403 Forbidden", "502 Bad Gateway", "418 Teapot"):
        async with listening(answer(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())) as port:
            proxy = f"http://127.0.0.1:{port}"
            yield f"proxy {status[:3]}: {await error_of('https://k6.test', proxy=proxy)}"
            if status.startswith("407"):
                yield f"proxy 407, plain: {await error_of('http://k6.test', proxy=proxy)}"
    async with listening(reset) as port:
        yield f"proxy resets: {await error_of('https://k6.test', proxy=f'http://127.0.0.1:{port}')}"


def wrapped(inner: Exception) -> Exception:
    """An error of the operating system as httpx raises it."""
    middle = OSError("All connection attempts failed")
    middle.__cause__ = inner
    outer = httpx.ConnectError("All connection attempts failed")
    outer.__cause__ = middle
    return outer


def group(*codes: int) -> Exception:
    return ExceptionGroup("several addresses", [OSError(code, "some text") for code in codes])


# What needs another network than that of a test, and DNS.
ERRORS: dict[str, Exception] = {
    "unknown name": socket.gaierror(socket.EAI_NONAME, "some text"),
    "no DNS": socket.gaierror(socket.EAI_AGAIN, "some text"),
    "no route": OSError(errno.EHOSTUNREACH, "some text"),
    "no network": OSError(errno.ENETUNREACH, "some text"),
    "kernel timeout": OSError(errno.ETIMEDOUT, "some text"),
    "not permitted": OSError(errno.EPERM, "some text"),
    "reset": OSError(errno.ECONNRESET, "some text"),
    "IPv6 without a route": group(errno.ENETUNREACH, errno.ECONNREFUSED),
    "unknown code": OSError(9999, "some text"),
}


def explanations() -> Iterator[str]:
    for has_proxy in (False, True):
        target = Target("api.k6.io", "HTTPS_PROXY", has_proxy)
        for name, error in ERRORS.items():
            found = explain(wrapped(error), target)
            yield f"{name}{', proxy' * has_proxy}: {'; '.join(found) if found else None}"


def test_golden_connection_errors() -> None:
    async def collect() -> list[str]:
        return [line async for line in sentences()]

    text = "\n".join([*asyncio.run(collect()), "", *explanations()])
    assert_golden(GOLDEN, text + "\n")


def test_requests_to_one_dead_host_fail_with_one_sentence() -> None:
    client = TransportClient(Script(wrapped(ConnectionRefusedError(errno.ECONNREFUSED, "no"))))
    found = set()
    for endpoint in ("/loadtests/v2/runs", "/loadtests/v2/tests"):
        with pytest.raises(NetworkError) as raised:
            client.get(endpoint)
        found.add(str(raised.value))

    assert len(found) == 1


@pytest.mark.parametrize(
    ("host", "is_proxied"),
    [("localhost", False), ("127.0.0.2", False), ("[::1]", False), ("k6.test", True), ("10.0.0.1", True)],
)
def test_loopback_error_does_not_advise_a_proxy(host: str, is_proxied: bool) -> None:
    client = TransportClient(Script(wrapped(ConnectionRefusedError(errno.ECONNREFUSED, "no"))))
    client.client.base_url = f"https://{host}:8443"

    with pytest.raises(NetworkError) as raised:
        client.get()

    assert ("HTTPS_PROXY" in str(raised.value)) == is_proxied


@pytest.mark.parametrize("url", ["https://k6.test", "https://k6.test:443", "https://k6.test/prefix"])
def test_connection_error_names_the_default_port(url: str) -> None:
    client = TransportClient(Script(wrapped(ConnectionRefusedError(errno.ECONNREFUSED, "no"))))
    client.client.base_url = url

    with pytest.raises(NetworkError, match=r"^cannot reach https://k6\.test:443: "):
        client.get()


@contextmanager
def full_listener() -> Iterator[int]:
    """The port of a listener whose queue is full: the system answers no further connection."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(address)
        try:
            yield address[1]
        finally:
            for one in waiting:
                one.close()


def test_connection_without_answer_is_named_as_such() -> None:
    async def scene() -> str:
        with full_listener() as port:
            return await error_of(f"http://127.0.0.1:{port}", limit=0.1)

    assert asyncio.run(scene()).startswith("RequestTimeout: cannot reach http://127.0.0.1:PORT: ")


def test_request_that_is_cancelled_while_connecting_is_named() -> None:
    async def scene() -> str:
        with full_listener() as port:
            network = httpx.AsyncHTTPTransport(trust_env=False)
            async with HttpClient(network, base_url=f"http://127.0.0.1:{port}") as client:
                transport = build_plain_transport(client, 60.0)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await transport.get(ENDPOINT)
        return str(transport.retried_error)

    assert asyncio.run(scene()).startswith("cannot reach http://127.0.0.1:")


async def product_error(environ: dict[str, str], prepare: Callable[[], object], **api: str) -> str:
    """The error of a request with a client as the product configures it; `prepare` runs in between."""
    config = Config.model_validate({"api": {"url": "https://k6.test"} | api})
    async with build_http_client(environ=environ) as client:
        transport = build_transport(
            client, config, Secret(TOKEN), Transport, clock=Clock(sleep=no_sleep), observer=RequestLog()
        )
        prepare()
        with pytest.raises(NetworkError) as raised:
            await transport.get(ENDPOINT)
    return str(raised.value)


def test_error_names_the_proxy_without_its_password() -> None:
    proxy = f"127.0.0.1:{free_port()}"
    error = asyncio.run(product_error({"HTTPS_PROXY": f"http://svc:canary@{proxy}"}, lambda: None))

    assert error.startswith(f"cannot reach https://k6.test:443 via proxy http://{proxy}: ")
    assert "svc" not in error
    assert "canary" not in error


@pytest.mark.parametrize("content", ["no certificate", None], ids=["invalid", "missing"])
def test_ca_file_that_became_unusable_is_named(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(file))

    def replace() -> None:
        file.unlink()
        if content is not None:
            file.write_text(content)

    error = asyncio.run(product_error({}, replace, ca_file=str(file)))

    assert error.startswith("cannot reach https://k6.test:443: api.ca_file: ")
    assert "TLS" not in error
