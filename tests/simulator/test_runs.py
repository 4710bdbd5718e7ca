"""A run follows its script through every documented state."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.simulator import REJECTED, EndStatus, Phase, Phases, Processing, Result, RunScript, World

PHASES = Phases(created=1, validated=2, queued=5, initializing=10, running=120, processing=15)


def codes_of(
    ending: EndStatus = EndStatus.FINISHED, *, failed: bool = False, processing_fails: bool = False
) -> list[tuple[int, int, str | None]]:
    """The different (run_status, processing_status, result) of a run, second by second."""
    plan = RunScript(ending, failed, processing_fails, PHASES)
    world = World()
    run_id = world.start(world.add_test("t", plan=plan), now=1000.0)
    states = [world.at(run_id, 1000.0 + second) for second in range(200)]
    return list(dict.fromkeys((state.status, state.processing.value, state.result) for state in states))


BEFORE = [(-2, 0, None), (-1, 0, None), (0, 0, None), (1, 0, None), (2, 0, None)]


def test_passed_run_has_every_status_in_order() -> None:
    assert codes_of() == [*BEFORE, (3, 1, None), (3, 2, "passed")]


def test_failed_run_has_no_result_until_processed() -> None:
    assert codes_of(failed=True) == [*BEFORE, (3, 1, None), (3, 2, "failed")]


def test_processing_can_end_in_error() -> None:
    assert codes_of(processing_fails=True) == [*BEFORE, (3, 1, None), (3, 3, "error")]


def test_failed_run_stays_failed_after_a_processing_error() -> None:
    assert codes_of(failed=True, processing_fails=True)[-1] == (3, 3, "failed")


@pytest.mark.parametrize(
    ("ending", "last"),
    [
        (EndStatus.TIMED_OUT, (4, 3, "error")),
        (EndStatus.ABORTED_BY_USER, (5, 2, "error")),
        (EndStatus.ABORTED_BY_SYSTEM, (6, 2, "error")),
        (EndStatus.ABORTED_BY_SCRIPT_ERROR, (7, 2, "error")),
        (EndStatus.ABORTED_BY_THRESHOLD, (8, 2, "failed")),
        (EndStatus.ABORTED_BY_LIMIT, (9, 2, "error")),
    ],
)
def test_abort_ends_a_running_run(ending: EndStatus, last: tuple[int, int, str]) -> None:
    assert codes_of(ending) == [*BEFORE, last]


def test_archive_is_validated_and_never_runs() -> None:
    world = World()
    run_id = world.add_run(world.add_test("t"), created=0.0, ending=EndStatus.ARCHIVED, phases=PHASES)

    archive = world.at(run_id, 3.0)

    assert (archive.status, archive.result) == (10, None)
    assert (archive.started, archive.ended, archive.finished) == (None, None, 3.0)


def test_rejected_run_is_aborted_after_created() -> None:
    world = World()
    run_id = world.add_run(
        world.add_test("t"), created=0.0, ending=EndStatus.ABORTED_BY_SYSTEM, phases=REJECTED
    )

    rejected = world.at(run_id, 2.0)

    assert [step.phase for step in rejected.history] == ["created", "aborted"]
    assert (rejected.status, rejected.processing, rejected.result) == (6, 0, "error")
    assert (rejected.started, rejected.ended, rejected.vuh) == (None, 2.0, None)
    assert rejected.error is not None
    assert rejected.error.message == "Validation error"


def test_times_of_a_run_are_known_once_reached() -> None:
    world = World()
    run_id = world.add_run(world.add_test("t"), created=1000.0, phases=PHASES)

    running = world.at(run_id, 1018.0)
    assert (running.created, running.started, running.ended, running.finished) == (1000.0, 1018.0, None, None)
    processing = world.at(run_id, 1138.0)
    assert (processing.started, processing.ended, processing.finished) == (1018.0, 1138.0, None)
    done = world.at(run_id, 9999.0)
    assert [(step.phase.value, step.entered) for step in done.history] == [
        ("created", 1000.0),
        ("validated", 1001.0),
        ("queued", 1003.0),
        ("initializing", 1008.0),
        ("running", 1018.0),
        ("processing", 1138.0),
        ("completed", 1153.0),
    ]


def test_skipped_phase_is_not_in_the_history() -> None:
    world = World()
    run_id = world.add_run(world.add_test("t"), created=0.0, phases=Phases(validated=None, queued=None))

    history = world.at(run_id, 1.0).history

    assert [step.phase for step in history] == [Phase.CREATED, Phase.INITIALIZING]


def test_vuh_is_an_estimate_until_the_run_ends() -> None:
    world = World()
    run_id = world.add_run(
        world.add_test("t"),
        created=0.0,
        ending=EndStatus.ABORTED_BY_LIMIT,
        vus=60,
        duration=120,
        phases=Phases(created=1, validated=1, queued=1, initializing=1, running=30),
    )

    assert [world.at(run_id, now).vuh for now in (0.0, 1.0, 10.0, 100.0)] == [None, 2.0, 2.0, 0.5]
    assert [world.at(run_id, now).executed for now in (0.0, 10.0, 100.0)] == [0.0, 6.0, 30.0]


def test_run_without_running_phase_cannot_finish() -> None:
    world = World()

    with pytest.raises(ValueError, match="a run that never runs cannot finish"):
        world.add_run(world.add_test("t"), created=0.0, phases=REJECTED)


SECONDS = st.none() | st.floats(min_value=0, max_value=1e4)


@settings(deadline=None)  # no time limit: other processes may share the machine
@given(
    phases=st.builds(
        Phases,
        created=st.floats(min_value=0, max_value=1e4),
        validated=SECONDS,
        queued=SECONDS,
        initializing=SECONDS,
        running=st.floats(min_value=0, max_value=1e4),
        processing=SECONDS,
    ),
    ending=st.sampled_from(EndStatus),
    earlier=st.floats(min_value=0, max_value=1e5),
    later=st.floats(min_value=0, max_value=1e5),
)
def test_status_of_a_run_never_decreases(
    phases: Phases, ending: EndStatus, earlier: float, later: float
) -> None:
    earlier, later = sorted((earlier, later))
    world = World()
    run_id = world.add_run(world.add_test("t"), created=0.0, ending=ending, phases=phases)
    before, after = world.at(run_id, earlier), world.at(run_id, later)

    assert after.history[: len(before.history)] == before.history
    assert before.status <= after.status
    if before.finished is not None:
        assert (before.status, before.result, before.ended) == (after.status, after.result, after.ended)
    if before.result is Result.PASSED:
        assert before.processing is Processing.FINISHED
