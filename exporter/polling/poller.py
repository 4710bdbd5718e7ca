"""A poll: fetch, derive the next state or keep the old one, record how it went."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from msgspec.structs import replace

from exporter.clock import Clock
from exporter.k6.errors import ApiError, DecodeError, RequestTimeout, Unauthorized
from exporter.model import LoadTest, Run, unrecognized_fields
from exporter.polling.events import find_unsuccessful_runs, log_discovery, log_poll, log_unsuccessful_runs
from exporter.polling.legacy import LegacySource
from exporter.polling.result import Failure, PollResult
from exporter.polling.v6 import V6Source
from exporter.self_metrics import SelfMetrics
from exporter.store import RetentionPolicy, State

log = logging.getLogger(__name__)

# Seconds of active polling after a trigger: a run may appear in lists only some time after it was created.
ACTIVE_AFTER_TRIGGER = 120.0
MAX_LOGGED_SKIPS = 1000  # skipped items that are remembered, so that each is logged once


@dataclass(frozen=True, slots=True)
class Intervals:
    """Seconds between polls with active runs, between polls without any, and between discoveries."""

    active: float = 15.0
    idle: float = 60.0
    discovery: float = 300.0


@dataclass(frozen=True, slots=True)
class PollConfig:
    """What a poll needs of the configuration. `redact` removes secrets from a sentence."""

    source: LegacySource | V6Source
    intervals: Intervals
    retention: RetentionPolicy
    redact: Callable[[str], str]

    @property
    def deadline(self) -> float:
        """Seconds after which a poll is cut short.

        Two polls and the pause between them fit into stale_after: what one fetches at its start is not yet
        stale when the next one ends.
        """
        return (self.retention.stale_after - max(self.intervals.active, self.intervals.idle)) / 2


@dataclass(frozen=True, slots=True)
class PollEvaluation:
    """The state after a poll, and what is to be counted and logged.

    `unknown_values` has the name of the API field for each new value that this version does not know. The
    `unsuccessful_runs` have finished without a pass; each is with its test.
    """

    state: State
    unknown_values: Sequence[str] = ()
    unsuccessful_runs: Sequence[tuple[LoadTest, Run]] = ()


class Poller:
    """Holds the one reference to the state; each poll replaces it by the next state.

    `publish` prepares what is served of a state, and returns a function that begins to serve it.
    """

    def __init__(
        self,
        config: PollConfig,
        *,
        self_metrics: SelfMetrics,
        clock: Clock,
        publish: Callable[[State], Awaitable[Callable[[], None]]],
    ) -> None:
        self.state = State(config.retention)
        # Times are in seconds of the monotonic clock: the status page shows how long ago they were.
        self.recent_errors: deque[tuple[float, str]] = deque(maxlen=10)  # each with a sentence
        self.last_poll: float | None = None  # the end of the last poll
        self.poll_in_progress: PollResult | None = None  # `monotonic` is its start
        self.last_outcome = ""
        self._config = config
        self._new_config: Callable[[], PollConfig] | None = None
        self._self_metrics = self_metrics
        self._clock = clock
        self._publish = publish
        self._discoveries = 0
        self._discovered_at = float("-inf")
        self._active_until = float("-inf")
        self._logged_failures: frozenset[Failure] = frozenset()
        self._logged_skips: dict[str, None] = {}

    async def poll(self) -> PollResult:
        """Polls once and publishes the next state. A failure is a part of the result; nothing is raised."""
        poll_result = PollResult(self._clock.monotonic(), self._clock.time())
        self.poll_in_progress = poll_result
        try:
            discovery = self._begin(poll_result.monotonic)
            async with self._collect_failures(poll_result):
                source = self._config.source
                await source.fetch(self.state, poll_result, discovery)
                if discovery is None and self._unreported_tests(poll_result):
                    # A test is missing from the list, or could not be parsed: discover at once, not later.
                    # The second fetch skips the same items again, and each must be counted once.
                    poll_result.skipped.clear()
                    discovery = self._discoveries
                    await source.fetch(self.state, poll_result, discovery)
            await self._finish(poll_result)
        finally:
            self.poll_in_progress = None
        return poll_result

    def _begin(self, monotonic: float) -> int | None:
        """Applies a new configuration. Returns the number of this poll as a discovery, None if it is not one.

        `monotonic` is the start of the poll.
        """
        if self._new_config:
            self._config = self._new_config()
            self._new_config = None
            self.state = replace(self.state, retention=self._config.retention)
            self._discovered_at = float("-inf")  # the tests may be others
        is_due = monotonic - self._discovered_at >= self._config.intervals.discovery
        return self._discoveries if is_due else None

    @asynccontextmanager
    async def _collect_failures(self, poll_result: PollResult) -> AsyncIterator[None]:
        """Cuts a poll short at its deadline, and adds what failed to its result."""
        deadline = self._config.deadline
        try:
            async with asyncio.timeout(deadline):
                yield
        except TimeoutError:
            poll_result.add_failure(describe_cut(deadline, self._config.source.api.retried_error))
        except ApiError as error:
            poll_result.add_failure(error)
        if missing := self._unreported_tests(poll_result):
            poll_result.add_failure(
                DecodeError(f"no data returned for {len(missing)} tests, such as {min(missing)}")
            )

    async def _finish(self, poll_result: PollResult) -> None:
        before = self.state
        # In a thread, so that scrapes need not wait: the first poll of many tests brings updates of them all.
        evaluation = await asyncio.to_thread(self._evaluate, poll_result)
        after = evaluation.state
        show = await self._publish(after)
        # There is no await below: a scrape sees all of a poll, or nothing of it.
        self.state = after
        for field in evaluation.unknown_values:
            self._self_metrics.unknown_values.labels(field).inc()
        took = self._clock.monotonic() - poll_result.monotonic
        self._record(poll_result, took)
        if poll_result.members is not None and after is not before:
            log_discovery(before, after, self._config.redact)
        log_unsuccessful_runs(evaluation.unsuccessful_runs, self._config.redact)
        log_poll(poll_result, after, took)
        show()

    def reconfigure(self, new_config: Callable[[], PollConfig]) -> None:
        """Changes the configuration with the next poll, which is a discovery.

        `new_config` is called at the start of that poll, so that the one in progress ends as it began.
        """
        self._new_config = new_config

    def poll_actively(self) -> None:
        """Polls at the active interval for a while, since a trigger reported an active run."""
        self._active_until = self._clock.monotonic() + ACTIVE_AFTER_TRIGGER

    def record_internal_error(self, error: Exception) -> None:
        """Records a poll that raised an exception, which is a bug: a poll may fail, the exporter may not."""
        log.error("unexpected error during poll (please report)", exc_info=error)
        failure = Failure("internal", f"internal error: {type(error).__name__} (please report)")
        self._record(PollResult(failures=[failure]), took=0.0)

    @property
    def interval(self) -> float:
        """Seconds from the start of a poll to the next one, at present."""
        has_active_runs = any(test_state.active_runs for test_state in self.state.tests.values())
        # Until there is data, a failed poll is repeated soon: nothing can be served before.
        is_first = self.state.updated_at is None
        is_triggered = self._clock.monotonic() < self._active_until
        intervals = self._config.intervals
        return intervals.active if has_active_runs or is_first or is_triggered else intervals.idle

    def _unreported_tests(self, poll_result: PollResult) -> frozenset[int]:
        """The tests without data although nothing failed."""
        return frozenset() if poll_result.failures else poll_result.missing_tests(self.state)

    def _evaluate(self, poll_result: PollResult) -> PollEvaluation:
        """Removes secrets from the result and derives the next state from it.

        Runs in a thread: meanwhile, others only read its start and how much it has.
        """
        poll_result.redact(self._config.redact)
        after = self._next_state(poll_result)
        if not poll_result.has_data:
            return PollEvaluation(after)
        return PollEvaluation(
            after,
            find_fields_with_unknown_values(self.state, after, poll_result),
            find_unsuccessful_runs(poll_result, self.state),
        )

    def _next_state(self, poll_result: PollResult) -> State:
        # An outage of the API changes no run. What is known stays until it is stale.
        if not poll_result.has_data:
            return self.state.expire(poll_result.monotonic)
        if poll_result.members is not None:
            self._discovered_at = poll_result.monotonic
            self._discoveries += 1
        poll_result.failed = poll_result.missing_tests(self.state)
        return self.state.apply(poll_result)

    def _record(self, poll_result: PollResult, took: float) -> None:
        unix_now = self._clock.time()
        self_metrics = self._self_metrics
        self_metrics.polls.labels(poll_result.outcome).inc()
        self_metrics.poll_duration.observe(took)
        self_metrics.last_poll.set(unix_now)
        if poll_result.outcome == "success":
            self_metrics.last_successful_poll.set(unix_now)
        for failure in poll_result.failures:
            self_metrics.poll_failures.labels(failure.reason).inc()
        for skipped in poll_result.skipped:
            self_metrics.runs_skipped.labels(skipped.reason).inc()
        self_metrics.poll_interval.set(self.interval)
        self_metrics.tests.set(len(self.state.tests))
        self_metrics.tests_unresolved.set(len(self.state.unresolved))
        self_metrics.runs.set(sum(len(test_state.runs) for test_state in self.state.tests.values()))
        self.last_poll, self.last_outcome = self._clock.monotonic(), poll_result.outcome
        self._log(poll_result)

    def _log(self, poll_result: PollResult) -> None:
        """Logs what has changed since the last poll, so that an outage does not fill the log."""
        failures = frozenset(poll_result.failures)
        for failure in sorted(failures, key=lambda failure: failure.message):
            self.recent_errors.append((self._clock.monotonic(), failure.message))
            if not self._is_logged(failure):
                log.warning("poll failed", extra={"reason": failure.reason, "error": failure.message})
        if self._logged_failures and not failures:
            log.info("poll succeeded again", extra={"tests": len(self.state.tests)})
        self._logged_failures = failures
        for skipped in poll_result.skipped:
            if skipped.description not in self._logged_skips:
                log.warning("item skipped", extra={"reason": skipped.reason, "error": skipped.description})
            self._logged_skips[skipped.description] = None
        # A dict keeps the order of insertion, so the oldest are removed first.
        while len(self._logged_skips) > MAX_LOGGED_SKIPS:
            del self._logged_skips[next(iter(self._logged_skips))]

    def _is_logged(self, failure: Failure) -> bool:
        """Whether the last poll failed in the same way."""
        if failure.reason == Unauthorized.reason:
            # The endpoint is a part of the message, but a rejected token is rejected at all of them.
            return any(logged.reason == failure.reason for logged in self._logged_failures)
        return failure in self._logged_failures


def describe_cut(deadline: float, retried: ApiError | None) -> ApiError:
    """The failure of a poll that was cut short after `deadline` seconds.

    `retried` is the error of a request that was about to be sent again, and so has not been reported.
    """
    cut = f"poll cut short after {deadline:g}s"
    if retried:
        return type(retried)(f"{retried} ({cut})")
    return RequestTimeout(f"{cut}; tests fetched until then are updated")


def find_fields_with_unknown_values(before: State, after: State, poll_result: PollResult) -> list[str]:
    """The field of each unknown value that was not in the state before, so that each is counted once."""
    found: list[str] = []
    for id_ in poll_result.updates:
        counted = {(run.id, unrecognized_fields(run)) for run in runs_of(before, id_)}
        for run in runs_of(after, id_):
            fields = unrecognized_fields(run)
            found += fields if (run.id, fields) not in counted else ()
    return found


def runs_of(state: State, test_id: int) -> tuple[Run, ...]:
    """The remembered runs of a test; none for an unknown test."""
    test_state = state.tests.get(test_id)
    return test_state.runs if test_state else ()
