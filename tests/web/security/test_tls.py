"""TLS over TCP: certificates, versions, ciphers, and changed files."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop

from exporter.web.app import MAX_CHUNK, MAX_CHUNK_TLS, ChunkedResponse
from exporter.web.security import WebConfigMiddleware
from tests.support.certificates import CHEAP_HASH, create_client_context, issue_certificate
from tests.support.lab import App, ManualClock, Message, Receive, Send
from tests.support.tcp_client import RunningServer, build_request, echo_path, run_server, wait_until

TLS = "tls_server_config: {cert_file: tls.crt, key_file: tls.key%s}\n"
MUTUAL = TLS % ", client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert%s"
LOOPS = pytest.mark.parametrize(
    "loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
Loop = Callable[[], asyncio.AbstractEventLoop]


class CertificateFolder:
    """A folder with a CA, a server certificate, and a web configuration."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.authority = trustme.CA()
        self.authority.cert_pem.write_to_path(str(path / "ca.pem"))
        issue_certificate(path, self.authority)

    def create_middleware(self, content: str) -> WebConfigMiddleware:
        (self.path / "web.yml").write_text(content)
        return WebConfigMiddleware(self.path / "web.yml", ManualClock().clock)

    def create_client(self, *names: str, by: trustme.CA | None = None) -> ssl.SSLContext:
        return create_client_context(self.authority, self.path / "client.pem", *names, by=by)


@pytest.fixture
def folder(tmp_path: Path) -> CertificateFolder:
    return CertificateFolder(tmp_path)


@asynccontextmanager
async def run_protected(
    middleware: WebConfigMiddleware, app: App = echo_path
) -> AsyncIterator[RunningServer]:
    async with run_server(middleware.wrap(app), middleware.tls) as server:
        yield server


def run(work: Coroutine[Any, Any, None], loop: Loop = uvloop.new_event_loop) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(work)


async def get_status(server: RunningServer, tls: ssl.SSLContext, path: str = "/metrics") -> bytes:
    client = await server.connect(tls)
    client.send(build_request(path))
    return (await client.read_response())[0].split()[1]


def reload(middleware: WebConfigMiddleware) -> None:
    middleware.reload_if_changed()
    middleware.reload_if_changed()


@LOOPS
def test_client_certificate_is_required(folder: CertificateFolder, loop: Loop) -> None:
    middleware, stranger = folder.create_middleware(MUTUAL % ""), trustme.CA()

    async def scenario() -> None:
        async with run_protected(middleware) as server:
            assert await get_status(server, folder.create_client("prometheus.test")) == b"200"
            assert await get_status(server, folder.create_client()) == b"403"
            assert await get_status(server, folder.create_client(), "/-/healthy") == b"200"
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await get_status(server, folder.create_client("prometheus.test", by=stranger), "/-/healthy")
            plain = await server.connect()
            plain.send(build_request())
            assert b"HTTP" not in await plain.read_rest()

    run(scenario(), loop)


def test_client_certificate_is_optional_if_configured(folder: CertificateFolder) -> None:
    middleware = folder.create_middleware(
        MUTUAL.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven") % ""
    )

    async def scenario() -> None:
        async with run_protected(middleware) as server:
            assert await get_status(server, folder.create_client()) == b"200"
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await get_status(server, folder.create_client("prometheus.test", by=trustme.CA()))

    run(scenario())


@pytest.mark.parametrize(
    ("name", "response"),
    [
        ("prometheus.test", b"200"),
        ("::1", b"200"),
        ("10.0.0.1", b"200"),
        ("ops@example.org", b"200"),
        ("grafana.test", b"403"),
        ("x.prometheus.test", b"403"),
    ],
)
def test_only_clients_with_an_allowed_name_are_accepted(
    name: str, response: bytes, folder: CertificateFolder
) -> None:
    allowed = 'client_allowed_sans: [prometheus.test, "::1", 10.0.0.1, ops@example.org]'
    middleware = folder.create_middleware(MUTUAL % f", {allowed}")

    async def scenario() -> None:
        async with run_protected(middleware) as server:
            assert await get_status(server, folder.create_client(name)) == response

    run(scenario())


@pytest.mark.parametrize(
    ("given", "version", "is_accepted"),
    [
        ("", ssl.TLSVersion.TLSv1_2, True),
        ("", ssl.TLSVersion.TLSv1_3, True),
        (", min_version: TLS13", ssl.TLSVersion.TLSv1_2, False),
        (", max_version: TLS12", ssl.TLSVersion.TLSv1_3, False),
    ],
)
def test_tls_versions_are_configurable(
    given: str, version: ssl.TLSVersion, is_accepted: bool, folder: CertificateFolder
) -> None:
    middleware, tls = folder.create_middleware(TLS % given), folder.create_client()
    tls.minimum_version = tls.maximum_version = version

    async def scenario() -> None:
        async with run_protected(middleware) as server:
            if is_accepted:
                assert await get_status(server, tls) == b"200"
            else:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await server.connect(tls)

    run(scenario())


def test_cipher_suite_is_configurable(folder: CertificateFolder) -> None:
    middleware, tls = (
        folder.create_middleware(
            TLS % ", max_version: TLS12, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]"
        ),
        folder.create_client(),
    )

    async def scenario() -> None:
        async with run_protected(middleware) as server:
            client = await server.connect(tls)
            assert client.writer.get_extra_info("cipher")[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"

    run(scenario())


@pytest.mark.parametrize(("prefers", "chosen"), [("true", "AES128"), ("false", "AES256")])
def test_cipher_suite_order_is_configurable(prefers: str, chosen: str, folder: CertificateFolder) -> None:
    suites = "[TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]"
    given = f", max_version: TLS12, cipher_suites: {suites}, prefer_server_cipher_suites: {prefers}"
    middleware, tls = folder.create_middleware(TLS % given), folder.create_client()
    tls.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256")

    async def scenario() -> None:
        async with run_protected(middleware) as server:
            client = await server.connect(tls)
            assert chosen in client.writer.get_extra_info("cipher")[0]

    run(scenario())


@pytest.mark.parametrize(("offered", "is_accepted"), [("prime256v1", True), ("secp384r1", False)])
def test_curve_is_configurable(offered: str, is_accepted: bool, folder: CertificateFolder) -> None:
    middleware, tls = (
        folder.create_middleware(TLS % ", curve_preferences: [CurveP256]"),
        folder.create_client(),
    )
    tls.set_ecdh_curve(offered)

    async def scenario() -> None:
        async with run_protected(middleware) as server:
            if is_accepted:
                assert await get_status(server, tls) == b"200"
            else:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await server.connect(tls)

    run(scenario())


def test_renegotiation_is_disabled(folder: CertificateFolder) -> None:
    context = folder.create_middleware(TLS % "").tls()

    assert context
    assert context.options & ssl.OP_NO_RENEGOTIATION


@LOOPS
def test_new_certificate_does_not_interrupt_a_scrape(folder: CertificateFolder, loop: Loop) -> None:
    middleware, tls = folder.create_middleware(TLS % ""), folder.create_client()
    page = b"x" * (40 * MAX_CHUNK)  # more than the sockets of a machine hold between them

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await ChunkedResponse((page,), {})(scope, receive, send)

    async def get_serial_number(server: RunningServer) -> object:
        client = await server.connect(tls)
        return client.writer.get_extra_info("peercert")["serialNumber"]

    async def scenario() -> None:
        async with run_protected(middleware, app) as server:
            before = await get_serial_number(server)
            scrape, idle = await server.connect(tls), await server.connect(tls)
            idle.send(build_request())
            await idle.read_response()
            scrape.writer.transport.pause_reading()  # type: ignore[attr-defined]
            scrape.send(build_request())
            await asyncio.sleep(0.1)

            issue_certificate(folder.path, folder.authority)
            reload(middleware)
            await server.pass_time(0)

            assert await get_serial_number(server) != before
            scrape.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert await scrape.read_response() == (b"http/1.1 200 ok", page)
            assert await scrape.is_closed()  # the next scrape connects with the new certificate
            assert await idle.is_closed()

    run(scenario(), loop)


def test_clients_of_a_removed_ca_are_rejected(folder: CertificateFolder) -> None:
    middleware, known, other = (
        folder.create_middleware(MUTUAL % ""),
        folder.create_client("prometheus.test"),
        trustme.CA(),
    )

    async def scenario() -> None:
        async with run_protected(middleware) as server:
            assert await get_status(server, known) == b"200"
            other.cert_pem.write_to_path(str(folder.path / "ca.pem"))
            reload(middleware)
            await server.pass_time(0)

            await wait_until(lambda: not server.server.server_state.connections)
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await get_status(server, known)
            assert await get_status(server, folder.create_client("prometheus.test", by=other)) == b"200"

    run(scenario())


def test_unfinished_handshake_times_out(folder: CertificateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.web.server.REQUEST_TIMEOUT", 0.2)
    middleware = folder.create_middleware(TLS % "")

    async def scenario() -> None:
        async with run_protected(middleware) as server:
            client = await server.connect()
            await wait_until(lambda: len(server.server._acceptor._handshakes) == 1)
            assert await client.read_rest() == b""
            await wait_until(lambda: not server.server._acceptor._handshakes)

    run(scenario())


@LOOPS
def test_unread_response_is_not_encrypted(folder: CertificateFolder, loop: Loop) -> None:
    middleware, tls = folder.create_middleware(TLS % ""), folder.create_client()
    page = b"x" * (40 * MAX_CHUNK)  # more than the sockets of a machine hold between them

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await ChunkedResponse((page,), {})(scope, receive, send)

    async def scenario() -> None:
        async with run_protected(middleware, app) as server:
            client = await server.connect(tls)
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            client.send(build_request())
            await asyncio.sleep(0.2)
            (connection,) = server.server.server_state.connections
            assert connection.has_response_in_flight()  # type: ignore[union-attr]
            assert 0 < connection.transport.get_write_buffer_size() <= 2 * MAX_CHUNK_TLS
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert await client.read_response() == (b"http/1.1 200 ok", page)

    run(scenario(), loop)


def test_password_is_required_besides_a_certificate(folder: CertificateFolder) -> None:
    middleware = folder.create_middleware(MUTUAL % "" + f"basic_auth_users: {{alice: {CHEAP_HASH}}}")

    async def scenario() -> None:
        async with run_protected(middleware) as server:
            assert await get_status(server, folder.create_client("prometheus.test")) == b"401"
            client = await server.connect(folder.create_client("prometheus.test"))
            client.send(build_request("/metrics", b"Authorization: Basic YWxpY2U6cmlnaHQ="))
            assert await client.read_response() == (b"http/1.1 200 ok", b"/metrics")

    run(scenario())
