"""What is known now. A poll makes a new State of the old one; what is read is never modified."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from exporter.model import LoadTest, Outcome, Run, RunStatus, unknown_codes

DAY = 86400.0
LATE = 32  # a run may become visible later than so many that were created after it, and still be news
STRIP = 10  # finished runs of a test of which at least the outcome is remembered


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are remembered: finished runs by number and age, unconfirmed tests by age (seconds)."""

    keep: int = 3
    max_age: float = 7 * 86400.0
    stale_after: float = 300.0


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one poll learnt about one test: its runs as they are, and ids of runs that are no more."""

    test: LoadTest
    runs: tuple[Run, ...] = ()
    gone: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll learnt.

    `at` is monotonic and `now` is Unix time, both in seconds. `members` are all tests to be watched from now
    on, None if that was not asked. A member that is neither seen nor missed is as it was. `newest` is the
    creation of the newest run that was told, whether it is of a member or not.
    """

    at: float
    now: float
    seen: Mapping[int, Sighting]
    missed: frozenset[int] = frozenset()
    members: Mapping[int, LoadTest] | None = None
    unresolved: tuple[str, ...] = ()
    newest: float | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """What is left of a finished run: its outcome, and when it ended."""

    id: int
    outcome: Outcome
    ended: float | None


@dataclass(frozen=True, slots=True)
class Watched:
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
    shown: tuple[Run, ...] = ()
    moving: tuple[Run, ...] = ()
    past: tuple[Mark, ...] = ()
    last_passed: float | None = None
    finished: tuple[tuple[Outcome, int], ...] = tuple((outcome, 0) for outcome in Outcome)
    settled: frozenset[int] = frozenset()
    seen: tuple[int, ...] = ()
    history: int = -1

    @property
    def last(self) -> Run | None:
        return self.runs[0] if self.runs else None

    @property
    def last_finished(self) -> Run | None:
        return next((run for run in self.runs if has_finished(run)), None)

    @property
    def strip(self) -> tuple[Mark, ...]:
        """The newest finished runs that are known at all, newest first."""
        marks = (mark for run in self.runs if (mark := mark_of(run)))
        return (*marks, *self.past)[:STRIP]


def mark_of(run: Run) -> Mark | None:
    """None for a run that has not finished."""
    return Mark(run.id, run.outcome or Outcome.NONE, run.ended) if has_finished(run) else None


def has_finished(run: Run) -> bool:
    """Whether a run came to an end of its own; an archived one was only uploaded."""
    return run.is_over and run.status != RunStatus.ARCHIVED


def first_seen(watched: Watched, sighting: Sighting, retention: Retention, now: float) -> Watched:
    """The test after its first sighting."""
    # Runs that had finished before we first looked are history, not news.
    past = frozenset(run.id for run in sighting.runs if has_finished(run))
    return succeed(
        replace(watched, settled=past, history=max((run.id for run in sighting.runs), default=-1)),
        sighting,
        retention,
        now,
    )


def succeed(watched: Watched, sighting: Sighting, retention: Retention, now: float) -> Watched:
    """The test after a sighting; the very same object if nothing about it has changed."""
    told = [plausible(run, now) for run in sighting.runs]
    known = {run.id: run for run in watched.runs if run.id not in sighting.gone}
    merged = known | {run.id: run for run in told}
    runs = tuple(remembered(merged.values(), retention))
    finishing = [run for run in merged.values() if has_finished(run) and is_news(run.id, watched, known)]
    counts = Counter(run.outcome for run in finishing)
    # A run that was gone before its end and comes back is one we have not seen.
    unseen = sighting.gone - watched.settled
    ids = sorted({*watched.seen, *(run.id for run in told)} - unseen)
    after = Watched(
        test=sighting.test,
        runs=runs,
        shown=young(runs, retention, now),
        moving=tuple(run for run in runs if not run.is_over),
        past=past(watched.past, runs, merged),
        last_passed=last_passed(watched.last_passed, merged.values()),
        finished=tuple((outcome, before + counts[outcome]) for outcome, before in watched.finished),
        settled=frozenset(run.id for run in runs if run.id in watched.settled or has_finished(run)),
        seen=tuple(ids[-LATE:]),
        history=max([watched.history, *ids[:-LATE]]),
    )
    return watched if after == watched else after


def is_news(id_: int, watched: Watched, known: Mapping[int, Run]) -> bool:
    """Whether a run that has finished has not been counted, nor had finished before we first looked."""
    if id_ in watched.settled:
        return False
    return id_ in known or (id_ > watched.history and id_ not in watched.seen)


def plausible(run: Run, now: float) -> Run:
    """The run without dates from the future, which would stand above all that is to come.

    Clocks may differ; by more than a day they may not.
    """
    moments = {"created": run.created, "started": run.started, "ended": run.ended}
    beyond = [name for name, moment in moments.items() if moment is not None and moment >= now + DAY]
    if not beyond:
        return run
    created, started, ended = (None if name in beyond else moment for name, moment in moments.items())
    return replace(run, created=created, started=started, ended=ended, unknown=(*run.unknown, *beyond))


def puzzling(watched: Watched) -> tuple[Run, ...]:
    """Runs of which something could not be understood; the next answer may be clearer."""
    return tuple(run for run in watched.runs if unknown_codes(run))


def remembered(runs: Iterable[Run], retention: Retention) -> Iterable[Run]:
    """All that move, and the newest that are over: at least one, for what is said of the last run."""
    places = max(retention.keep, 1)
    for run in sorted(runs, key=lambda run: run.age_order, reverse=True):
        if run.is_over:
            places -= 1
        if not run.is_over or places >= 0:
            yield run


def young(runs: tuple[Run, ...], retention: Retention, now: float) -> tuple[Run, ...]:
    """All that move, and what is over but neither too many nor too old."""
    oldest = now - retention.max_age
    over = [run for run in runs if run.is_over][: retention.keep]
    kept = {run.id for run in over if run.age_order[0] >= oldest}
    return tuple(run for run in runs if not run.is_over or run.id in kept)


def past(before: tuple[Mark, ...], runs: tuple[Run, ...], merged: Mapping[int, Run]) -> tuple[Mark, ...]:
    """The newest marks of runs that are not among the remembered `runs`, of those before and all `merged`."""
    remembered_ids = {run.id for run in runs}
    leaving = (mark_of(run) for id_, run in merged.items() if id_ not in remembered_ids)
    marks = [mark for mark in before if mark.id not in merged] + [mark for mark in leaving if mark]
    places = max(STRIP - sum(has_finished(run) for run in runs), 0)
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

    retention: Retention = Retention()
    members: Mapping[int, LoadTest] = field(default_factory=dict)
    tests: Mapping[int, Watched] = field(default_factory=dict)
    unresolved: tuple[str, ...] = ()
    as_of: float | None = None
    newest: float | None = None
    lagging: Mapping[int, float] = field(default_factory=dict)
    withheld: frozenset[int] = frozenset()

    def after(self, poll: Poll) -> "State":
        """The state that follows; a pure step."""
        return replace(
            self,
            members=self.members if poll.members is None else poll.members,
            tests=self.tests_after(poll),
            unresolved=self.unresolved if poll.members is None else poll.unresolved,
            as_of=poll.at,
            newest=self.newest if poll.newest is None else max(poll.newest, self.newest or poll.newest),
            lagging=self.lagging_after(poll),
        ).at(poll.at)

    def at(self, moment: float) -> "State":
        """The same state at a later (monotonic) moment: what lags for too long by then is withheld."""
        # No series ever shows an old value as if it were fresh.
        overdue = {id_ for id_, as_of in self.lagging.items() if moment - as_of > self.retention.stale_after}
        return self if overdue == self.withheld else replace(self, withheld=frozenset(overdue))

    def tests_after(self, poll: Poll) -> Mapping[int, Watched]:
        """The tests after a poll; the very same mapping if nothing about any of them has changed."""
        tests = self.tests if poll.members is None else self.of_members(poll.members, poll.now)
        news = {}
        for id_, sighting in poll.seen.items():
            step = succeed if id_ in tests else first_seen
            before = tests.get(id_, Watched(sighting.test))
            after = step(before, sighting, self.retention, poll.now)
            if id_ not in tests or after is not before:
                news[id_] = after
        return {**tests, **news} if news else tests

    def of_members(self, members: Mapping[int, LoadTest], now: float) -> Mapping[int, Watched]:
        """The tests that are still members, without runs that have grown too old to be shown."""
        tests = {id_: self.aged(watched, now) for id_, watched in self.tests.items() if id_ in members}
        is_same = len(tests) == len(self.tests) and all(one is self.tests[id_] for id_, one in tests.items())
        return self.tests if is_same else tests

    def lagging_after(self, poll: Poll) -> Mapping[int, float]:
        as_of = poll.at if self.as_of is None else self.as_of
        return {id_: self.lagging.get(id_, as_of) for id_ in poll.missed if id_ in self.tests}

    def aged(self, watched: Watched, now: float) -> Watched:
        """The same test, without showing runs that have grown too old."""
        shown = young(watched.runs, self.retention, now)
        return watched if shown == watched.shown else replace(watched, shown=shown)

    def is_stale(self, at: float) -> bool:
        """Whether nothing has been learnt for so long (`at` is monotonic) that nothing may be shown."""
        return self.as_of is None or at - self.as_of > self.retention.stale_after
