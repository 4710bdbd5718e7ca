"""From the configuration to an API client: the only place that knows how a client is configured."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

import httpx

from exporter.clock import Clock
from exporter.config import Config
from exporter.credentials import Secret, SecretError
from exporter.k6.connection import Connections, find_usable_proxy
from exporter.k6.errors import Unauthorized
from exporter.k6.http import HttpClient
from exporter.k6.legacy.client import LegacyClient
from exporter.k6.stack import Stack
from exporter.k6.transport import NullObserver, RequestObserver, Transport
from exporter.k6.v6.client import V6Client

AnyTransport = TypeVar("AnyTransport", bound=Transport)


def build_http_client(
    transport: httpx.AsyncBaseTransport | None = None, environ: Mapping[str, str] = os.environ
) -> HttpClient:
    """The HTTP client, which is configured by `build_transport`.

    `transport` replaces the network; tests pass one that leads to the simulator. `environ` has the variables
    for proxies and CA certificates.
    """
    return HttpClient(transport or Connections(environ))


def build_transport(
    client: HttpClient,
    config: Config,
    token: Secret,
    kind: type[AnyTransport],
    *,
    clock: Clock,
    observer: RequestObserver,
    previous: Transport | None = None,
) -> AnyTransport:
    """Configures `client`, and a transport that continues the rate limit and Retry-After of `previous`."""
    # A reload keeps the client, so that open connections are reused.
    client.configure(config.api.url, config.api.timeout)
    proxy = None
    if isinstance(client.transport, Connections):
        client.transport.configure(config.api)
        proxy = find_usable_proxy(config.api, client.transport.environ)
    return kind(
        client,
        # Read for each request: the token file can be rotated.
        lambda: auth_headers(config, token),
        clock=clock,
        timeout=config.api.timeout,
        concurrency=config.api.concurrency,
        requests_per_minute=config.api.requests_per_minute,
        observer=observer,
        # The legacy API needs no stack: its tokens belong to one.
        stack=Stack(config.api.stack if config.api.effective_version == "v6" else None),
        proxy=proxy,
        previous=previous,
    )


@asynccontextmanager
async def open_transport(
    config: Config,
    token: Secret,
    kind: type[AnyTransport],
    *,
    clock: Clock,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[AnyTransport]:
    """A transport with connections of its own, for commands that run no exporter."""
    async with build_http_client(transport) as client:
        yield build_transport(client, config, token, kind, clock=clock, observer=NullObserver())


def build_api_client(config: Config, transport: Transport) -> LegacyClient | V6Client:
    """The client of the configured API version."""
    return V6Client(transport) if config.api.effective_version == "v6" else LegacyClient(transport)


def auth_headers(config: Config, token: Secret) -> dict[str, str]:
    """The header that authenticates a request. Raises Unauthorized if the token cannot be read."""
    try:
        secret = token.read()
    except SecretError as error:
        raise Unauthorized(str(error)) from error
    # https://grafana.com/docs/grafana-cloud/testing/k6/reference/cloud-rest-api/
    scheme = "Bearer" if config.api.effective_version == "v6" else "Token"
    return {"Authorization": f"{scheme} {secret}"}
