"""Tests and runs as immutable values, the same for both API versions.

They are structs of msgspec, which the garbage collector does not track (`gc=False`), so that full collections
do not delay scrapes. No field may lead back to its own struct: such a cycle would never be freed.
`msgspec.structs.replace` makes changed copies.

Timestamps are Unix seconds, durations are seconds. None means that the API did not provide the value.
The codes are those of the legacy API, which distinguishes more states than v6:
https://grafana.com/docs/grafana-cloud/testing/k6/reference/cloud-rest-api/deprecated-rest-api/test-runs/
"""

from collections.abc import Iterator, Mapping
from enum import IntEnum, StrEnum

from msgspec import Struct, field

MAX_CANDIDATES = 10  # tests or projects of one name that are listed


class RunStatus(IntEnum):
    """Status of a run. From FINISHED on, its load has ended."""

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
    ARCHIVED = 10  # a script that was uploaded and not run; undocumented, but in the source of k6


class ProcessingStatus(IntEnum):
    """Processing of a run's metrics, which goes on after its load has ended."""

    NOT_STARTED = 0
    PROCESSING = 1
    FINISHED = 2
    ERROR = 3


class ResultStatus(IntEnum):
    """Whether the thresholds were met. The legacy API reports PASSED for every run without a result."""

    PASSED = 0
    FAILED = 1
    ERROR = 2  # not in the legacy API; stands for the v6 result "error", which is no pass


class Outcome(StrEnum):
    """Outcome of a finished run: one value made of status, processing and result."""

    PASSED = "passed"
    FAILED = "failed"
    ABORTED = "aborted"
    TIMED_OUT = "timed_out"
    ERROR = "error"
    NONE = "none"  # finished, but without a result that we know


class ActiveState(StrEnum):
    """State of an active run."""

    CREATED = "created"
    VALIDATED = "validated"
    QUEUED = "queued"
    INITIALIZING = "initializing"
    RUNNING = "running"
    PROCESSING = "processing"


class Phase(StrEnum):
    """A phase of a run whose duration can be known."""

    QUEUED = "queued"
    INITIALIZING = "initializing"
    RUNNING = "running"
    PROCESSING = "processing"


class PhaseSeconds(Struct, frozen=True, gc=False):
    """The durations of the completed phases of a run in seconds; None if not completed, or not known."""

    queued: float | None = None
    initializing: float | None = None
    running: float | None = None
    processing: float | None = None

    def items(self) -> Iterator[tuple[Phase, float]]:
        """Each completed phase with its duration."""
        durations = (self.queued, self.initializing, self.running, self.processing)
        for phase, seconds in zip(Phase, durations, strict=True):
            if seconds is not None:
                yield phase, seconds


NO_PHASES = PhaseSeconds()

# A run with status FINISHED stays active until its metrics are processed, see Run.is_finished.
ACTIVE_STATES: Mapping[int, ActiveState] = {
    RunStatus.CREATED: ActiveState.CREATED,
    RunStatus.VALIDATED: ActiveState.VALIDATED,
    RunStatus.QUEUED: ActiveState.QUEUED,
    RunStatus.INITIALIZING: ActiveState.INITIALIZING,
    RunStatus.RUNNING: ActiveState.RUNNING,
    RunStatus.FINISHED: ActiveState.PROCESSING,
}

# Outcomes of runs that ended otherwise than by FINISHED. The result is ignored for them: it can be PASSED.
STATUS_OUTCOMES: Mapping[int, Outcome] = {
    RunStatus.TIMED_OUT: Outcome.TIMED_OUT,
    RunStatus.ABORTED_BY_USER: Outcome.ABORTED,
    RunStatus.ABORTED_BY_SYSTEM: Outcome.ERROR,
    RunStatus.ABORTED_BY_SCRIPT_ERROR: Outcome.ERROR,
    # A threshold with abortOnFail ended the run: https://grafana.com/docs/k6/latest/using-k6/thresholds/
    RunStatus.ABORTED_BY_THRESHOLD: Outcome.FAILED,
    RunStatus.ABORTED_BY_LIMIT: Outcome.ERROR,
}

# Outcomes of runs with status FINISHED.
RESULT_OUTCOMES: Mapping[int, Outcome] = {
    ResultStatus.PASSED: Outcome.PASSED,
    ResultStatus.FAILED: Outcome.FAILED,
    ResultStatus.ERROR: Outcome.ERROR,
}

# The codes are in the order of a run's life, so one comparison is enough.
TERMINAL_STATUSES = frozenset(status for status in RunStatus if status >= RunStatus.FINISHED)
# NOT_STARTED too: when the load has just ended, there is no result yet.
STILL_PROCESSING = frozenset({ProcessingStatus.NOT_STARTED, ProcessingStatus.PROCESSING})


# These outcomes are neither a pass nor a failure: a user stopped the run, or there is no result.
INCONCLUSIVE = frozenset({Outcome.ABORTED, Outcome.NONE})


class Reason(Struct, frozen=True, gc=False):
    """Why a run did not pass.

    `word` is one of a limited number of label values, `code` and `message` are those of k6 Cloud. The message
    can contain what a script printed: it is on one line, but long until secrets are redacted, and must be
    escaped.
    """

    word: str
    code: int | None = None
    message: str = ""


class ProjectLimits(Struct, frozen=True, gc=False):
    """Limits of a project: virtual user hours in a month, virtual users and seconds of a test (v6 only)."""

    vuh_per_month: float | None = None
    vus_per_test: float | None = None
    duration: float | None = None


class Project(Struct, frozen=True, gc=False):
    """A project of k6 Cloud. `folder_uid` is its folder in Grafana, `labels` are sorted by name (v6 only)."""

    id: int
    name: str = ""
    folder_uid: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    limits: ProjectLimits = ProjectLimits()


class LoadTest(Struct, frozen=True, gc=False):
    """A load test of k6 Cloud.

    `last_run_id` is the newest run according to the list of tests (legacy only). `next_run` is the next
    scheduled start in Unix seconds; `is_schedule_active` is False if it has only deactivated schedules, and
    None if it has none, as far as is known (both v6 only).
    """

    id: int
    name: str
    project_id: int | None = None
    last_run_id: int | None = None
    next_run: float | None = None
    is_schedule_active: bool | None = None


class UnresolvedEntry(Struct, frozen=True, gc=False):
    """An entry of the setting `tests` that selects no test.

    None matches it, or it has the `name` of several tests, or that of several projects, which are the
    `candidates`.
    """

    entry: str
    name: str | None = None
    candidates: tuple[LoadTest, ...] | tuple[Project, ...] = ()

    def __str__(self) -> str:
        if not self.candidates:
            return self.entry
        listed = [
            f"{it.id} (project {it.project_id})" if isinstance(it, LoadTest) else str(it.id)
            for it in self.candidates[:MAX_CANDIDATES]
        ]
        kind = "tests" if isinstance(self.candidates[0], LoadTest) else "projects"
        more = len(self.candidates) - len(listed)
        text = ", ".join(listed) + (f" and {more} more" if more else "")
        return f"{self.entry}: {len(self.candidates)} {kind} have this name: {text}"


class Run(Struct, frozen=True, gc=False):
    """One execution of a test.

    `status`, `processing` and `result` are codes of the enumerations above; an unknown code stays an int, so
    that a new one of k6 Cloud is exposed and not lost. `created`, `started` (of the load) and `ended` are in
    Unix seconds. `duration` is the planned and `execution` the actual duration in seconds. `vus` is the
    configured maximum of virtual users. `vuh` are virtual user hours (v6 only), an estimate until the run
    has finished. `phases` are the durations of its phases. `reason` is why the run did not pass; None if it
    passed or is active. `url` is the page of the run in the k6 app, if k6 Cloud
    reports it (v6, mostly when a run is started).
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
    phases: PhaseSeconds = NO_PHASES
    reason: Reason | None = None
    url: str | None = None
    invalid_fields: tuple[str, ...] = ()  # names of API fields whose value could not be parsed

    @property
    def sort_key(self) -> tuple[float, int]:
        """Orders runs from old to new: by creation, then by id. A run without creation time is the oldest."""
        # Not by start: a queued run has none.
        return (self.created if self.created is not None else float("-inf"), self.id)

    def page_url(self, app_url: str) -> str:
        """The page of the run in the k6 app: the one that k6 Cloud reports, else one below `app_url`."""
        return self.url or f"{app_url}/runs/{self.id}"

    @property
    def is_finished(self) -> bool:
        """Whether the run has ended and its metrics are processed, so that nothing about it will change."""
        if self.status == RunStatus.FINISHED:
            return self.processing not in STILL_PROCESSING
        # For aborted runs, the API may never report that processing has finished.
        if self.status in TERMINAL_STATUSES:
            return True
        # An unknown status can be that of an active run. Only the end time can decide.
        return self.status not in ACTIVE_STATES and self.ended is not None

    @property
    def active_state(self) -> ActiveState | None:
        """The state of an active run, None if it has finished or its status is unknown."""
        return None if self.is_finished or self.status is None else ACTIVE_STATES.get(self.status)

    @property
    def outcome(self) -> Outcome | None:
        """The outcome of a finished run, None while it is active. Only FINISHED with PASSED is a pass."""
        if not self.is_finished:
            return None
        if self.status != RunStatus.FINISHED:
            return STATUS_OUTCOMES.get(self.status, Outcome.NONE) if self.status is not None else Outcome.NONE
        if self.processing == ProcessingStatus.ERROR and self.result == ResultStatus.PASSED:
            # PASSED is the legacy API's default, which a failed processing never corrects.
            return Outcome.ERROR
        return RESULT_OUTCOMES.get(self.result, Outcome.NONE) if self.result is not None else Outcome.NONE

    @property
    def final_result(self) -> int | None:
        """The result code, None until the run has finished: the API's default is 0, which means passed."""
        return self.result if self.is_finished else None


# Made once: a set of an enumeration takes longer than all the rest of a run.
KNOWN_STATUSES = frozenset(RunStatus)
KNOWN_PROCESSING = frozenset(ProcessingStatus)
KNOWN_RESULTS = frozenset(ResultStatus)


def unrecognized_fields(run: Run) -> tuple[str, ...]:
    """Names of the API fields whose value could not be parsed or has a code unknown to this version."""
    coded = (
        ("run_status", run.status, KNOWN_STATUSES),
        ("processing_status", run.processing, KNOWN_PROCESSING),
        ("result_status", run.result, KNOWN_RESULTS),
    )
    unknown = tuple(name for name, code, known in coded if code is not None and code not in known)
    return run.invalid_fields + unknown


class SkippedItem(Struct, frozen=True, gc=False):
    """An item of a response that could not be used.

    `reason` is a label value, "invalid" (not parseable) or "unexpected" (not requested); `description` is for
    the log.
    """

    reason: str
    description: str


class RunList(Struct, frozen=True, gc=False):
    """The runs of one list request, in no particular order.

    Runs that start or are deleted while pages are fetched shift the items between pages, so a list can miss
    runs. No matching run created after `complete_since` is missing: minus infinity if the list is complete,
    plus infinity if nothing is certain. No run created before `complete_until` is missing either. Both are
    Unix seconds. `is_complete` is False if the API announced further items and did not deliver them.
    `page_size` is the number of runs that fit on a page, as far as known.
    """

    runs: tuple[Run, ...] = ()
    skipped: tuple[SkippedItem, ...] = ()
    complete_since: float = float("inf")
    complete_until: float = float("-inf")
    is_complete: bool = True
    page_size: int = 0

    def should_contain(self, run: Run) -> bool:
        """Whether a run that is missing in the list must have been deleted."""
        return run.sort_key[0] > self.complete_since or self.complete_since == float("-inf")


class TestList(Struct, frozen=True, gc=False):
    """The tests of one list request; `is_complete` is False if some may be missing."""

    tests: tuple[LoadTest, ...] = ()
    skipped: tuple[SkippedItem, ...] = ()
    is_complete: bool = True


class ProjectList(Struct, frozen=True, gc=False):
    """Projects of the token; `is_complete` is False if the API announced more than it delivered."""

    projects: Mapping[int, Project] = field(default_factory=dict)
    is_complete: bool = True
