"""Servers of the same facts, each a process of its own: `python -m bench.servers KIND TESTS`.

The first line that one says is where it is reached.
"""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from prometheus_client import start_http_server
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.facts import facts, registry
from bench.fleet import fleet
from exporter.app import Exporter, create_exporter
from exporter.commands.process import run_async
from exporter.config import Config
from exporter.credentials import Secret
from exporter.exposition.families import build_families
from exporter.web.app import TEXT
from exporter.web.server import Endpoint, base_url, bind, serve

CONFIG = Config.model_validate({"api": {"stack": 1}, "poll": {"stale_after": "1d"}})
FAMILIES = build_families(CONFIG.app_url, CONFIG.api.effective_version)


def nowhere(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("there is no k6 Cloud here", request=request)


@asynccontextmanager
async def knowing(tests: int) -> AsyncIterator[Exporter]:
    """A real exporter without a network, as if a poll had just told it of so many tests."""
    transport = httpx.MockTransport(nowhere)
    async with create_exporter(CONFIG, Secret("x"), transport=transport) as made:
        made.poller.state = fleet(tests, at=time.monotonic())
        show = await made._publish(made.poller.state)
        show()
        yield made


async def ours(tests: int) -> None:
    """The web app of the exporter."""
    listening = bind("127.0.0.1:0")
    async with knowing(tests) as exporter_:
        print(base_url(listening), flush=True)
        await serve(Endpoint(exporter_.web, listening))


async def static(tests: int) -> None:
    """A file with the very bytes of our page, held in memory and served by the same server: the limit."""
    async with knowing(tests) as exporter_:
        page, tail = exporter_.snapshot().text, exporter_.render_self_metrics(False)  # noqa: FBT003
        identity, gzip = b"".join(page.plain(tail)), b"".join(page.gzip(tail))

    async def metrics(request: Request) -> Response:
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return Response(gzip, media_type=TEXT, headers={"Content-Encoding": "gzip"})
        return Response(identity, media_type=TEXT)

    listening = bind("127.0.0.1:0")
    print(base_url(listening), flush=True)
    await serve(Endpoint(Starlette(routes=[Route("/metrics", metrics)]), listening))


def client_python(tests: int) -> None:
    """prometheus-client's own server with a custom collector."""
    server, thread = start_http_server(0, "127.0.0.1", registry(facts(fleet(tests), FAMILIES)))
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    thread.join()


def main(kind: str, tests: int) -> None:
    if kind == "client_python":
        client_python(tests)
    else:
        run_async({"ours": ours, "static": static}[kind](tests))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
