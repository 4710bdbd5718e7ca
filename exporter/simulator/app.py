"""The simulator as an ASGI application: it notes each request, lets the faults strike, sends the answer."""

import asyncio
import os
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from exporter.simulator import legacy, v6
from exporter.simulator.admin import control
from exporter.simulator.faults import Faults, spoiled
from exporter.simulator.http import Request, Response
from exporter.simulator.options import Options
from exporter.simulator.world import World

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_REMEMBERED = 100_000  # a demo may run for weeks


class Simulator:
    """k6 Cloud in miniature: `httpx.ASGITransport(simulator)` or `uvicorn.run(simulator)`.

    clock: the present, in Unix seconds. tokens: those that are let in; change the set to revoke one.
    sleep: how slow answers wait.
    connection_error: raised in place of a broken connection where there is no socket, which is in-process.
        With httpx.ASGITransport give `httpx.ReadError`: the client sees what it would see on a network.
        On uvicorn the TCP connection itself is reset or closed.
    requests: the last hundred thousand, newest last, without those to `/simulator/`.
    """

    def __init__(
        self,
        world: World,
        *,
        tokens: Iterable[str],
        clock: Callable[[], float] = time.time,
        options: Options = Options(),  # noqa: B008  frozen, so sharing it is harmless
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        connection_error: Callable[[str], Exception] = ConnectionResetError,
    ) -> None:
        self.world = world
        self.tokens = set(tokens)
        self.clock = clock
        self.options = options
        self.faults = Faults()
        self.requests: list[Request] = []
        self._sleep = sleep
        self._connection_error = connection_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # nothing to do at start-up or shutdown
        request = await _read(scope, receive, self.clock())
        if request.path.startswith("/simulator/"):
            await self._send(control(request, self), receive, send)
            return
        self.requests.append(request)
        del self.requests[:-_REMEMBERED]
        await self._send(self._answer(request), receive, send)

    def _answer(self, request: Request) -> Response:
        faults = self.faults.striking(request)
        for fault in faults:
            if fault.rewrite is not None:
                request = fault.rewrite(request)
        if any(fault.instead for fault in faults):
            return spoiled(Response(), request, faults)
        api = v6 if v6.is_for(request) else legacy
        return spoiled(api.handle(request, self.world, self.options, self.tokens), request, faults)

    async def _send(self, answer: Response, receive: Receive, send: Send) -> None:
        delivery, payload = answer.delivery, answer.payload
        if delivery.hang:
            await _gone(receive)
            return
        if delivery.reset:
            await self._reset(receive, send)
            return
        if delivery.before:
            await self._sleep(delivery.before)
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": _headers(answer, payload)}
        )
        if delivery.between:
            await self._sleep(delivery.between)
        if delivery.cut:
            half = payload[: len(payload) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            await self._close(receive, send)
            return
        await send({"type": "http.response.body", "body": payload})

    async def _reset(self, receive: Receive, send: Send) -> None:
        transport = _transport(send)
        if transport is None:
            self._break("Connection reset by peer")
        # Lingering for no time makes the kernel send RST instead of FIN. Set on a duplicate, because the
        # socket that an event loop hands out need not allow it.
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        await _gone(receive)

    async def _close(self, receive: Receive, send: Send) -> None:
        transport = _transport(send)
        if transport is None:
            self._break("Peer closed connection without sending complete message body")
        transport.close()
        await _gone(receive)

    def _break(self, message: str) -> NoReturn:
        raise self._connection_error(message)


async def _read(scope: Scope, receive: Receive, now: float) -> Request:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return Request(
        at=now,
        method=scope["method"],
        path=scope["path"],
        query=tuple(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        body=body,
        scheme=scope.get("scheme", "http"),
    )


def _headers(answer: Response, payload: bytes) -> list[tuple[bytes, bytes]]:
    headers = list(answer.headers)
    if answer.status != 204:  # RFC 9110 8.6: never with 204
        headers.append(("content-length", str(len(payload))))
    if payload:
        headers.append(("content-type", answer.content_type))
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


async def _gone(receive: Receive) -> None:
    """Waits until the client has left, or this request is cancelled."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _transport(send: Send) -> asyncio.Transport | None:
    """The TCP connection, where the server is uvicorn: its `send` is a method of the object that holds it."""
    transport: asyncio.Transport | None = getattr(getattr(send, "__self__", None), "transport", None)
    return transport
