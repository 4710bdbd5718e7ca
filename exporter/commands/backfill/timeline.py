"""What a run was at each moment of its life, told from what the API says of it now."""

import math
from collections.abc import Iterator
from dataclasses import replace

from exporter.model import Phase, ProcessingStatus, Run, RunStatus

Stage = tuple[float, Run]  # from which moment on (Unix seconds) the run was like this

WAITING = ((Phase.INITIALIZING, RunStatus.INITIALIZING), (Phase.QUEUED, RunStatus.QUEUED))
BEHIND = {
    RunStatus.CREATED: (),
    RunStatus.QUEUED: (),
    RunStatus.INITIALIZING: (Phase.QUEUED,),
    RunStatus.RUNNING: (Phase.QUEUED, Phase.INITIALIZING),
    RunStatus.FINISHED: (Phase.QUEUED, Phase.INITIALIZING, Phase.RUNNING),
}


def has_timestamps(run: Run) -> bool:
    """Whether it is known when the run began, and when it ended if it is over."""
    is_dated = run.ended is not None or not run.is_finished or run.status == RunStatus.ARCHIVED
    return run.created is not None and is_dated


def run_timeline(run: Run) -> tuple[Stage, ...]:
    """The stages of a run that is placeable, oldest first, each in a whole second of its own.

    What the API does not tell is left out, never guessed: without phases (legacy) a run counts as created
    until it starts, and as over when it ends.
    """
    stages: dict[int, Run] = {}
    latest = -math.inf
    for moment, stage in transitions(run):
        # A state is told once it is true, not before; a clock that went backwards does not turn it round.
        latest = max(latest, math.ceil(round(moment, 3)))
        stages[int(latest)] = stage
    return tuple((float(moment), stage) for moment, stage in stages.items())


def transitions(run: Run) -> Iterator[Stage]:
    """The stages in the order in which they come, at the moments that the API tells."""
    if run.created is None:
        return
    if run.status == RunStatus.ARCHIVED:  # only uploaded: it is what it is from the beginning
        yield run.created, run
        return
    waited = list(pre_start_transitions(run))
    created = as_of_status(run, RunStatus.CREATED)
    # An API that tells how a run waited (v6) does not tell what is planned before the run is validated.
    yield run.created, replace(created, duration=None, vus=None) if waited else created
    yield from reversed(waited)
    if run.started is not None:
        yield run.started, as_of_status(run, RunStatus.RUNNING)
    if run.ended is None:
        return
    processing = dict(run.phases).get(Phase.PROCESSING)
    if processing is None:
        yield run.ended, run
        return
    being_processed = as_of_status(run, RunStatus.FINISHED)
    yield run.ended, replace(being_processed, processing=ProcessingStatus.PROCESSING, ended=run.ended)
    yield run.ended + processing, run


def pre_start_transitions(run: Run) -> Iterator[Stage]:
    """The stages before a run's start, or before its end if it never started: backwards, by their lengths."""
    lengths = dict(run.phases)
    moment = run.started if run.started is not None else run.ended
    for phase, status in WAITING:
        if moment is not None and phase in lengths:
            moment -= lengths[phase]
            yield moment, as_of_status(run, status)


def as_of_status(run: Run, status: RunStatus) -> Run:
    """The run when it had come so far, knowing nothing of what came later."""
    return replace(
        run,
        status=status,
        processing=ProcessingStatus.NOT_STARTED,
        result=None,
        started=run.started if status >= RunStatus.RUNNING else None,
        ended=None,
        execution=None,
        vuh=None,
        phases=tuple((phase, length) for phase, length in run.phases if phase in BEHIND[status]),
    )
