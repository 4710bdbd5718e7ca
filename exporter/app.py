"""Composition: the only place that knows all the parts, and the order in which they live and die."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from starlette.applications import Starlette

from exporter import __version__
from exporter.clock import Clock
from exporter.config import Config
from exporter.config.reload import ConfigReloader, Read, record_reload_success
from exporter.credentials import Secret, WebhookSecret
from exporter.exposition.body import ResponseBody
from exporter.exposition.families import build_families
from exporter.exposition.render import Exposition
from exporter.k6.transport import Transport
from exporter.polling.factory import build_transport, http_client, reconfigure_client, source
from exporter.polling.poller import Intervals, PollConfig, Poller
from exporter.self_metrics import ApiInstrumentation, SelfMetrics
from exporter.store import RetentionPolicy, State
from exporter.web.app import Answer, Handlers, Snapshot, application
from exporter.web.status_page import Status
from exporter.web.webhook import Webhook

SELF_METRICS_MAX_AGE = 1.0  # seconds
MIN_TRIGGER_INTERVAL = (
    5.0  # seconds; however often somebody calls for a poll, they do not follow each other faster
)


class Exporter:
    """The exporter of one configuration: polls when told to, and serves what it knows as `web`, an ASGI app.

    `client` carries the base URL of k6 Cloud; tests hand in one that leads to the simulator. `read` reads the
    configuration again; without it there is no reload.
    """

    def __init__(
        self,
        config: Config,
        token: Secret,
        client: httpx.AsyncClient,
        self_metrics: SelfMetrics,
        *,
        clock: Clock,
        read: Read | None = None,
    ) -> None:
        self.config = config
        self.self_metrics = self_metrics
        # Whoever schedules the polls says how: a poll soon, but so many seconds after the last one began.
        self.wake: Callable[[float], None] = lambda _: None
        # And when the next one is due, in Unix seconds; None while one is under way.
        self.next_poll: Callable[[], float | None] = lambda: None
        self._client = client
        self._clock = clock
        self._transport: Transport | None = None
        self._self_metrics_cache: dict[bool, tuple[float, bytes]] = {}
        self.poller = Poller(
            self._configure(config, token), self_metrics=self_metrics, clock=clock, publish=self._publish
        )
        self._snapshot = self._empty_snapshot
        self._heartbeat = clock.monotonic()
        self_metrics.series.set_function(lambda: self.snapshot().series)
        record_reload_success(self_metrics, clock)
        self.reload = (
            ConfigReloader(
                read, self._apply_config, started_with=config, self_metrics=self_metrics, clock=clock
            )
            if read
            else None
        )
        self.web: Starlette = application(
            Handlers(
                self.snapshot,
                self.render_self_metrics,
                self._status,
                self._liveness_problem,
                self._readiness_problem,
            ),
            config.web.telemetry_path,
            reload=self.reload if config.web.enable_reload else None,
            webhook=self._webhook(config.web.webhook_secret_file),
        )

    def _apply_config(self, config: Config, token: Secret) -> None:
        """Put a configuration in force with the next poll, which comes soon."""
        self.poller.reconfigure(lambda: self._configure(config, token))
        self.wake(MIN_TRIGGER_INTERVAL)

    def _webhook(self, secret_file: Path | None) -> Answer | None:
        def is_watched(test_id: int) -> bool:
            return test_id in self.poller.state.members

        def trigger() -> None:
            self.poller.poll_actively()
            self.wake(MIN_TRIGGER_INTERVAL)

        if secret_file is None:
            return None
        return Webhook(WebhookSecret(secret_file), is_watched, trigger, self.self_metrics).handle

    def _configure(self, config: Config, token: Secret) -> PollConfig:
        """All that depends on the configuration but what is served where, which is settled at the start."""
        self.config = config.model_copy(update={"web": self.config.web})
        reconfigure_client(self._client, config)
        self._transport = build_transport(
            self._client,
            config,
            token,
            Transport,
            clock=self._clock,
            observer=ApiInstrumentation(self.self_metrics, config.api.effective_version),
            previous=self._transport,
        )
        self._exposition = Exposition(build_families(config.app_url, config.api.effective_version))
        self._empty_snapshot = build_pages(self._exposition)
        self.self_metrics.shard_info.clear()
        self.self_metrics.shard_info.labels(config.sharding.shard).set(1)
        self.self_metrics.total_shards.set(config.sharding.total)
        return PollConfig(
            source(config, self._transport),
            Intervals(config.poll.interval, config.poll.idle_interval, config.poll.discovery_interval),
            RetentionPolicy(config.runs.keep, config.runs.max_age, config.poll.stale_after),
            token.redact,
        )

    def snapshot(self) -> Snapshot:
        """What a scrape gets now: the latest facts, or none if they are too old to be shown."""
        return self._empty_snapshot if self.poller.state.is_stale(self._clock.monotonic()) else self._snapshot

    def render_self_metrics(self, is_openmetrics: bool) -> bytes:  # noqa: FBT001 (one of two formats)
        """What the exporter says of itself, at most a second old.

        prometheus-client takes about a millisecond for it, which is more than all the rest of a scrape.
        """
        rendered_at, tail = self._self_metrics_cache.get(is_openmetrics, (float("-inf"), b""))
        if self._clock.monotonic() - rendered_at >= SELF_METRICS_MAX_AGE:
            tail = (
                self.self_metrics.render_openmetrics() if is_openmetrics else self.self_metrics.render_text()
            )
            self._self_metrics_cache[is_openmetrics] = (self._clock.monotonic(), tail)
        return tail

    async def _publish(self, state: State) -> Callable[[], None]:
        # In a thread: a page of many series takes a while to join and compress, and scrapes must not wait.
        exposition, pages = await asyncio.to_thread(self._render, state)

        def show() -> None:
            self._exposition, self._snapshot = exposition, pages
            self._self_metrics_cache.clear()
            self._heartbeat = self._clock.monotonic()

        return show

    def _render(self, state: State) -> tuple[Exposition, Snapshot]:
        exposition = self._exposition.update(state)
        is_same = exposition.bodies == self._exposition.bodies
        return exposition, self._snapshot if is_same else build_pages(exposition)

    def _liveness_problem(self) -> str | None:
        """Why the process should be restarted: polls have ceased. An outage of k6 Cloud is no such reason."""
        longest = self.config.poll.idle_interval + 2 * self.config.poll.stale_after
        silence = self._clock.monotonic() - self._heartbeat
        return f"No poll has ended for {silence:.0f}s." if silence > longest else None

    def _readiness_problem(self) -> str | None:
        state = self.poller.state
        if state.updated_at is None:
            return "No poll has succeeded yet."
        if state.is_stale(self._clock.monotonic()):
            return f"Nothing has been learnt for {self._clock.monotonic() - state.updated_at:.0f}s."
        return None

    def _status(self) -> Status:
        poller = self.poller
        return Status(
            version=__version__,
            state=poller.state,
            is_stale=poller.state.is_stale(self._clock.monotonic()),
            now=self._clock.time(),
            last_poll=poller.last_poll,
            last_poll_outcome=poller.last_outcome,
            polling_since=poller.polling_since,
            next_poll=self.next_poll(),
            interval=poller.interval,
            errors=[(trouble.at, trouble.failure.message) for trouble in poller.recent_errors],
            app_url=self.config.app_url,
            telemetry_path=self.config.web.telemetry_path,
        )


def build_pages(exposition: Exposition) -> Snapshot:
    return Snapshot(
        ResponseBody(exposition.text()), ResponseBody(exposition.openmetrics()), exposition.series()
    )


@asynccontextmanager
async def create_exporter(
    config: Config,
    token: Secret,
    *,
    revision: str = "unknown",
    clock: Clock | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    read: Read | None = None,
) -> AsyncIterator[Exporter]:
    """An exporter with its connections to k6 Cloud, which close with it."""
    self_metrics = SelfMetrics(version=__version__, revision=revision)
    async with http_client(config, transport) as client:
        yield Exporter(config, token, client, self_metrics, clock=clock or Clock(), read=read)
