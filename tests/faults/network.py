"""A server on loopback in front of the simulator, which can break the protocol on its connections."""

import asyncio
import gzip
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, Self

import httpx

from tests.faults.scenario import FaultLab, Scenario
from tests.support.lab import ManualClock

# Receives the connection to write to and the body of the response.
Behaviour = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]
TIMEOUT = 0.25  # of the exporter, in real seconds
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
KIB = 2**10


class FaultyServer:
    """A TCP server in front of a simulator. `behaviour` sends each response."""

    def __init__(self, app: Any) -> None:
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://k6.test")
        self._connections: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.behaviour: Behaviour = respond

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        if self._server:
            self._server.close()
        for writer in list(self._connections):
            writer.close()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while not writer.is_closing():
                    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                    method, target, _ = head[0].split(" ")
                    headers = [
                        (name, value)
                        for name, _, value in (line.partition(": ") for line in head[1:] if line)
                    ]
                    response = await self._client.request(method, target, headers=headers)
                    behaviour = self.behaviour if response.is_success else respond
                    await behaviour(writer, response.content)
                    await writer.drain()
        finally:
            self._connections.discard(writer)
            writer.close()


async def respond(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)


def send_bytes(make: Callable[[bytes], bytes], *, then_close: bool = True) -> Behaviour:
    """Exactly these bytes."""

    async def send(writer: asyncio.StreamWriter, body: bytes) -> None:
        writer.write(make(body))
        if then_close:
            await writer.drain()
            writer.close()

    return send


async def reset(writer: asyncio.StreamWriter, _: bytes) -> None:
    # A linger time of 0 makes the kernel send RST instead of FIN.
    with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def reset_in_body(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body[: len(body) // 2])
    await writer.drain()
    await reset(writer, b"")


async def send_nothing(writer: asyncio.StreamWriter, _: bytes) -> None:
    await asyncio.sleep(3 * TIMEOUT)
    writer.close()


def drip(make: Callable[[bytes], bytes]) -> Behaviour:
    """Byte by byte, each within the timeout of a read."""

    async def send(writer: asyncio.StreamWriter, body: bytes) -> None:
        for byte in make(body):
            writer.write(bytes([byte]))
            await asyncio.sleep(TIMEOUT / 10)

    return send


async def send_endless_body(writer: asyncio.StreamWriter, _: bytes) -> None:
    writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b" " * 2**16 + b"\r\n")
        await writer.drain()


async def send_endless_continue(writer: asyncio.StreamWriter, _: bytes) -> None:
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        await writer.drain()
        await asyncio.sleep(0.001)


def chunks(body: bytes, size: int) -> bytes:
    parts = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
LENGTH = b"content-length: %d\r\n"


def head(headers: bytes) -> Callable[[bytes], bytes]:
    """A response with these further headers."""
    return lambda body: HEAD + headers + b"content-length: %d\r\n\r\n" % len(body) + body


BEHAVIOURS: dict[str, Behaviour] = {
    "closes before the response": send_bytes(lambda _: b""),
    "resets before the response": reset,
    "resets in the body": reset_in_body,
    "closes in the body": send_bytes(
        lambda body: HEAD + LENGTH % len(body) + b"\r\n" + body[: len(body) // 2]
    ),
    "closes in the headers": send_bytes(lambda _: HEAD + b"content-le"),
    "closes in a chunk": send_bytes(lambda body: CHUNKED + chunks(body, 100)[:-50]),
    "no last chunk": send_bytes(lambda body: CHUNKED + chunks(body, 100)),
    "a chunk length that is not a number": send_bytes(lambda body: CHUNKED + b"zz\r\n" + body),
    "a chunk of 2⁶⁴ bytes": send_bytes(lambda body: CHUNKED + b"10000000000000000\r\n" + body),
    "sends nothing": send_nothing,
    "slow headers, byte by byte": drip(head(b"")),
    "slow body, byte by byte": drip(lambda body: body),
    "an endless body": send_endless_body,
    "endless 100 Continue": send_endless_continue,
    "speaks SSH": send_bytes(lambda _: b"SSH-2.0-OpenSSH_9.6\r\n"),
    "speaks TLS": send_bytes(lambda _: b"\x15\x03\x03\x00\x02\x02\x46"),
    "speaks HTTP/2": send_bytes(lambda _: b"\x00\x00\x12\x04\x00\x00\x00\x00\x00"),
    "binary data": send_bytes(lambda _: bytes(range(256)) * 64),
    "no status code": send_bytes(lambda body: b"HTTP/1.1\r\n\r\n" + body),
    "status 9999": send_bytes(lambda body: b"HTTP/1.1 9999 Fine\r\n\r\n" + body),
    "a header of 200 kB": send_bytes(head(b"x: " + b"x" * 200 * KIB + b"\r\n")),
    "20,000 headers": send_bytes(head(b"x: y\r\n" * 20_000)),
    "a header without a colon": send_bytes(head(b"nonsense\r\n")),
    "a header with a zero byte": send_bytes(head(b"x: a\x00b\r\n")),
    "two Content-Length headers": send_bytes(head(b"content-length: 3\r\n")),
    "a negative Content-Length": send_bytes(lambda body: HEAD + b"content-length: -1\r\n\r\n" + body),
    "a Content-Length that is too small": send_bytes(
        lambda body: HEAD + LENGTH % (len(body) // 2) + b"\r\n" + body
    ),
    "more bytes than Content-Length": send_bytes(
        lambda body: head(b"")(body) + b"and more", then_close=False
    ),
}
# Unusual, but valid.
VALID: dict[str, Behaviour] = {
    "chunks of one byte": send_bytes(lambda body: CHUNKED + chunks(body, 1) + b"0\r\n\r\n"),
    "gzip in chunks": send_bytes(
        lambda body: (
            CHUNKED[:-2] + b"content-encoding: gzip\r\n\r\n" + chunks(gzip.compress(body), 7) + b"0\r\n\r\n"
        )
    ),
    "HTTP/1.0 without Content-Length": send_bytes(lambda body: b"HTTP/1.0 200 OK\r\n\r\n" + body),
    "1,000 headers": send_bytes(head(b"x: y\r\n" * 1_000)),
}


class NetworkLab(FaultLab):
    """A lab whose exporter sends its requests over a network, on a clock that is a number."""

    is_held, patience = True, 60.0

    def __init__(self, api_version: str) -> None:
        super().__init__(api_version, ManualClock(), timeout=f"{TIMEOUT * 1000:.0f}ms")
        self.server = FaultyServer(self.simulator)

    async def __aenter__(self) -> Self:
        await self.server.start()
        self._api["url"] = f"http://127.0.0.1:{self.server.port}"
        self.network = httpx.AsyncHTTPTransport()
        return await super().__aenter__()

    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__()
        await self.server.stop()

    def recover(self) -> None:
        super().recover()
        self.server.behaviour = respond


def list_scenarios() -> Iterator[Scenario]:
    for name, behaviour in {**BEHAVIOURS, **VALID}.items():
        # The extra bytes wait on every connection that was kept open: three retries may meet three of them.
        recovery_polls = 2 if name == "more bytes than Content-Length" else 1
        yield Scenario(f"server: {name}", misbehave(behaviour), duration=45, recovery_polls=recovery_polls)
    yield Scenario("connection refused", refuse, listen_again, duration=45)


def misbehave(behaviour: Behaviour) -> Callable[[FaultLab], None]:
    def inject(lab: FaultLab) -> None:
        assert isinstance(lab, NetworkLab)
        lab.server.behaviour = behaviour

    return inject


async def refuse(lab: FaultLab) -> None:
    assert isinstance(lab, NetworkLab)
    await lab.server.stop()


async def listen_again(lab: FaultLab) -> None:
    assert isinstance(lab, NetworkLab)
    await lab.server.start()
