"""A server in this process, and clients that send it raw HTTP over TCP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ssl import SSLContext

from exporter.web.server import Endpoint, Server, bind
from tests.support.lab import App, Message, Receive, Send


class Client:
    """A connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def read_response(self) -> tuple[bytes, bytes]:
        """Status line and body of the next response, in lower case."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)
        status, *headers = head.lower().split(b"\r\n")
        (length,) = [line.split(b":")[1] for line in headers if line.startswith(b"content-length")]
        return status, await self.reader.readexactly(int(length))

    async def read_rest(self) -> bytes:
        """All data until the server closes the connection."""
        data = b""
        try:
            async with asyncio.timeout(5):
                while more := await self.reader.read(65536):
                    data += more
        except ConnectionResetError:
            pass
        return data

    async def is_closed(self) -> bool:
        """Whether the server closes the connection within 0.1 s."""
        try:
            return await asyncio.wait_for(self.reader.read(1), 0.1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False


class RunningServer:
    """A server whose connections time out when a test lets time pass."""

    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self.port = port
        self.clients: list[Client] = []

    async def connect(self, tls: SSLContext | None = None) -> Client:
        name = "localhost" if tls else None
        opened = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=tls, server_hostname=name, limit=2**25
        )
        self.clients.append(Client(*opened))
        return self.clients[-1]

    async def pass_time(self, seconds: float) -> None:
        """Check the connections for timeouts now, and as if this many seconds had passed since."""
        await asyncio.sleep(0.05)
        now = asyncio.get_running_loop().time()
        self.server._reap_connections(now)
        self.server._reap_connections(now + seconds)


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 (there is no event for it)
            await asyncio.sleep(0.01)


@asynccontextmanager
async def run_server(
    app: App, tls: Callable[[], SSLContext | None] = lambda: None
) -> AsyncIterator[RunningServer]:
    listening = bind("127.0.0.1:0")
    port = listening.getsockname()[1]
    server = Server(Endpoint(app, [listening], tls))
    serving = asyncio.create_task(server.serve())
    await wait_until(lambda: server.started)
    running = RunningServer(server, port)
    try:
        yield running
    finally:
        for client in running.clients:
            client.writer.transport.abort()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        serving.cancel()  # a graceful shutdown takes longer; tests/system tests that
        server._acceptor.close()
        await asyncio.gather(serving, server._acceptor.wait_closed(), return_exceptions=True)


async def echo_path(scope: Message, _: Receive, send: Send) -> None:
    """An app that responds with the path of the request."""
    body = scope["path"].encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def build_request(path: str = "/", *headers: bytes) -> bytes:
    return b"\r\n".join([b"GET %b HTTP/1.1" % path.encode(), b"Host: x", *headers, b"", b""])
