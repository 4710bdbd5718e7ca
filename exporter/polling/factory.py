"""From the configuration to a poll source: the only place that knows how tests are configured."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

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
from exporter.regex import Regex

if TYPE_CHECKING:
    import httpx  # only for types: exporter.k6 decides how it is imported

AnySource = LegacySource | V6Source


@asynccontextmanager
async def open_source(
    config: Config,
    token: Secret,
    *,
    clock: Clock | None = None,
    transport: "httpx.AsyncBaseTransport | None" = None,
) -> AsyncIterator[AnySource]:
    """A poll source with connections of its own, for commands that do not poll."""
    async with open_transport(
        config, token, Transport, clock=clock or Clock(), transport=transport
    ) as connected:
        yield build_source(config, build_api_client(config, connected))


def build_source(config: Config, api: LegacyClient | V6Client) -> AnySource:
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
            Regex(entry.include) if entry.include is not None else None,
            Regex(entry.exclude) if entry.exclude is not None else None,
            entry.name,
        )
        for entry in config.tests
        if entry.id is None
    )
    tests = {entry.id: entry.name for entry in config.tests if entry.id is not None}
    shard = Shard(config.sharding.shard, config.sharding.total)
    # A rule without conditions matches every test.
    return Selector(tests, rules if config.tests else (Rule(),), shard)
