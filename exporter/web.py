"""What the exporter serves over HTTP."""

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from exporter.landing import Overview
from exporter.landing import page as landing_page
from exporter.page import Page

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Pages:
    """The facts of one state in both formats, and how many series they are."""

    text: Page
    openmetrics: Page
    series: int


@dataclass(frozen=True, slots=True)
class Sources:
    """Where each answer comes from. The last two give None if all is well, or else a sentence."""

    pages: Callable[[], Pages]
    registry: CollectorRegistry
    overview: Callable[[], Overview]
    ailment: Callable[[], str | None]
    unreadiness: Callable[[], str | None]


def application(sources: Sources, telemetry_path: str) -> Starlette:
    """The routes: metrics, landing page, health and readiness."""

    async def metrics(request: Request) -> Response:
        pages = sources.pages()
        is_openmetrics = prefers_openmetrics(request.headers.get("Accept", ""))
        page = pages.openmetrics if is_openmetrics else pages.text
        generate = generate_openmetrics if is_openmetrics else generate_latest
        tail = generate(sources.registry)
        headers = {"Vary": "Accept, Accept-Encoding"}
        is_gzip = accepts_gzip(request.headers.get("Accept-Encoding", ""))
        if is_gzip:
            headers["Content-Encoding"] = "gzip"
        body = page.gzip_with_tail(tail) if is_gzip else page.with_tail(tail)
        return Response(body, media_type=OPENMETRICS if is_openmetrics else TEXT, headers=headers)

    async def landing(_: Request) -> Response:
        return HTMLResponse(landing_page(sources.overview()))

    async def healthy(_: Request) -> Response:
        return verdict(sources.ailment(), "Healthy.")

    async def ready(_: Request) -> Response:
        return verdict(sources.unreadiness(), "Ready.")

    app = Starlette(
        routes=[
            Route(telemetry_path, metrics),
            Route("/", landing),
            Route("/-/healthy", healthy),
            Route("/-/ready", ready),
        ]
    )
    app.router.redirect_slashes = False
    return app


def verdict(trouble: str | None, good: str) -> Response:
    return PlainTextResponse(f"{trouble or good}\n", status_code=503 if trouble else 200)


def prefers_openmetrics(accept: str) -> bool:
    """Whether an Accept header ranks OpenMetrics above the text format; it must be named to be preferred."""
    openmetrics = text = 0.0
    for kind, quality, parameters in preferences(accept):
        if kind == "application/openmetrics-text" and parameters.get("version") in (None, "0.0.1", "1.0.0"):
            openmetrics = max(openmetrics, quality)
        if kind == "text/plain":
            text = max(text, quality)
    return openmetrics > 0 and openmetrics >= text


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header allows gzip."""
    allowed = {coding: quality > 0 for coding, quality, _ in preferences(accept_encoding)}
    return allowed.get("gzip", allowed.get("*", False))


def preferences(header: str) -> list[tuple[str, float, dict[str, str]]]:
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
