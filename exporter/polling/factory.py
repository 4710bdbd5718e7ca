"""From the configuration to a poll source: the only place that knows how tests are configured."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from exporter.clock import Clock
from exporter.config import Config
from exporter.credentials import Secret
from exporter.k6.factory import build_api_client, open_transport
from exporter.k6.legacy.client import LegacyClient
from exporter.k6.transport import Transport
from exporter.k6.v6.client import V6Client
from exporter.polling.legacy import LegacySource
from exporter.polling.selector import Rule, Selector
from exporter.polling.sharding import Shard
from exporter.polling.v6 import V6Source


@dataclass(frozen=True, slots=True)
class K6Client:
    """An API client and the discovery of the configured tests, for commands that do not poll."""

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
    """The client of the configured API version, with connections of its own."""
    async with open_transport(
        config, token, Transport, clock=clock or Clock(), transport=transport
    ) as connected:
        api = build_api_client(config, connected)
        yield K6Client(api, build_source(config, api))


def build_source(config: Config, api: LegacyClient | V6Client) -> LegacySource | V6Source:
    """The poll source of the API version that `api` speaks."""
    selector, concurrency = build_selector(config), config.api.concurrency
    if isinstance(api, V6Client):
        return V6Source(api, selector, concurrency=concurrency)
    return LegacySource(api, selector, concurrency=concurrency)


def build_selector(config: Config) -> Selector:
    """The selector of the configured tests; without any, it selects all."""
    rules = tuple(
        Rule(
            entry.project,
            re.compile(entry.include) if entry.include is not None else None,
            re.compile(entry.exclude) if entry.exclude is not None else None,
        )
        for entry in config.tests
        if entry.id is None
    )
    tests = {entry.id: entry.name for entry in config.tests if entry.id is not None}
    shard = Shard(config.sharding.shard, config.sharding.total)
    return Selector(tests, rules if config.tests else (Rule(),), shard)
