"""An HTTP proxy on loopback, which sends everything to one server, and a server with a certificate."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trustme
import uvicorn


@dataclass
class ProxyServer:
    """A proxy; `heads` are those of the requests that it received."""

    upstream: int  # the port on loopback that it connects to, whatever host a request names
    port: int = 0
    heads: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head.decode())
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        if head.startswith(b"CONNECT "):
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            upstream_writer.write(head)
        await asyncio.gather(pump(reader, upstream_writer), pump(upstream_reader, writer))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copies all bytes, then closes the writer."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # a client may close at any time
    finally:
        writer.close()


@asynccontextmanager
async def run_proxy(upstream: int, context: ssl.SSLContext | None = None) -> AsyncIterator[ProxyServer]:
    """A proxy, which clients reach over TLS if there is a context."""
    proxy = ProxyServer(upstream)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=context)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()


@asynccontextmanager
async def run_app(app: Any, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """An ASGI app on a port of loopback, over TLS if there is a context."""
    config = uvicorn.Config(app, ws="none", log_level="critical")
    config.load()
    config.ssl = context
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        served = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await served


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """A context with a certificate for these names, issued by the authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context
