"""What the exporter serves over HTTP."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from exporter.exposition.body import ResponseBody
from exporter.web.status_page import POLICY, Status
from exporter.web.status_page import render as landing_page

Answer = Callable[[Request], Awaitable[Response]]
# Whether the configuration was good, and what there is to say of it.
Reloaded = tuple[bool, Sequence[str]]

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
STATUS_PAGE_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Vary": "Accept-Encoding",
}
MAX_CHUNK = (
    1024 * 1024
)  # bytes of a part that are handed over at once; what a client does not read waits as it is
MAX_CHUNK_TLS = (
    128 * 1024
)  # bytes likewise, where each client has to have a copy of its own, encrypted for it


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The facts of one state in both formats, and how many series they are."""

    text: ResponseBody
    openmetrics: ResponseBody
    series: int


@dataclass(frozen=True, slots=True)
class Handlers:
    """Where each answer comes from.

    `tail` is what the exporter says of itself, in OpenMetrics if so asked. `ailment` and `unreadiness` are
    None if all is well, or else a sentence.
    """

    snapshot: Callable[[], Snapshot]
    self_metrics: Callable[[bool], bytes]
    status: Callable[[], Status]
    liveness_problem: Callable[[], str | None]
    readiness_problem: Callable[[], str | None]


class ChunkedResponse(Response):
    """An answer sent part by part as it lies in memory; a page of megabytes is not copied for a scrape.

    Nor for a client that is slow to read: one piece is under way, and TLS encrypts no more.
    """

    def __init__(self, parts: Sequence[bytes], headers: Mapping[str, str]) -> None:
        self.parts = parts
        self.length = sum(map(len, parts))
        super().__init__(headers={**headers, "Content-Length": str(self.length)})

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        most = MAX_CHUNK_TLS if scope.get("scheme") == "https" else MAX_CHUNK
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for part in self.parts if scope["method"] != "HEAD" else ():
            for piece in split_chunk(part, most):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def split_chunk(part: bytes, most: int) -> Iterable[bytes | memoryview]:
    """The part in pieces of at most so many bytes, which share its memory; itself if it is short."""
    if len(part) <= most:
        return (part,)
    return (memoryview(part)[start : start + most] for start in range(0, len(part), most))


def application(
    sources: Handlers,
    telemetry_path: str,
    *,
    reload: Callable[[], Awaitable[Reloaded]] | None = None,
    webhook: Answer | None = None,
) -> Starlette:
    """The routes: metrics, landing page, health and readiness; reload and webhook, if there are any."""

    async def metrics(request: Request) -> Response:
        is_openmetrics = prefers_openmetrics(request.headers.get("Accept", ""))
        is_gzip = accepts_gzip(request.headers.get("Accept-Encoding", ""))
        page = sources.snapshot().openmetrics if is_openmetrics else sources.snapshot().text
        tail = sources.self_metrics(is_openmetrics)
        headers = {
            "Content-Type": OPENMETRICS if is_openmetrics else TEXT,
            "Vary": "Accept, Accept-Encoding",
            **({"Content-Encoding": "gzip"} if is_gzip else {}),
        }
        return ChunkedResponse(page.gzip(tail) if is_gzip else page.plain(tail), headers)

    rendering = asyncio.Lock()  # one at a time, however many look

    async def landing(request: Request) -> Response:
        refreshes = request.query_params.get("refresh") != "off"
        is_gzip = accepts_gzip(request.headers.get("Accept-Encoding", ""))
        async with rendering:
            # In a thread: a page of a thousand tests takes a while, and scrapes must not wait.
            page = await run_in_threadpool(
                render_status_page, sources.status(), refreshes=refreshes, is_gzip=is_gzip
            )
        encoding = {"Content-Encoding": "gzip"} if is_gzip else {}
        return HTMLResponse(page, headers=STATUS_PAGE_HEADERS | encoding)

    async def healthy(_: Request) -> Response:
        return health_response(sources.liveness_problem(), "Healthy.")

    async def ready(_: Request) -> Response:
        return health_response(sources.readiness_problem(), "Ready.")

    async def reloaded(_: Request) -> Response:
        is_good, sentences = await reload() if reload else (False, ())
        first = "The configuration was read again." if is_good else "The configuration is refused:"
        return PlainTextResponse("\n".join([first, *sentences, ""]), status_code=200 if is_good else 500)

    app = Starlette(
        routes=[
            Route(telemetry_path, metrics),
            Route("/", landing),
            Route("/-/healthy", healthy),
            Route("/-/ready", ready),
            *([Route("/-/reload", reloaded, methods=["POST"])] if reload else []),
            *([Route("/webhook/{secret}", webhook, methods=["POST"])] if webhook else []),
        ]
    )
    app.router.redirect_slashes = False
    return app


def render_status_page(status: Status, *, refreshes: bool, is_gzip: bool) -> bytes:
    page = landing_page(status, refreshes=refreshes).encode()
    return gzip.compress(page, compresslevel=1) if is_gzip else page


def health_response(trouble: str | None, good: str) -> Response:
    return PlainTextResponse(f"{trouble or good}\n", status_code=503 if trouble else 200)


def prefers_openmetrics(accept: str) -> bool:
    """Whether an Accept header ranks OpenMetrics above the text format; it must be named to be preferred."""
    openmetrics = text = 0.0
    for kind, quality, parameters in parse_accept(accept):
        if kind == "application/openmetrics-text" and parameters.get("version") in (None, "0.0.1", "1.0.0"):
            openmetrics = max(openmetrics, quality)
        if kind == "text/plain":
            text = max(text, quality)
    return openmetrics > 0 and openmetrics >= text


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header allows gzip."""
    allowed = {coding: quality > 0 for coding, quality, _ in parse_accept(accept_encoding)}
    return allowed.get("gzip", allowed.get("*", False))


def parse_accept(header: str) -> list[tuple[str, float, dict[str, str]]]:
    """The entries of an Accept… header: what, how much it is wanted (0 to 1), other parameters."""
    found = []
    for entry in header.split(","):
        what, *rest = (part.strip() for part in entry.split(";"))
        parameters = dict(part.split("=", 1) for part in rest if "=" in part)
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 0.0
        found.append((what.lower(), quality, parameters))
    return found
