"""The v6 API's responses, and their conversion to tests and runs of exporter.model.

Source: the vendor's OpenAPI description at https://api.k6.io/cloud/v6/openapi. Status and result are plain
strings there, so there may be new values. These are left out and counted as unknown, never guessed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import msgspec

from exporter.k6.coerce import (
    MAX_DURATION,
    FieldConverter,
    share_number,
    to_amount,
    to_duration,
    to_id,
    to_int_or_none,
    to_planned_duration,
    to_str,
    to_timestamp,
)
from exporter.k6.pagination import UnexpectedItem
from exporter.k6.reasons import find_reason
from exporter.model import (
    LoadTest,
    Phase,
    PhaseSeconds,
    ProcessingStatus,
    Project,
    ProjectLimits,
    Reason,
    ResultStatus,
    Run,
    RunStatus,
)

T = TypeVar("T")
Step = tuple[str, float | None]  # a status, and when the run entered it (Unix seconds)


class Page(msgspec.Struct):
    value: list[msgspec.Raw]
    next_link: Any = msgspec.field(name="@nextLink", default=None)


class TestBody(msgspec.Struct):
    id: Any = None
    name: Any = None
    project_id: Any = None


class ScheduleBody(msgspec.Struct):
    id: Any = None
    load_test_id: Any = None
    next_run: Any = None
    deactivated: Any = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule of a test; `next_run` is in Unix seconds, None if no further run is planned."""

    id: int
    test_id: int
    next_run: float | None
    is_active: bool = True


class ProjectBody(msgspec.Struct):
    id: Any = None
    name: Any = None
    grafana_folder_uid: Any = None
    labels: Any = None


class LimitsBody(msgspec.Struct):
    project_id: Any = None
    vuh_max_per_month: Any = None
    vu_max_per_test: Any = None
    duration_max_per_test: Any = None


class Extra(msgspec.Struct):
    by_user: Any = None
    code: Any = None
    message: Any = None


class StatusBody(msgspec.Struct):
    type: Any = None
    entered: Any = None
    extra: Any = None


class Cost(msgspec.Struct):
    total_vuh: Any = None


class RunBody(msgspec.Struct):
    id: Any = None
    test_id: Any = None
    created: Any = None
    ended: Any = None
    status: Any = None
    status_details: Any = None
    status_history: Any = None
    result: Any = None
    result_details: Any = None
    cost: Any = None
    max_vus: Any = None
    estimated_duration: Any = None
    execution_duration: Any = None
    test_run_details_page_url: Any = None


# Legacy codes of each status. The reason of an abort is in the details; see map_abort.
STATUSES: dict[str, tuple[RunStatus, ProcessingStatus]] = {
    "created": (RunStatus.CREATED, ProcessingStatus.NOT_STARTED),
    "queued": (RunStatus.QUEUED, ProcessingStatus.NOT_STARTED),
    "initializing": (RunStatus.INITIALIZING, ProcessingStatus.NOT_STARTED),
    "running": (RunStatus.RUNNING, ProcessingStatus.NOT_STARTED),
    "processing_metrics": (RunStatus.FINISHED, ProcessingStatus.PROCESSING),
    "completed": (RunStatus.FINISHED, ProcessingStatus.FINISHED),
    "aborted": (RunStatus.ABORTED_BY_SYSTEM, ProcessingStatus.FINISHED),
}
RESULTS = {"passed": ResultStatus.PASSED, "failed": ResultStatus.FAILED, "error": ResultStatus.ERROR}
PHASES = {
    "queued": Phase.QUEUED,
    "initializing": Phase.INITIALIZING,
    "running": Phase.RUNNING,
    "processing_metrics": Phase.PROCESSING,
}
LOAD_ENDED = ("processing_metrics", "completed", "aborted")
# Exceptions in setup(), teardown() and the script, as k6 sends them.
SCRIPT_ERRORS = frozenset({8030, 8031, 8035})
MAX_URL = 2000  # characters
# k6 sends it for Ctrl-C, for test.abort() in the script and for a threshold, which sets the result `failed`.
# Such a run (`k6 cloud run --local-execution`) names no user.
ABORTED_IN_K6 = 8036


def parse_run(body: RunBody, *, of_test: int | None = None) -> Run:
    """Converts a run. Raises ValueError without an id or a test, UnexpectedItem for a run of another test."""
    convert = FieldConverter()
    id_ = to_id(body.id, "a run without an id")
    test_id = to_id(body.test_id, "a run without a test_id")
    if of_test not in (None, test_id):
        raise UnexpectedItem(f"run {id_} of test {test_id} in the list of test {of_test}")
    items = convert("status_history", lambda value: to_type(value, list), body.status_history) or []
    steps = [convert_or_empty(item, StatusBody) for item in items]
    history = [parse_step(step) for step in steps]
    extras = abort_extras([convert_or_empty(body.status_details, StatusBody), *steps])
    abort = map_abort(extras, body.result)
    codes = convert("run_status", lambda status: map_status(status, abort), body.status)
    status, processing = codes or (None, None)
    result = convert("result_status", map_result, body.result)
    details = convert_or_empty(body.result_details, Extra)
    started = first_entered(history, ("running",))
    # The API's own `ended` is the end of processing; in the legacy API it is the end of the load, as here.
    # For an unknown status, only the API's own shows that the run is finished.
    ended = first_entered(history, LOAD_ENDED) if codes else None
    # Billable time; the API has 0 for a run that never ran.
    billable = None if started is None else body.execution_duration
    return Run(
        id=id_,
        test_id=test_id if of_test is None else of_test,  # one object for all runs of a test
        status=status,
        processing=processing,
        result=result,
        created=convert("created", to_timestamp, body.created),
        started=started,
        ended=ended if ended is not None else convert("ended", to_timestamp, body.ended),
        duration=share_number(convert("duration", to_planned_duration, body.estimated_duration)),
        vus=share_number(convert("vus", to_amount, body.max_vus)),
        execution=convert("execution_duration", to_duration, billable),
        vuh=convert("vuh", total_vuh, body.cost),
        phases=phase_durations(history),
        reason=parse_reason(status, processing, result, [*extras, details]),
        url=parse_page_url(body.test_run_details_page_url),
        invalid_fields=tuple(convert.invalid),
    )


def convert_or_empty(value: object, type_: type[T]) -> T:
    """A part of a response as this type; an empty one if it has another shape."""
    try:
        return to_type(value, type_)
    except ValueError:
        return type_()


def to_type(value: object, type_: type[T]) -> T:
    """A part of a response as this type. Raises ValueError if it has another shape."""
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:  # a ValueError only since msgspec 0.21
        raise ValueError(str(error)) from error


def map_status(status: object, abort: RunStatus) -> tuple[RunStatus, ProcessingStatus]:
    """The two legacy codes of a status; `abort` is the one for `aborted`. Raises ValueError."""
    if not isinstance(status, str) or status not in STATUSES:
        raise ValueError(f"unknown status {status!r}")
    code, processing = STATUSES[status]
    return (abort if status == "aborted" else code, processing)


def abort_extras(steps: Iterable[StatusBody]) -> list[Extra]:
    """What the API says about an abort. It can be in the details or in a step of the history."""
    return [convert_or_empty(step.extra, Extra) for step in steps if step.type == "aborted"]


def map_abort(extras: Sequence[Extra], result: object) -> RunStatus:
    """Why a run was aborted, as far as v6 reports it: by a user, a threshold, its script, else the system."""
    # A stop by a user comes first: a threshold may have failed before it.
    if any(extra.by_user for extra in extras):
        return RunStatus.ABORTED_BY_USER
    # An aborted run has this result if a threshold ended it: https://github.com/grafana/k6/pull/5769
    if result == "failed":
        return RunStatus.ABORTED_BY_THRESHOLD
    codes = {to_int_or_none(extra.code) for extra in extras}
    if codes & SCRIPT_ERRORS:
        return RunStatus.ABORTED_BY_SCRIPT_ERROR
    if ABORTED_IN_K6 in codes:
        return RunStatus.ABORTED_BY_USER
    return RunStatus.ABORTED_BY_SYSTEM


def parse_reason(
    status: int | None, processing: int | None, result: int | None, details: Sequence[Extra]
) -> Reason | None:
    """Why a run did not pass. `details` are what the API says about it, the most specific first."""
    codes = (to_int_or_none(extra.code) for extra in details)
    messages = (to_str(extra.message) for extra in details)
    return find_reason(
        status,
        processing,
        result,
        code=next((code for code in codes if code is not None), None),
        message=next(filter(None, messages), ""),
    )


def parse_page_url(value: object) -> str | None:
    """The page of a run in the k6 app. It becomes a link, so anything but an https URL is left out."""
    is_url = isinstance(value, str) and value.startswith("https://") and value.isprintable()
    return value if isinstance(value, str) and is_url and len(value) <= MAX_URL else None


def map_result(result: object) -> ResultStatus | None:
    """The legacy code of a result; None if it is empty. Raises ValueError."""
    if result == "":
        return None
    if not isinstance(result, str) or result not in RESULTS:
        raise ValueError(f"unknown result {result!r}")
    return RESULTS[result]


def total_vuh(cost: object) -> float | None:
    """Virtual user hours. Raises ValueError."""
    # The OpenAPI description allows a number or a string here.
    return to_amount(to_type(cost, Cost).total_vuh)


def parse_step(step: StatusBody) -> Step:
    """A step of the status history; without a time if that cannot be converted."""
    try:
        return to_str(step.type), to_timestamp(step.entered)
    except ValueError:
        return to_str(step.type), None


def first_entered(history: Sequence[Step], statuses: Sequence[str]) -> float | None:
    """When a run first entered one of these statuses, in Unix seconds."""
    return min((at for status, at in history if status in statuses and at is not None), default=None)


def phase_durations(history: Sequence[Step]) -> PhaseSeconds:
    """The duration of each phase that has ended, in seconds; the sum if a phase was entered repeatedly.

    A step without a time leaves out its own phase and the one before; steps out of order leave out all.
    """
    times = [at for _, at in history if at is not None]
    if times != sorted(times):
        return PhaseSeconds()
    durations: dict[Phase, float] = {}
    unknown = set()
    for (status, began), (_, ended) in pairwise(history):
        if status not in PHASES:
            continue
        phase = PHASES[status]
        if began is None or ended is None:
            unknown.add(phase)
        else:
            durations[phase] = durations.get(phase, 0.0) + ended - began
    return PhaseSeconds(
        **{
            phase: duration
            for phase, duration in durations.items()
            if phase not in unknown and duration <= MAX_DURATION
        }
    )


def parse_test(body: TestBody) -> LoadTest:
    """Converts a test. Raises ValueError if it has no id."""
    id_ = to_id(body.id, "a test without an id")
    return LoadTest(id=id_, name=to_str(body.name) or str(id_), project_id=to_int_or_none(body.project_id))


def parse_schedule(body: ScheduleBody) -> Schedule:
    """Converts a schedule. Raises ValueError without an id; a next run that is no time is left out."""
    id_ = to_id(body.id, "a schedule without an id")
    test_id = to_id(body.load_test_id, "a schedule without a load_test_id")
    if body.deactivated:
        return Schedule(id_, test_id, None, is_active=False)
    return Schedule(id_, test_id, FieldConverter()("next_run", to_timestamp, body.next_run))


def parse_project(body: ProjectBody) -> Project:
    """Converts a project. Raises ValueError if it has no id."""
    labels = body.labels if isinstance(body.labels, dict) else {}
    return Project(
        to_id(body.id, "a project without an id"),
        to_str(body.name),
        to_str(body.grafana_folder_uid),
        tuple(sorted((name, to_str(value)) for name, value in labels.items() if isinstance(name, str))),
    )


def parse_limits(body: LimitsBody) -> Project:
    """Converts limits to a project with nothing else; a limit that is null or unusable is left out.

    Raises ValueError without an id.
    """
    convert = FieldConverter()
    limits = ProjectLimits(
        convert("vuh_max_per_month", to_amount, body.vuh_max_per_month),
        convert("vu_max_per_test", to_amount, body.vu_max_per_test),
        convert("duration_max_per_test", to_amount, body.duration_max_per_test),
    )
    return Project(to_id(body.project_id, "limits without a project_id"), limits=limits)
