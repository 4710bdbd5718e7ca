"""A server in this process, asked over TCP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ssl import SSLContext

from exporter.web.server import Endpoint, Server, bind
from tests.support.lab import App, Message, Receive, Send


class Visitor:
    """A connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> tuple[bytes, bytes]:
        """Status line and body of the next answer."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)
        status, *headers = head.lower().split(b"\r\n")
        (length,) = [line.split(b":")[1] for line in headers if line.startswith(b"content-length")]
        return status, await self.reader.readexactly(int(length))

    async def rest(self) -> bytes:
        """What is sent until the server ends the connection."""
        data = b""
        try:
            async with asyncio.timeout(5):
                while more := await self.reader.read(65536):
                    data += more
        except ConnectionResetError:
            pass
        return data

    async def is_over(self) -> bool:
        """Whether the server has ended it, and soon."""
        try:
            return await asyncio.wait_for(self.reader.read(1), 0.1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False


class Host:
    """A server that is asked whether connections are overdue when a test says so."""

    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self.port = port
        self.visitors: list[Visitor] = []

    async def visit(self, tls: SSLContext | None = None) -> Visitor:
        name = "localhost" if tls else None
        opened = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=tls, server_hostname=name, limit=2**25
        )
        self.visitors.append(Visitor(*opened))
        return self.visitors[-1]

    async def after(self, seconds: float) -> None:
        """Look after the connections now, and as if so many seconds had passed since."""
        await asyncio.sleep(0.05)
        now = asyncio.get_running_loop().time()
        self.server._reap_connections(now)
        self.server._reap_connections(now + seconds)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.01)


@asynccontextmanager
async def served(app: App, tls: Callable[[], SSLContext | None] = lambda: None) -> AsyncIterator[Host]:
    listening = bind("127.0.0.1:0")
    port = listening.getsockname()[1]
    server = Server(Endpoint(app, listening, tls))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    host = Host(server, port)
    try:
        yield host
    finally:
        for visitor in host.visitors:
            visitor.writer.transport.abort()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        serving.cancel()  # tests/system shows how it ends by itself, which takes longer
        server._acceptor.close()
        await asyncio.gather(serving, server._acceptor.wait_closed(), return_exceptions=True)


async def greet(scope: Message, _: Receive, send: Send) -> None:
    """An app that says which path was asked."""
    body = scope["path"].encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def request(path: str = "/", *headers: bytes) -> bytes:
    return b"\r\n".join([b"GET %b HTTP/1.1" % path.encode(), b"Host: x", *headers, b"", b""])
