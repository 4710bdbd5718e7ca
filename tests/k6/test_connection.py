"""Connections through proxies and with own CAs, between real servers on loopback."""

import asyncio
import base64
import logging
import ssl
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme

from exporter.clock import Clock
from exporter.config import Config
from exporter.credentials import Secret
from exporter.k6.connection import find_connection_problems, find_usable_proxy
from exporter.k6.errors import NetworkError
from exporter.k6.factory import build_http_client, build_transport
from exporter.k6.http import HttpClient
from exporter.k6.transport import NullObserver, Transport
from exporter.simulator import Simulator, World
from tests.support.k6_server import RUNS, TOKEN
from tests.support.proxy_server import run_app, run_proxy, server_context

HOST = "k6.test"  # resolves nowhere, so only a proxy gets there


@dataclass
class Server:
    """A simulated k6 Cloud behind `context`; `clients` are the ports that requests came from."""

    context: ssl.SSLContext | None = None
    port: int = 0
    clients: list[int] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.clients.append(scope["client"][1])
        await Simulator(World(), tokens={TOKEN})(scope, receive, send)

    @asynccontextmanager
    async def run(self) -> AsyncIterator["Server"]:
        async with run_app(self, self.context) as self.port:
            yield self


def create_config(url: str, ca_file: Path | None = None) -> Config:
    return Config.model_validate({"api": {"url": url, "ca_file": str(ca_file) if ca_file else None}})


async def skip_pause(_: float) -> None:
    """Lets retries begin at once."""


def connect(client: HttpClient, config: Config) -> Transport:
    clock = Clock(sleep=skip_pause)
    return build_transport(client, config, Secret(TOKEN), Transport, clock=clock, observer=NullObserver())


async def get(url: str, environ: Mapping[str, str], ca_file: Path | None = None) -> bytes:
    """The response to one request, with new connections. Raises ApiError."""
    async with build_http_client(environ=environ) as client:
        return await connect(client, create_config(url, ca_file)).get("/v3/organizations")


def write_ca(file: Path, authority: trustme.CA) -> Path:
    authority.cert_pem.write_to_path(str(file))
    return file


def run(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scene)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(tmp_path: Path, authority: trustme.CA) -> Path:
    return write_ca(tmp_path / "ca.pem", authority)


def test_https_goes_through_a_tunnel(authority: trustme.CA, ca_file: Path) -> None:
    async def scene() -> None:
        server = Server(server_context(authority, HOST))
        async with server.run(), run_proxy(server.port) as proxy:
            environ = {"HTTPS_PROXY": f"http://svc:Sec%2Fret@127.0.0.1:{proxy.port}"}

            assert await get(f"https://{HOST}", environ, ca_file)
            [head] = proxy.heads
            assert head.startswith(f"CONNECT {HOST}:443 HTTP/1.1\r\n")
            assert base64.b64encode(b"svc:Sec/ret").decode() in head
            assert TOKEN not in head

    run(scene())


def test_http_goes_through_the_proxy() -> None:
    async def scene() -> None:
        server = Server()
        async with server.run(), run_proxy(server.port) as proxy:
            assert await get(f"http://{HOST}:8080", {"http_proxy": f"127.0.0.1:{proxy.port}"})
            assert proxy.heads[0].startswith(f"GET http://{HOST}:8080/v3/organizations HTTP/1.1\r\n")

    run(scene())


def test_proxy_over_tls_is_verified_with_ca_file(authority: trustme.CA, ca_file: Path) -> None:
    async def scene() -> None:
        server = Server(server_context(authority, HOST))
        async with server.run(), run_proxy(server.port, server_context(authority, "127.0.0.1")) as proxy:
            environ = {"ALL_PROXY": f"https://127.0.0.1:{proxy.port}"}

            assert await get(f"https://{HOST}", environ, ca_file)
            assert len(proxy.heads) == 1

    run(scene())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_requested_directly(host: str) -> None:
    async def scene() -> None:
        server = Server()
        async with server.run(), run_proxy(server.port) as proxy:
            environ = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), f"127.0.0.1:{proxy.port}")

            assert await get(f"http://{host}:{server.port}", environ)
            assert proxy.heads == []

    run(scene())


def test_unknown_ca_is_refused(authority: trustme.CA) -> None:
    async def scene() -> None:
        async with Server(server_context(authority, "127.0.0.1")).run() as server:
            with pytest.raises(NetworkError):
                await get(f"https://127.0.0.1:{server.port}", {})
            assert server.clients == []

    run(scene())


def test_wrong_host_name_is_refused_with_known_ca(authority: trustme.CA, ca_file: Path) -> None:
    async def scene() -> None:
        async with Server(server_context(authority, HOST)).run() as server:
            with pytest.raises(NetworkError):
                await get(f"https://127.0.0.1:{server.port}", {}, ca_file)

    run(scene())


def test_ca_file_with_only_an_intermediate_suffices(tmp_path: Path, authority: trustme.CA) -> None:
    async def scene() -> None:
        intermediate = authority.create_child_ca()
        file = write_ca(tmp_path / "intermediate.pem", intermediate)
        async with Server(server_context(intermediate, "127.0.0.1")).run() as server:
            assert await get(f"https://127.0.0.1:{server.port}", {}, file)

    run(scene())


def test_ssl_cert_file_is_trusted(authority: trustme.CA, ca_file: Path) -> None:
    async def scene() -> None:
        async with Server(server_context(authority, "127.0.0.1")).run() as server:
            assert await get(f"https://127.0.0.1:{server.port}", {"SSL_CERT_FILE": str(ca_file)})

    run(scene())


def test_ca_file_is_added_to_ssl_cert_file(tmp_path: Path, authority: trustme.CA, ca_file: Path) -> None:
    async def scene() -> None:
        other = trustme.CA()
        environ = {"SSL_CERT_FILE": str(write_ca(tmp_path / "other.pem", other))}
        for issuer in (authority, other):
            async with Server(server_context(issuer, "127.0.0.1")).run() as server:
                assert await get(f"https://127.0.0.1:{server.port}", environ, ca_file)

    run(scene())


def test_reload_reads_ca_file_again(tmp_path: Path, authority: trustme.CA) -> None:
    async def scene() -> None:
        file = write_ca(tmp_path / "ca.pem", trustme.CA())
        async with Server(server_context(authority, "127.0.0.1")).run() as server:
            config = create_config(f"https://127.0.0.1:{server.port}", file)
            async with build_http_client(environ={}) as client:
                with pytest.raises(NetworkError):
                    await connect(client, config).get("/v3/organizations")
                write_ca(file, authority)
                assert await connect(client, config).get("/v3/organizations")

    run(scene())


def test_ca_file_removed_after_reading_fails_the_request(ca_file: Path) -> None:
    async def scene() -> None:
        async with build_http_client(environ={}) as client:
            transport = connect(client, create_config("https://127.0.0.1:9", ca_file))
            await asyncio.to_thread(ca_file.unlink)
            with pytest.raises(NetworkError, match=r"api\.ca_file"):
                await transport.get(RUNS)

    run(scene())


def test_reload_without_changes_keeps_the_connection(authority: trustme.CA, ca_file: Path) -> None:
    async def scene() -> None:
        environ = {"SSL_CERT_FILE": str(ca_file)}
        async with Server(server_context(authority, "127.0.0.1")).run() as server:
            config = create_config(f"https://127.0.0.1:{server.port}")
            async with build_http_client(environ=environ) as client:
                for _ in range(3):
                    assert await connect(client, config).get("/v3/organizations")
            assert len(server.clients) == 3
            assert len(set(server.clients)) == 1

    run(scene())


def test_requests_at_the_same_time_share_connections() -> None:
    async def scene() -> None:
        async with Server().run() as server, build_http_client(environ={}) as client:
            transport = connect(client, create_config(f"http://127.0.0.1:{server.port}"))
            await asyncio.gather(*(transport.get("/v3/organizations") for _ in range(5)))
            for _ in range(5):
                await transport.get("/v3/organizations")
            assert len(server.clients) == 10
            assert len(set(server.clients)) <= 5

    run(scene())


def test_many_requests_at_the_same_time_share_connections() -> None:
    async def scene() -> None:
        async with Server().run() as server, build_http_client(environ={}) as client:
            api = {"url": f"http://127.0.0.1:{server.port}", "concurrency": 40, "requests_per_minute": 1000}
            transport = connect(client, Config.model_validate({"api": api}))
            for _ in range(3):
                await asyncio.gather(*(transport.get("/v3/organizations") for _ in range(40)))
            assert len(server.clients) == 3 * 40
            # A pool of httpx keeps 20 connections open, and would open others for each round.
            assert len(set(server.clients)) == 40

    run(scene())


def test_invalid_no_proxy_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        async with Server().run() as server, run_proxy(server.port) as proxy:
            environ = {"HTTP_PROXY": f"127.0.0.1:{proxy.port}", "NO_PROXY": "10.0.0.0/33,k6.example"}
            async with build_http_client(environ=environ) as client:
                for _ in range(3):
                    assert await connect(client, create_config(f"http://{HOST}")).get("/v3/organizations")

    with caplog.at_level(logging.WARNING):
        run(scene())

    assert [record.__dict__["entries"] for record in caplog.records] == ["10.0.0.0/33"]


def test_all_connection_problems_are_found() -> None:
    environ = {"HTTPS_PROXY": "socks5://svc:Secret@proxy", "SSL_CERT_FILE": "/missing"}
    api = create_config("https://k6.test").api

    assert [problem.split(":")[0] for problem in find_connection_problems(api, environ)] == [*environ]
    assert find_usable_proxy(api, environ) is None
    assert str(find_usable_proxy(api, {"HTTPS_PROXY": "svc:Secret@proxy:1"})) == "http://proxy:1"
