"""Replaying the history of a test: its state at each time, as the exporter would have known it."""

from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace

from msgspec import structs

from exporter.commands.backfill.options import BackfillOptions
from exporter.commands.backfill.timeline import run_timeline
from exporter.model import LoadTest, Run
from exporter.store import RetentionPolicy, TestState, TestUpdate, apply_update, create_test_state


@dataclass(frozen=True, slots=True)
class HistorySnapshot:
    """The state of a test at a time (Unix seconds).

    A full snapshot repeats all samples; of others, only changed samples are written.
    """

    at: float
    test_state: TestState
    is_full: bool


def replay(
    test: LoadTest, runs: Iterable[Run], retention: RetentionPolicy, options: BackfillOptions
) -> Iterator[HistorySnapshot]:
    """Snapshots of a test, oldest first, beginning when its first run is known.

    Snapshots are full at the beginning, when the first active run appears, at each step, and at the end. A
    finished run is only in the snapshot of its end, because its samples do not change afterwards.
    """
    changes = group_by_time(runs, options)
    if not changes:
        return
    due, first_runs = changes[0]  # when the next full snapshot is due
    test_state = initial_state(test, first_runs if due == options.since else (), retention, due)
    for timestamp, changed in changes:
        due = yield from heartbeat_snapshots(test_state, due, timestamp, options)
        was_active = bool(test_state.active_runs)
        test_state = apply_update(test_state, TestUpdate(test_state.test, changed), retention, timestamp)
        is_active = bool(test_state.active_runs)
        is_full = (is_active and not was_active) or due == timestamp
        if is_full or was_active != is_active:
            due = timestamp + options.step_for(test_state)
        if timestamp < options.until:
            yield HistorySnapshot(
                timestamp, with_active_runs(test_state, {run.id for run in changed}), is_full
            )
    yield from heartbeat_snapshots(test_state, due, options.until, options)
    yield HistorySnapshot(options.until, with_active_runs(test_state), is_full=True)


def group_by_time(runs: Iterable[Run], options: BackfillOptions) -> list[tuple[float, tuple[Run, ...]]]:
    """The times at which runs changed, each with the changed runs.

    Changes before the range are moved to its beginning.
    """
    changes: dict[float, dict[int, Run]] = defaultdict(dict)
    for run in runs:
        for timestamp, stage in run_timeline(run):
            if timestamp <= options.until:
                changes[max(timestamp, options.since)][run.id] = stage
    return [(timestamp, tuple(changes[timestamp].values())) for timestamp in sorted(changes)]


def initial_state(test: LoadTest, runs: tuple[Run, ...], retention: RetentionPolicy, now: float) -> TestState:
    """The state before the first snapshot; runs that finished before the range are not counted."""
    # The API has only the current schedule and last run of the test, not earlier ones.
    unscheduled = structs.replace(test, next_run=None, last_run_id=None)
    return create_test_state(TestUpdate(unscheduled, runs), retention, now)


def heartbeat_snapshots(
    test_state: TestState, due: float, before: float, options: BackfillOptions
) -> Generator[HistorySnapshot, None, float]:
    """Full snapshots of an unchanged test, from `due` until just before a time.

    Returns when the next one is due.
    """
    while due < before:
        yield HistorySnapshot(due, with_active_runs(test_state), is_full=True)
        due += options.step_for(test_state)
    return due


def with_active_runs(test_state: TestState, changed: Iterable[int] = ()) -> TestState:
    """The state, exposing only runs that are active or have changed."""
    shown = {run.id for run in test_state.active_runs} | set(changed)
    return structs.replace(
        test_state, exposed_runs=tuple(run for run in test_state.exposed_runs if run.id in shown)
    )


def clip(snapshots: Iterable[HistorySnapshot], since: float, until: float) -> Iterator[HistorySnapshot]:
    """The snapshots from `since` until just before `until`; the first is made a full one."""
    is_first = True
    for snapshot in snapshots:
        if snapshot.at >= until:
            return
        if snapshot.at >= since:
            yield replace(snapshot, is_full=True) if is_first else snapshot
            is_first = False
