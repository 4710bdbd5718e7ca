"""Reading the configuration again while the process runs."""

import asyncio
import logging
from collections.abc import Callable

from exporter.clock import Clock
from exporter.config import Config, ConfigError
from exporter.credentials import Secret
from exporter.self_metrics import SelfMetrics

log = logging.getLogger(__name__)

UNDER_WEB = "what has changed under web takes effect at the next start"

Read = Callable[[], tuple[Config, Secret]]  # raises ConfigError


class ConfigReloader:
    """Reads the configuration when told to; a good one is handed to `enforce`, a bad one changes nothing."""

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
        self._enforce = apply
        self._web = started_with.web
        self._last: object = started_with  # the configuration, or why it was refused
        self._self_metrics = self_metrics
        self._clock = clock
        self._turn = asyncio.Lock()

    async def __call__(self) -> tuple[bool, tuple[str, ...]]:
        """Whether the configuration was good, and what there is to say of it."""
        async with self._turn:
            try:
                # In a thread: YAML takes a while over thousands of tests, and scrapes must not wait.
                config, token = await asyncio.to_thread(self._read)
            except ConfigError as error:
                return False, self._reject(error.messages)
            notes = (UNDER_WEB,) if config.web != self._web else ()
            self._enforce(config, token)
            record_reload_success(self._self_metrics, self._clock)
            if self._is_new(config):
                log.info("the configuration was read again")
                for note in notes:
                    log.warning(note)
            return True, notes

    def _reject(self, sentences: tuple[str, ...]) -> tuple[str, ...]:
        self._self_metrics.reload_successful.set(0)
        if self._is_new(sentences):
            for sentence in sentences:
                log.error("the configuration is refused, the old one stays: %s", sentence)
        return sentences

    def _is_new(self, read: object) -> bool:
        """Whether this is not what was read the last time: whoever keeps reloading does not fill the log."""
        before, self._last = self._last, read
        return read != before


def record_reload_success(self_metrics: SelfMetrics, clock: Clock) -> None:
    self_metrics.reload_successful.set(1)
    self_metrics.reload_success_time.set(clock.time())
