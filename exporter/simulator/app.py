"""The simulator as an ASGI application: it records each request, applies faults and sends the response."""

import asyncio
import os
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from exporter.simulator import admin
from exporter.simulator.apis import find_api
from exporter.simulator.faults import Faults
from exporter.simulator.http import Request, Response
from exporter.simulator.options import Options
from exporter.simulator.world import World

_MAX_REQUESTS = 100_000  # a demo may run for weeks


class Simulator:
    """A simulated k6 Cloud: `httpx.ASGITransport(simulator)` or `uvicorn.run(simulator)`.

    clock: the current time in Unix seconds. tokens: the accepted ones; change the set to revoke one.
    sleep: how slow responses wait.
    connection_error: raised in place of a broken connection where there is no socket, which is in-process.
        With httpx.ASGITransport give `httpx.ReadError`: the client sees what it would see on a network.
        On uvicorn the TCP connection itself is reset or closed.
    requests: the last 100,000, newest last, without those to `/simulator/`.
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
        request = await _read_request(scope, receive, self.clock())
        if request.path.startswith("/simulator/"):
            await self._send(admin.handle(request, self.world, self.faults, self.tokens), receive, send)
            return
        self.requests.append(request)
        del self.requests[:-_MAX_REQUESTS]
        await self._send(self._respond(request), receive, send)

    def _respond(self, request: Request) -> Response:
        matching = self.faults.take_matching(request)
        for fault in matching:
            if fault.rewrite is not None:
                request = fault.rewrite(request)
        response = Response()
        if not any(fault.instead for fault in matching):
            response = find_api(request).handle(request, self.world, self.options, self.tokens)
        for fault in matching:
            response = fault.change(request, response)
        return response

    async def _send(self, response: Response, receive: Receive, send: Send) -> None:
        delivery, payload = response.delivery, response.payload
        if delivery.hang:
            await _wait_for_disconnect(receive)
            return
        if delivery.reset:
            await self._reset_connection(receive, send)
            return
        if delivery.before:
            await self._sleep(delivery.before)
        headers = _make_headers(response, payload)
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        if delivery.between:
            await self._sleep(delivery.between)
        if delivery.cut:
            half = payload[: len(payload) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            await self._close_connection(receive, send)
            return
        await send({"type": "http.response.body", "body": payload})

    async def _reset_connection(self, receive: Receive, send: Send) -> None:
        transport = _find_transport(send)
        if transport is None:
            raise self._connection_error("Connection reset by peer")
        # A linger time of 0 makes the kernel send RST instead of FIN. It is set on a duplicate, because the
        # socket object of an event loop need not allow it.
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        await _wait_for_disconnect(receive)

    async def _close_connection(self, receive: Receive, send: Send) -> None:
        transport = _find_transport(send)
        if transport is None:
            raise self._connection_error("Peer closed connection without sending complete message body")
        transport.close()
        await _wait_for_disconnect(receive)


async def _read_request(scope: Scope, receive: Receive, now: float) -> Request:
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


def _make_headers(response: Response, payload: bytes) -> list[tuple[bytes, bytes]]:
    headers = list(response.headers)
    if response.status != 204:  # RFC 9110 8.6: never with 204
        headers.append(("content-length", str(len(payload))))
    if payload:
        headers.append(("content-type", response.content_type))
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


async def _wait_for_disconnect(receive: Receive) -> None:
    """Return when the client has disconnected; until then the request may be cancelled."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _find_transport(send: Send) -> asyncio.Transport | None:
    """The TCP connection, where the server is uvicorn: its `send` is a method of the object that holds it."""
    transport: asyncio.Transport | None = getattr(getattr(send, "__self__", None), "transport", None)
    return transport
