"""One poll after another, as steps from state to state."""

from dataclasses import replace

from exporter.model import LoadTest, Outcome, Run
from exporter.store import RetentionPolicy, RunSummary, State, StateUpdate, TestUpdate

TEST = LoadTest(id=7, name="checkout", project_id=3)
RUNNING = Run(id=1, test_id=7, status=2, processing=0, result=0, created=100.0, started=110.0)
PASSED = replace(RUNNING, status=3, processing=2, ended=170.0)
FAILED = replace(PASSED, result=1)
DAY = 86400.0


def seen(
    *runs: Run,
    gone: frozenset[int] = frozenset(),
    now: float = 200.0,
    members: dict[int, LoadTest] | None = None,
) -> StateUpdate:
    return StateUpdate(monotonic=now, now=now, updates={7: TestUpdate(TEST, runs, gone)}, members=members)


def counts(state: State) -> dict[str, int]:
    return {outcome.value: count for outcome, count in state.tests[7].finished_counts if count}


def run(id_: int, *, created: float, status: int = 3, processing: int = 2, result: int = 0) -> Run:
    return Run(7000 + id_, 7, status, processing, result, created=created, ended=created + 60)


def test_a_run_seen_to_finish_counts_once() -> None:
    state = State().apply(seen(RUNNING)).apply(seen(PASSED)).apply(seen(PASSED))

    assert counts(state) == {"passed": 1}


def test_runs_that_had_finished_before_we_first_looked_are_history() -> None:
    state = State().apply(seen(PASSED))

    assert counts(state) == {}
    assert state.tests[7].last_finished_run == PASSED


def test_a_run_that_came_and_went_between_two_polls_counts() -> None:
    aborted = run(9, created=150.0, status=5)

    state = State().apply(seen(RUNNING)).apply(seen(RUNNING, aborted))

    assert counts(state) == {"aborted": 1}


def test_the_first_run_of_a_test_counts() -> None:
    state = State().apply(seen()).apply(seen(PASSED))

    assert counts(state) == {"passed": 1}


def test_a_run_that_seems_to_end_twice_counts_once() -> None:
    reprocessing = replace(PASSED, processing=1)

    state = State().apply(seen(RUNNING)).apply(seen(PASSED)).apply(seen(reprocessing)).apply(seen(PASSED))

    assert counts(state) == {"passed": 1}


def test_an_old_run_that_turns_up_again_does_not_count() -> None:
    runs = [run(i, created=100.0 * i) for i in range(1, 8)]

    state = State(RetentionPolicy(keep=2)).apply(seen(*runs)).apply(seen(*runs))

    assert counts(state) == {}
    assert [one.id for one in state.tests[7].runs] == [7007, 7006]


def test_a_count_outlives_the_run_it_counted() -> None:
    state = State().apply(seen(RUNNING)).apply(seen(PASSED)).apply(seen(gone=frozenset({1})))

    assert state.tests[7].runs == ()
    assert counts(state) == {"passed": 1}


def test_an_archived_run_is_never_the_last_one_that_finished() -> None:
    archived = Run(id=2, test_id=7, status=10, created=300.0)

    state = State().apply(seen(FAILED)).apply(seen(archived))

    assert state.tests[7].last_run == archived
    assert state.tests[7].last_finished_run == FAILED
    assert counts(state) == {}


def test_all_moving_runs_and_the_newest_finished_are_remembered() -> None:
    moving = [run(i, created=10.0 * i, status=2) for i in range(1, 6)]
    over = [run(i, created=10.0 * i) for i in range(6, 12)]

    state = State(RetentionPolicy(keep=3)).apply(seen(*moving, *over))

    assert [one.id for one in state.tests[7].runs] == [7011, 7010, 7009, 7005, 7004, 7003, 7002, 7001]
    assert state.tests[7].runs == state.tests[7].exposed_runs


def test_a_finished_run_that_is_too_old_is_not_shown_but_still_the_last() -> None:
    old = run(1, created=0.0)

    state = State(RetentionPolicy(max_age=7 * DAY)).apply(seen(old, now=8 * DAY))

    assert state.tests[7].exposed_runs == ()
    assert state.tests[7].last_run == old


def test_a_shown_run_grows_too_old_without_being_seen_again() -> None:
    state = State(RetentionPolicy(max_age=DAY)).apply(seen(PASSED, now=200.0, members={7: TEST}))
    later = StateUpdate(monotonic=2 * DAY, now=2 * DAY, updates={}, members={7: TEST})

    assert state.tests[7].exposed_runs == (PASSED,)
    assert state.apply(later).tests[7].exposed_runs == ()


def test_none_is_kept_when_none_is_to_be_kept() -> None:
    state = State(RetentionPolicy(keep=0)).apply(seen(PASSED))

    assert state.tests[7].exposed_runs == ()
    assert state.tests[7].last_run == PASSED


def test_a_deleted_run_is_forgotten_and_the_one_before_is_the_last() -> None:
    newer = run(2, created=300.0)

    state = State().apply(seen(PASSED, newer)).apply(seen(gone=frozenset({newer.id})))

    assert state.tests[7].last_run == PASSED


def test_the_last_pass_is_remembered_beyond_the_runs() -> None:
    failures = [run(i, created=1000.0 * i, result=1) for i in range(1, 6)]

    state = State(RetentionPolicy(keep=1)).apply(seen(PASSED)).apply(seen(*failures))

    assert [one.id for one in state.tests[7].runs] == [7005]
    assert state.tests[7].last_passed_time == 170.0


def test_a_test_about_which_nothing_changed_is_the_same_object() -> None:
    state = State().apply(seen(RUNNING))

    assert state.apply(seen(RUNNING)).tests[7] is state.tests[7]
    assert state.apply(seen(PASSED)).tests[7] is not state.tests[7]


def test_a_step_changes_nothing_that_is_read() -> None:
    state = State().apply(seen(RUNNING))
    before = state.tests[7]

    state.apply(seen(PASSED))

    assert state.tests == {7: before}
    assert before.runs == (RUNNING,)


def test_a_test_that_is_no_member_any_more_is_forgotten() -> None:
    state = State().apply(seen(RUNNING, members={7: TEST}))

    assert state.apply(StateUpdate(monotonic=210, now=210, updates={}, members={})).tests == {}


def test_nothing_is_stale_until_nothing_was_learnt_for_so_long() -> None:
    state = State(RetentionPolicy(stale_after=300)).apply(seen(RUNNING, now=1000.0))

    assert State().is_stale(0.0)
    assert not state.is_stale(1300.0)
    assert state.is_stale(1300.1)


def test_a_test_that_polls_keep_missing_is_withheld_and_comes_back_with_its_counts() -> None:
    state = (
        State(RetentionPolicy(stale_after=300))
        .apply(seen(RUNNING, now=1000.0))
        .apply(seen(PASSED, now=1015.0))
    )

    def missing(at: float) -> StateUpdate:
        return StateUpdate(monotonic=at, now=at, updates={}, failed=frozenset({7}))

    lagging = state.apply(missing(1030.0)).apply(missing(1300.0))
    withheld = lagging.apply(missing(1320.0))

    assert not lagging.stale_tests
    assert withheld.stale_tests == {7}
    assert withheld.unconfirmed_since == {7: 1015.0}
    back = withheld.apply(seen(PASSED, now=1330.0))
    assert back.stale_tests == frozenset()
    assert counts(back) == {"passed": 1}


def test_every_outcome_is_counted_from_zero() -> None:
    state = State().apply(seen())

    assert state.tests[7].finished_counts == tuple((outcome, 0) for outcome in Outcome)


def test_a_date_in_the_far_future_hides_nothing_that_comes_after() -> None:
    absurd = replace(PASSED, created=1e10, ended=1e10)
    aborted = run(9, created=150.0, status=5)

    state = State().apply(seen(absurd)).apply(seen(PASSED, aborted))

    assert counts(state) == {"aborted": 1}
    assert state.tests[7].last_passed_time == 170.0


def test_a_run_that_becomes_visible_late_is_counted() -> None:
    first, late, next_ = (run(i, created=300.0 + i) for i in (1, 2, 3))

    state = State().apply(seen(first)).apply(seen(first, next_)).apply(seen(first, late, next_))

    assert counts(state) == {"passed": 2}


def test_runs_without_a_date_or_with_dates_of_another_clock_count_once() -> None:
    for created in (None, 200.0 + 3 * DAY):
        runs = [replace(run(i, created=0.0), created=created) for i in range(1, 12)]
        state = State(RetentionPolicy(keep=2)).apply(seen(*runs[:10], now=200.0))
        for _ in range(3):
            state = state.apply(seen(*runs, now=200.0))

        assert counts(state) == {"passed": 1}


def test_a_run_from_the_future_is_not_the_last_for_ever() -> None:
    absurd = replace(run(1, created=1e10), ended=1e10)

    state = State().apply(seen(absurd)).apply(seen(absurd, run(2, created=300.0, result=1)))

    last = state.tests[7].last_run
    assert last
    assert (last.id, counts(state)) == (7002, {"failed": 1})


def test_a_run_that_was_gone_and_comes_back_is_counted_at_its_end() -> None:
    state = State().apply(seen()).apply(seen(RUNNING)).apply(seen(gone=frozenset({1}))).apply(seen(PASSED))

    assert counts(state) == {"passed": 1}


def test_a_run_that_was_counted_then_gone_and_comes_back_counts_once() -> None:
    state = State().apply(seen()).apply(seen(PASSED)).apply(seen(gone=frozenset({1}))).apply(seen(PASSED))

    assert counts(state) == {"passed": 1}


def test_a_run_of_the_past_that_was_gone_and_comes_back_is_still_history() -> None:
    state = State().apply(seen(PASSED)).apply(seen(gone=frozenset({1}))).apply(seen(PASSED))

    assert counts(state) == {}


def test_what_lags_is_withheld_in_time_though_polls_learn_nothing() -> None:
    state = State(RetentionPolicy(stale_after=300)).apply(seen(RUNNING, now=0.0))
    lagging = state.apply(StateUpdate(monotonic=270, now=270, updates={}, failed=frozenset({7})))

    assert lagging.expire(299.0).stale_tests == frozenset()
    assert lagging.expire(301.0).stale_tests == {7}


def strip(state: State) -> list[tuple[int, str]]:
    return [(mark.id, mark.outcome.value) for mark in state.tests[7].recent_outcomes]


def test_outcomes_are_remembered_beyond_the_runs_up_to_ten() -> None:
    state = State(RetentionPolicy(keep=2))
    for number in range(1, 13):
        state = state.apply(seen(run(number, created=100.0 * number, result=number % 2), now=100.0 * number))

    assert [one.id for one in state.tests[7].runs] == [7012, 7011]
    assert strip(state) == [(7000 + i, "failed" if i % 2 else "passed") for i in range(12, 2, -1)]
    assert state.tests[7].older_summaries[0] == RunSummary(7010, Outcome.PASSED, 1060.0)


def test_outcomes_that_a_first_look_tells_are_remembered_although_the_runs_are_not() -> None:
    state = State(RetentionPolicy(keep=1)).apply(seen(*(run(i, created=100.0 * i) for i in (3, 1, 2))))

    assert strip(state) == [(7003, "passed"), (7002, "passed"), (7001, "passed")]
    assert len(state.tests[7].runs) == 1


def test_a_moving_run_is_no_outcome_until_it_has_finished() -> None:
    before = State().apply(seen(RUNNING))

    assert strip(before) == []
    assert strip(before.apply(seen(PASSED))) == [(1, "passed")]


def test_an_outcome_that_is_revised_is_told_as_it_is_now() -> None:
    runs = [run(i, created=100.0 * i) for i in (1, 2, 3)]
    state = (
        State(RetentionPolicy(keep=1)).apply(seen(*runs)).apply(seen(replace(runs[0], result=1), *runs[1:]))
    )

    assert strip(state) == [(7003, "passed"), (7002, "passed"), (7001, "failed")]


def test_a_deleted_run_leaves_no_outcome() -> None:
    newer = run(2, created=300.0)
    state = State().apply(seen(PASSED, newer)).apply(seen(gone=frozenset({newer.id})))

    assert strip(state) == [(1, "passed")]
    assert state.tests[7].older_summaries == ()


def test_what_was_only_uploaded_is_no_outcome() -> None:
    assert strip(State(RetentionPolicy(keep=1)).apply(seen(PASSED, run(1, created=50.0, status=10)))) == [
        (1, "passed")
    ]
