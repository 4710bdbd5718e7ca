"""Load tests and their runs in our own words: frozen values, and facts derivable from one of them.

Moments are Unix seconds (UTC), lengths are seconds. None means that the API did not say.
Codes are those of the legacy API, the finer of the two vocabularies:
https://grafana.com/docs/grafana-cloud/testing/k6/reference/cloud-rest-api/deprecated-rest-api/test-runs/
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType


class RunStatus(IntEnum):
    """How far a run has come; everything from FINISHED on is an end."""

    CREATED = -2
    VALIDATED = -1
    QUEUED = 0
    INITIALIZING = 1
    RUNNING = 2
    FINISHED = 3
    TIMED_OUT = 4
    ABORTED_BY_USER = 5
    ABORTED_BY_SYSTEM = 6
    ABORTED_BY_SCRIPT_ERROR = 7
    ABORTED_BY_THRESHOLD = 8
    ABORTED_BY_LIMIT = 9
    ARCHIVED = 10  # not in the documents; k6's own source has it for runs that were only uploaded


class ProcessingStatus(IntEnum):
    """How far the metrics of a run have been processed."""

    NOT_STARTED = 0
    PROCESSING = 1
    FINISHED = 2
    ERROR = 3


class ResultStatus(IntEnum):
    """Whether the thresholds held. The API says PASSED for every run that has no verdict yet."""

    PASSED = 0
    FAILED = 1
    ERROR = 2  # ours, for the v6 result "error": never to be mistaken for a pass


class Outcome(StrEnum):
    """What became of a run that is over."""

    PASSED = "passed"
    FAILED = "failed"
    ABORTED = "aborted"
    TIMED_OUT = "timed_out"
    ERROR = "error"
    NONE = "none"  # over, but the API gave no verdict that we know


class ActiveState(StrEnum):
    """What a run that is not over is doing."""

    CREATED = "created"
    VALIDATED = "validated"
    QUEUED = "queued"
    INITIALIZING = "initializing"
    RUNNING = "running"
    PROCESSING = "processing"


class Phase(StrEnum):
    """A stretch of a run's life whose length can be told."""

    QUEUED = "queued"
    INITIALIZING = "initializing"
    RUNNING = "running"
    PROCESSING = "processing"


ACTIVE_STATES: Mapping[int, ActiveState] = MappingProxyType(
    {
        RunStatus.CREATED: ActiveState.CREATED,
        RunStatus.VALIDATED: ActiveState.VALIDATED,
        RunStatus.QUEUED: ActiveState.QUEUED,
        RunStatus.INITIALIZING: ActiveState.INITIALIZING,
        RunStatus.RUNNING: ActiveState.RUNNING,
        RunStatus.FINISHED: ActiveState.PROCESSING,
    }
)

STATUS_OUTCOMES: Mapping[int, Outcome] = MappingProxyType(
    {
        RunStatus.TIMED_OUT: Outcome.TIMED_OUT,
        RunStatus.ABORTED_BY_USER: Outcome.ABORTED,
        RunStatus.ABORTED_BY_SYSTEM: Outcome.ERROR,
        RunStatus.ABORTED_BY_SCRIPT_ERROR: Outcome.ERROR,
        RunStatus.ABORTED_BY_THRESHOLD: Outcome.FAILED,
        RunStatus.ABORTED_BY_LIMIT: Outcome.ERROR,
    }
)

RESULT_OUTCOMES: Mapping[int, Outcome] = MappingProxyType(
    {
        ResultStatus.PASSED: Outcome.PASSED,
        ResultStatus.FAILED: Outcome.FAILED,
        ResultStatus.ERROR: Outcome.ERROR,
    }
)

TERMINAL_STATUSES = frozenset(status for status in RunStatus if status >= RunStatus.FINISHED)
STILL_PROCESSING = frozenset({ProcessingStatus.NOT_STARTED, ProcessingStatus.PROCESSING})


@dataclass(frozen=True, slots=True)
class LoadTest:
    """A test as its owner knows it.

    `last_run_id` is the newest run that the list of tests names (legacy), `next_run` the moment for which a
    schedule plans one (v6).
    """

    id: int
    name: str
    project_id: int | None = None
    last_run_id: int | None = None
    next_run: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a test. A code that we do not know stays the number it is.

    `duration` is the planned length and `vus` the configured maximum; `execution` is how long it really ran.
    `vuh` are virtual user hours (v6), a forecast until the run is over.
    """

    id: int
    test_id: int
    status: int | None = None
    processing: int | None = None
    result: int | None = None
    created: float | None = None
    started: float | None = None
    ended: float | None = None
    duration: float | None = None
    vus: float | None = None
    execution: float | None = None
    vuh: float | None = None
    phases: tuple[tuple[Phase, float], ...] = ()
    invalid_fields: tuple[str, ...] = ()  # names of fields whose value could not be understood

    @property
    def sort_key(self) -> tuple[float, int]:
        """Sorts runs from old to new: by creation, ties by id."""
        return (self.created if self.created is not None else float("-inf"), self.id)

    @property
    def is_finished(self) -> bool:
        """Whether nothing about this run will change: it has ended and its metrics are processed.

        An aborted run is over at once; its processing may never be told as finished.
        """
        if self.status == RunStatus.FINISHED:
            return self.processing not in STILL_PROCESSING
        if self.status in TERMINAL_STATUSES:
            return True
        return self.status not in ACTIVE_STATES and self.ended is not None

    @property
    def active_state(self) -> ActiveState | None:
        """What the run is doing, None when it is over or when its status is not one we know."""
        return None if self.is_finished or self.status is None else ACTIVE_STATES.get(self.status)

    @property
    def outcome(self) -> Outcome | None:
        """What became of it, None while it is not over. Only FINISHED with a PASSED result is a pass."""
        if not self.is_finished:
            return None
        if self.status != RunStatus.FINISHED:
            return STATUS_OUTCOMES.get(self.status, Outcome.NONE) if self.status is not None else Outcome.NONE
        if self.processing == ProcessingStatus.ERROR and self.result == ResultStatus.PASSED:
            # The legacy API says PASSED until it knows better, and now it never will.
            return Outcome.ERROR
        return RESULT_OUTCOMES.get(self.result, Outcome.NONE) if self.result is not None else Outcome.NONE

    @property
    def final_result(self) -> int | None:
        """The result code, None until the run is over: before that the API's 0 would read as passed."""
        return self.result if self.is_finished else None


def unrecognized_fields(run: Run) -> tuple[str, ...]:
    """Names of the run's fields whose value this version does not know."""
    coded = (
        ("run_status", run.status, RunStatus),
        ("processing_status", run.processing, ProcessingStatus),
        ("result_status", run.result, ResultStatus),
    )
    beyond = tuple(name for name, code, known in coded if code is not None and code not in set(known))
    return run.invalid_fields + beyond


@dataclass(frozen=True, slots=True)
class SkippedItem:
    """A piece of an answer that could not be used: why (a label value), and which (for the log)."""

    reason: str
    description: str


@dataclass(frozen=True, slots=True)
class RunList:
    """Runs as one question told them, in no particular order.

    `reaches_back_to` is the moment from which on no run that matches the question is missing; minus infinity
    when none is missing at all, plus infinity when nothing can be said about what is not in it.
    `sure_up_to` is the creation of the newest run before which surely none is missing. `is_whole` is False of
    a list that said it goes on and did not.
    """

    runs: tuple[Run, ...] = ()
    skipped: tuple[SkippedItem, ...] = ()
    complete_since: float = float("inf")
    complete_until: float = float("-inf")
    is_complete: bool = True

    def should_contain(self, run: Run) -> bool:
        """Whether this run would be in the listing if it still existed."""
        return run.sort_key[0] > self.complete_since or self.complete_since == float("-inf")


@dataclass(frozen=True, slots=True)
class TestList:
    """Tests as one question told them, what of the answer could not be used, and whether it was all."""

    tests: tuple[LoadTest, ...] = ()
    skipped: tuple[SkippedItem, ...] = ()
    is_complete: bool = True
