"""The undocumented attributes of uvicorn that we use.

pyproject.toml keeps uvicorn below the next minor version. This test names each attribute that a newer version
lacks, before that bound is raised. The other tests of this folder test their behaviour.
"""

import asyncio
import importlib.metadata
import socket
from contextlib import suppress
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.support.lab import Message, Receive, Send

# The owner, the attribute, and the file that uses it.
OF_EITHER_PROTOCOL = [
    ("protocol", "app_state", "web/protocol.py"),
    ("protocol", "connection_made", "web/protocol.py"),
    ("protocol", "cycle", "web/protocol.py"),
    ("protocol", "flow", "web/protocol.py"),
    ("protocol", "shutdown", "web/server.py"),
    ("protocol", "timeout_keep_alive_task", "web/protocol.py"),
    ("protocol", "transport", "web/protocol.py"),
    ("flow", "write_paused", "web/protocol.py"),
    ("cycle", "keep_alive", "web/protocol.py"),
    ("cycle", "response_complete", "web/protocol.py"),
    ("owner of send", "transport", "simulator/app.py"),
]
OF_HTTPTOOLS = [
    ("protocol", "_unset_keepalive_if_required", "web/protocol.py"),
    ("protocol", "data_received", "web/protocol.py"),
    ("protocol", "on_headers_complete", "web/protocol.py"),
    ("protocol", "on_message_begin", "web/protocol.py"),
    ("protocol", "on_message_complete", "web/protocol.py"),
    ("protocol", "parser", "web/protocol.py"),
    ("protocol", "pipeline", "web/protocol.py"),
    ("parser", "feed_data", "web/protocol.py"),
]
OF_SERVER = [
    ("config", "http_protocol_class", "web/server.py"),
    ("lifespan", "startup", "web/server.py"),
    ("lifespan", "state", "web/server.py"),
    ("server", "capture_signals", "web/server.py"),
    ("server", "config", "web/server.py"),
    ("server", "lifespan", "web/server.py"),
    ("server", "on_tick", "web/server.py"),
    ("server", "server_state", "web/server.py"),
    ("server", "servers", "web/server.py"),
    ("server", "should_exit", "web/server.py"),
    ("server", "shutdown", "web/server.py"),
    ("server", "started", "web/server.py"),
    ("server", "startup", "web/server.py"),
    ("server_state", "connections", "web/server.py"),
]


async def list_attributes(protocol: type[Any]) -> dict[str, list[str]]:
    """The attributes of a server of uvicorn's own and of its connection while it answers a request.

    A missing object has the attributes of None, so that the test can name what is missing.
    """
    objects: dict[str, object] = {}
    found: dict[str, list[str]] = {}
    requested = asyncio.Event()

    class RecordingProtocol(protocol):  # type: ignore[misc]  # the base class is an argument
        def connection_made(self, transport: asyncio.Transport) -> None:
            objects["protocol"] = self
            super().connection_made(transport)

    async def app(_: Message, __: Receive, send: Send) -> None:
        for name in ("cycle", "flow", "parser"):
            objects[name] = getattr(objects["protocol"], name, None)
        objects["owner of send"] = getattr(send, "__self__", None)
        found.update({name: dir(one) for name, one in objects.items()})
        requested.set()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    server = uvicorn.Server(
        uvicorn.Config(app, http=RecordingProtocol, ws="none", lifespan="off", log_config=None)
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.ensure_future(server.serve([listening]))
        _, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        async with asyncio.timeout(10):
            await requested.wait()
        found["server"] = dir(server)
        for name in ("config", "lifespan", "server_state"):
            found[name] = dir(getattr(server, name, None))
        writer.close()
        server.should_exit = True
        with suppress(TimeoutError):  # if should_exit is missing
            await asyncio.wait_for(serving, 10)
    return found


@pytest.mark.parametrize(
    ("protocol", "used"),
    [(HttpToolsProtocol, OF_EITHER_PROTOCOL + OF_HTTPTOOLS + OF_SERVER), (H11Protocol, OF_EITHER_PROTOCOL)],
    ids=["httptools", "h11"],
)
def test_uvicorn_has_the_attributes_that_we_use(
    protocol: type[Any], used: list[tuple[str, str, str]]
) -> None:
    version = importlib.metadata.version("uvicorn")
    found = asyncio.run(list_attributes(protocol))

    missing = [
        f"uvicorn {version}: the {owner} has no {attribute!r}, which exporter/{file} uses"
        for owner, attribute, file in used
        if attribute not in found[owner]
    ]
    assert not missing, "\n".join(missing)
