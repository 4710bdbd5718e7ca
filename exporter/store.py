"""What is known now. A poll makes a new State of the old one; what is read is never modified."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from exporter.model import LoadTest, Outcome, Run, RunStatus, unrecognized_fields

DAY = 86400.0
LATE_RUNS = 32  # a run may become visible later than so many that were created after it, and still be news
RECENT_OUTCOMES = 10  # finished runs of a test of which at least the outcome is remembered


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long things are remembered: finished runs by number and age, unconfirmed tests by age (seconds)."""

    keep: int = 3
    max_age: float = 7 * 86400.0
    stale_after: float = 300.0


@dataclass(frozen=True, slots=True)
class TestUpdate:
    """What one poll learnt about one test: its runs as they are, and ids of runs that are no more."""

    test: LoadTest
    runs: tuple[Run, ...] = ()
    deleted_run_ids: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class StateUpdate:
    """What one poll learnt.

    `at` is monotonic and `now` is Unix time, both in seconds. `members` are all tests to be watched from now
    on, None if that was not asked. A member that is neither seen nor missed is as it was. `newest` is the
    creation of the newest run that was told, whether it is of a member or not.
    """

    monotonic: float
    now: float
    updates: Mapping[int, TestUpdate]
    failed: frozenset[int] = frozenset()
    members: Mapping[int, LoadTest] | None = None
    unresolved: tuple[str, ...] = ()
    newest_created: float | None = None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What is left of a finished run: its outcome, and when it ended."""

    id: int
    outcome: Outcome
    ended: float | None


@dataclass(frozen=True, slots=True)
class TestState:
    """A test with the runs worth remembering.

    `runs` are all that move and the newest that are over, newest first; `shown` those of them that are
    young enough to be told one by one; `moving` those that are not over. `past` are marks of finished runs
    that are no longer among `runs`, newest first, each a twentieth of a run in memory. Nobody asks
    for those again, so one that is deleted stays until newer ones push it out.

    For counting: `settled` are the ids among `runs` that have finished once already, for a run counts once,
    however often it seems to end. A run that is over when first seen is news if its id is beyond `history`
    and not among `seen`, the newest ids that were ever told. By id and not by creation, since ids are given
    in order, and dates can be absent, absurd or of a clock that is not ours.
    """

    test: LoadTest
    runs: tuple[Run, ...] = ()
    exposed_runs: tuple[Run, ...] = ()
    active_runs: tuple[Run, ...] = ()
    older_summaries: tuple[RunSummary, ...] = ()
    last_passed_time: float | None = None
    finished_counts: tuple[tuple[Outcome, int], ...] = tuple((outcome, 0) for outcome in Outcome)
    counted_ids: frozenset[int] = frozenset()
    recent_ids: tuple[int, ...] = ()
    highest_old_id: int = -1

    @property
    def last_run(self) -> Run | None:
        return self.runs[0] if self.runs else None

    @property
    def last_finished_run(self) -> Run | None:
        return next((run for run in self.runs if counts_as_finished(run)), None)

    @property
    def recent_outcomes(self) -> tuple[RunSummary, ...]:
        """The newest finished runs that are known at all, newest first."""
        marks = (mark for run in self.runs if (mark := summarize(run)))
        return (*marks, *self.older_summaries)[:RECENT_OUTCOMES]


def summarize(run: Run) -> RunSummary | None:
    """None for a run that has not finished."""
    return RunSummary(run.id, run.outcome or Outcome.NONE, run.ended) if counts_as_finished(run) else None


def counts_as_finished(run: Run) -> bool:
    """Whether a run came to an end of its own; an archived one was only uploaded."""
    return run.is_finished and run.status != RunStatus.ARCHIVED


def apply_first_update(
    test_state: TestState, test_update: TestUpdate, retention: RetentionPolicy, now: float
) -> TestState:
    """The test after its first sighting."""
    # Runs that had finished before we first looked are history, not news.
    past = frozenset(run.id for run in test_update.runs if counts_as_finished(run))
    return apply_update(
        replace(
            test_state, counted_ids=past, highest_old_id=max((run.id for run in test_update.runs), default=-1)
        ),
        test_update,
        retention,
        now,
    )


def apply_update(
    test_state: TestState, test_update: TestUpdate, retention: RetentionPolicy, now: float
) -> TestState:
    """The test after a sighting; the very same object if nothing about it has changed."""
    told = [drop_future_timestamps(run, now) for run in test_update.runs]
    known = {run.id: run for run in test_state.runs if run.id not in test_update.deleted_run_ids}
    merged = known | {run.id: run for run in told}
    runs = tuple(retained(merged.values(), retention))
    finishing = [
        run
        for run in merged.values()
        if counts_as_finished(run) and is_newly_finished(run.id, test_state, known)
    ]
    counts = Counter(run.outcome for run in finishing)
    # A run that was gone before its end and comes back is one we have not seen.
    unseen = test_update.deleted_run_ids - test_state.counted_ids
    ids = sorted({*test_state.recent_ids, *(run.id for run in told)} - unseen)
    after = TestState(
        test=test_update.test,
        runs=runs,
        exposed_runs=within_max_age(runs, retention, now),
        active_runs=tuple(run for run in runs if not run.is_finished),
        older_summaries=older_summaries(test_state.older_summaries, runs, merged),
        last_passed_time=last_passed(test_state.last_passed_time, merged.values()),
        finished_counts=tuple(
            (outcome, before + counts[outcome]) for outcome, before in test_state.finished_counts
        ),
        counted_ids=frozenset(
            run.id for run in runs if run.id in test_state.counted_ids or counts_as_finished(run)
        ),
        recent_ids=tuple(ids[-LATE_RUNS:]),
        highest_old_id=max([test_state.highest_old_id, *ids[:-LATE_RUNS]]),
    )
    return test_state if after == test_state else after


def is_newly_finished(id_: int, test_state: TestState, known: Mapping[int, Run]) -> bool:
    """Whether a run that has finished has not been counted, nor had finished before we first looked."""
    if id_ in test_state.counted_ids:
        return False
    return id_ in known or (id_ > test_state.highest_old_id and id_ not in test_state.recent_ids)


def drop_future_timestamps(run: Run, now: float) -> Run:
    """The run without dates from the future, which would stand above all that is to come.

    Clocks may differ; by more than a day they may not.
    """
    moments = {"created": run.created, "started": run.started, "ended": run.ended}
    beyond = [name for name, moment in moments.items() if moment is not None and moment >= now + DAY]
    if not beyond:
        return run
    created, started, ended = (None if name in beyond else moment for name, moment in moments.items())
    return replace(
        run, created=created, started=started, ended=ended, invalid_fields=(*run.invalid_fields, *beyond)
    )


def unparsed_runs(test_state: TestState) -> tuple[Run, ...]:
    """Runs of which something could not be understood; the next answer may be clearer."""
    return tuple(run for run in test_state.runs if unrecognized_fields(run))


def retained(runs: Iterable[Run], retention: RetentionPolicy) -> Iterable[Run]:
    """All that move, and the newest that are over: at least one, for what is said of the last run."""
    places = max(retention.keep, 1)
    for run in sorted(runs, key=lambda run: run.sort_key, reverse=True):
        if run.is_finished:
            places -= 1
        if not run.is_finished or places >= 0:
            yield run


def within_max_age(runs: tuple[Run, ...], retention: RetentionPolicy, now: float) -> tuple[Run, ...]:
    """All that move, and what is over but neither too many nor too old."""
    oldest = now - retention.max_age
    over = [run for run in runs if run.is_finished][: retention.keep]
    kept = {run.id for run in over if run.sort_key[0] >= oldest}
    return tuple(run for run in runs if not run.is_finished or run.id in kept)


def older_summaries(
    before: tuple[RunSummary, ...], runs: tuple[Run, ...], merged: Mapping[int, Run]
) -> tuple[RunSummary, ...]:
    """The newest marks of runs that are not among the remembered `runs`, of those before and all `merged`."""
    remembered_ids = {run.id for run in runs}
    leaving = (summarize(run) for id_, run in merged.items() if id_ not in remembered_ids)
    marks = [mark for mark in before if mark.id not in merged] + [mark for mark in leaving if mark]
    places = max(RECENT_OUTCOMES - sum(counts_as_finished(run) for run in runs), 0)
    return tuple(sorted(marks, key=lambda mark: mark.id, reverse=True)[:places])


def last_passed(before: float | None, runs: Iterable[Run]) -> float | None:
    ends = [run.ended for run in runs if run.outcome == Outcome.PASSED]
    return max((end for end in (before, *ends) if end is not None), default=None)


@dataclass(frozen=True, slots=True)
class State:
    """Everything known. `members` are the tests to be watched, `tests` those of them that have been seen.

    `as_of` is the monotonic moment of the poll that last learnt anything, `newest` the creation of the newest
    run that any poll was told of, in Unix seconds.
    `lagging` are the tests that this poll could not confirm, with the moment when one last did; `withheld`
    those of them that have been so for too long: remembered, so that no count is lost, but not shown.
    """

    retention: RetentionPolicy = RetentionPolicy()
    members: Mapping[int, LoadTest] = field(default_factory=dict)
    tests: Mapping[int, TestState] = field(default_factory=dict)
    unresolved: tuple[str, ...] = ()
    updated_at: float | None = None
    newest_created: float | None = None
    unconfirmed_since: Mapping[int, float] = field(default_factory=dict)
    stale_tests: frozenset[int] = frozenset()

    def apply(self, poll: StateUpdate) -> "State":
        """The state that follows; a pure step."""
        return replace(
            self,
            members=self.members if poll.members is None else poll.members,
            tests=self._updated_tests(poll),
            unresolved=self.unresolved if poll.members is None else poll.unresolved,
            updated_at=poll.monotonic,
            newest_created=self.newest_created
            if poll.newest_created is None
            else max(poll.newest_created, self.newest_created or poll.newest_created),
            unconfirmed_since=self._updated_missing_since(poll),
        ).expire(poll.monotonic)

    def expire(self, moment: float) -> "State":
        """The same state at a later (monotonic) moment: what lags for too long by then is withheld."""
        # No series ever shows an old value as if it were fresh.
        overdue = {
            id_
            for id_, as_of in self.unconfirmed_since.items()
            if moment - as_of > self.retention.stale_after
        }
        return self if overdue == self.stale_tests else replace(self, stale_tests=frozenset(overdue))

    def _updated_tests(self, poll: StateUpdate) -> Mapping[int, TestState]:
        """The tests after a poll; the very same mapping if nothing about any of them has changed."""
        tests = self.tests if poll.members is None else self._prune(poll.members, poll.now)
        news = {}
        for id_, test_update in poll.updates.items():
            step = apply_update if id_ in tests else apply_first_update
            before = tests.get(id_, TestState(test_update.test))
            after = step(before, test_update, self.retention, poll.now)
            if id_ not in tests or after is not before:
                news[id_] = after
        return {**tests, **news} if news else tests

    def _prune(self, members: Mapping[int, LoadTest], now: float) -> Mapping[int, TestState]:
        """The tests that are still members, without runs that have grown too old to be shown."""
        tests = {
            id_: self._expire_runs(test_state, now)
            for id_, test_state in self.tests.items()
            if id_ in members
        }
        is_same = len(tests) == len(self.tests) and all(one is self.tests[id_] for id_, one in tests.items())
        return self.tests if is_same else tests

    def _updated_missing_since(self, poll: StateUpdate) -> Mapping[int, float]:
        as_of = poll.monotonic if self.updated_at is None else self.updated_at
        return {id_: self.unconfirmed_since.get(id_, as_of) for id_ in poll.failed if id_ in self.tests}

    def _expire_runs(self, test_state: TestState, now: float) -> TestState:
        """The same test, without showing runs that have grown too old."""
        shown = within_max_age(test_state.runs, self.retention, now)
        return test_state if shown == test_state.exposed_runs else replace(test_state, exposed_runs=shown)

    def is_stale(self, at: float) -> bool:
        """Whether nothing has been learnt for so long (`at` is monotonic) that nothing may be shown."""
        return self.updated_at is None or at - self.updated_at > self.retention.stale_after
