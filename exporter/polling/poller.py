"""One poll after another: ask, succeed the state or keep the old one, tell how it went."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from exporter.clock import Clock
from exporter.k6.errors import ApiError, TimedOut, Unauthorized, Unreadable
from exporter.model import Run, unknown_codes
from exporter.polling.findings import Failure, Findings
from exporter.store import Retention, State
from exporter.telemetry import Telemetry

log = logging.getLogger(__name__)

# Seconds for which a hint is believed: a run may appear in lists some time after it was created.
EXPECTANT = 120.0
MOST_NAMED = 1000  # things skipped that are remembered, so that each is named in the log once


class Inquiry(Protocol):
    """How an API generation is asked."""

    async def look(self, state: State, findings: Findings, *, now: float, discovery: int | None) -> None:
        """Fill `findings` with what is new since `state`. Raises ApiError where all is lost."""

    async def discover(self, state: State, findings: Findings) -> object:
        """Fill `findings` with which tests there are. Raises ApiError where all is lost."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """Seconds between polls while runs move, between polls while none does, and between discoveries."""

    active: float = 15.0
    idle: float = 60.0
    discovery: float = 300.0


@dataclass(frozen=True, slots=True)
class Setup:
    """What of the configuration guides polls; `conceal` takes out of a sentence what must not be read."""

    inquiry: Inquiry
    intervals: Intervals
    retention: Retention
    conceal: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A failure and when it was last seen, in Unix seconds."""

    at: float
    failure: Failure


class Poller:
    """Holds the one reference to the state; each poll points it at a successor.

    `prepare` makes ready what is served of a state and returns how to show it.
    """

    def __init__(
        self,
        setup: Setup,
        *,
        telemetry: Telemetry,
        clock: Clock,
        prepare: Callable[[State], Awaitable[Callable[[], None]]],
    ) -> None:
        self.state = State(setup.retention)
        self.troubles: deque[Trouble] = deque(maxlen=10)
        self.last_poll: float | None = None
        self.polling_since: float | None = None  # when the poll under way began, in Unix seconds
        self.last_outcome = ""
        self._setup = setup
        self._change: Callable[[], Setup] | None = None
        self._telemetry = telemetry
        self._clock = clock
        self._prepare = prepare
        self._discoveries = 0
        self._discovered_at = float("-inf")
        self._news_until = float("-inf")
        self._known_trouble: frozenset[Failure] = frozenset()
        self._named: dict[str, None] = {}

    async def poll(self) -> Findings:
        """Ask once, and show the state that follows."""
        self.polling_since = self._clock.time()
        try:
            return await self._poll()
        finally:
            self.polling_since = None

    async def _poll(self) -> Findings:
        if self._change:
            self._settle(self._change())
            self._change = None
        began = self._clock.monotonic()
        is_discovery = began - self._discovered_at >= self._setup.intervals.discovery
        findings = await self._ask(self._discoveries if is_discovery else None)
        before = self.state
        # In a thread: a first poll of many tests brings news of all of them, and scrapes must not wait.
        after = await asyncio.to_thread(self._after, findings, at=began)
        show = await self._prepare(after)
        # Nothing below waits: a scrape sees all of a poll, or nothing of it.
        self.state = after
        self._count_unknown(before, after, findings)
        self._tell(findings, took=self._clock.monotonic() - began)
        show()
        return findings

    def change(self, change: Callable[[], Setup]) -> None:
        """Poll by another setup from the next poll on, which finds out anew which tests there are.

        `change` is called when that poll begins: one under way ends as it began.
        """
        self._change = change

    def _settle(self, setup: Setup) -> None:
        self._setup = setup
        self.state = replace(self.state, retention=setup.retention)
        self._discovered_at = float("-inf")

    def expect_news(self) -> None:
        """Poll as if something moved for a while: somebody says that it does."""
        self._news_until = self._clock.monotonic() + EXPECTANT

    def note_bug(self, error: Exception) -> None:
        """Tell of a poll that failed for a reason of its own; it may fail, the exporter may not."""
        log.error("a poll failed for a reason of its own; this is a bug", exc_info=error)
        findings = Findings(failures=[Failure("internal", f"a bug of the exporter: {type(error).__name__}")])
        self._tell(findings, took=0.0)

    @property
    def interval(self) -> float:
        """Seconds from one poll to the next as things are now."""
        is_moving = any(watched.moving for watched in self.state.tests.values())
        is_new = self.state.as_of is None
        is_expected = self._clock.monotonic() < self._news_until
        intervals = self._setup.intervals
        return intervals.active if is_moving or is_new or is_expected else intervals.idle

    async def _ask(self, discovery: int | None) -> Findings:
        findings = Findings()
        # Two polls and the pause between them fit into stale_after: what one learnt at its beginning is not
        # too old to be shown when the next is done.
        setup = self._setup
        longest_pause = max(setup.intervals.active, setup.intervals.idle)
        deadline = (self.state.retention.stale_after - longest_pause) / 2
        try:
            async with asyncio.timeout(deadline):
                await self._look(setup, findings, discovery)
                if discovery is None and self._lost(findings):
                    # A test that is not listed any more, or not legibly: which tests are there?
                    findings.skipped.clear()
                    await self._look(setup, findings, self._discoveries)
        except TimeoutError:
            findings.fail(TimedOut(f"the poll was not done after {deadline:g}s; what it learnt is kept"))
        except ApiError as error:
            findings.fail(error)
        if lost := self._lost(findings):
            findings.fail(Unreadable(f"nothing is told of {len(lost)} tests, among them {min(lost)}"))
        findings.conceal(setup.conceal)
        return findings

    async def _look(self, setup: Setup, findings: Findings, discovery: int | None) -> None:
        await setup.inquiry.look(self.state, findings, now=self._clock.time(), discovery=discovery)

    def _lost(self, findings: Findings) -> set[int]:
        """The tests of which nothing was told, although nothing failed."""
        members = self.state.members if findings.members is None else findings.members
        return set() if findings.failures else members.keys() - findings.seen.keys() - findings.confirmed

    def _after(self, findings: Findings, at: float) -> State:
        if not findings.learnt_something:
            return self.state.at(at)
        if findings.members is not None:
            self._discovered_at = at
            self._discoveries += 1
        return self.state.after(findings.poll(self.state, at=at, now=self._clock.time()))

    def _count_unknown(self, before: State, after: State, findings: Findings) -> None:
        """Count each value that we do not know once, when it first shows, not at every poll."""
        for id_ in findings.seen if after is not before else ():
            known = {(run.id, unknown_codes(run)) for run in runs_of(before, id_)}
            for run in runs_of(after, id_):
                for field in unknown_codes(run) if (run.id, unknown_codes(run)) not in known else ():
                    self._telemetry.unknown_values.labels(field).inc()

    def _tell(self, findings: Findings, took: float) -> None:
        now = self._clock.time()
        telemetry = self._telemetry
        telemetry.polls.labels(findings.outcome).inc()
        telemetry.poll_duration.observe(took)
        telemetry.last_poll.set(now)
        telemetry.up.set(findings.outcome == "success")
        if findings.outcome == "success":
            telemetry.last_successful_poll.set(now)
        for failure in findings.failures:
            telemetry.poll_failures.labels(failure.reason).inc()
        for skipped in findings.skipped:
            telemetry.runs_skipped.labels(skipped.reason).inc()
        telemetry.poll_interval.set(self.interval)
        telemetry.tests.set(len(self.state.tests))
        telemetry.tests_unresolved.set(len(self.state.unresolved))
        telemetry.runs.set(sum(len(watched.runs) for watched in self.state.tests.values()))
        self.last_poll, self.last_outcome = now, findings.outcome
        self._log(findings, now)

    def _is_known(self, failure: Failure) -> bool:
        """Whether the poll before failed in this way; a token that is refused is so wherever it is shown."""
        if failure.reason == Unauthorized.reason:
            return any(known.reason == failure.reason for known in self._known_trouble)
        return failure in self._known_trouble

    def _log(self, findings: Findings, now: float) -> None:
        """A line for each thing that has changed, none for what is as it was."""
        trouble = frozenset(findings.failures)
        for failure in sorted(trouble, key=lambda failure: failure.sentence):
            self.troubles.append(Trouble(now, failure))
            if not self._is_known(failure):
                log.warning(failure.sentence, extra={"reason": failure.reason})
        if self._known_trouble and not trouble:
            log.info("polls succeed again", extra={"tests": len(self.state.tests)})
        self._known_trouble = trouble
        for skipped in findings.skipped:
            if skipped.which not in self._named:
                log.warning("skipped %s", skipped.which, extra={"reason": skipped.reason})
            self._named[skipped.which] = None
        while len(self._named) > MOST_NAMED:
            del self._named[next(iter(self._named))]


def runs_of(state: State, test_id: int) -> tuple[Run, ...]:
    watched = state.tests.get(test_id)
    return watched.runs if watched else ()
