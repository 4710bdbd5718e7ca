"""Composition of the half that asks: from the configuration to whoever puts the questions to k6 Cloud."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from re import compile as regex
from typing import TypeVar

import httpx

from exporter import __version__
from exporter.clock import Clock
from exporter.config import Config
from exporter.credentials import Secret, SecretError
from exporter.k6.errors import Unauthorized
from exporter.k6.legacy.client import LegacyClient
from exporter.k6.transport import NullObserver, RequestObserver, Transport
from exporter.k6.v6.client import V6Client
from exporter.polling.legacy import LegacySource
from exporter.polling.poller import Source
from exporter.polling.selector import Rule, Selector
from exporter.polling.sharding import Shard
from exporter.polling.v6 import V6Source

AnyTransport = TypeVar("AnyTransport", bound=Transport)


def http_client(config: Config, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """Connections to the configured k6 Cloud."""
    agent = {"User-Agent": f"k6-cloud-exporter/{__version__}", "Accept": "application/json"}
    return httpx.AsyncClient(
        base_url=config.api.url, timeout=config.api.timeout, transport=transport, headers=agent
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
    """A transport to k6 Cloud for who asks by themselves, without an exporter."""
    async with http_client(config, transport) as client:
        yield build_transport(client, config, token, kind, clock=clock, observer=NullObserver())


def reconfigure_client(client: httpx.AsyncClient, config: Config) -> None:
    """Lead a client that nobody uses at the moment to the configured k6 Cloud."""
    client.base_url = httpx.URL(config.api.url)
    client.timeout = httpx.Timeout(config.api.timeout)


def build_transport(
    client: httpx.AsyncClient,
    config: Config,
    token: Secret,
    kind: type[AnyTransport],
    *,
    clock: Clock,
    observer: RequestObserver,
    previous: Transport | None = None,
) -> AnyTransport:
    """Who asks as configured; `after` is who did so before, whose requests count on."""
    return kind(
        client,
        lambda: auth_headers(config, token),
        clock=clock,
        timeout=config.api.timeout,
        concurrency=config.api.concurrency,
        requests_per_minute=config.api.requests_per_minute,
        observer=observer,
        previous=previous,
    )


@dataclass(frozen=True, slots=True)
class K6Client:
    """k6 Cloud by itself, for what is not polling: the calls of its API, and how to find the tests meant."""

    api: LegacyClient | V6Client
    source: LegacySource | V6Source


@asynccontextmanager
async def open_client(
    config: Config,
    token: Secret,
    *,
    clock: Clock | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[K6Client]:
    """The configured k6 Cloud with the connections to it, which close with it."""
    async with open_transport(
        config, token, Transport, clock=clock or Clock(), transport=transport
    ) as asking:
        asked = create_api(config, asking)
        yield K6Client(asked, create_poll_source(config, asked))


def source(config: Config, transport: Transport) -> Source:
    """How the configured generation of the API is asked."""
    return create_poll_source(config, create_api(config, transport))


def create_api(config: Config, transport: Transport) -> LegacyClient | V6Client:
    """The configured generation of the API."""
    return V6Client(transport) if config.api.effective_version == "v6" else LegacyClient(transport)


def create_poll_source(config: Config, asked: LegacyClient | V6Client) -> LegacySource | V6Source:
    """How a generation of the API is asked."""
    chosen, concurrency = build_selector(config), config.api.concurrency
    if isinstance(asked, V6Client):
        return V6Source(asked, chosen, concurrency=concurrency)
    return LegacySource(asked, chosen, concurrency=concurrency)


def build_selector(config: Config) -> Selector:
    """The configured tests; none configured means all."""
    rules = tuple(
        Rule(
            entry.project,
            regex(entry.include) if entry.include is not None else None,
            regex(entry.exclude) if entry.exclude is not None else None,
        )
        for entry in config.tests
        if entry.id is None
    )
    tests = {entry.id: entry.name for entry in config.tests if entry.id is not None}
    shard = Shard(config.sharding.shard, config.sharding.total)
    return Selector(tests, rules if config.tests else (Rule(),), shard)


def auth_headers(config: Config, token: Secret) -> dict[str, str]:
    """The headers that let a request in. Raises Unauthorized."""
    try:
        secret = token.read()
    except SecretError as error:
        raise Unauthorized(str(error)) from error
    if config.api.effective_version == "v6":
        return {"Authorization": f"Bearer {secret}", "X-Stack-Id": str(config.api.stack)}
    return {"Authorization": f"Token {secret}"}
