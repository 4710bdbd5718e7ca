"""The past of a test, lived through again: at each moment what the exporter would have known of it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from exporter.backfill.life import life
from exporter.model import LoadTest, Run
from exporter.store import Retention, Sighting, Watched, first_seen, succeed


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when (Unix seconds), and how often all is told again, in seconds: while a run moves, and
    while none does."""

    since: float
    until: float
    step: float
    idle_step: float


@dataclass(frozen=True, slots=True)
class Picture:
    """A test at a moment. `is_whole`: all of it is to be told; otherwise what has changed."""

    at: float
    watched: Watched
    is_whole: bool


def replay(test: LoadTest, runs: Iterable[Run], retention: Retention, span: Span) -> Iterator[Picture]:
    """Pictures of a test, oldest first, from the first moment on at which a run of it is known.

    All is told at the beginning, when a run begins to move while none did, at each step, and at the end.
    Runs that are over are shown in the picture of their end only: after that they say nothing new.
    """
    watched: Watched | None = None
    due = span.until
    for moment, changed in changes(runs, span):
        if watched is not None:
            yield from ticks(watched, due, moment, span)
            due = due if due >= moment else next_tick(watched, due, moment, span)
        was_moving = watched is not None and bool(watched.moving)
        before = first_look(test, changed, retention, moment, span) if watched is None else watched
        after = succeed(before, Sighting(before.test, changed), retention, moment)
        is_whole = watched is None or (bool(after.moving) and not was_moving) or due == moment
        if is_whole or was_moving != bool(after.moving):
            due = moment + (span.step if after.moving else span.idle_step)
        watched = after
        if moment < span.until:
            yield Picture(moment, telling(after, {run.id for run in changed}), is_whole)
    if watched is not None:
        yield from ticks(watched, due, span.until, span)
        yield Picture(span.until, telling(watched), is_whole=True)


def changes(runs: Iterable[Run], span: Span) -> list[tuple[float, tuple[Run, ...]]]:
    """The moments at which runs became what they then were; at first those that were so already."""
    at: dict[float, dict[int, Run]] = defaultdict(dict)
    for run in runs:
        for moment, stage in life(run):
            if moment <= span.until:
                at[max(moment, span.since)][run.id] = stage
    return [(moment, tuple(at[moment].values())) for moment in sorted(at)]


def first_look(
    test: LoadTest, runs: tuple[Run, ...], retention: Retention, moment: float, span: Span
) -> Watched:
    """The test before anything is counted: what was over at the beginning is history."""
    # When a schedule would have started the test next, nobody knows any more.
    unplanned = Watched(replace(test, next_run=None, last_run_id=None))
    past = runs if moment == span.since else ()
    return first_seen(unplanned, Sighting(unplanned.test, past), retention, moment)


def ticks(watched: Watched, due: float, before: float, span: Span) -> Iterator[Picture]:
    """The whole of an unchanging test, told again until just before a moment."""
    step = span.step if watched.moving else span.idle_step
    while due < before:
        yield Picture(due, telling(watched), is_whole=True)
        due += step


def next_tick(watched: Watched, due: float, moment: float, span: Span) -> float:
    """The first tick at that moment or later."""
    step = span.step if watched.moving else span.idle_step
    while due < moment:
        due += step
    return due


def telling(watched: Watched, news: Iterable[int] = ()) -> Watched:
    """The test, showing one by one only runs that move, or of which there is news."""
    told = {run.id for run in watched.moving} | set(news)
    return replace(watched, shown=tuple(run for run in watched.shown if run.id in told))


def within(pictures: Iterable[Picture], since: float, until: float) -> Iterator[Picture]:
    """The pictures of a part of the past, from its beginning to just before its end; the first is whole."""
    is_first = True
    for picture in pictures:
        if picture.at >= until:
            return
        if picture.at >= since:
            yield replace(picture, is_whole=True) if is_first else picture
            is_first = False
