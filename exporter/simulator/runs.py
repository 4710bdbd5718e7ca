"""How a simulated test run evolves: a pure function of its script and a time.

Times are Unix seconds and durations are seconds. Words and codes are those of the vendor's page "Test Runs
Legacy API".
"""

from dataclasses import asdict, astuple, dataclass, replace
from enum import IntEnum, StrEnum


class Phase(StrEnum):
    """The phase of a run. COMPLETED, ABORTED and ARCHIVED are final."""

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

    10 is not on the vendor's page. In the source of k6 it is a run that was only uploaded.
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
    """Processing of the metrics of a run: the values of `processing_status`."""

    NOT_STARTED = 0
    PROCESSING = 1
    FINISHED = 2
    ERROR = 3


class Result(StrEnum):
    """The result of a run; ERROR where its thresholds could not be evaluated."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class RunError:
    """Why a run ended early. The few public codes come from the sources of k6; None if there is none."""

    code: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Phases:
    """Seconds in each phase; None for a phase that is never entered.

    `running` is the actual duration, which is less than planned for an aborted run.
    """

    created: float = 1
    validated: float | None = 1
    queued: float | None = 5
    initializing: float | None = 10
    running: float | None = 120
    processing: float | None = 15

    def scaled(self, factor: float) -> "Phases":
        """The same phases, each `factor` times as long."""
        lengths = {phase: seconds and seconds * factor for phase, seconds in asdict(self).items()}
        return Phases(**lengths)


# Validation rejects the script: the run is aborted right after it was created.
REJECTED = Phases(created=2, validated=None, queued=None, initializing=None, running=None, processing=None)


@dataclass(frozen=True, slots=True)
class Step:
    """An entry of a run's history: a phase and the time when it was entered."""

    phase: Phase
    entered: float


@dataclass(frozen=True, slots=True)
class ScriptFile:
    """What a client uploaded: JavaScript, or the archive that k6 makes."""

    content: bytes
    is_archive: bool


@dataclass(frozen=True, slots=True)
class RunScript:
    """Everything about a run that is fixed when it is created.

    `failed` means that a threshold was crossed. `duration` is the planned duration in seconds; None: the
    actual one. `error` replaces the one that goes with the ending.
    """

    ending: EndStatus = EndStatus.FINISHED
    failed: bool = False
    processing_fails: bool = False
    phases: Phases = Phases()
    vus: int = 50
    duration: int | None = None
    note: str = ""
    error: RunError | None = None

    def __post_init__(self) -> None:
        if self.ending is EndStatus.FINISHED and self.phases.running is None:
            raise ValueError("a run that never runs cannot finish; give it running seconds or another ending")

    @property
    def planned_seconds(self) -> int:
        return round(self.phases.running or 0) if self.duration is None else self.duration

    @property
    def crosses_threshold(self) -> bool:
        return self.failed or self.ending is EndStatus.ABORTED_BY_THRESHOLD

    def steps(self, created: float) -> tuple[Step, ...]:
        """The whole history, future included, of a run created at that time."""
        time = created
        steps = []
        phases = list(zip(Phase, astuple(self.phases), strict=False))  # the fields have the order of Phase
        for phase, seconds in phases[: _PHASES_BEFORE_END.get(self.ending, _PHASES_BEFORE_ABORT)]:
            if seconds is not None:
                steps.append(Step(phase, time))
                time += seconds
        return (*steps, Step(_LAST_PHASE.get(self.ending, Phase.ABORTED), time))


# Only a run that was not aborted is processed afterwards. An archive is stored as soon as it is validated.
_PHASES_BEFORE_END = {EndStatus.FINISHED: 6, EndStatus.ARCHIVED: 2}
_PHASES_BEFORE_ABORT = 5
_LAST_PHASE = {EndStatus.FINISHED: Phase.COMPLETED, EndStatus.ARCHIVED: Phase.ARCHIVED}


@dataclass(frozen=True, slots=True)
class Run:
    """A run as the world stores it. `started_by` is a user id, None for a run that its schedule started.

    script: the uploaded script that it executes.
    """

    id: int
    test_id: int
    created: float
    plan: RunScript
    steps: tuple[Step, ...]
    started_by: int | None = None
    stopped_by: int | None = None
    public_id: str | None = None
    starred: bool = False
    saved: bool = False
    script: ScriptFile | None = None

    def with_stop(self, now: float, delay: float, by: int) -> "Run":
        """The run if that user stops it now; unchanged if its execution has ended.

        The stop takes effect after the delay, or earlier where the execution would end before: a stop that
        was accepted always aborts.
        """
        ended = next(step.entered for step in self.steps if step.phase in _AFTER_EXECUTION)
        if ended <= now:
            return self
        at = min(now + delay, ended)
        past = tuple(step for step in self.steps if step.entered < at)
        plan = replace(self.plan, ending=EndStatus.ABORTED_BY_USER, failed=False, error=None)
        return replace(self, plan=plan, steps=(*past, Step(Phase.ABORTED, at)), stopped_by=by)

    def at(self, now: float) -> "RunState":
        return RunState(self, now, tuple(step for step in self.steps if step.entered <= now))


_AFTER_EXECUTION = {Phase.PROCESSING, Phase.COMPLETED, Phase.ABORTED, Phase.ARCHIVED}
_FINAL_PHASES = {Phase.COMPLETED, Phase.ABORTED, Phase.ARCHIVED}
_STATUS_CODES = {
    Phase.CREATED: -2,
    Phase.VALIDATED: -1,
    Phase.QUEUED: 0,
    Phase.INITIALIZING: 1,
    Phase.RUNNING: 2,
}
_ERRORS = {
    EndStatus.TIMED_OUT: RunError(8034, "Timed out while waiting for metrics"),
    EndStatus.ABORTED_BY_SYSTEM: RunError(8034, "A load generator was lost"),
    EndStatus.ABORTED_BY_SCRIPT_ERROR: RunError(8035, "TypeError: Cannot read property 'id' of undefined"),
    # k6 sends the same code when its user interrupts it; only the result differs.
    EndStatus.ABORTED_BY_THRESHOLD: RunError(8036, "A threshold was crossed"),
    EndStatus.ABORTED_BY_LIMIT: RunError(
        2004, "The run needs more virtual users than the subscription allows"
    ),
}
INTERRUPTED = RunError(8036, "test run was aborted because k6 received a 'interrupt' signal")
_CROSSED_THRESHOLD = RunError(None, "A threshold was crossed: http_req_duration p(95)<500")
_PROCESSING_ERROR = RunError(None, "The metrics could not be processed")
_VALIDATION_ERROR = RunError(None, "Validation error")
_COMPLETION_ERRORS = {Result.FAILED: _CROSSED_THRESHOLD, Result.ERROR: _PROCESSING_ERROR}


@dataclass(frozen=True, slots=True)
class RunState:
    """A run at the time `now`. `history` holds the phases entered so far, oldest first."""

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
        return _STATUS_CODES.get(self.phase, self.run.plan.ending)

    @property
    def ending(self) -> EndStatus | None:
        return None if self.phase in _STATUS_CODES else self.run.plan.ending

    @property
    def processing(self) -> Processing:
        """The documents do not define it for an aborted run: here 2 if it ran, 3 if it timed out, else 0."""
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
        """None until processing has ended, since thresholds are evaluated on processed metrics."""
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
        """The time when it began to run."""
        return next((step.entered for step in self.history if step.phase is Phase.RUNNING), None)

    @property
    def ended(self) -> float | None:
        """The time when its execution ended; processing may go on. An archive is never executed."""
        if self.phase is Phase.ARCHIVED:
            return None
        return next((step.entered for step in self.history if step.phase in _AFTER_EXECUTION), None)

    @property
    def finished(self) -> float | None:
        """The time from which on nothing about it changes; None before."""
        return self.history[-1].entered if self.phase in _FINAL_PHASES else None

    @property
    def stopped_by(self) -> int | None:
        return self.run.stopped_by if self.phase is Phase.ABORTED else None

    @property
    def error(self) -> RunError | None:
        """Why it was aborted, failed or has no result; None before its end, or if it passed."""
        if self.phase is Phase.COMPLETED:
            return None if self.result is None else _COMPLETION_ERRORS.get(self.result)
        if self.phase is not Phase.ABORTED:
            return None
        if self.run.plan.error is not None:
            return self.run.plan.error
        if len(self.history) == 2 and self.run.stopped_by is None:  # created, aborted
            return _VALIDATION_ERROR
        return _ERRORS.get(self.run.plan.ending)

    @property
    def executed(self) -> float:
        """Seconds that it has run so far."""
        if self.started is None:
            return 0.0
        return (self.now if self.ended is None else self.ended) - self.started

    @property
    def validated(self) -> bool:
        return any(step.phase in _STATUS_CODES and step.phase is not Phase.CREATED for step in self.history)

    @property
    def vuh(self) -> float | None:
        """Virtual user hours: None before validation, an estimate until it ends, then the actual usage."""
        if not self.validated:
            return None
        seconds = self.run.plan.planned_seconds if self.ended is None else self.executed
        return self.run.plan.vus * seconds / 3600
