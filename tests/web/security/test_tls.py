"""TLS as clients meet it, over TCP: certificates, versions, and what happens when they change."""

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
from tests.support.certificates import CHEAP, client, issue
from tests.support.lab import App, ManualClock, Message, Receive, Send
from tests.support.tcp_client import Host, greet, request, served, until

TLS = "tls_server_config: {cert_file: tls.crt, key_file: tls.key%s}\n"
MUTUAL = TLS % ", client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert%s"
LOOPS = pytest.mark.parametrize(
    "loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
Loop = Callable[[], asyncio.AbstractEventLoop]


class Place:
    """A folder with an authority, a certificate of ours, and the file that names it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        issue(folder, self.authority)

    def write(self, content: str) -> WebConfigMiddleware:
        (self.folder / "web.yml").write_text(content)
        return WebConfigMiddleware(self.folder / "web.yml", ManualClock().clock)

    def client(self, *names: str, by: trustme.CA | None = None) -> ssl.SSLContext:
        return client(self.authority, self.folder / "client.pem", *names, by=by)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@asynccontextmanager
async def guarded(guard: WebConfigMiddleware, app: App = greet) -> AsyncIterator[Host]:
    async with served(guard.wrap(app), guard.tls) as host:
        yield host


def run(work: Coroutine[Any, Any, None], loop: Loop = uvloop.new_event_loop) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(work)


async def status(host: Host, tls: ssl.SSLContext, path: str = "/metrics") -> bytes:
    visitor = await host.visit(tls)
    visitor.send(request(path))
    return (await visitor.answer())[0].split()[1]


def look(guard: WebConfigMiddleware) -> None:
    guard.reload_if_changed()
    guard.reload_if_changed()


@LOOPS
def test_a_certificate_of_an_authority_that_is_trusted_is_needed(place: Place, loop: Loop) -> None:
    guard, stranger = place.write(MUTUAL % ""), trustme.CA()

    async def scene() -> None:
        async with guarded(guard) as host:
            assert await status(host, place.client("prometheus.test")) == b"200"
            assert await status(host, place.client()) == b"403"
            assert await status(host, place.client(), "/-/healthy") == b"200"
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await status(host, place.client("prometheus.test", by=stranger), "/-/healthy")
            plain = await host.visit()
            plain.send(request())
            assert b"HTTP" not in await plain.rest()

    run(scene(), loop)


def test_a_certificate_is_optional_if_it_is_only_verified_when_given(place: Place) -> None:
    guard = place.write(MUTUAL.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven") % "")

    async def scene() -> None:
        async with guarded(guard) as host:
            assert await status(host, place.client()) == b"200"
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await status(host, place.client("prometheus.test", by=trustme.CA()))

    run(scene())


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("prometheus.test", b"200"),
        ("::1", b"200"),
        ("10.0.0.1", b"200"),
        ("ops@example.org", b"200"),
        ("grafana.test", b"403"),
        ("x.prometheus.test", b"403"),
    ],
)
def test_of_clients_only_those_with_an_allowed_name_are_let_in(
    name: str, answer: bytes, place: Place
) -> None:
    allowed = 'client_allowed_sans: [prometheus.test, "::1", 10.0.0.1, ops@example.org]'
    guard = place.write(MUTUAL % f", {allowed}")

    async def scene() -> None:
        async with guarded(guard) as host:
            assert await status(host, place.client(name)) == answer

    run(scene())


@pytest.mark.parametrize(
    ("given", "version", "is_spoken"),
    [
        ("", ssl.TLSVersion.TLSv1_2, True),
        ("", ssl.TLSVersion.TLSv1_3, True),
        (", min_version: TLS13", ssl.TLSVersion.TLSv1_2, False),
        (", max_version: TLS12", ssl.TLSVersion.TLSv1_3, False),
    ],
)
def test_versions_are_spoken_as_configured(
    given: str, version: ssl.TLSVersion, is_spoken: bool, place: Place
) -> None:
    guard, tls = place.write(TLS % given), place.client()
    tls.minimum_version = tls.maximum_version = version

    async def scene() -> None:
        async with guarded(guard) as host:
            if is_spoken:
                assert await status(host, tls) == b"200"
            else:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await host.visit(tls)

    run(scene())


def test_a_cipher_suite_is_used_as_configured(place: Place) -> None:
    guard, tls = (
        place.write(TLS % ", max_version: TLS12, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]"),
        place.client(),
    )

    async def scene() -> None:
        async with guarded(guard) as host:
            visitor = await host.visit(tls)
            assert visitor.writer.get_extra_info("cipher")[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"

    run(scene())


@pytest.mark.parametrize(("prefers", "chosen"), [("true", "AES128"), ("false", "AES256")])
def test_of_two_cipher_suites_the_first_of_whom_is_configured_is_used(
    prefers: str, chosen: str, place: Place
) -> None:
    suites = "[TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]"
    given = f", max_version: TLS12, cipher_suites: {suites}, prefer_server_cipher_suites: {prefers}"
    guard, tls = place.write(TLS % given), place.client()
    tls.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256")

    async def scene() -> None:
        async with guarded(guard) as host:
            visitor = await host.visit(tls)
            assert chosen in visitor.writer.get_extra_info("cipher")[0]

    run(scene())


@pytest.mark.parametrize(("offered", "is_spoken"), [("prime256v1", True), ("secp384r1", False)])
def test_only_the_curve_that_is_configured_is_used(offered: str, is_spoken: bool, place: Place) -> None:
    guard, tls = place.write(TLS % ", curve_preferences: [CurveP256]"), place.client()
    tls.set_ecdh_curve(offered)

    async def scene() -> None:
        async with guarded(guard) as host:
            if is_spoken:
                assert await status(host, tls) == b"200"
            else:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await host.visit(tls)

    run(scene())


def test_nobody_can_have_keys_negotiated_again_and_again(place: Place) -> None:
    made = place.write(TLS % "").tls()

    assert made
    assert made.options & ssl.OP_NO_RENEGOTIATION


@LOOPS
def test_a_new_certificate_is_shown_and_no_scrape_under_way_is_cut(place: Place, loop: Loop) -> None:
    guard, tls = place.write(TLS % ""), place.client()
    page = b"x" * (40 * MAX_CHUNK)  # more than the sockets of a machine hold between them

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await ChunkedResponse((page,), {})(scope, receive, send)

    async def serial(host: Host) -> object:
        visitor = await host.visit(tls)
        return visitor.writer.get_extra_info("peercert")["serialNumber"]

    async def scene() -> None:
        async with guarded(guard, app) as host:
            before = await serial(host)
            scrape, idle = await host.visit(tls), await host.visit(tls)
            idle.send(request())
            await idle.answer()
            scrape.writer.transport.pause_reading()  # type: ignore[attr-defined]
            scrape.send(request())
            await asyncio.sleep(0.1)

            issue(place.folder, place.authority)
            look(guard)
            await host.after(0)

            assert await serial(host) != before
            scrape.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert await scrape.answer() == (b"http/1.1 200 ok", page)
            assert await scrape.is_over()  # the next one is on a connection with the new certificate
            assert await idle.is_over()

    run(scene(), loop)


def test_clients_of_an_authority_that_is_no_longer_trusted_are_sent_away(place: Place) -> None:
    guard, known, other = place.write(MUTUAL % ""), place.client("prometheus.test"), trustme.CA()

    async def scene() -> None:
        async with guarded(guard) as host:
            assert await status(host, known) == b"200"
            other.cert_pem.write_to_path(str(place.folder / "ca.pem"))
            look(guard)
            await host.after(0)

            await until(lambda: not host.server.server_state.connections)
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await status(host, known)
            assert await status(host, place.client("prometheus.test", by=other)) == b"200"

    run(scene())


def test_who_does_not_finish_a_handshake_is_hung_up_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.web.server.REQUEST_TIMEOUT", 0.2)
    guard = place.write(TLS % "")

    async def scene() -> None:
        async with guarded(guard) as host:
            visitor = await host.visit()
            await until(lambda: len(host.server._acceptor._beginning) == 1)
            assert await visitor.rest() == b""
            await until(lambda: not host.server._acceptor._beginning)

    run(scene())


@LOOPS
def test_what_a_client_does_not_read_of_a_page_is_not_encrypted_for_it(place: Place, loop: Loop) -> None:
    guard, tls = place.write(TLS % ""), place.client()
    page = b"x" * (40 * MAX_CHUNK)  # more than the sockets of a machine hold between them

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await ChunkedResponse((page,), {})(scope, receive, send)

    async def scene() -> None:
        async with guarded(guard, app) as host:
            visitor = await host.visit(tls)
            visitor.writer.transport.pause_reading()  # type: ignore[attr-defined]
            visitor.send(request())
            await asyncio.sleep(0.2)
            (connection,) = host.server.server_state.connections
            assert connection.has_response_in_flight()  # type: ignore[union-attr]
            assert 0 < connection.transport.get_write_buffer_size() <= 2 * MAX_CHUNK_TLS
            visitor.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert await visitor.answer() == (b"http/1.1 200 ok", page)

    run(scene(), loop)


def test_a_password_is_asked_for_as_well(place: Place) -> None:
    guard = place.write(MUTUAL % "" + f"basic_auth_users: {{alice: {CHEAP}}}")

    async def scene() -> None:
        async with guarded(guard) as host:
            assert await status(host, place.client("prometheus.test")) == b"401"
            visitor = await host.visit(place.client("prometheus.test"))
            visitor.send(request("/metrics", b"Authorization: Basic YWxpY2U6cmlnaHQ="))
            assert await visitor.answer() == (b"http/1.1 200 ok", b"/metrics")

    run(scene())
