"""How one simulated test run evolves: a pure function of what was planned and a moment.

Moments are Unix seconds and lengths are seconds. Words and codes are those of the vendor's page "Test Runs
Legacy API".
"""

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum


class Phase(StrEnum):
    """Where a run stands. COMPLETED, ABORTED and ARCHIVED are for ever."""

    CREATED = "created"
    VALIDATED = "validated"
    QUEUED = "queued"
    INITIALIZING = "initializing"
    RUNNING = "running"
    PROCESSING = "processing"
    COMPLETED = "completed"
    ABORTED = "aborted"
    ARCHIVED = "archived"


class EndStatus(IntEnum):
    """How the execution of a run ended: the terminal values of `run_status`.

    10 is not on the vendor's page; the source of k6 knows it as a run that was only uploaded.
    """

    FINISHED = 3
    TIMED_OUT = 4
    ABORTED_BY_USER = 5
    ABORTED_BY_SYSTEM = 6
    ABORTED_BY_SCRIPT_ERROR = 7
    ABORTED_BY_THRESHOLD = 8
    ABORTED_BY_LIMIT = 9
    ARCHIVED = 10


class Processing(IntEnum):
    """How far the metrics of a run are processed: the values of `processing_status`."""

    NOT_STARTED = 0
    PROCESSING = 1
    FINISHED = 2
    ERROR = 3


class Result(StrEnum):
    """The verdict on a run; ERROR where no verdict on its thresholds was possible."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class RunError:
    """Why a run ended badly. The few codes that are public come from the sources of k6; None if none is."""

    code: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Phases:
    """Seconds spent in each phase; None for a phase that is never entered.

    `running` is how long the run truly runs, which for an aborted one is less than planned.
    """

    created: float = 1
    validated: float | None = 1
    queued: float | None = 5
    initializing: float | None = 10
    running: float | None = 120
    processing: float | None = 15

    def faster(self, speed: float) -> "Phases":
        """The same phases, each lasting a `speed`-th of its length."""

        def shorter(seconds: float | None) -> float | None:
            return None if seconds is None else seconds / speed

        return Phases(
            self.created / speed,
            shorter(self.validated),
            shorter(self.queued),
            shorter(self.initializing),
            shorter(self.running),
            shorter(self.processing),
        )

    def in_order(self) -> tuple[tuple[Phase, float | None], ...]:
        return (
            (Phase.CREATED, self.created),
            (Phase.VALIDATED, self.validated),
            (Phase.QUEUED, self.queued),
            (Phase.INITIALIZING, self.initializing),
            (Phase.RUNNING, self.running),
            (Phase.PROCESSING, self.processing),
        )


# Validation refuses the script: the run goes from created straight to its end.
REJECTED = Phases(created=2, validated=None, queued=None, initializing=None, running=None, processing=None)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a run's history: a phase and the moment it was entered."""

    phase: Phase
    entered: float


@dataclass(frozen=True, slots=True)
class RunScript:
    """Everything about a run that is settled when it is created.

    `failed` means that a threshold was crossed. `duration` is the planned length in seconds; None: as long as
    it runs.
    """

    ending: EndStatus = EndStatus.FINISHED
    failed: bool = False
    processing_fails: bool = False
    phases: Phases = Phases()
    vus: int = 50
    duration: int | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.ending is EndStatus.FINISHED and self.phases.running is None:
            raise ValueError("a run that never runs cannot finish; give it running seconds or another ending")

    @property
    def planned_seconds(self) -> int:
        if self.duration is not None:
            return self.duration
        return round(self.phases.running or 0)

    @property
    def crosses_threshold(self) -> bool:
        return self.failed or self.ending is EndStatus.ABORTED_BY_THRESHOLD

    def steps(self, created: float) -> tuple[Step, ...]:
        """The whole history, future included, of a run created at that moment."""
        moment = created
        steps = []
        for phase, seconds in self.phases.in_order()[: _PHASES_BEFORE.get(self.ending, _BEFORE_AN_ABORT)]:
            if seconds is not None:
                steps.append(Step(phase, moment))
                moment += seconds
        return (*steps, Step(_LAST_PHASE.get(self.ending, Phase.ABORTED), moment))


# Only a finished run is processed afterwards, and an archive is stored as soon as it is validated.
_PHASES_BEFORE = {EndStatus.FINISHED: 6, EndStatus.ARCHIVED: 2}
_BEFORE_AN_ABORT = 5
_LAST_PHASE = {EndStatus.FINISHED: Phase.COMPLETED, EndStatus.ARCHIVED: Phase.ARCHIVED}


@dataclass(frozen=True, slots=True)
class Run:
    """A run as the world stores it. `started_by` is a user id, None for a run that its schedule started."""

    id: int
    test_id: int
    created: float
    plan: RunScript
    steps: tuple[Step, ...]
    started_by: int | None = None
    stopped_by: int | None = None
    public_id: str | None = None
    starred: bool = False

    def stopped(self, at: float, by: int) -> "Run":
        """The run as it will be if that user's stop takes effect at that moment; itself if it ends before."""
        ended = next(step.entered for step in self.steps if step.phase in _EXECUTION_IS_OVER)
        if ended <= at:
            return self
        past = tuple(step for step in self.steps if step.entered < at)
        plan = replace(self.plan, ending=EndStatus.ABORTED_BY_USER, failed=False)
        return replace(self, plan=plan, steps=(*past, Step(Phase.ABORTED, at)), stopped_by=by)

    def at(self, now: float) -> "RunState":
        return RunState(self, now, tuple(step for step in self.steps if step.entered <= now))


_EXECUTION_IS_OVER = {Phase.PROCESSING, Phase.COMPLETED, Phase.ABORTED, Phase.ARCHIVED}
_NOTHING_MORE_HAPPENS = {Phase.COMPLETED, Phase.ABORTED, Phase.ARCHIVED}
_CODES = {
    Phase.CREATED: -2,
    Phase.VALIDATED: -1,
    Phase.QUEUED: 0,
    Phase.INITIALIZING: 1,
    Phase.RUNNING: 2,
}
_TROUBLES = {
    EndStatus.TIMED_OUT: RunError(8034, "Timed out while waiting for metrics"),
    EndStatus.ABORTED_BY_SYSTEM: RunError(8034, "A load generator was lost"),
    EndStatus.ABORTED_BY_SCRIPT_ERROR: RunError(8035, "TypeError: Cannot read property 'id' of undefined"),
    EndStatus.ABORTED_BY_LIMIT: RunError(
        2004, "The run needs more virtual users than the subscription allows"
    ),
}
_VALIDATION_TROUBLE = RunError(None, "Validation error")


@dataclass(frozen=True, slots=True)
class RunState:
    """What is true of a run at the moment `now`. `history` holds the phases entered so far, oldest first."""

    run: Run
    now: float
    history: tuple[Step, ...]

    @property
    def id(self) -> int:
        return self.run.id

    @property
    def test_id(self) -> int:
        return self.run.test_id

    @property
    def phase(self) -> Phase:
        return self.history[-1].phase

    @property
    def status(self) -> int:
        """The `run_status` code, -2 to 10."""
        return _CODES.get(self.phase, self.run.plan.ending)

    @property
    def ending(self) -> EndStatus | None:
        return None if self.phase in _CODES else self.run.plan.ending

    @property
    def processing(self) -> Processing:
        """The documents do not say what an aborted run shows: here 2 if it ran, 3 if it timed out, else 0."""
        if self.phase is Phase.PROCESSING:
            return Processing.PROCESSING
        if self.phase is Phase.COMPLETED:
            return Processing.ERROR if self.run.plan.processing_fails else Processing.FINISHED
        if self.phase is Phase.ABORTED and self.started is not None:
            # "usually because data took too long to arrive/process"
            return Processing.ERROR if self.ending is EndStatus.TIMED_OUT else Processing.FINISHED
        return Processing.NOT_STARTED

    @property
    def result(self) -> Result | None:
        """None until decided, when processing is over: thresholds are judged on processed metrics."""
        if self.phase not in (Phase.COMPLETED, Phase.ABORTED):
            return None
        if self.run.plan.crosses_threshold:
            return Result.FAILED
        if self.phase is Phase.COMPLETED and not self.run.plan.processing_fails:
            return Result.PASSED
        return Result.ERROR

    @property
    def created(self) -> float:
        return self.run.created

    @property
    def started(self) -> float | None:
        """When it began to run."""
        return self.entered(Phase.RUNNING)

    @property
    def ended(self) -> float | None:
        """When its execution ended; processing may go on. An archive was never executed and never ends."""
        if self.phase is Phase.ARCHIVED:
            return None
        return next((step.entered for step in self.history if step.phase in _EXECUTION_IS_OVER), None)

    @property
    def finished(self) -> float | None:
        """When the last thing about it was settled."""
        return self.history[-1].entered if self.phase in _NOTHING_MORE_HAPPENS else None

    @property
    def stopped_by(self) -> int | None:
        return self.run.stopped_by if self.phase is Phase.ABORTED else None

    @property
    def error(self) -> RunError | None:
        if self.phase is not Phase.ABORTED:
            return None
        if len(self.history) == 2 and self.run.stopped_by is None:  # created, aborted
            return _VALIDATION_TROUBLE
        return _TROUBLES.get(self.run.plan.ending)

    @property
    def executed(self) -> float:
        """Seconds it has run so far."""
        if self.started is None:
            return 0.0
        return (self.now if self.ended is None else self.ended) - self.started

    @property
    def validated(self) -> bool:
        return any(step.phase in _CODES and step.phase is not Phase.CREATED for step in self.history)

    @property
    def vuh(self) -> float | None:
        """Virtual user hours: None before validation, the forecast until it ends, then what was used."""
        if not self.validated:
            return None
        seconds = self.run.plan.planned_seconds if self.ended is None else self.executed
        return self.run.plan.vus * seconds / 3600

    def entered(self, phase: Phase) -> float | None:
        """The moment a phase was entered; None if that has not happened."""
        return next((step.entered for step in self.history if step.phase is phase), None)
