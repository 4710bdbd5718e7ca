"""The state: everything that is known about the watched tests and their runs.

Each poll creates a new State and does not modify the previous one. Scrapes can therefore read a state without
a lock while the next one is built, and an unchanged part is recognized by being the same object.
"""

import dataclasses
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from msgspec import Struct, field
from msgspec.structs import replace

from exporter.model import (
    INCONCLUSIVE,
    NO_PHASES,
    LoadTest,
    Outcome,
    Project,
    Run,
    RunStatus,
    UnresolvedEntry,
    unrecognized_fields,
)

DAY = 86400.0  # seconds
# Newest run ids that are kept for each test. k6 Cloud can list a run later than runs with higher ids. It is
# still counted if fewer than this many runs are newer.
MAX_RECENT_IDS = 32
NO_IDS: frozenset[int] = frozenset()
MAX_RECENT_OUTCOMES = 10  # finished runs of a test whose outcome is kept, for the status page


class RetentionPolicy(Struct, frozen=True, gc=False):
    """How much is kept: the settings runs.keep, runs.max_age and poll.stale_after.

    `keep` is the number of finished runs of each test, and `max_age` the age in seconds, up to which they are
    exposed. A test that no poll has confirmed for more than `stale_after` seconds is stale.
    """

    keep: int = 3
    max_age: float = 7 * DAY
    stale_after: float = 300.0


class TestUpdate(Struct, frozen=True, gc=False):
    """What one poll fetched about one test.

    `runs` are the runs in their current state; a run that is not among them is unchanged. `deleted_run_ids`
    are runs that no longer exist in k6 Cloud.
    """

    test: LoadTest
    runs: tuple[Run, ...] = ()
    deleted_run_ids: frozenset[int] = frozenset()


@dataclass(slots=True)
class StateUpdate:
    """What one poll fetched about all tests, filled in as responses arrive. Tests are identified by id.

    - `monotonic` and `now`: start of the poll, in seconds of the monotonic clock and in Unix seconds.
    - `updates`: tests about which something was fetched. One that is in neither `updates` nor `failed` is
      unchanged.
    - `failed`: tests whose requests failed.
    - `members`: all tests to watch from now on, or None if this poll made no discovery.
    - `unresolved`: entries of the configuration that select no test; ignored unless `members` is given.
    - `projects`: all projects of the token by id, or None if they were not fetched.
    - `list_since`: creation time in Unix seconds from which the next poll of v6 lists runs; None if this poll
      has not listed them.
    - `server_time`: Unix seconds by k6 Cloud's clock, None if it is not known.
    """

    monotonic: float = 0.0
    now: float = 0.0
    updates: dict[int, TestUpdate] = dataclasses.field(default_factory=dict)
    failed: frozenset[int] = frozenset()
    members: Mapping[int, LoadTest] | None = None
    unresolved: tuple[UnresolvedEntry, ...] = ()
    projects: Mapping[int, Project] | None = None
    list_since: float | None = None
    server_time: float | None = None

    @property
    def latest_now(self) -> float:
        """Unix seconds by the later of both clocks: what is in the future by both is a mistake."""
        return self.now if self.server_time is None else max(self.now, self.server_time)

    @property
    def earliest_now(self) -> float:
        """Unix seconds by the earlier of both clocks: what is too old by both is dropped.

        Either clock can be wrong, k6 Cloud's in one response only, and that must not drop anything.
        """
        return self.now if self.server_time is None else min(self.now, self.server_time)


class RunSummary(Struct, frozen=True, gc=False):
    """What is kept of a finished run that is itself no longer kept. Times are in Unix seconds.

    It takes a twentieth of the memory of a Run.
    """

    id: int
    outcome: Outcome
    ended: float | None
    created: float | None = None

    @property
    def sort_key(self) -> tuple[float, int]:
        """Orders summaries from old to new, as Run.sort_key orders runs."""
        return (self.created if self.created is not None else float("-inf"), self.id)


class Streak(Struct, frozen=True, gc=False):
    """Failed runs in a row, 0 after a pass: how many, and when the first of them ended (Unix seconds)."""

    failures: int = 0
    since: float | None = None


class TestState(Struct, frozen=True, gc=False):
    """A test with its runs and counts.

    - `runs`: all active runs and the newest finished ones, newest first.
    - `exposed_runs`: those of `runs` that have series of their own; finished ones are left out when they are
      older than the maximum age.
    - `active_runs`: those of `runs` that have not finished.
    - `older_summaries`: finished runs that are no longer in `runs`, newest first. They are not fetched again,
      so one that is deleted in k6 Cloud stays until newer ones replace it.
    - `forgotten_streak`: the streak of the runs that are no longer in `older_summaries` either, None if it
      has neither a pass nor a failure.
    - `last_passed_time`: when the last passed run ended, in Unix seconds.
    - `finished_counts`, `finished_vuh`: runs finished since the exporter started, by outcome, and the virtual
      user hours of all of them.
    - `schedule_due`: the latest time in Unix seconds that had been scheduled for a start and has passed.

    The remaining fields are used to decide whether a finished run is counted, exactly once:

    - `uncounted_ids`: those of `runs` that are neither counted nor had finished before the first poll. A run
      can seem to finish twice, when its results are processed again.
    - `recent_ids`, `highest_old_id`: the newest ids that were ever received, and the highest of all others.
      A finished run that is received for the first time is counted if its id is greater than highest_old_id
      and not in recent_ids. Ids are compared and not creation times, because k6 Cloud assigns ids in
      ascending order, while times can be missing, wrong, or of a clock that differs from ours. Only where an
      id is wrong (see is_newest), the creation time decides.
    """

    test: LoadTest
    runs: tuple[Run, ...] = ()
    exposed_runs: tuple[Run, ...] = ()
    active_runs: tuple[Run, ...] = ()
    older_summaries: tuple[RunSummary, ...] = ()
    forgotten_streak: Streak | None = None
    last_passed_time: float | None = None
    finished_counts: tuple[tuple[Outcome, int], ...] = tuple((outcome, 0) for outcome in Outcome)
    finished_vuh: float = 0.0
    schedule_due: float | None = None
    uncounted_ids: frozenset[int] = NO_IDS
    recent_ids: tuple[int, ...] = ()
    highest_old_id: int = -1

    @property
    def last_run(self) -> Run | None:
        """The newest run, active or finished."""
        return self.runs[0] if self.runs else None

    @property
    def last_finished_run(self) -> Run | None:
        """The newest finished run."""
        return next((run for run in self.runs if counts_as_finished(run)), None)

    @property
    def recent_outcomes(self) -> tuple[RunSummary, ...]:
        """The newest finished runs, newest first, whether they are still in `runs` or not."""
        summaries = (summary for run in self.runs if (summary := summarize(run)))
        return (*summaries, *self.older_summaries)[:MAX_RECENT_OUTCOMES]

    @property
    def streak(self) -> Streak | None:
        """The failed runs in a row up to the newest finished one; None if there was no pass or failure yet.

        Runs that a user stopped, and runs without a result, do not matter.
        """
        return extend_streak(self.forgotten_streak, reversed(self.recent_outcomes))


def counts_as_finished(run: Run) -> bool:
    """Whether a run has finished. An archived run is only an uploaded script, which never ran."""
    return run.is_finished and run.status != RunStatus.ARCHIVED


def summarize(run: Run) -> RunSummary | None:
    """The summary of a finished run, None for any other."""
    if not counts_as_finished(run):
        return None
    return RunSummary(run.id, run.outcome or Outcome.NONE, run.ended, run.created)


def extend_streak(streak: Streak | None, summaries: Iterable[RunSummary]) -> Streak | None:
    """A streak after further finished runs, given from old to new."""
    for summary in summaries:
        if summary.outcome == Outcome.PASSED:
            streak = Streak()
        elif summary.outcome not in INCONCLUSIVE:
            before = streak or Streak()
            since = before.since if before.failures else summary.ended
            streak = Streak(before.failures + 1, since)
    return streak


def unparsed_runs(test_state: TestState) -> tuple[Run, ...]:
    """Runs with unrecognized fields, which are fetched again: a later response can be valid."""
    return tuple(run for run in test_state.runs if unrecognized_fields(run))


def create_test_state(test_update: TestUpdate, retention: RetentionPolicy, now: float) -> TestState:
    """The state of a test after its first update, at Unix time `now`.

    Runs that had already finished by then are not counted, or each restart would count them again.
    """
    highest_id = max((run.id for run in test_update.runs), default=-1)
    initial = TestState(test_update.test, highest_old_id=highest_id)
    return apply_update(initial, test_update, retention, now)


def apply_update(
    test_state: TestState, test_update: TestUpdate, retention: RetentionPolicy, now: float
) -> TestState:
    """The state of a test after an update at Unix time `now`; the same object if nothing has changed."""
    known = {run.id: run for run in test_state.runs if run.id not in test_update.deleted_run_ids}
    merged = known | {run.id: run for run in test_update.runs}
    runs = select_retained(merged.values(), retention)
    # A run that was deleted before it finished, and comes back, is to be counted when it finishes.
    counted = frozenset(run.id for run in test_state.runs) - test_state.uncounted_ids
    uncounted = test_update.deleted_run_ids - counted
    # A set keeps the first of equal ids, here that of the run, which is stored anyway.
    ids = sorted({*(run.id for run in test_update.runs), *test_state.recent_ids} - uncounted)
    newly_finished = find_newly_finished(test_state, merged.values())
    counts = Counter(run.outcome for run in newly_finished)
    after = TestState(
        # The old object if it has not changed, since `members` refers to it too.
        test=test_state.test if test_state.test == test_update.test else test_update.test,
        runs=runs,
        exposed_runs=select_exposed(runs, retention, now),
        active_runs=tuple(run for run in runs if not run.is_finished),
        older_summaries=update_summaries(test_state.older_summaries, runs, merged),
        last_passed_time=latest_pass_time(test_state.last_passed_time, merged.values()),
        # The same objects if they have not changed, which saves memory.
        finished_counts=tuple(
            (pair[0], pair[1] + counts[pair[0]]) if pair[0] in counts else pair
            for pair in test_state.finished_counts
        )
        if counts
        else test_state.finished_counts,
        # Rounded, so that the sum does not depend on how many runs a poll brings, in which order.
        finished_vuh=round(test_state.finished_vuh + sum(run.vuh or 0.0 for run in newly_finished), 9),
        schedule_due=test_state.schedule_due,
        # One empty set for all tests, since each takes 200 bytes.
        uncounted_ids=frozenset(
            run.id for run in runs if run.id not in counted and not counts_as_finished(run)
        )
        or NO_IDS,
        recent_ids=tuple(ids[-MAX_RECENT_IDS:]),
        highest_old_id=max([test_state.highest_old_id, *ids[:-MAX_RECENT_IDS]]),
    )
    after = replace(after, forgotten_streak=forget(test_state, after, test_update.deleted_run_ids))
    # The same object means to the exposition that nothing is to be rendered.
    return test_state if after == test_state else after


def find_newly_finished(test_state: TestState, runs: Iterable[Run]) -> list[Run]:
    """Those of these runs, as an update brings them, that have finished and are to be counted."""
    known = {run.id for run in test_state.runs}
    return [run for run in runs if counts_as_finished(run) and is_newly_finished(run, test_state, known)]


def is_newly_finished(run: Run, test_state: TestState, known_ids: Container[int]) -> bool:
    """Whether a finished run has neither been counted nor had finished before the first update."""
    if run.id in test_state.uncounted_ids:
        return True
    if run.id in known_ids:
        return False
    is_new = run.id > test_state.highest_old_id or is_newest(run, test_state)
    return is_new and run.id not in test_state.recent_ids


def is_newest(run: Run, test_state: TestState) -> bool:
    """Whether a run was created after all known ones, although one of them has a higher id.

    A single wrong id, such as 2**62, would be the highest for good. More than one is no mistake.
    """
    newest = test_state.last_run
    is_last_created = newest is not None and run.sort_key[0] > newest.sort_key[0]
    return is_last_created and all(id_ < run.id for id_ in test_state.recent_ids[:-1])


def drop_future_timestamps(run: Run, now: float) -> Run:
    """The run without timestamps from the future, which would make it the newest run permanently.

    Clocks may differ, so that a day is tolerated. What is dropped is named in `invalid_fields`.
    """
    timestamps = {"created": run.created, "started": run.started, "ended": run.ended}
    future = [name for name, value in timestamps.items() if value is not None and value >= now + DAY]
    if not future:
        return run
    created, started, ended = (None if name in future else value for name, value in timestamps.items())
    invalid_fields = (*run.invalid_fields, *future)
    run = replace(run, created=created, started=started, ended=ended, invalid_fields=invalid_fields)
    # What was computed from these times is as wrong as they are.
    return run if future == ["created"] else replace(run, execution=None, phases=NO_PHASES)


def select_retained(runs: Iterable[Run], retention: RetentionPolicy) -> tuple[Run, ...]:
    """All active runs and the newest finished ones, newest first.

    At least one finished run is kept, because the series about the last run need it.
    """
    newest_first = sorted(runs, key=lambda run: run.sort_key, reverse=True)
    finished = [run.id for run in newest_first if run.is_finished]
    kept = set(finished[: max(retention.keep, 1)])
    return tuple(run for run in newest_first if not run.is_finished or run.id in kept)


def select_exposed(runs: tuple[Run, ...], retention: RetentionPolicy, now: float) -> tuple[Run, ...]:
    """All active runs, and finished ones within both limits: number and age at Unix time `now`."""
    finished = [run for run in runs if run.is_finished][: retention.keep]
    exposed_ids = {run.id for run in finished if run.sort_key[0] >= now - retention.max_age}
    exposed = tuple(run for run in runs if not run.is_finished or run.id in exposed_ids)
    return runs if len(exposed) == len(runs) else exposed


def update_summaries(
    summaries: tuple[RunSummary, ...], runs: tuple[Run, ...], merged: Mapping[int, Run]
) -> tuple[RunSummary, ...]:
    """The newest summaries: previous ones, and those of the `merged` runs that are not kept in `runs`."""
    kept_ids = {run.id for run in runs}
    dropped = (summarize(run) for run_id, run in merged.items() if run_id not in kept_ids)
    # A run that was received again replaces its summary, because its outcome may have been revised.
    older = [summary for summary in summaries if summary.id not in merged]
    older += [summary for summary in dropped if summary]
    limit = max(MAX_RECENT_OUTCOMES - sum(counts_as_finished(run) for run in runs), 0)
    return tuple(sorted(older, key=lambda summary: summary.sort_key, reverse=True)[:limit])


def forget(before: TestState, after: TestState, deleted: frozenset[int]) -> Streak | None:
    """The streak of the runs that are no longer remembered after an update.

    Runs that were never remembered do not count, because a list can contain the same old runs each time.
    """
    remembered = {summary.id for summary in after.recent_outcomes} | deleted
    dropped = [summary for summary in before.recent_outcomes if summary.id not in remembered]
    return extend_streak(before.forgotten_streak, reversed(dropped))


def latest_due(before: TestState | None, after: TestState, server_now: float) -> float | None:
    """The latest scheduled start of a test that had passed at a Unix time by k6 Cloud's clock.

    k6 Cloud reports the next start only, so each start that was known before is compared with the time. A
    deactivated or deleted schedule is due no more; one without further starts still exists.
    """
    if not after.test.is_schedule_active:
        return None
    known = before.test.next_run if before else None
    starts = (after.schedule_due, known, after.test.next_run)
    return max((start for start in starts if start is not None and start <= server_now), default=None)


def latest_pass_time(previous: float | None, runs: Iterable[Run]) -> float | None:
    """When the last passed run ended, in Unix seconds. It is kept after the run itself is dropped."""
    times = [run.ended for run in runs if run.outcome == Outcome.PASSED]
    return max((time for time in (previous, *times) if time is not None), default=None)


class State(Struct, frozen=True, gc=False):
    """Everything that is known. Tests are identified by id.

    - `members`: the tests to watch.
    - `tests`: those of them that have been fetched at least once.
    - `unresolved`: entries of the configuration that select no test.
    - `projects`: all projects of the token by id, as far as it may see them.
    - `updated_at`: monotonic time of the last poll that fetched anything, None before the first.
    - `list_since`: creation time in Unix seconds from which the next poll of v6 lists runs, None before the
      first list.
    - `unconfirmed_since`: tests that the last poll could not fetch, each with the monotonic time of the last
      poll that could.
    - `stale_tests`: those of them whose series are dropped because this was too long ago. They stay in
      `tests`, so that no count is lost.
    """

    retention: RetentionPolicy = RetentionPolicy()
    members: Mapping[int, LoadTest] = field(default_factory=dict)
    tests: Mapping[int, TestState] = field(default_factory=dict)
    unresolved: tuple[UnresolvedEntry, ...] = ()
    projects: Mapping[int, Project] = field(default_factory=dict)
    updated_at: float | None = None
    list_since: float | None = None
    unconfirmed_since: Mapping[int, float] = field(default_factory=dict)
    stale_tests: frozenset[int] = frozenset()

    def members_after(self, poll: StateUpdate) -> Mapping[int, LoadTest]:
        """The tests to watch after a poll."""
        return self.members if poll.members is None else poll.members

    def apply(self, poll: StateUpdate) -> "State":
        """The state after a poll."""
        confirmed_at = poll.monotonic if self.updated_at is None else self.updated_at
        return replace(
            self,
            members=self._updated_members(poll),
            tests=self._updated_tests(poll),
            unresolved=self.unresolved if poll.members is None else poll.unresolved,
            # The same object if nothing has changed, so that nothing is rendered.
            projects=self.projects if poll.projects in (None, self.projects) else poll.projects,
            updated_at=poll.monotonic,
            list_since=self.list_since if poll.list_since is None else poll.list_since,
            # Repeated failures keep the time of the last success, or the test would never be stale.
            unconfirmed_since={
                id_: self.unconfirmed_since.get(id_, confirmed_at) for id_ in poll.failed if id_ in self.tests
            },
        ).expire(poll.monotonic)

    def _updated_members(self, poll: StateUpdate) -> Mapping[int, LoadTest]:
        """The tests to watch after a poll; the same objects if they have not changed, which save memory."""
        old = self.members
        return {
            id_: old[id_] if old.get(id_) == test else test for id_, test in self.members_after(poll).items()
        }

    def expire(self, monotonic: float) -> "State":
        """The same state at a later monotonic time: tests unconfirmed for too long have become stale.

        An old value must not look like a current one.
        """
        stale = frozenset(
            id_
            for id_, confirmed_at in self.unconfirmed_since.items()
            if monotonic - confirmed_at > self.retention.stale_after
        )
        return self if stale == self.stale_tests else replace(self, stale_tests=stale)

    def is_stale(self, monotonic: float) -> bool:
        """Whether the last successful fetch is too long ago, so that all series are dropped."""
        return self.updated_at is None or monotonic - self.updated_at > self.retention.stale_after

    def _updated_tests(self, poll: StateUpdate) -> Mapping[int, TestState]:
        """The tests after a poll; the same mapping if none of them has changed, so nothing is rendered."""
        # Unchanged tests are checked for old runs with discoveries only: it takes a look at every test, and
        # the limit is normally days.
        tests = self.tests if poll.members is None else self._pruned_tests(poll.members, poll.earliest_now)
        changed = {}
        for id_, test_update in poll.updates.items():
            runs = tuple(drop_future_timestamps(run, poll.latest_now) for run in test_update.runs)
            plausible, before = replace(test_update, runs=runs), tests.get(id_)
            if before is None:
                after = create_test_state(plausible, self.retention, poll.earliest_now)
            else:
                after = apply_update(before, plausible, self.retention, poll.earliest_now)
            if after is not before:
                changed[id_] = after
        # Schedules are in the time of k6 Cloud, and the clock of this machine may be wrong.
        server_now = poll.now if poll.server_time is None else poll.server_time
        for id_, test_state in {**tests, **changed}.items():
            due = latest_due(tests.get(id_), test_state, server_now)
            if due != test_state.schedule_due:
                changed[id_] = replace(test_state, schedule_due=due)
        return {**tests, **changed} if changed else tests

    def _pruned_tests(self, members: Mapping[int, LoadTest], now: float) -> Mapping[int, TestState]:
        """The tests that are still watched, without exposing runs that have become too old."""
        tests = {}
        for id_, test_state in self.tests.items():
            if id_ in members:
                exposed = select_exposed(test_state.runs, self.retention, now)
                tests[id_] = (
                    test_state
                    if exposed == test_state.exposed_runs
                    else replace(test_state, exposed_runs=exposed)
                )
        is_same = len(tests) == len(self.tests) and all(one is self.tests[id_] for id_, one in tests.items())
        return self.tests if is_same else tests
