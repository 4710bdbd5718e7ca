"""What is derived from a single run."""

import pytest

from exporter.model import (
    ActiveState,
    Outcome,
    ProcessingStatus,
    ResultStatus,
    Run,
    RunStatus,
    unrecognized_fields,
)


def run(
    status: int | None, processing: int | None = 2, result: int | None = 0, ended: float | None = None
) -> Run:
    return Run(id=1, test_id=7, status=status, processing=processing, result=result, ended=ended)


def test_codes_are_the_documented_ones() -> None:
    assert {status.value: status.name for status in RunStatus} == {
        -2: "CREATED",
        -1: "VALIDATED",
        0: "QUEUED",
        1: "INITIALIZING",
        2: "RUNNING",
        3: "FINISHED",
        4: "TIMED_OUT",
        5: "ABORTED_BY_USER",
        6: "ABORTED_BY_SYSTEM",
        7: "ABORTED_BY_SCRIPT_ERROR",
        8: "ABORTED_BY_THRESHOLD",
        9: "ABORTED_BY_LIMIT",
        10: "ARCHIVED",
    }
    assert [(status.value, status.name) for status in ProcessingStatus] == [
        (0, "NOT_STARTED"),
        (1, "PROCESSING"),
        (2, "FINISHED"),
        (3, "ERROR"),
    ]
    assert [(status.value, status.name) for status in ResultStatus] == [
        (0, "PASSED"),
        (1, "FAILED"),
        (2, "ERROR"),
    ]


@pytest.mark.parametrize(
    ("status", "processing", "is_finished"),
    [
        (-2, 0, False),
        (-1, 0, False),
        (0, 0, False),
        (1, 0, False),
        (2, 0, False),
        (2, 1, False),
        (3, 0, False),
        (3, 1, False),
        (3, 2, True),
        (3, 3, True),
        (4, 1, True),
        (5, 0, True),
        (6, 0, True),
        (7, 1, True),
        (8, 1, True),
        (9, 0, True),
        (10, 0, True),
    ],
)
def test_run_is_finished_after_its_processing(status: int, processing: int, is_finished: bool) -> None:
    assert run(status, processing).is_finished is is_finished


def test_run_of_unknown_status_finishes_with_its_end() -> None:
    assert not run(42).is_finished
    assert run(42, ended=1000.0).is_finished


@pytest.mark.parametrize(
    ("status", "processing", "result", "outcome"),
    [
        (2, 0, 0, None),
        (3, 1, 0, None),
        (3, 2, 0, Outcome.PASSED),
        (3, 2, 1, Outcome.FAILED),
        (3, 2, 2, Outcome.ERROR),
        (3, 2, None, Outcome.NONE),
        (3, 2, 7, Outcome.NONE),
        (3, 3, 0, Outcome.ERROR),
        (3, 3, 1, Outcome.FAILED),
        (4, 2, 0, Outcome.TIMED_OUT),
        (5, 2, 0, Outcome.ABORTED),
        (6, 2, 0, Outcome.ERROR),
        (7, 2, 0, Outcome.ERROR),
        (8, 2, 0, Outcome.FAILED),
        (8, 2, 1, Outcome.FAILED),
        (9, 2, 0, Outcome.ERROR),
        (10, 0, 0, Outcome.NONE),
    ],
)
def test_only_a_processed_run_can_have_passed(
    status: int, processing: int, result: int | None, outcome: Outcome | None
) -> None:
    assert run(status, processing, result).outcome == outcome


def test_result_is_absent_until_the_run_finishes() -> None:
    assert run(2, 1, 0).final_result is None
    assert run(3, 1, 0).final_result is None
    assert run(3, 2, 0).final_result == 0
    assert run(3, 2, 1).final_result == 1


def test_active_run_has_a_state() -> None:
    states = {status: run(status, processing=1).active_state for status in range(-2, 5)}

    assert states == {
        -2: ActiveState.CREATED,
        -1: ActiveState.VALIDATED,
        0: ActiveState.QUEUED,
        1: ActiveState.INITIALIZING,
        2: ActiveState.RUNNING,
        3: ActiveState.PROCESSING,
        4: None,
    }


def test_runs_are_sorted_by_creation_then_id() -> None:
    runs = [
        Run(id=3, test_id=7, created=10),
        Run(id=1, test_id=7, created=20),
        Run(id=2, test_id=7, created=20),
    ]

    assert [run.id for run in sorted(runs, key=lambda run: run.sort_key)] == [3, 1, 2]


def test_unknown_codes_are_listed_as_unrecognized() -> None:
    assert unrecognized_fields(run(42, 9, 7)) == ("run_status", "processing_status", "result_status")
    assert unrecognized_fields(run(3, 2, None)) == ()
