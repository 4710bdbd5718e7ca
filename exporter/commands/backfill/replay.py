"""The past of a test, lived through again: at each moment what the exporter would have known of it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from exporter.commands.backfill.timeline import run_timeline
from exporter.model import LoadTest, Run
from exporter.store import RetentionPolicy, TestState, TestUpdate, apply_update, create_test_state


@dataclass(frozen=True, slots=True)
class TimeRange:
    """From when to when (Unix seconds), and how often all is told again, in seconds: while a run moves, and
    while none does."""

    since: float
    until: float
    step: float
    idle_step: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A test at a moment. `is_whole`: all of it is to be told; otherwise what has changed."""

    at: float
    test_state: TestState
    is_whole: bool


def replay(
    test: LoadTest, runs: Iterable[Run], retention: RetentionPolicy, span: TimeRange
) -> Iterator[Snapshot]:
    """Pictures of a test, oldest first, from the first moment on at which a run of it is known.

    All is told at the beginning, when a run begins to move while none did, at each step, and at the end.
    Runs that are over are shown in the picture of their end only: after that they say nothing new.
    """
    test_state: TestState | None = None
    due = span.until
    for moment, changed in group_by_time(runs, span):
        if test_state is not None:
            yield from heartbeat_snapshots(test_state, due, moment, span)
            due = due if due >= moment else next_heartbeat(test_state, due, moment, span)
        was_moving = test_state is not None and bool(test_state.active_runs)
        before = initial_state(test, changed, retention, moment, span) if test_state is None else test_state
        after = apply_update(before, TestUpdate(before.test, changed), retention, moment)
        is_whole = test_state is None or (bool(after.active_runs) and not was_moving) or due == moment
        if is_whole or was_moving != bool(after.active_runs):
            due = moment + (span.step if after.active_runs else span.idle_step)
        test_state = after
        if moment < span.until:
            yield Snapshot(moment, with_active_runs(after, {run.id for run in changed}), is_whole)
    if test_state is not None:
        yield from heartbeat_snapshots(test_state, due, span.until, span)
        yield Snapshot(span.until, with_active_runs(test_state), is_whole=True)


def group_by_time(runs: Iterable[Run], span: TimeRange) -> list[tuple[float, tuple[Run, ...]]]:
    """The moments at which runs became what they then were; at first those that were so already."""
    at: dict[float, dict[int, Run]] = defaultdict(dict)
    for run in runs:
        for moment, stage in run_timeline(run):
            if moment <= span.until:
                at[max(moment, span.since)][run.id] = stage
    return [(moment, tuple(at[moment].values())) for moment in sorted(at)]


def initial_state(
    test: LoadTest, runs: tuple[Run, ...], retention: RetentionPolicy, moment: float, span: TimeRange
) -> TestState:
    """The test before anything is counted: what was over at the beginning is history."""
    # When a schedule would have started the test next, nobody knows any more.
    unscheduled = replace(test, next_run=None, last_run_id=None)
    past = runs if moment == span.since else ()
    return create_test_state(TestUpdate(unscheduled, past), retention, moment)


def heartbeat_snapshots(
    test_state: TestState, due: float, before: float, span: TimeRange
) -> Iterator[Snapshot]:
    """The whole of an unchanging test, told again until just before a moment."""
    step = span.step if test_state.active_runs else span.idle_step
    while due < before:
        yield Snapshot(due, with_active_runs(test_state), is_whole=True)
        due += step


def next_heartbeat(test_state: TestState, due: float, moment: float, span: TimeRange) -> float:
    """The first tick at that moment or later."""
    step = span.step if test_state.active_runs else span.idle_step
    while due < moment:
        due += step
    return due


def with_active_runs(test_state: TestState, news: Iterable[int] = ()) -> TestState:
    """The test, showing one by one only runs that move, or of which there is news."""
    told = {run.id for run in test_state.active_runs} | set(news)
    return replace(test_state, exposed_runs=tuple(run for run in test_state.exposed_runs if run.id in told))


def clip(pictures: Iterable[Snapshot], since: float, until: float) -> Iterator[Snapshot]:
    """The pictures of a part of the past, from its beginning to just before its end; the first is whole."""
    is_first = True
    for picture in pictures:
        if picture.at >= until:
            return
        if picture.at >= since:
            yield replace(picture, is_whole=True) if is_first else picture
            is_first = False
