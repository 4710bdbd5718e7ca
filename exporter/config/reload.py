"""Reloading the configuration while the process runs."""

import asyncio
import logging
from collections.abc import Callable

from exporter.clock import Clock
from exporter.config import Config, ConfigError
from exporter.credentials import Secret
from exporter.self_metrics import SelfMetrics
from exporter.shared_call import SharedCall

log = logging.getLogger(__name__)

# The socket and the routes are made once, at the start.
RESTART_NEEDED = "changes under web require a restart"

MIN_INTERVAL = 1.0  # seconds between the starts of two reloads

Read = Callable[[], tuple[Config, Secret]]  # raises ConfigError


class ConfigReloader:
    """Reloads the configuration when called, and passes it to `apply`; an invalid one changes nothing."""

    def __init__(
        self,
        read: Read,
        apply: Callable[[Config, Secret], None],
        *,
        started_with: Config,
        self_metrics: SelfMetrics,
        clock: Clock,
    ) -> None:
        self._read = read
        self._apply = apply
        self._web = started_with.web
        self._last_result: object = started_with  # the configuration, or the errors in it
        self._self_metrics = self_metrics
        self._clock = clock
        self._read_at = float("-inf")  # monotonic
        # SIGHUP and requests may come together, and any client can send thousands.
        self._shared_reload = SharedCall(self._reload)

    async def __call__(self) -> tuple[bool, tuple[str, ...]]:
        """Whether the configuration was valid, and its errors, or notes on what was not applied.

        All who call while a reload is running share the next one.
        """
        return await self._shared_reload()

    async def _reload(self) -> tuple[bool, tuple[str, ...]]:
        # A large file keeps a core busy for a while, so a flood of requests must not read it all the time.
        await self._clock.sleep(max(self._read_at + MIN_INTERVAL - self._clock.monotonic(), 0.0))
        self._read_at = self._clock.monotonic()
        try:
            # In a thread, since YAML with thousands of tests takes a while and scrapes must not wait.
            config, token = await asyncio.to_thread(self._read)
        except ConfigError as error:
            return False, self._reject(error.messages)
        notes = (RESTART_NEEDED,) if config.web != self._web else ()
        # Back on the event loop, since it wakes the scheduler, which runs there.
        self._apply(config, token)
        record_reload_success(self._self_metrics, self._clock)
        if self._has_changed(config):
            log.info("configuration reloaded")
            for note in notes:
                log.warning(note)
        return True, notes

    def _reject(self, messages: tuple[str, ...]) -> tuple[str, ...]:
        self._self_metrics.reload_successful.set(0)
        if self._has_changed(messages):
            for message in messages:
                log.error("configuration rejected, the previous one stays active: %s", message)
        return messages

    def _has_changed(self, result: object) -> bool:
        """Whether the result differs from the last one. Otherwise frequent reloads would fill the log."""
        previous, self._last_result = self._last_result, result
        return result != previous


def record_reload_success(self_metrics: SelfMetrics, clock: Clock) -> None:
    self_metrics.reload_successful.set(1)
    self_metrics.reload_success_time.set(clock.time())
