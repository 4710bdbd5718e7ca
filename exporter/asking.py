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
from exporter.k6.errors import Unauthorized
from exporter.k6.legacy import LegacyApi
from exporter.k6.transport import Transport, Unseen, Witness
from exporter.k6.v6 import V6Api
from exporter.polling.legacy import LegacyInquiry
from exporter.polling.poller import Inquiry
from exporter.polling.selection import Rule, Selection
from exporter.polling.sharding import Shard
from exporter.polling.v6 import V6Inquiry
from exporter.token import Token, TokenError

AnyTransport = TypeVar("AnyTransport", bound=Transport)


def connection(config: Config, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """Connections to the configured k6 Cloud."""
    agent = {"User-Agent": f"k6-cloud-exporter/{__version__}", "Accept": "application/json"}
    return httpx.AsyncClient(
        base_url=config.api.url, timeout=config.api.timeout, transport=transport, headers=agent
    )


@asynccontextmanager
async def connected(
    config: Config,
    token: Token,
    kind: type[AnyTransport],
    *,
    clock: Clock,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[AnyTransport]:
    """A transport to k6 Cloud for who asks by themselves, without an exporter."""
    async with connection(config, transport) as client:
        yield asked_through(client, config, token, kind, clock=clock, witness=Unseen())


def redirected(client: httpx.AsyncClient, config: Config) -> None:
    """Lead a client that nobody uses at the moment to the configured k6 Cloud."""
    client.base_url = httpx.URL(config.api.url)
    client.timeout = httpx.Timeout(config.api.timeout)


def asked_through(
    client: httpx.AsyncClient,
    config: Config,
    token: Token,
    kind: type[AnyTransport],
    *,
    clock: Clock,
    witness: Witness,
    after: Transport | None = None,
) -> AnyTransport:
    """Who asks as configured; `after` is who did so before, whose requests count on."""
    return kind(
        client,
        lambda: credentials(config, token),
        clock=clock,
        timeout=config.api.timeout,
        concurrency=config.api.concurrency,
        requests_per_minute=config.api.requests_per_minute,
        witness=witness,
        after=after,
    )


@dataclass(frozen=True, slots=True)
class Cloud:
    """k6 Cloud by itself, for what is not polling: the calls of its API, and how to find the tests meant."""

    api: LegacyApi | V6Api
    inquiry: LegacyInquiry | V6Inquiry


@asynccontextmanager
async def cloud(
    config: Config,
    token: Token,
    *,
    clock: Clock | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[Cloud]:
    """The configured k6 Cloud with the connections to it, which close with it."""
    async with connected(config, token, Transport, clock=clock or Clock(), transport=transport) as asking:
        asked = api(config, asking)
        yield Cloud(asked, inquiring(config, asked))


def inquiry(config: Config, transport: Transport) -> Inquiry:
    """How the configured generation of the API is asked."""
    return inquiring(config, api(config, transport))


def api(config: Config, transport: Transport) -> LegacyApi | V6Api:
    """The configured generation of the API."""
    return V6Api(transport) if config.api.generation == "v6" else LegacyApi(transport)


def inquiring(config: Config, asked: LegacyApi | V6Api) -> LegacyInquiry | V6Inquiry:
    """How a generation of the API is asked."""
    chosen, width = selection(config), config.api.concurrency
    if isinstance(asked, V6Api):
        return V6Inquiry(asked, chosen, width=width)
    return LegacyInquiry(asked, chosen, width=width)


def selection(config: Config) -> Selection:
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
    return Selection(tests, rules if config.tests else (Rule(),), shard)


def credentials(config: Config, token: Token) -> dict[str, str]:
    """The headers that let a request in. Raises Unauthorized."""
    try:
        secret = token.read()
    except TokenError as error:
        raise Unauthorized(str(error)) from error
    if config.api.generation == "v6":
        return {"Authorization": f"Bearer {secret}", "X-Stack-Id": str(config.api.stack_id)}
    return {"Authorization": f"Token {secret}"}
