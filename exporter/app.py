"""Creates and connects all components, and starts and stops them in order."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette

from exporter import __version__
from exporter.clock import Clock
from exporter.config import Config
from exporter.config.reload import ConfigReloader, Read, record_reload_success
from exporter.credentials import Secret, WebhookSecret
from exporter.exposition.body import MetricsPage, PageBody
from exporter.exposition.families import build_families, build_project_families
from exporter.exposition.render import Exposition
from exporter.k6.factory import build_api_client, build_http_client, build_transport
from exporter.k6.http import HttpClient
from exporter.k6.transport import Transport
from exporter.polling.factory import build_source
from exporter.polling.poller import Intervals, PollConfig, Poller
from exporter.polling.scheduler import PollScheduler
from exporter.regex import Regex
from exporter.self_metrics import ApiInstrumentation, SelfMetrics
from exporter.store import RetentionPolicy, State
from exporter.web.app import RequestHandler, Sources, application
from exporter.web.status_page import Status
from exporter.web.webhook import webhook_handler

if TYPE_CHECKING:
    import httpx  # only its types; see exporter/k6/__init__.py

# While serving, the self metrics are rendered once a second, so that no scrape has to wait for them. A scrape
# renders them only if that does not happen, and the first time in each format.
SELF_METRICS_INTERVAL = 1.0  # seconds
SELF_METRICS_MAX_AGE = 2.0  # seconds
# Webhooks can arrive in bursts, and one poll fetches the runs of all of them.
MIN_TRIGGER_INTERVAL = 5.0  # seconds between the starts of two polls, however often one is triggered


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The series about tests and runs in both formats, and their number."""

    text: PageBody
    openmetrics: PageBody
    series: int


@dataclass(frozen=True, slots=True)
class CachedPage:
    """A page with the self metrics at a monotonic time, and whether tests and runs were stale."""

    at: float
    is_stale: bool
    page: MetricsPage


class Exporter:
    """The exporter of one configuration: a poller, and `web`, an ASGI app that serves what it found.

    `client` has the base URL of k6 Cloud; tests pass one that leads to the simulator. `read` reads the
    configuration again; without it there is no reload. Nothing is polled until `scheduler` is
    started.
    """

    def __init__(
        self,
        config: Config,
        token: Secret,
        client: HttpClient,
        self_metrics: SelfMetrics,
        *,
        clock: Clock,
        read: Read | None = None,
    ) -> None:
        self.config = config
        self.self_metrics = self_metrics
        self._client = client
        self._clock = clock
        self._transport: Transport | None = None
        self._pages: dict[bool, CachedPage] = {}  # by whether they are OpenMetrics
        self.poller = Poller(
            self._configure(config, token), self_metrics=self_metrics, clock=clock, publish=self._publish
        )
        self.scheduler = PollScheduler(self.poller, clock)
        self.wake: Callable[[float], None] = self.scheduler.trigger
        self.next_poll = self.scheduler.next_poll
        self._snapshot, self._snapshot_of = self._empty_snapshot, self._exposition
        self._heartbeat = clock.monotonic()
        # Evaluated whenever a page is rendered: if polls cease, nothing else would change these.
        self_metrics.up.set_function(self._is_up)
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
            Sources(
                self.latest_page,
                self._status,
                self._liveness_problem,
                self._readiness_problem,
            ),
            config.web.telemetry_path,
            reload=self.reload if config.web.enable_reload else None,
            webhook=self._webhook(config.web.webhook_secret_file),
        )

    def _apply_config(self, config: Config, token: Secret) -> None:
        """Applies a configuration at the next poll, and triggers that poll."""
        self.poller.reconfigure(lambda: self._configure(config, token))
        self.wake(MIN_TRIGGER_INTERVAL)

    def _webhook(self, secret_file: Path | None) -> RequestHandler | None:
        def is_watched(test_id: int) -> bool:
            return test_id in self.poller.state.members

        def trigger() -> None:
            self.poller.poll_actively()
            self.wake(MIN_TRIGGER_INTERVAL)

        if secret_file is None:
            return None
        return webhook_handler(WebhookSecret(path=secret_file), is_watched, trigger, self.self_metrics)

    def _configure(self, config: Config, token: Secret) -> PollConfig:
        """Builds everything that depends on the configuration, at the start and after a reload."""
        # Changes under `web` require a restart.
        self.config = config.model_copy(update={"web": self.config.web})
        # No request is in flight: this happens before the first poll, or at the start of one.
        self._transport = build_transport(
            self._client,
            config,
            token,
            Transport,
            clock=self._clock,
            observer=ApiInstrumentation(self.self_metrics, config.api.effective_version),
            previous=self._transport,
        )
        self.self_metrics.is_excluded = build_filter(config.metrics.exclude)
        self._exposition = build_exposition(config, self.self_metrics.is_excluded)
        self._empty_snapshot = build_snapshot(self._exposition)
        # A reload can change the label value, and the old one must not remain beside it.
        self.self_metrics.shard_info.clear()
        self.self_metrics.shard_info.labels(config.sharding.shard).set(1)
        self.self_metrics.total_shards.set(config.sharding.total)
        return PollConfig(
            build_source(config, build_api_client(config, self._transport)),
            Intervals(config.poll.interval, config.poll.idle_interval, config.poll.discovery_interval),
            RetentionPolicy(config.runs.keep, config.runs.max_age, config.poll.stale_after),
            token.redact,
        )

    def snapshot(self) -> Snapshot:
        """The series of the last poll; none if they are stale."""
        return self._empty_snapshot if self._is_stale() else self._snapshot

    def _is_stale(self) -> bool:
        return self.poller.state.is_stale(self._clock.monotonic())

    def _is_up(self) -> bool:
        return self.poller.last_outcome == "success" and not self._is_stale()

    def latest_page(self, is_openmetrics: bool) -> MetricsPage:  # noqa: FBT001 (one of two formats)
        """What a scrape receives: the series of the last poll, and self metrics of the last two seconds."""
        rendered = self._pages.get(is_openmetrics)
        # Not across the moment in which the data becomes stale: k6_cloud_up must agree with the series.
        if (
            rendered is None
            or rendered.is_stale != self._is_stale()
            or self._clock.monotonic() - rendered.at >= SELF_METRICS_MAX_AGE
        ):
            rendered = self._render_page(is_openmetrics)
        return rendered.page

    @asynccontextmanager
    async def keep_pages_fresh(self) -> AsyncIterator[None]:
        """During the block, renders the self metrics of each page that was scraped once a second."""
        refreshing = asyncio.create_task(self._refresh_regularly())
        try:
            yield
        finally:
            refreshing.cancel()

    async def _refresh_regularly(self) -> None:
        while True:
            await self._clock.sleep(SELF_METRICS_INTERVAL)
            self._refresh_pages()

    def _refresh_pages(self) -> None:
        for is_openmetrics in list(self._pages):
            self._render_page(is_openmetrics)

    def _render_page(self, is_openmetrics: bool) -> CachedPage:  # noqa: FBT001 (as above)
        """Renders the self metrics anew; the rest of the page was rendered after the last poll."""
        # Before rendering: if the data becomes stale meanwhile, the next scrape notices it.
        at, is_stale = self._clock.monotonic(), self._is_stale()
        snapshot, self_metrics = self.snapshot(), self.self_metrics
        page = (
            snapshot.openmetrics.add_self_metrics(self_metrics.render_openmetrics())
            if is_openmetrics
            else snapshot.text.add_self_metrics(self_metrics.render_text())
        )
        self._pages[is_openmetrics] = CachedPage(at, is_stale, page)
        return self._pages[is_openmetrics]

    async def _publish(self, state: State) -> Callable[[], None]:
        # In a thread, so that scrapes need not wait: many series take a while to render and compress.
        exposition, snapshot = await asyncio.to_thread(self._render, state)

        def show() -> None:
            self._exposition = self._snapshot_of = exposition
            self._snapshot = snapshot
            # Otherwise scrapes would receive the page from before the poll for up to a second.
            self._refresh_pages()
            self._heartbeat = self._clock.monotonic()

        return show

    def _render(self, state: State) -> tuple[Exposition, Snapshot]:
        exposition = self._exposition.update(state)
        # The same page need not be compressed again. After a reload it has other families.
        is_same = exposition.has_same_page(self._snapshot_of)
        return exposition, self._snapshot if is_same else build_snapshot(exposition)

    def _liveness_problem(self) -> str | None:
        """Why the process should be restarted: polls no longer end. An outage of k6 Cloud is not a reason."""
        # Much longer than any poll takes: a restart loses the counters, so it is the last resort.
        limit = self.config.poll.idle_interval + 2 * self.config.poll.stale_after
        elapsed = self._clock.monotonic() - self._heartbeat
        return f"No poll has ended for {elapsed:.0f}s." if elapsed > limit else None

    def _readiness_problem(self) -> str | None:
        """Why the series about tests and runs are missing from a scrape; None if they are not."""
        state = self.poller.state
        if state.updated_at is None:
            return "No poll has succeeded yet."
        if self._is_stale():
            return f"No poll has returned data for {self._clock.monotonic() - state.updated_at:.0f}s."
        return None

    def _status(self) -> Status:
        poller, updated_at = self.poller, self.poller.state.updated_at
        running = poller.poll_in_progress
        to_unix = self._clock.to_unix
        return Status(
            version=__version__,
            state=poller.state,
            is_stale=self._is_stale(),
            now=self._clock.time(),
            last_poll=None if poller.last_poll is None else to_unix(poller.last_poll),
            last_poll_outcome=poller.last_outcome,
            polling_since=None if running is None else to_unix(running.monotonic),
            next_poll=self.next_poll(),
            interval=poller.interval,
            errors=[(to_unix(monotonic), message) for monotonic, message in poller.recent_errors],
            app_url=self.config.app_url,
            telemetry_path=self.config.web.telemetry_path,
            data_age=None if updated_at is None else self._clock.monotonic() - updated_at,
        )


def build_filter(patterns: Sequence[str]) -> Callable[[str], bool]:
    """A function that says whether one of these expressions matches the whole name of a metric."""
    regexes = [Regex(f"^(?:{pattern})$") for pattern in patterns]
    return lambda name: any(regex.matches(name) for regex in regexes)


def build_exposition(config: Config, is_excluded: Callable[[str], bool]) -> Exposition:
    """An exposition without series, of the families that are not excluded."""
    families = build_families(config.app_url, config.api.effective_version)
    # Projects belong to no shard. Of several exporters, one must expose them, or joins find them repeatedly.
    projects = build_project_families(config.metrics.project_labels) if config.sharding.shard == 0 else ()
    return Exposition(
        tuple(family for family in families if not is_excluded(family.name)),
        tuple(family for family in projects if not is_excluded(family.name)),
    )


def build_snapshot(exposition: Exposition) -> Snapshot:
    """The bodies of a scrape in both formats."""
    return Snapshot(PageBody(exposition.text()), PageBody(exposition.openmetrics()), exposition.series())


@asynccontextmanager
async def create_exporter(
    config: Config,
    token: Secret,
    *,
    revision: str = "unknown",
    clock: Clock | None = None,
    transport: "httpx.AsyncBaseTransport | None" = None,
    read: Read | None = None,
) -> AsyncIterator[Exporter]:
    """An exporter with connections to k6 Cloud. At the end of the context polls end, then they are closed."""
    self_metrics = SelfMetrics(version=__version__, revision=revision)
    async with build_http_client(transport) as client:
        exporter = Exporter(config, token, client, self_metrics, clock=clock or Clock(), read=read)
        try:
            yield exporter
        finally:
            await exporter.scheduler.shutdown()
