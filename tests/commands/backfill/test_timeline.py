"""What a run was at each moment, told from what the API says of it when all is over."""

from dataclasses import replace

from exporter.commands.backfill.timeline import has_timestamps, run_timeline
from exporter.model import Phase, ProcessingStatus, ResultStatus, Run, RunStatus

LEGACY = Run(
    id=9,
    test_id=4,
    status=RunStatus.FINISHED,
    processing=ProcessingStatus.FINISHED,
    result=ResultStatus.PASSED,
    created=1000,
    started=1060,
    ended=1660,
    duration=600,
    vus=50,
    execution=600,
    phases=((Phase.RUNNING, 600.0),),
)
V6 = replace(
    LEGACY,
    vuh=8.3,
    phases=(
        (Phase.QUEUED, 20.0),
        (Phase.INITIALIZING, 30.0),
        (Phase.RUNNING, 600.0),
        (Phase.PROCESSING, 25.0),
    ),
)


def told(run: Run) -> list[tuple[float, int | None, int | None]]:
    return [(moment, stage.status, stage.processing) for moment, stage in run_timeline(run)]


def test_legacy_tells_of_a_beginning_a_start_and_an_end() -> None:
    assert told(LEGACY) == [(1000, -2, 0), (1060, 2, 0), (1660, 3, 2)]


def test_v6_tells_when_a_run_was_queued_initialized_and_processed() -> None:
    assert told(V6) == [(1000, -2, 0), (1010, 0, 0), (1030, 1, 0), (1060, 2, 0), (1660, 3, 1), (1685, 3, 2)]


def test_before_its_end_nothing_of_the_end_is_known() -> None:
    stages = dict(run_timeline(V6))

    assert stages[1030].phases == ((Phase.QUEUED, 20.0),)
    assert (stages[1030].started, stages[1060].started) == (None, 1060)
    assert stages[1060].ended is stages[1060].execution is stages[1060].vuh is stages[1060].result is None
    assert (stages[1660].ended, stages[1660].is_finished, stages[1660].final_result) == (1660, False, None)
    assert stages[1660].phases == V6.phases[:3]
    assert stages[1685] == V6


def test_a_run_that_was_aborted_in_the_queue_never_ran() -> None:
    aborted = replace(
        V6, status=5, started=None, ended=1100, result=2, execution=None, phases=((Phase.QUEUED, 90.0),)
    )

    assert told(aborted) == [(1000, -2, 0), (1010, 0, 0), (1100, 5, 2)]


def test_a_run_that_still_runs_has_no_end() -> None:
    running = replace(LEGACY, status=2, processing=0, ended=None, execution=None, phases=())

    assert told(running) == [(1000, -2, 0), (1060, 2, 0)]


def test_what_changes_within_a_second_is_told_as_it_was_at_its_end() -> None:
    rejected = replace(LEGACY, status=6, started=None, created=1000.2, ended=1000.9, phases=())

    assert told(rejected) == [(1001, 6, 2)]


def test_a_clock_that_went_backwards_does_not_turn_a_life_round() -> None:
    assert told(replace(LEGACY, started=990, ended=980)) == [(1000, 3, 2)]


def test_an_archive_is_what_it_is_from_the_beginning() -> None:
    archive = replace(LEGACY, status=RunStatus.ARCHIVED, started=None, ended=None)

    assert has_timestamps(archive)
    assert told(archive) == [(1000, 10, 2)]


def test_a_run_whose_beginning_or_end_is_not_told_has_no_place_in_the_past() -> None:
    assert has_timestamps(LEGACY)
    assert not has_timestamps(replace(LEGACY, created=None))
    assert not has_timestamps(replace(LEGACY, ended=None))
    assert has_timestamps(replace(LEGACY, ended=None, status=RunStatus.RUNNING))
