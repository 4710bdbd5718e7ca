"""How polls change the state."""

import gc

import pytest
from msgspec.structs import replace

from exporter.model import LoadTest, Outcome, PhaseSeconds, Project, Run
from exporter.store import RetentionPolicy, RunSummary, State, StateUpdate, Streak, TestUpdate

TEST = LoadTest(id=7, name="checkout", project_id=3)
RUNNING = Run(id=1, test_id=7, status=2, processing=0, result=0, created=100.0, started=110.0)
PASSED = replace(RUNNING, status=3, processing=2, ended=170.0)
FAILED = replace(PASSED, result=1)
DAY = 86400.0


def poll(
    *runs: Run,
    deleted: frozenset[int] = frozenset(),
    now: float = 200.0,
    members: dict[int, LoadTest] | None = None,
) -> StateUpdate:
    return StateUpdate(monotonic=now, now=now, updates={7: TestUpdate(TEST, runs, deleted)}, members=members)


def counts(state: State) -> dict[str, int]:
    return {outcome.value: count for outcome, count in state.tests[7].finished_counts if count}


def run(id_: int, *, created: float, status: int = 3, processing: int = 2, result: int = 0) -> Run:
    return Run(7000 + id_, 7, status, processing, result, created=created, ended=created + 60)


def test_finished_run_counts_once() -> None:
    state = State().apply(poll(RUNNING)).apply(poll(PASSED)).apply(poll(PASSED))

    assert counts(state) == {"passed": 1}


def test_runs_finished_before_the_first_poll_do_not_count() -> None:
    state = State().apply(poll(PASSED))

    assert counts(state) == {}
    assert state.tests[7].last_finished_run == PASSED


def test_run_between_two_polls_counts() -> None:
    aborted = run(9, created=150.0, status=5)

    state = State().apply(poll(RUNNING)).apply(poll(RUNNING, aborted))

    assert counts(state) == {"aborted": 1}


def test_first_run_of_a_test_counts() -> None:
    state = State().apply(poll()).apply(poll(PASSED))

    assert counts(state) == {"passed": 1}


def test_reprocessed_run_counts_once() -> None:
    reprocessing = replace(PASSED, processing=1)

    state = State().apply(poll(RUNNING)).apply(poll(PASSED)).apply(poll(reprocessing)).apply(poll(PASSED))

    assert counts(state) == {"passed": 1}


def test_old_run_received_again_does_not_count() -> None:
    runs = [run(i, created=100.0 * i) for i in range(1, 8)]

    state = State(RetentionPolicy(keep=2)).apply(poll(*runs)).apply(poll(*runs))

    assert counts(state) == {}
    assert [run.id for run in state.tests[7].runs] == [7007, 7006]


def test_count_remains_after_its_run_is_deleted() -> None:
    state = State().apply(poll(RUNNING)).apply(poll(PASSED)).apply(poll(deleted=frozenset({1})))

    assert state.tests[7].runs == ()
    assert counts(state) == {"passed": 1}


def test_archived_run_is_not_the_last_finished_run() -> None:
    archived = Run(id=2, test_id=7, status=10, created=300.0)

    state = State().apply(poll(FAILED)).apply(poll(archived))

    assert state.tests[7].last_run == archived
    assert state.tests[7].last_finished_run == FAILED
    assert counts(state) == {}


def test_active_and_newest_finished_runs_are_kept() -> None:
    active = [run(i, created=10.0 * i, status=2) for i in range(1, 6)]
    finished = [run(i, created=10.0 * i) for i in range(6, 12)]

    state = State(RetentionPolicy(keep=3)).apply(poll(*active, *finished))

    assert [run.id for run in state.tests[7].runs] == [7011, 7010, 7009, 7005, 7004, 7003, 7002, 7001]
    assert state.tests[7].runs == state.tests[7].exposed_runs


def test_too_old_run_is_the_last_but_not_exposed() -> None:
    old = run(1, created=0.0)

    state = State(RetentionPolicy(max_age=7 * DAY)).apply(poll(old, now=8 * DAY))

    assert state.tests[7].exposed_runs == ()
    assert state.tests[7].last_run == old


def test_run_becomes_too_old_without_an_update() -> None:
    state = State(RetentionPolicy(max_age=DAY)).apply(poll(PASSED, now=200.0, members={7: TEST}))
    next_poll = StateUpdate(monotonic=2 * DAY, now=2 * DAY, updates={}, members={7: TEST})

    assert state.tests[7].exposed_runs == (PASSED,)
    assert state.apply(next_poll).tests[7].exposed_runs == ()


def test_keep_0_exposes_no_finished_run() -> None:
    state = State(RetentionPolicy(keep=0)).apply(poll(PASSED))

    assert state.tests[7].exposed_runs == ()
    assert state.tests[7].last_run == PASSED


def test_deleted_run_makes_the_previous_the_last() -> None:
    newer = run(2, created=300.0)

    state = State().apply(poll(PASSED, newer)).apply(poll(deleted=frozenset({newer.id})))

    assert state.tests[7].last_run == PASSED


def test_last_pass_is_kept_longer_than_its_run() -> None:
    failures = [run(i, created=1000.0 * i, result=1) for i in range(1, 6)]

    state = State(RetentionPolicy(keep=1)).apply(poll(PASSED)).apply(poll(*failures))

    assert [run.id for run in state.tests[7].runs] == [7005]
    assert state.tests[7].last_passed_time == 170.0


def test_unchanged_test_is_the_same_object() -> None:
    state = State().apply(poll(RUNNING))

    assert state.apply(poll(RUNNING)).tests[7] is state.tests[7]
    assert state.apply(poll(PASSED)).tests[7] is not state.tests[7]


def test_apply_does_not_modify_the_state() -> None:
    state = State().apply(poll(RUNNING))
    before = state.tests[7]

    state.apply(poll(PASSED))

    assert state.tests == {7: before}
    assert before.runs == (RUNNING,)


def test_full_garbage_collection_looks_at_no_run() -> None:
    state = State().apply(poll(RUNNING)).apply(poll(PASSED, run(9, created=150.0)))
    gc.collect()  # untracks tuples without tracked items

    test_state = state.tests[7]
    values = [
        test_state,
        test_state.test,
        test_state.runs,
        *test_state.runs,
        test_state.runs[0].phases,
    ]
    assert not any(gc.is_tracked(value) for value in values)


def test_removed_test_is_forgotten() -> None:
    state = State().apply(poll(RUNNING, members={7: TEST}))

    assert state.apply(StateUpdate(monotonic=210, now=210, updates={}, members={})).tests == {}


def test_state_is_stale_after_polls_stop() -> None:
    state = State(RetentionPolicy(stale_after=300)).apply(poll(RUNNING, now=1000.0))

    assert State().is_stale(0.0)
    assert not state.is_stale(1300.0)
    assert state.is_stale(1300.1)


def test_stale_test_recovers_with_its_counts() -> None:
    state = (
        State(RetentionPolicy(stale_after=300))
        .apply(poll(RUNNING, now=1000.0))
        .apply(poll(PASSED, now=1015.0))
    )

    def failed_poll(at: float) -> StateUpdate:
        return StateUpdate(monotonic=at, now=at, updates={}, failed=frozenset({7}))

    missed = state.apply(failed_poll(1030.0)).apply(failed_poll(1300.0))
    stale = missed.apply(failed_poll(1320.0))

    assert not missed.stale_tests
    assert stale.stale_tests == {7}
    assert stale.unconfirmed_since == {7: 1015.0}
    recovered = stale.apply(poll(PASSED, now=1330.0))
    assert recovered.stale_tests == frozenset()
    assert counts(recovered) == {"passed": 1}


def test_outcome_counts_start_at_zero() -> None:
    state = State().apply(poll())

    assert state.tests[7].finished_counts == tuple((outcome, 0) for outcome in Outcome)


def test_future_timestamp_does_not_hide_later_runs() -> None:
    future = replace(PASSED, created=1e10, ended=1e10)
    aborted = run(9, created=150.0, status=5)

    state = State().apply(poll(future)).apply(poll(PASSED, aborted))

    assert counts(state) == {"aborted": 1}
    assert state.tests[7].last_passed_time == 170.0


def test_run_that_appears_late_counts() -> None:
    first, late, next_ = (run(i, created=300.0 + i) for i in (1, 2, 3))

    state = State().apply(poll(first)).apply(poll(first, next_)).apply(poll(first, late, next_))

    assert counts(state) == {"passed": 2}


def test_runs_with_missing_or_wrong_time_count_once() -> None:
    for created in (None, 200.0 + 3 * DAY):
        runs = [replace(run(i, created=0.0), created=created) for i in range(1, 12)]
        state = State(RetentionPolicy(keep=2)).apply(poll(*runs[:10], now=200.0))
        for _ in range(3):
            state = state.apply(poll(*runs, now=200.0))

        assert counts(state) == {"passed": 1}


def test_future_end_gives_no_duration() -> None:
    wrong = replace(PASSED, ended=1e10, execution=1e10, phases=PhaseSeconds(running=1e10))

    [kept] = State().apply(poll(wrong)).tests[7].runs

    assert (kept.created, kept.ended, kept.execution, kept.phases) == (
        PASSED.created,
        None,
        None,
        PhaseSeconds(),
    )


def test_future_run_does_not_stay_the_last() -> None:
    future = replace(run(1, created=1e10), ended=1e10)

    state = State().apply(poll(future)).apply(poll(future, run(2, created=300.0, result=1)))

    last = state.tests[7].last_run
    assert last
    assert (last.id, counts(state)) == (7002, {"failed": 1})


def test_restored_run_counts_at_its_end() -> None:
    state = State().apply(poll()).apply(poll(RUNNING)).apply(poll(deleted=frozenset({1}))).apply(poll(PASSED))

    assert counts(state) == {"passed": 1}


def test_restored_counted_run_counts_once() -> None:
    state = State().apply(poll()).apply(poll(PASSED)).apply(poll(deleted=frozenset({1}))).apply(poll(PASSED))

    assert counts(state) == {"passed": 1}


def test_restored_old_run_does_not_count() -> None:
    state = State().apply(poll(PASSED)).apply(poll(deleted=frozenset({1}))).apply(poll(PASSED))

    assert counts(state) == {}


def test_failed_test_becomes_stale_without_polls() -> None:
    state = State(RetentionPolicy(stale_after=300)).apply(poll(RUNNING, now=0.0))
    missed = state.apply(StateUpdate(monotonic=270, now=270, updates={}, failed=frozenset({7})))

    assert missed.expire(299.0).stale_tests == frozenset()
    assert missed.expire(301.0).stale_tests == {7}


def outcomes(state: State) -> list[tuple[int, str]]:
    return [(summary.id, summary.outcome.value) for summary in state.tests[7].recent_outcomes]


def test_ten_outcomes_are_kept_beyond_the_runs() -> None:
    state = State(RetentionPolicy(keep=2))
    for number in range(1, 13):
        state = state.apply(poll(run(number, created=100.0 * number, result=number % 2), now=100.0 * number))

    assert [run.id for run in state.tests[7].runs] == [7012, 7011]
    assert outcomes(state) == [(7000 + i, "failed" if i % 2 else "passed") for i in range(12, 2, -1)]
    assert state.tests[7].older_summaries[0] == RunSummary(7010, Outcome.PASSED, 1060.0, 1000.0)


def test_wrong_id_stops_no_count_and_leaves_the_outcomes() -> None:
    wrong = replace(run(1, created=100.0), id=2**62)
    state = State(RetentionPolicy(keep=1)).apply(poll(run(0, created=50.0), wrong))
    for number in range(2, 14):
        state = state.apply(poll(run(number, created=100.0 * number), now=100.0 * number))

    assert counts(state) == {"passed": 12}
    assert [run_id for run_id, _ in outcomes(state)] == list(range(7013, 7003, -1))


def test_old_run_of_a_later_date_is_not_counted() -> None:
    first = [run(i, created=100.0 * i) for i in range(40)]
    state = State(RetentionPolicy(keep=3)).apply(poll(*first))

    after = state.apply(poll(replace(first[2], created=9000.0), now=10_000.0))

    assert counts(after) == {}


def test_outcomes_of_the_first_poll_outlive_its_runs() -> None:
    state = State(RetentionPolicy(keep=1)).apply(poll(*(run(i, created=100.0 * i) for i in (3, 1, 2))))

    assert outcomes(state) == [(7003, "passed"), (7002, "passed"), (7001, "passed")]
    assert len(state.tests[7].runs) == 1


def test_active_run_has_no_outcome() -> None:
    before = State().apply(poll(RUNNING))

    assert outcomes(before) == []
    assert outcomes(before.apply(poll(PASSED))) == [(1, "passed")]


def test_revised_outcome_replaces_the_old_one() -> None:
    runs = [run(i, created=100.0 * i) for i in (1, 2, 3)]
    state = (
        State(RetentionPolicy(keep=1)).apply(poll(*runs)).apply(poll(replace(runs[0], result=1), *runs[1:]))
    )

    assert outcomes(state) == [(7003, "passed"), (7002, "passed"), (7001, "failed")]


def test_deleted_run_leaves_no_outcome() -> None:
    newer = run(2, created=300.0)
    state = State().apply(poll(PASSED, newer)).apply(poll(deleted=frozenset({newer.id})))

    assert outcomes(state) == [(1, "passed")]
    assert state.tests[7].older_summaries == ()


def test_archived_run_has_no_outcome() -> None:
    assert outcomes(State(RetentionPolicy(keep=1)).apply(poll(PASSED, run(1, created=50.0, status=10)))) == [
        (1, "passed")
    ]


def finish_runs(state: State, *codes: int) -> State:
    """The state after one finished run for each code of a status, 3 with a failed result for 30."""
    first = len(state.tests[7].recent_ids) if state.tests else 0
    for i, code in enumerate(codes, first):
        finished = run(i, created=100.0 * i, status=3 if code == 30 else code, result=int(code == 30))
        state = state.apply(poll(finished, now=1e6))
    return state


def test_failures_in_a_row_end_with_a_pass() -> None:
    failed = finish_runs(State(), 3, 30, 4, 6)

    assert failed.tests[7].streak == Streak(3, since=160.0)
    assert finish_runs(failed, 3).tests[7].streak == Streak(0)


def test_run_without_result_leaves_the_failures() -> None:
    state = finish_runs(State(), 30, 5, 30, 10, 5)

    assert state.tests[7].streak == Streak(2, since=60.0)


def test_test_without_result_has_no_streak() -> None:
    assert finish_runs(State(), 5, 10).tests[7].streak is None
    assert State().apply(poll(RUNNING)).tests[7].streak is None


def test_failures_are_counted_beyond_the_remembered_runs() -> None:
    state = finish_runs(State(), 3, *[30] * 25)

    assert len(state.tests[7].recent_outcomes) == 10
    assert state.tests[7].streak == Streak(25, since=160.0)


def test_many_runs_without_result_keep_the_failures() -> None:
    state = finish_runs(State(), 30, 30, *[5] * 20)

    assert state.tests[7].streak == Streak(2, since=60.0)


def test_old_failures_received_again_count_once() -> None:
    runs = [run(i, created=100.0 * i, result=1) for i in range(25)]
    state = State().apply(poll(*runs, now=1e6))

    for _ in range(3):
        state = state.apply(poll(*runs, now=1e6))

    # Only the remembered ones: those of the first poll, however many a list has.
    assert state.tests[7].streak == Streak(10, since=1560.0)


def test_virtual_user_hours_of_finished_runs_add_up() -> None:
    state = State().apply(poll(replace(RUNNING, vuh=1.5)))

    for _ in range(2):
        state = state.apply(poll(replace(PASSED, vuh=2.0), replace(run(3, created=180.0), vuh=0.25)))

    assert state.tests[7].finished_vuh == 2.25


def test_virtual_user_hours_do_not_depend_on_the_polls() -> None:
    runs = [replace(run(i, created=200.0 + 100 * i), vuh=0.194444) for i in range(100)]
    one_by_one = at_once = State().apply(poll(now=1e6))

    for finished in runs:
        one_by_one = one_by_one.apply(poll(finished, now=1e6))
    at_once = at_once.apply(poll(*runs, now=1e6))

    assert one_by_one.tests[7].finished_vuh == at_once.tests[7].finished_vuh == 19.4444


def scheduled(state: State, next_run: float | None, *, now: float, is_active: bool | None = True) -> State:
    test = replace(TEST, next_run=next_run, is_schedule_active=is_active)
    return state.apply(StateUpdate(monotonic=now, now=now, updates={7: TestUpdate(test)}, members={7: test}))


def test_passed_start_of_a_schedule_is_due() -> None:
    state = scheduled(State(), 300.0, now=200.0)
    assert state.tests[7].schedule_due is None

    state = scheduled(state, 900.0, now=310.0)
    assert state.tests[7].schedule_due == 300.0


def test_start_is_due_without_an_update_of_its_test() -> None:
    state = scheduled(State(), 300.0, now=200.0)

    state = state.apply(StateUpdate(monotonic=301, now=301))

    assert state.tests[7].schedule_due == 300.0
    assert state.apply(StateUpdate(monotonic=302, now=302)).tests is state.tests


def test_start_that_was_moved_is_not_due() -> None:
    state = scheduled(State(), 300.0, now=200.0)

    state = scheduled(scheduled(state, 600.0, now=250.0), 600.0, now=400.0)

    assert state.tests[7].schedule_due is None


@pytest.mark.parametrize("is_active", [False, None])
def test_deactivated_or_deleted_schedule_is_not_due(is_active: bool | None) -> None:
    state = scheduled(scheduled(State(), 300.0, now=200.0), 900.0, now=310.0)

    state = scheduled(state, None, now=320.0, is_active=is_active)

    assert state.tests[7].schedule_due is None


def test_last_start_of_a_schedule_stays_due() -> None:
    state = scheduled(scheduled(State(), 300.0, now=200.0), None, now=310.0)

    assert state.tests[7].schedule_due == 300.0


def test_unchanged_projects_are_the_same_object() -> None:
    state = State().apply(StateUpdate(projects={3: Project(3, "Shop")}))

    assert state.apply(StateUpdate(projects={3: Project(3, "Shop")})).projects is state.projects
    assert state.apply(StateUpdate()).projects is state.projects
    assert state.apply(StateUpdate(projects={})).projects == {}
