"""The states a run went through, derived from the timestamps and phases that the API returns."""

import math
from collections.abc import Iterator

from msgspec.structs import replace

from exporter.model import Phase, PhaseSeconds, ProcessingStatus, Run, RunStatus

Stage = tuple[float, Run]  # since when (Unix seconds) the run had these values

# The status of a run in each phase. A phase has ended when the run has a higher one.
PHASE_STATUS = {
    Phase.QUEUED: RunStatus.QUEUED,
    Phase.INITIALIZING: RunStatus.INITIALIZING,
    Phase.RUNNING: RunStatus.RUNNING,
    Phase.PROCESSING: RunStatus.FINISHED,
}


def has_timestamps(run: Run) -> bool:
    """Whether a run has the timestamps to place it: creation, and end if it has finished."""
    # An archived run never ran, so it has no end.
    has_end = run.ended is not None or not run.is_finished or run.status == RunStatus.ARCHIVED
    return run.created is not None and has_end


def run_timeline(run: Run) -> tuple[Stage, ...]:
    """The stages of a run, oldest first, each at its own whole second.

    Stages that the API does not return are left out, never estimated: without phases (legacy), a run has the
    status created until it starts, and is finished as soon as it ends.
    """
    stages: dict[float, Run] = {}
    latest = -math.inf
    for timestamp, stage in transitions(run):
        # Rounded up, because a stage must not show before it begins. The API's timestamps may go backwards,
        # the stages may not.
        latest = max(latest, float(math.ceil(round(timestamp, 3))))
        stages[latest] = stage
    return tuple(stages.items())


def transitions(run: Run) -> Iterator[Stage]:
    """The stages in their order, with the timestamps of the API."""
    if run.created is None:
        return
    if run.status == RunStatus.ARCHIVED:  # only uploaded, never run: it has one stage
        yield run.created, run
        return
    waiting = list(pre_start_transitions(run))
    created = as_of_status(run, RunStatus.CREATED)
    # v6, which returns the phases before the start, has no planned values before the run is validated.
    yield run.created, replace(created, duration=None, vus=None) if waiting else created
    yield from reversed(waiting)
    if run.started is not None:
        yield run.started, as_of_status(run, RunStatus.RUNNING)
    if run.ended is not None:
        processing = run.phases.processing
        if processing is not None:
            ended = replace(as_of_status(run, RunStatus.FINISHED), ended=run.ended)
            yield run.ended, replace(ended, processing=ProcessingStatus.PROCESSING)
        yield run.ended + (processing or 0.0), run


def pre_start_transitions(run: Run) -> Iterator[Stage]:
    """The stages before a run's start, or before its end if it never started; latest first."""
    durations = dict(run.phases.items())
    # The API returns durations, not timestamps, of these phases: they are subtracted from the start.
    timestamp = run.started if run.started is not None else run.ended
    for phase in (Phase.INITIALIZING, Phase.QUEUED):
        if timestamp is not None and phase in durations:
            timestamp -= durations[phase]
            yield timestamp, as_of_status(run, PHASE_STATUS[phase])


def as_of_status(run: Run, status: RunStatus) -> Run:
    """The run when it had this status, without values that are known only later."""
    return replace(
        run,
        status=status,
        processing=ProcessingStatus.NOT_STARTED,
        result=None,
        started=run.started if status >= RunStatus.RUNNING else None,
        ended=None,
        execution=None,
        vuh=None,
        reason=None,
        phases=PhaseSeconds(
            **{phase: seconds for phase, seconds in run.phases.items() if PHASE_STATUS[phase] < status}
        ),
    )
