"""The contents of the world, and the calls that change it."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.simulator import EndStatus, Phase, Phases, RunScript, RunState, World

SHORT = Phases(created=1, validated=1, queued=1, initializing=1, running=20, processing=2)


def test_stop_takes_effect_after_the_delay() -> None:
    world = World(stop_delay=5.0)
    run_id = world.add_run(world.add_test("t"), created=0.0, phases=SHORT)

    world.stop(run_id, now=10.0)

    assert world.at(run_id, 14.9).status == 2
    assert world.at(run_id, 14.9).stopped_by is None
    stopped = world.at(run_id, 15.0)
    assert (stopped.status, stopped.ended, stopped.stopped_by) == (5, 15.0, world.owner_id)
    assert world.at(run_id, 99.0).history[-1] == stopped.history[-1]


def test_stop_of_an_ended_run_changes_nothing() -> None:
    world = World()
    run_id = world.add_run(world.add_test("t"), created=0.0, phases=SHORT)
    before = world.at(run_id, 100.0)

    world.stop(run_id, now=100.0)

    assert world.at(run_id, 100.0) == before


def test_stop_shortly_before_the_end_aborts_at_the_end() -> None:
    world = World(stop_delay=5.0)
    run_id = world.add_run(world.add_test("t"), created=0.0, phases=SHORT)

    world.stop(run_id, now=20.0)  # it runs until 24

    stopped = world.at(run_id, 100.0)
    assert (stopped.ending, stopped.ended, stopped.executed) == (EndStatus.ABORTED_BY_USER, 24.0, 20.0)
    assert stopped.stopped_by == world.owner_id


def test_only_the_first_stop_counts() -> None:
    world = World(stop_delay=5.0)
    run_id = world.add_run(world.add_test("t"), created=0.0, phases=SHORT)

    world.stop(run_id, now=6.0)
    world.stop(run_id, now=8.0)

    assert (world.at(run_id, 50.0).ended, world.at(run_id, 50.0).stopped_by) == (11.0, world.owner_id)


def test_run_with_planned_abort_can_be_stopped_earlier() -> None:
    world = World(stop_delay=1.0)
    test_id = world.add_test("t")
    runs = [world.add_run(test_id, created=0.0, ending=EndStatus.ABORTED_BY_USER, phases=SHORT) for _ in "ab"]

    world.stop(runs[1], now=6.0)

    stopped = [world.at(run_id, 50.0) for run_id in runs]
    assert [(it.status, it.ended, it.stopped_by) for it in stopped] == [(5, 24.0, 501), (5, 7.0, 501)]


def test_run_stopped_before_running_has_no_start() -> None:
    world = World(stop_delay=0.5)
    run_id = world.add_run(world.add_test("t"), created=0.0, phases=SHORT)

    world.stop(run_id, now=0.0)

    stopped = world.at(run_id, 9.0)
    assert (stopped.status, stopped.started, stopped.ended, stopped.error) == (5, None, 0.5, None)


def test_run_does_not_exist_before_its_creation() -> None:
    world = World()
    test_id = world.add_test("t")
    run_id = world.add_run(test_id, created=50.0)

    assert world.run_ids(test_id, 49.0) == []
    assert world.last_run_id(test_id, 49.0) is None
    assert world.last_run_id(test_id, 50.0) == run_id
    with pytest.raises(KeyError):
        world.at(run_id, 49.0)


def test_deleted_test_loses_its_runs_and_schedules() -> None:
    world = World()
    kept, deleted = world.add_test("kept"), world.add_test("deleted")
    first, second = world.add_run(kept, created=0.0), world.add_run(kept, created=1.0)
    orphan = world.add_run(deleted, created=0.0)
    world.schedule(deleted, every=10, first=5)

    world.delete_run(first)
    world.delete_test(deleted)
    world.advance(100.0)

    assert world.run_ids(kept, 100.0) == [second]
    assert list(world.runs) == [second]
    with pytest.raises(KeyError):
        world.at(orphan, 100.0)


def test_renamed_test_keeps_its_id() -> None:
    world = World()
    test_id = world.add_test("old", created=1.0)

    world.rename_test(test_id, "new", now=9.0)

    test = world.tests[test_id]
    assert (test.name, test.created, test.updated) == ("new", 1.0, 9.0)


def test_schedule_starts_runs_with_endings_in_turn() -> None:
    world = World()
    test_id = world.add_test("nightly")
    world.schedule(
        test_id,
        every=60,
        first=100,
        endings=[EndStatus.FINISHED, RunScript(failed=True, phases=SHORT), EndStatus.TIMED_OUT],
        phases=SHORT,
        vus=7,
    )

    world.advance(99.9)
    assert world.run_ids(test_id, 99.9) == []
    world.advance(400.0)
    ended = [world.at(run_id, 999.0) for run_id in world.run_ids(test_id, 400.0)]
    assert [(it.created, it.status, it.result) for it in ended] == [
        (100, 3, "passed"),
        (160, 3, "failed"),
        (220, 4, "error"),
        (280, 3, "passed"),
        (340, 3, "failed"),
        (400, 4, "error"),
    ]
    assert [it.run.plan.vus for it in ended[:3]] == [7, 50, 7]
    assert {it.run.started_by for it in ended} == {None}


def advance_to(times: Iterable[float]) -> list[RunState]:
    world = World(seed=3)
    for name, every, first in (("a", 7, 0), ("b", 11, 2), ("c", 7, 0)):
        world.schedule(world.add_test(name), every=every, first=first)
    for time in times:
        world.advance(time)
    return [run.at(1000.0) for run in world.runs.values()]


def test_scheduled_runs_do_not_depend_on_request_times() -> None:
    assert advance_to([100.0]) == advance_to(range(101)) == advance_to([3.5, 3.5, 70.0, 10.0, 100.0])


def test_ids_ascend_in_order_of_creation() -> None:
    created = [state.created for state in advance_to([100.0])]

    assert created == sorted(created)
    assert len(created) == 15 + 9 + 15


def make_busy_world(seed: int) -> list[RunState]:
    world = World(seed)
    test_id = world.add_test("t")
    world.schedule(world.add_test("u"), every=13, first=1)
    run_ids = [world.start(test_id, now=10.0 * n) for n in range(30)]
    world.stop(run_ids[-1], now=300.0)
    return [run.at(5000.0) for run in world.runs.values()]


def test_worlds_with_same_seed_and_calls_are_equal() -> None:
    assert make_busy_world(seed=1) == make_busy_world(seed=1)
    assert make_busy_world(seed=1) != make_busy_world(seed=2)


def test_manual_run_follows_the_plan_of_its_test() -> None:
    world = World()
    test_id = world.add_test("t", plan=RunScript(EndStatus.ABORTED_BY_THRESHOLD, phases=SHORT, vus=9))

    run_id = world.start(test_id, now=10.0)

    assert (world.at(run_id, 10.0).phase, world.at(run_id, 10.0).run.started_by) == (Phase.CREATED, 501)
    assert world.at(run_id, 100.0).status == 8


def test_manual_run_follows_due_scheduled_runs() -> None:
    world = World()
    test_id = world.add_test("t")
    world.schedule(test_id, every=10, first=5)

    run_id = world.start(test_id, now=40.0)

    assert run_id == max(world.run_ids(test_id, 40.0))
    assert len(world.run_ids(test_id, 40.0)) == 5


def test_ids_of_different_kinds_differ() -> None:
    world = World()
    test_id = world.add_test("t", project_id=world.add_project("p"))
    world.add_run(test_id, created=0.0)
    ids = [*world.organizations, *world.projects, *world.tests, *world.runs]

    assert len(set(ids)) == len(ids) == 5


def test_schedule_can_end_or_be_deactivated() -> None:
    world = World()
    test_id = world.add_test("t")
    world.schedule(test_id, every=10, first=0, times=2)
    halted = world.schedule(test_id, every=10, first=5)

    world.deactivate_schedule(halted, now=20)
    world.advance(100)

    assert [world.runs[run_id].created for run_id in world.run_ids(test_id, 100)] == [0, 5, 10, 15]


@settings(deadline=None)  # no time limit: other processes may share the machine
@given(
    every=st.floats(min_value=0.1, max_value=1e5),
    first=st.floats(min_value=0, max_value=1e5),
    now=st.floats(min_value=0, max_value=2e5),
)
def test_next_run_is_the_next_one_created(every: float, first: float, now: float) -> None:
    world = World()
    test_id = world.add_test("t")
    schedule_id = world.schedule(test_id, every=every, first=max(first, now - 5 * every))
    world.advance(now)
    before = len(world.runs)

    next_run = world.schedules[schedule_id].next_run(now)

    assert next_run is not None
    assert next_run > now
    world.advance(next_run)
    assert len(world.runs) == before + 1
    assert world.runs[max(world.runs)].created == next_run


def test_schedules_of_a_deleted_test_are_deleted() -> None:
    world = World()
    kept, deleted = world.add_test("kept"), world.add_test("deleted")
    schedules = [world.schedule(test_id, every=10, first=5) for test_id in (kept, deleted)]

    world.delete_test(deleted)

    assert list(world.schedules) == schedules[:1]


@settings(deadline=None)  # no time limit: other processes may share the machine
@given(
    ages=st.lists(st.integers(min_value=0, max_value=20), max_size=30),
    deleted=st.sets(st.integers(min_value=0, max_value=29)),
    since=st.none() | st.integers(min_value=0, max_value=20),
    before=st.none() | st.integers(min_value=0, max_value=20),
    now=st.integers(min_value=0, max_value=20),
)
def test_window_has_its_runs_oldest_first(
    ages: list[int], deleted: set[int], since: int | None, before: int | None, now: int
) -> None:
    world = World()
    tests = [world.add_test("a"), world.add_test("b")]
    runs = [world.add_run(tests[n % 2], created=age) for n, age in enumerate(ages)]
    for n in deleted & set(range(len(runs))):
        world.delete_run(runs[n])

    expected = sorted(
        (run.created, run.id)
        for run in world.runs.values()
        if (since is None or run.created >= since) and (before is None or run.created < before)
        if run.created <= now
    )
    assert world.run_ids_between(since, before, now) == [run_id for _, run_id in expected]
    for test_id in tests:
        assert world.run_ids_between(since, before, now, test_id) == [
            run_id for _, run_id in expected if world.runs[run_id].test_id == test_id
        ]


def test_schedule_without_period_or_ending_is_refused() -> None:
    world = World()
    test_id = world.add_test("t")

    with pytest.raises(ValueError, match="a schedule needs a period and an ending"):
        world.schedule(test_id, every=0, first=0)
    with pytest.raises(ValueError, match="a schedule needs a period and an ending"):
        world.schedule(test_id, every=1, first=0, endings=[])
