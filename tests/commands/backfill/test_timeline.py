"""The stages of a run, derived from what the API returns after its end."""

from msgspec.structs import replace

from exporter.commands.backfill.timeline import has_timestamps, run_timeline
from exporter.model import PhaseSeconds, ProcessingStatus, Reason, ResultStatus, Run, RunStatus

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
    phases=PhaseSeconds(running=600.0),
)
V6 = replace(
    LEGACY,
    vuh=8.3,
    phases=PhaseSeconds(queued=20.0, initializing=30.0, running=600.0, processing=25.0),
)


def statuses(run: Run) -> list[tuple[float, int | None, int | None]]:
    return [(timestamp, stage.status, stage.processing) for timestamp, stage in run_timeline(run)]


def test_legacy_run_has_creation_start_and_end() -> None:
    assert statuses(LEGACY) == [(1000, -2, 0), (1060, 2, 0), (1660, 3, 2)]


def test_v6_run_has_all_phases() -> None:
    assert statuses(V6) == [
        (1000, -2, 0),
        (1010, 0, 0),
        (1030, 1, 0),
        (1060, 2, 0),
        (1660, 3, 1),
        (1685, 3, 2),
    ]


def test_stage_has_no_values_of_later_stages() -> None:
    stages = dict(run_timeline(V6))

    assert stages[1030].phases == PhaseSeconds(queued=20.0)
    assert (stages[1030].started, stages[1060].started) == (None, 1060)
    assert stages[1060].ended is stages[1060].execution is stages[1060].vuh is stages[1060].result is None
    assert (stages[1660].ended, stages[1660].is_finished, stages[1660].final_result) == (1660, False, None)
    assert stages[1660].phases == replace(V6.phases, processing=None)
    assert stages[1685] == V6


def test_run_has_a_reason_only_after_its_end() -> None:
    for run in (LEGACY, V6):
        failed = replace(run, result=ResultStatus.FAILED, reason=Reason("thresholds_failed", 99, "p95"))
        *earlier, last = (stage.reason for _, stage in run_timeline(failed))

        assert set(earlier) == {None}
        assert last == failed.reason


def test_run_aborted_in_the_queue_never_starts() -> None:
    aborted = replace(
        V6, status=5, started=None, ended=1100, result=2, execution=None, phases=PhaseSeconds(queued=90.0)
    )

    assert statuses(aborted) == [(1000, -2, 0), (1010, 0, 0), (1100, 5, 2)]


def test_active_run_has_no_end() -> None:
    running = replace(LEGACY, status=2, processing=0, ended=None, execution=None, phases=PhaseSeconds())

    assert statuses(running) == [(1000, -2, 0), (1060, 2, 0)]


def test_last_of_several_stages_within_a_second_counts() -> None:
    rejected = replace(LEGACY, status=6, started=None, created=1000.2, ended=1000.9, phases=PhaseSeconds())

    assert statuses(rejected) == [(1001, 6, 2)]


def test_timestamps_that_go_back_keep_the_order() -> None:
    assert statuses(replace(LEGACY, started=990, ended=980)) == [(1000, 3, 2)]


def test_archived_run_has_one_stage() -> None:
    archive = replace(LEGACY, status=RunStatus.ARCHIVED, started=None, ended=None)

    assert has_timestamps(archive)
    assert statuses(archive) == [(1000, 10, 2)]


def test_run_needs_creation_and_end_timestamps() -> None:
    assert has_timestamps(LEGACY)
    assert not has_timestamps(replace(LEGACY, created=None))
    assert not has_timestamps(replace(LEGACY, ended=None))
    assert has_timestamps(replace(LEGACY, ended=None, status=RunStatus.RUNNING))
