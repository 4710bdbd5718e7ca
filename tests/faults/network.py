"""A server on loopback that answers as k6 Cloud would, until it is told to misbehave on its connections."""

import asyncio
import gzip
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, Self

import httpx

from tests.faults.stage import Numbered, Stage, Trouble

# Given the connection to write to and the body that was to be sent.
Manners = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]
PATIENCE = 0.25  # seconds that the exporter waits, of real time
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
KIB = 2**10


class Front:
    """A TCP server before a simulator; `manners` are what becomes of each answer."""

    def __init__(self, app: Any) -> None:
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://k6.test")
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.manners: Manners = well

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Nothing listens any more, and who was connected is hung up on."""
        if self._server:
            self._server.close()
        for writer in list(self._open):
            writer.close()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while not writer.is_closing():
                    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                    method, target, _ = head[0].split(" ")
                    named = [line.split(": ", 1) for line in head[1:] if line]
                    answer = await self._client.request(method, target, headers=[(n, v) for n, v in named])
                    manners = self.manners if answer.is_success else well
                    await manners(writer, answer.content)
                    await writer.drain()
        finally:
            self._open.discard(writer)
            writer.close()


async def well(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)


def sends(make: Callable[[bytes], bytes], *, then_closes: bool = True) -> Manners:
    """Exactly these bytes."""

    async def send(writer: asyncio.StreamWriter, body: bytes) -> None:
        writer.write(make(body))
        if then_closes:
            await writer.drain()
            writer.close()

    return send


async def resets(writer: asyncio.StreamWriter, _: bytes) -> None:
    # Lingering for no time makes the kernel send RST instead of FIN.
    with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def resets_midway(writer: asyncio.StreamWriter, body: bytes) -> None:
    writer.write(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body[: len(body) // 2])
    await writer.drain()
    await resets(writer, b"")


async def is_silent(writer: asyncio.StreamWriter, _: bytes) -> None:
    await asyncio.sleep(3 * PATIENCE)
    writer.close()


def drips(make: Callable[[bytes], bytes]) -> Manners:
    """Byte after byte, each well within any time-out of a read."""

    async def send(writer: asyncio.StreamWriter, body: bytes) -> None:
        for byte in make(body):
            writer.write(bytes([byte]))
            await asyncio.sleep(PATIENCE / 10)

    return send


async def never_ends(writer: asyncio.StreamWriter, _: bytes) -> None:
    writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b" " * 2**16 + b"\r\n")
        await writer.drain()


async def promises_for_ever(writer: asyncio.StreamWriter, _: bytes) -> None:
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        await writer.drain()
        await asyncio.sleep(0.001)


def chunks(body: bytes, size: int) -> bytes:
    parts = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
LENGTH = b"content-length: %d\r\n"


def head(told: bytes) -> Callable[[bytes], bytes]:
    """An answer whose head says this besides."""
    return lambda body: HEAD + told + b"content-length: %d\r\n\r\n" % len(body) + body


MANNERS: dict[str, Manners] = {
    "closes before it answers": sends(lambda _: b""),
    "resets before it answers": resets,
    "resets in the midst of the body": resets_midway,
    "closes in the midst of the body": sends(
        lambda body: HEAD + LENGTH % len(body) + b"\r\n" + body[: len(body) // 2]
    ),
    "closes in the midst of the headers": sends(lambda _: HEAD + b"content-le"),
    "closes in the midst of the chunks": sends(lambda body: CHUNKED + chunks(body, 100)[:-50]),
    "never says which chunk is the last": sends(lambda body: CHUNKED + chunks(body, 100)),
    "chunks whose length is no number": sends(lambda body: CHUNKED + b"zz\r\n" + body),
    "a chunk of 2⁶⁴ bytes": sends(lambda body: CHUNKED + b"10000000000000000\r\n" + body),
    "is silent": is_silent,
    "headers drip": drips(head(b"")),
    "the body drips": drips(lambda body: body),
    "a body without an end": never_ends,
    "100 Continue for ever": promises_for_ever,
    "speaks SSH": sends(lambda _: b"SSH-2.0-OpenSSH_9.6\r\n"),
    "speaks TLS": sends(lambda _: b"\x15\x03\x03\x00\x02\x02\x46"),
    "speaks HTTP/2": sends(lambda _: b"\x00\x00\x12\x04\x00\x00\x00\x00\x00"),
    "noise": sends(lambda _: bytes(range(256)) * 64),
    "no status": sends(lambda body: b"HTTP/1.1\r\n\r\n" + body),
    "status 9999": sends(lambda body: b"HTTP/1.1 9999 Fine\r\n\r\n" + body),
    "a header of 200 kB": sends(head(b"x: " + b"x" * 200 * KIB + b"\r\n")),
    "20,000 headers": sends(head(b"x: y\r\n" * 20_000)),
    "a header without a colon": sends(head(b"nonsense\r\n")),
    "a header with a zero byte": sends(head(b"x: a\x00b\r\n")),
    "two lengths": sends(head(b"content-length: 3\r\n")),
    "a negative length": sends(lambda body: HEAD + b"content-length: -1\r\n\r\n" + body),
    "a length that is too small": sends(lambda body: HEAD + LENGTH % (len(body) // 2) + b"\r\n" + body),
    "more than was announced": sends(lambda body: head(b"")(body) + b"and more", then_closes=False),
}
# Odd, and yet an answer.
HARMLESS: dict[str, Manners] = {
    "chunks of one byte": sends(lambda body: CHUNKED + chunks(body, 1) + b"0\r\n\r\n"),
    "gzip in chunks": sends(
        lambda body: (
            CHUNKED[:-2] + b"content-encoding: gzip\r\n\r\n" + chunks(gzip.compress(body), 7) + b"0\r\n\r\n"
        )
    ),
    "HTTP/1.0, until it closes": sends(lambda body: b"HTTP/1.0 200 OK\r\n\r\n" + body),
    "1,000 headers": sends(head(b"x: y\r\n" * 1_000)),
}


class Wired(Stage):
    """A stage whose exporter asks over a network."""

    def __init__(self, api_version: str) -> None:
        super().__init__(api_version, Numbered(), timeout=f"{PATIENCE * 1000:.0f}ms")
        self.front = Front(self.simulator)

    async def __aenter__(self) -> Self:
        await self.front.start()
        self._api["url"] = f"http://127.0.0.1:{self.front.port}"
        self.network = httpx.AsyncHTTPTransport()
        return await super().__aenter__()

    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__()
        await self.front.stop()

    def heal(self) -> None:
        super().heal()
        self.front.manners = well


def everything() -> Iterator[Trouble]:
    for name, manners in {**MANNERS, **HARMLESS}.items():
        # What came too much waits on every connection that was kept open: three tries may meet three of them.
        within = 2 if name == "more than was announced" else 1
        yield Trouble(f"server: {name}", misbehaving(manners), lasts=45, within=within)
    yield Trouble("nothing listens", refusing, listening_again, lasts=45)


def misbehaving(manners: Manners) -> Callable[[Stage], None]:
    def strike(stage: Stage) -> None:
        assert isinstance(stage, Wired)
        stage.front.manners = manners

    return strike


async def refusing(stage: Stage) -> None:
    assert isinstance(stage, Wired)
    await stage.front.stop()


async def listening_again(stage: Stage) -> None:
    assert isinstance(stage, Wired)
    await stage.front.start()
