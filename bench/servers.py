"""Servers of the same samples, each in its own process: `python -m bench.servers KIND TESTS`.

The first line of output is the URL.
"""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from prometheus_client import start_http_server
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bench.facts import list_facts, make_registry
from bench.fleet import make_fleet
from exporter.app import Exporter, create_exporter
from exporter.commands.process import run_async
from exporter.config import Config
from exporter.credentials import Secret
from exporter.exposition.families import build_families
from exporter.web.app import TEXT
from exporter.web.server import Endpoint, base_url, bind, serve_endpoints

CONFIG = Config.model_validate({"api": {"stack": 1}, "poll": {"stale_after": "1d"}})
FAMILIES = build_families(CONFIG.app_url, CONFIG.api.effective_version)


def refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("there is no k6 Cloud here", request=request)


@asynccontextmanager
async def start_exporter(tests: int) -> AsyncIterator[Exporter]:
    """A real exporter without a network, in the state after a poll of these tests."""
    transport = httpx.MockTransport(refuse)
    async with create_exporter(CONFIG, Secret("x"), transport=transport) as made:
        made.poller.state = make_fleet(tests, at=time.monotonic())
        show = await made._publish(made.poller.state)
        show()
        yield made


async def serve_exporter(tests: int) -> None:
    """The web app of the exporter."""
    listening = bind("127.0.0.1:0")
    async with start_exporter(tests) as exporter_, exporter_.keep_pages_fresh():
        print(base_url(listening), flush=True)
        await serve_endpoints(Endpoint(exporter_.web, [listening]))


async def serve_static(tests: int) -> None:
    """The bytes of our page from memory, over the same HTTP server: the lower limit."""
    async with start_exporter(tests) as exporter_:
        page = exporter_.latest_page(is_openmetrics=False)
        identity, gzip = b"".join(page.plain), b"".join(page.gzip)

    listening = bind("127.0.0.1:0")
    print(base_url(listening), flush=True)
    app = Starlette(routes=[Route("/metrics", StaticFile(identity, gzip), methods=["GET"])])
    await serve_endpoints(Endpoint(app, [listening]))


class StaticFile:
    """An ASGI app that sends the same bytes each time, with as little work as possible."""

    def __init__(self, identity: bytes, gzip: bytes) -> None:
        self._responses = {
            False: (identity, [(b"content-type", TEXT.encode())]),
            True: (gzip, [(b"content-type", TEXT.encode()), (b"content-encoding", b"gzip")]),
        }

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        body, headers = self._responses[(b"accept-encoding", b"gzip") in scope["headers"]]
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": body})


def serve_client_python(tests: int) -> None:
    """prometheus-client's own server with a custom collector."""
    server, thread = start_http_server(0, "127.0.0.1", make_registry(list_facts(make_fleet(tests), FAMILIES)))
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    thread.join()


def main(kind: str, tests: int) -> None:
    if kind == "client_python":
        serve_client_python(tests)
    else:
        run_async({"ours": serve_exporter, "static": serve_static}[kind](tests))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
