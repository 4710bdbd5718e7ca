"""The routes of the exporter: metrics, status page, health checks, reload and webhook."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from exporter.exposition.body import MetricsPage
from exporter.web.page_cache import StatusPages
from exporter.web.page_view import parse_view
from exporter.web.status_page import POLICY, Status

RequestHandler = Callable[[Request], Awaitable[Response]]
# Whether the configuration was loaded, and the reasons why not, or what needs a restart.
Reloaded = tuple[bool, Sequence[str]]

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
STATUS_PAGE_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # The links lead to k6 Cloud, which need not know the internal host name of the exporter.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Vary": "Accept-Encoding",
}
TOO_MANY_VIEWS = "Too many different filters were requested in this second. Try again in a second.\n"
# Browsers obey Refresh, so that an open page does not stop refreshing.
RETRY_HEADERS = {"Retry-After": "1", "Refresh": "2", "Cache-Control": "no-store"}
# Bytes of the body that are handed to the transport at once. Smaller with TLS, which needs a copy for each
# client, while plain HTTP sends all clients the same memory, except for small parts that were joined.
MAX_CHUNK = 1024 * 1024
MAX_CHUNK_TLS = 128 * 1024
MAX_JOINED = 128 * 1024  # bytes up to which parts are joined, since sending each costs more than a copy


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the content of each response comes from.

    `metrics_page` returns what a scrape receives, in OpenMetrics if its argument is true.
    `liveness_problem` and `readiness_problem` return None, or a sentence that says what is wrong.
    """

    metrics_page: Callable[[bool], MetricsPage]
    status: Callable[[], Status]
    liveness_problem: Callable[[], str | None]
    readiness_problem: Callable[[], str | None]


class ChunkedResponse(Response):
    """A response with status 200, sent in parts without copying them, since a body may have megabytes."""

    def __init__(self, parts: Sequence[bytes], headers: Mapping[str, str]) -> None:
        self.parts = parts
        super().__init__(headers={**headers, "Content-Length": str(sum(map(len, parts)))})

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        await send_parts(self.parts, self.raw_headers, scope, send)


async def send_parts(
    parts: Iterable[bytes], headers: Sequence[tuple[bytes, bytes]], scope: Scope, send: Send
) -> None:
    """Answers with status 200, this body, and these headers, which include Content-Length.

    Each client holds its page, which clients share, and a chunk of its own. TLS encrypts no more in advance.
    """
    chunk_size = MAX_CHUNK_TLS if scope.get("scheme") == "https" else MAX_CHUNK
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    # A response to HEAD has the Content-Length of GET, but no body.
    for part in parts if scope["method"] != "HEAD" else ():
        for start in range(0, len(part), chunk_size):
            chunk = memoryview(part)[start : start + chunk_size]
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def join_small(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer parts: small ones are joined."""
    small: list[bytes] = []
    length = 0
    for part in parts:
        if small and length + len(part) > MAX_JOINED:
            yield b"".join(small)
            small, length = [], 0
        if len(part) <= MAX_JOINED:
            small.append(part)
            length += len(part)
        else:
            yield part
    if small:
        yield b"".join(small)


@dataclass(frozen=True, slots=True)
class Representation:
    """Format and encoding of a response to a scrape, and the headers that name them."""

    is_openmetrics: bool
    is_gzip: bool
    headers: Sequence[tuple[bytes, bytes]]


@lru_cache(maxsize=64)  # a scraper sends the same headers each time
def choose_representation(accept: str, accept_encoding: str) -> Representation:
    """The representation for these values of Accept and Accept-Encoding."""
    is_openmetrics, is_gzip = prefers_openmetrics(accept), accepts_gzip(accept_encoding)
    headers = (
        (b"content-type", (OPENMETRICS if is_openmetrics else TEXT).encode()),
        # A cache in between must not give a scraper a format that it cannot read.
        (b"vary", b"Accept, Accept-Encoding"),
        *([(b"content-encoding", b"gzip")] if is_gzip else []),
    )
    return Representation(is_openmetrics, is_gzip, headers)


class MetricsEndpoint:
    """An ASGI app that answers scrapes.

    It does not use Starlette's Request and Response, which make a scrape after a pause slower.
    """

    def __init__(self, page: Callable[[bool], MetricsPage]) -> None:
        self._page = page

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        chosen = choose_representation(headers.get("Accept", ""), headers.get("Accept-Encoding", ""))
        page = self._page(chosen.is_openmetrics)
        parts = page.gzip if chosen.is_gzip else page.plain
        length = (b"content-length", str(sum(map(len, parts))).encode())
        # The two compressed parts need no joining.
        joined = parts if chosen.is_gzip else join_small(parts)
        await send_parts(joined, [*chosen.headers, length], scope, send)


def application(
    sources: Sources,
    telemetry_path: str,
    *,
    reload: Callable[[], Awaitable[Reloaded]] | None = None,
    webhook: RequestHandler | None = None,
) -> Starlette:
    """The ASGI app. Without `reload` or `webhook` there is no such route."""

    pages = StatusPages(sources.status)

    async def status_page(request: Request) -> Response:
        is_gzip = accepts_gzip(request.headers.get("Accept-Encoding", ""))
        page = await pages.latest(parse_view(request.query_params))
        if page is None:
            return PlainTextResponse(TOO_MANY_VIEWS, status_code=503, headers=RETRY_HEADERS)
        headers = STATUS_PAGE_HEADERS | ({"Content-Encoding": "gzip"} if is_gzip else {})
        return ChunkedResponse((page.gzip if is_gzip else page.plain,), headers)

    async def healthy(_: Request) -> Response:
        return health_response(sources.liveness_problem(), "Healthy.")

    async def ready(_: Request) -> Response:
        return health_response(sources.readiness_problem(), "Ready.")

    async def reload_config(_: Request) -> Response:
        is_good, messages = await reload() if reload else (False, ())
        headline = "The configuration was reloaded." if is_good else "The configuration was not reloaded:"
        return PlainTextResponse("\n".join([headline, *messages, ""]), status_code=200 if is_good else 500)

    app = Starlette(
        routes=[
            # Starlette limits only functions to GET by itself.
            Route(telemetry_path, MetricsEndpoint(sources.metrics_page), methods=["GET"]),
            Route("/", status_page),
            Route("/-/healthy", healthy),
            Route("/-/ready", ready),
            # Only POST, so that a link or a crawler cannot reload. Prometheus has the same path:
            # https://prometheus.io/docs/prometheus/latest/management_api/
            *([Route("/-/reload", reload_config, methods=["POST"])] if reload else []),
            *([Route("/webhook/{secret}", webhook, methods=["POST"])] if webhook else []),
        ]
    )
    # Starlette would redirect /metrics/ to a URL made from the Host header, which is wrong behind a proxy.
    app.router.redirect_slashes = False
    return app


def health_response(problem: str | None, good: str) -> Response:
    # Probes of Kubernetes read only the status: everything from 400 is a failure.
    return PlainTextResponse(f"{problem or good}\n", status_code=503 if problem else 200)


def prefers_openmetrics(accept: str) -> bool:
    """Whether an Accept header names OpenMetrics and ranks it at least as high as the text format."""
    openmetrics = text = 0.0
    for kind, quality, parameters in parse_accept(accept):
        # Prometheus also offers 0.0.1. A scraper that reads only a later version gets the text format.
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
    """The entries of an Accept or Accept-Encoding header: value, quality (0 to 1), other parameters."""
    entries = []
    for entry in header.split(","):
        value, *rest = (part.strip() for part in entry.split(";"))
        parameters = dict(part.split("=", 1) for part in rest if "=" in part)
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            # Malformed, so not requested: any client can read uncompressed text.
            quality = 0.0
        entries.append((value.lower(), quality, parameters))
    return entries
