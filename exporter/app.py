"""Composition: the only place that knows all the parts, and the order in which they live and die."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from re import compile as regex
from typing import TypeVar

import httpx
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from starlette.applications import Starlette

from exporter import __version__
from exporter.clock import Clock
from exporter.config import Config
from exporter.exposition import Exposition
from exporter.families import families
from exporter.k6.errors import Unauthorized
from exporter.k6.legacy import LegacyApi
from exporter.k6.transport import Transport, Witness
from exporter.k6.v6 import V6Api
from exporter.landing import Overview
from exporter.page import Page
from exporter.polling.legacy import LegacyInquiry
from exporter.polling.poller import Inquiry, Intervals, Poller
from exporter.polling.selection import Rule, Selection
from exporter.polling.v6 import V6Inquiry
from exporter.store import Retention, State
from exporter.telemetry import ApiWitness, Telemetry
from exporter.token import Token, TokenError
from exporter.web import Pages, Sources, application

log = logging.getLogger(__name__)

TAIL_LASTS = 1.0  # seconds

AnyTransport = TypeVar("AnyTransport", bound=Transport)


class Exporter:
    """The exporter of one configuration: polls when told to, and serves what it knows as `web`, an ASGI app.

    `client` carries the base URL of k6 Cloud; tests hand in one that leads to the simulator.
    """

    def __init__(
        self,
        config: Config,
        token: Token,
        client: httpx.AsyncClient,
        telemetry: Telemetry,
        *,
        clock: Clock,
    ) -> None:
        self.config = config
        self.telemetry = telemetry
        self._clock = clock
        transport = Transport(
            client,
            lambda: credentials(config, token),
            clock=clock,
            timeout=config.api.timeout,
            concurrency=config.api.concurrency,
            requests_per_minute=config.api.requests_per_minute,
            witness=ApiWitness(telemetry, config.api.generation),
        )
        self.poller = Poller(
            inquiry(config, transport),
            State(Retention(config.runs.keep, config.runs.max_age, config.poll.stale_after)),
            Intervals(config.poll.interval, config.poll.idle_interval, config.poll.discovery_interval),
            telemetry=telemetry,
            clock=clock,
            prepare=self._prepare,
            conceal=token.conceal,
        )
        self._exposition = Exposition(families(config.app_url, config.api.generation))
        self._withdrawn = self._pages = rendered(self._exposition)
        self._tails: dict[bool, tuple[float, bytes]] = {}
        self._heartbeat = clock.monotonic()
        telemetry.series.set_function(lambda: self.pages().series)
        telemetry.reload_successful.set(1)
        telemetry.reload_success_time.set(clock.time())
        self.web: Starlette = application(
            Sources(self.pages, self.tail, self._overview, self._ailment, self._unreadiness),
            config.web.telemetry_path,
        )

    def pages(self) -> Pages:
        """What a scrape gets now: the latest facts, or none if they are too old to be shown."""
        return self._withdrawn if self.poller.state.is_stale(self._clock.monotonic()) else self._pages

    def tail(self, is_openmetrics: bool) -> bytes:  # noqa: FBT001 (one of two formats)
        """What the exporter says of itself, at most a second old.

        prometheus-client takes about a millisecond for it, which is more than all the rest of a scrape.
        """
        rendered_at, tail = self._tails.get(is_openmetrics, (float("-inf"), b""))
        if self._clock.monotonic() - rendered_at >= TAIL_LASTS:
            tail = self.telemetry.openmetrics() if is_openmetrics else self.telemetry.text()
            self._tails[is_openmetrics] = (self._clock.monotonic(), tail)
        return tail

    async def _prepare(self, state: State) -> Callable[[], None]:
        # In a thread: a page of many series takes a while to join and compress, and scrapes must not wait.
        exposition, pages = await asyncio.to_thread(self._render, state)

        def show() -> None:
            self._exposition, self._pages = exposition, pages
            self._tails.clear()
            self._heartbeat = self._clock.monotonic()

        return show

    def _render(self, state: State) -> tuple[Exposition, Pages]:
        exposition = self._exposition.following(state)
        is_same = exposition.bodies == self._exposition.bodies
        return exposition, self._pages if is_same else rendered(exposition)

    def _ailment(self) -> str | None:
        """Why the process should be restarted: polls have ceased. An outage of k6 Cloud is no such reason."""
        longest = self.config.poll.idle_interval + 2 * self.config.poll.stale_after
        silence = self._clock.monotonic() - self._heartbeat
        return f"No poll has ended for {silence:.0f}s." if silence > longest else None

    def _unreadiness(self) -> str | None:
        state = self.poller.state
        if state.as_of is None:
            return "No poll has succeeded yet."
        if state.is_stale(self._clock.monotonic()):
            return f"Nothing has been learnt for {self._clock.monotonic() - state.as_of:.0f}s."
        return None

    def _overview(self) -> Overview:
        poller = self.poller
        return Overview(
            version=__version__,
            state=poller.state,
            is_stale=poller.state.is_stale(self._clock.monotonic()),
            now=self._clock.time(),
            last_poll=poller.last_poll,
            last_poll_outcome=poller.last_outcome,
            interval=poller.interval,
            troubles=[(trouble.at, trouble.failure.sentence) for trouble in poller.troubles],
            app_url=self.config.app_url,
            telemetry_path=self.config.web.telemetry_path,
        )


@asynccontextmanager
async def connected(
    config: Config,
    token: Token,
    kind: type[AnyTransport],
    *,
    witness: Witness,
    clock: Clock,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[AnyTransport]:
    """A transport to k6 Cloud for who asks without an exporter."""
    async with connection(config, transport) as client:
        yield kind(
            client,
            lambda: credentials(config, token),
            clock=clock,
            timeout=config.api.timeout,
            concurrency=config.api.concurrency,
            requests_per_minute=config.api.requests_per_minute,
            witness=witness,
        )


def connection(config: Config, transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
    agent = {"User-Agent": f"k6-cloud-exporter/{__version__}", "Accept": "application/json"}
    return httpx.AsyncClient(
        base_url=config.api.url, timeout=config.api.timeout, transport=transport, headers=agent
    )


@asynccontextmanager
async def exporter(
    config: Config,
    token: Token,
    *,
    revision: str = "unknown",
    clock: Clock | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[Exporter]:
    """An exporter with its connections to k6 Cloud, which close with it."""
    telemetry = Telemetry(version=__version__, revision=revision)
    async with connection(config, transport) as client:
        yield Exporter(config, token, client, telemetry, clock=clock or Clock())


def schedule(polled: Exporter) -> AsyncIOScheduler:
    """A scheduler that polls at once, then one interval after the last poll began; polls never overlap.

    It is not yet started.
    """
    scheduler = AsyncIOScheduler(timezone=UTC)

    async def poll() -> None:
        began = datetime.now(UTC)
        try:
            await polled.poller.poll()
        except asyncio.CancelledError:
            return  # the process ends; a scheduler would log this as an error
        except Exception as error:  # noqa: BLE001 (of any kind: it is logged with its traceback)
            polled.poller.note_bug(error)
        # Jitter: exporters that started together must not ask together for ever.
        pause = polled.poller.interval * random.uniform(0.95, 1.05)  # noqa: S311
        add(max(began + timedelta(seconds=pause), datetime.now(UTC) + timedelta(seconds=min(pause, 1))))

    def add(when: datetime) -> None:
        scheduler.add_job(poll, "date", run_date=when, id="poll", misfire_grace_time=None)

    add(datetime.now(UTC))
    return scheduler


def rendered(exposition: Exposition) -> Pages:
    return Pages(Page(exposition.text()), Page(exposition.openmetrics()), exposition.series())


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
    return Selection(tests, rules if config.tests else (Rule(),))


def inquiry(config: Config, transport: Transport) -> Inquiry:
    """How the configured generation of the API is asked."""
    chosen, width = selection(config), config.api.concurrency
    if config.api.generation == "v6":
        return V6Inquiry(V6Api(transport), chosen, width=width)
    return LegacyInquiry(LegacyApi(transport), chosen, width=width)


def credentials(config: Config, token: Token) -> dict[str, str]:
    """The headers that let a request in. Raises Unauthorized."""
    try:
        secret = token.read()
    except TokenError as error:
        raise Unauthorized(str(error)) from error
    if config.api.generation == "v6":
        return {"Authorization": f"Bearer {secret}", "X-Stack-Id": str(config.api.stack_id)}
    return {"Authorization": f"Token {secret}"}
