"""One poll after another: ask, succeed the state or keep the old one, tell how it went."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from exporter.clock import Clock
from exporter.k6.errors import ApiError, DecodeError, RequestTimeout, Unauthorized
from exporter.model import Run, unrecognized_fields
from exporter.polling.result import Failure, PollResult
from exporter.polling.source import PollSource
from exporter.self_metrics import SelfMetrics
from exporter.store import RetentionPolicy, State

log = logging.getLogger(__name__)

# Seconds for which a hint is believed: a run may appear in lists some time after it was created.
ACTIVE_AFTER_TRIGGER = 120.0
MAX_LOGGED_SKIPS = 1000  # things skipped that are remembered, so that each is named in the log once


@dataclass(frozen=True, slots=True)
class Intervals:
    """Seconds between polls while runs move, between polls while none does, and between discoveries."""

    active: float = 15.0
    idle: float = 60.0
    discovery: float = 300.0


@dataclass(frozen=True, slots=True)
class PollConfig:
    """What of the configuration guides polls; `conceal` takes out of a sentence what must not be read."""

    source: PollSource
    intervals: Intervals
    retention: RetentionPolicy
    redact: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class RecentError:
    """A failure and when it was last seen, in Unix seconds."""

    at: float
    failure: Failure


class Poller:
    """Holds the one reference to the state; each poll points it at a successor.

    `prepare` makes ready what is served of a state and returns how to show it.
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
        self.recent_errors: deque[RecentError] = deque(maxlen=10)
        self.last_poll: float | None = None
        self.polling_since: float | None = None  # when the poll under way began, in Unix seconds
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
        """Ask once, and show the state that follows."""
        self.polling_since = self._clock.time()
        try:
            return await self._poll()
        finally:
            self.polling_since = None

    async def _poll(self) -> PollResult:
        if self._new_config:
            self._apply_config(self._new_config())
            self._new_config = None
        began = self._clock.monotonic()
        is_discovery = began - self._discovered_at >= self._config.intervals.discovery
        poll_result = await self._fetch(self._discoveries if is_discovery else None)
        before = self.state
        # In a thread: a first poll of many tests brings news of all of them, and scrapes must not wait.
        after = await asyncio.to_thread(self._next_state, poll_result, at=began)
        show = await self._publish(after)
        # Nothing below waits: a scrape sees all of a poll, or nothing of it.
        self.state = after
        self._count_unknown(before, after, poll_result)
        self._record(poll_result, took=self._clock.monotonic() - began)
        show()
        return poll_result

    def reconfigure(self, change: Callable[[], PollConfig]) -> None:
        """Poll by another setup from the next poll on, which finds out anew which tests there are.

        `change` is called when that poll begins: one under way ends as it began.
        """
        self._new_config = change

    def _apply_config(self, setup: PollConfig) -> None:
        self._config = setup
        self.state = replace(self.state, retention=setup.retention)
        self._discovered_at = float("-inf")

    def poll_actively(self) -> None:
        """Poll as if something moved for a while: somebody says that it does."""
        self._active_until = self._clock.monotonic() + ACTIVE_AFTER_TRIGGER

    def record_internal_error(self, error: Exception) -> None:
        """Tell of a poll that failed for a reason of its own; it may fail, the exporter may not."""
        log.error("a poll failed for a reason of its own; this is a bug", exc_info=error)
        poll_result = PollResult(
            failures=[Failure("internal", f"a bug of the exporter: {type(error).__name__}")]
        )
        self._record(poll_result, took=0.0)

    @property
    def interval(self) -> float:
        """Seconds from one poll to the next as things are now."""
        is_moving = any(test_state.active_runs for test_state in self.state.tests.values())
        is_new = self.state.updated_at is None
        is_expected = self._clock.monotonic() < self._active_until
        intervals = self._config.intervals
        return intervals.active if is_moving or is_new or is_expected else intervals.idle

    async def _fetch(self, discovery: int | None) -> PollResult:
        poll_result = PollResult()
        # Two polls and the pause between them fit into stale_after: what one learnt at its beginning is not
        # too old to be shown when the next is done.
        setup = self._config
        longest_pause = max(setup.intervals.active, setup.intervals.idle)
        deadline = (self.state.retention.stale_after - longest_pause) / 2
        try:
            async with asyncio.timeout(deadline):
                await self._fetch_once(setup, poll_result, discovery)
                if discovery is None and self._unreported_tests(poll_result):
                    # A test that is not listed any more, or not legibly: which tests are there?
                    poll_result.skipped.clear()
                    await self._fetch_once(setup, poll_result, self._discoveries)
        except TimeoutError:
            poll_result.add_failure(
                RequestTimeout(f"the poll was not done after {deadline:g}s; what it learnt is kept")
            )
        except ApiError as error:
            poll_result.add_failure(error)
        if lost := self._unreported_tests(poll_result):
            poll_result.add_failure(
                DecodeError(f"nothing is told of {len(lost)} tests, among them {min(lost)}")
            )
        poll_result.redact(setup.redact)
        return poll_result

    async def _fetch_once(self, setup: PollConfig, poll_result: PollResult, discovery: int | None) -> None:
        await setup.source.fetch(self.state, poll_result, now=self._clock.time(), discovery=discovery)

    def _unreported_tests(self, poll_result: PollResult) -> set[int]:
        """The tests of which nothing was told, although nothing failed."""
        members = self.state.members if poll_result.members is None else poll_result.members
        return (
            set()
            if poll_result.failures
            else members.keys() - poll_result.updates.keys() - poll_result.unchanged
        )

    def _next_state(self, poll_result: PollResult, at: float) -> State:
        if not poll_result.has_data:
            return self.state.expire(at)
        if poll_result.members is not None:
            self._discovered_at = at
            self._discoveries += 1
        return self.state.apply(poll_result.to_state_update(self.state, at=at, now=self._clock.time()))

    def _count_unknown(self, before: State, after: State, poll_result: PollResult) -> None:
        """Count each value that we do not know once, when it first shows, not at every poll."""
        for id_ in poll_result.updates if after is not before else ():
            known = {(run.id, unrecognized_fields(run)) for run in runs_of(before, id_)}
            for run in runs_of(after, id_):
                for field in (
                    unrecognized_fields(run) if (run.id, unrecognized_fields(run)) not in known else ()
                ):
                    self._self_metrics.unknown_values.labels(field).inc()

    def _record(self, poll_result: PollResult, took: float) -> None:
        now = self._clock.time()
        self_metrics = self._self_metrics
        self_metrics.polls.labels(poll_result.outcome).inc()
        self_metrics.poll_duration.observe(took)
        self_metrics.last_poll.set(now)
        self_metrics.up.set(poll_result.outcome == "success")
        if poll_result.outcome == "success":
            self_metrics.last_successful_poll.set(now)
        for failure in poll_result.failures:
            self_metrics.poll_failures.labels(failure.reason).inc()
        for skipped in poll_result.skipped:
            self_metrics.runs_skipped.labels(skipped.reason).inc()
        self_metrics.poll_interval.set(self.interval)
        self_metrics.tests.set(len(self.state.tests))
        self_metrics.tests_unresolved.set(len(self.state.unresolved))
        self_metrics.runs.set(sum(len(test_state.runs) for test_state in self.state.tests.values()))
        self.last_poll, self.last_outcome = now, poll_result.outcome
        self._log(poll_result, now)

    def _is_known(self, failure: Failure) -> bool:
        """Whether the poll before failed in this way; a token that is refused is so wherever it is shown."""
        if failure.reason == Unauthorized.reason:
            return any(known.reason == failure.reason for known in self._logged_failures)
        return failure in self._logged_failures

    def _log(self, poll_result: PollResult, now: float) -> None:
        """A line for each thing that has changed, none for what is as it was."""
        trouble = frozenset(poll_result.failures)
        for failure in sorted(trouble, key=lambda failure: failure.message):
            self.recent_errors.append(RecentError(now, failure))
            if not self._is_known(failure):
                log.warning(failure.message, extra={"reason": failure.reason})
        if self._logged_failures and not trouble:
            log.info("polls succeed again", extra={"tests": len(self.state.tests)})
        self._logged_failures = trouble
        for skipped in poll_result.skipped:
            if skipped.description not in self._logged_skips:
                log.warning("skipped %s", skipped.description, extra={"reason": skipped.reason})
            self._logged_skips[skipped.description] = None
        while len(self._logged_skips) > MAX_LOGGED_SKIPS:
            del self._logged_skips[next(iter(self._logged_skips))]


def runs_of(state: State, test_id: int) -> tuple[Run, ...]:
    test_state = state.tests.get(test_id)
    return test_state.runs if test_state else ()
