"""The v6 API's words: the shape of its answers, and its tests and runs in our words.

Facts: the vendor's OpenAPI description, served at https://api.k6.io/cloud/v6/openapi. It calls status and
result plain strings, so new words may come; those we do not know are left out and named, never guessed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import msgspec

from exporter.k6.coerce import to_float, to_int, to_int_or_none, to_str, to_timestamp
from exporter.model import LoadTest, Phase, ProcessingStatus, ResultStatus, Run, RunStatus

T = TypeVar("T")
Step = tuple[str, float | None]  # a status word, and the moment when the run entered it


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
    """When a test is to start by itself, None if it is not."""

    id: int
    test_id: int
    next_run: float | None


class Extra(msgspec.Struct):
    by_user: Any = None
    code: Any = None


class Status(msgspec.Struct):
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
    cost: Any = None
    max_vus: Any = None
    estimated_duration: Any = None
    execution_duration: Any = None


# The one table of statuses. An abort has a kind of its own; see abort_status.
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
ENDS_OF_LOAD = ("processing_metrics", "completed", "aborted")
SCRIPT_ERRORS = frozenset({8030, 8031, 8035})  # setup(), teardown() and script exceptions, as k6 sends them


def parse_run(body: RunBody) -> Run:
    """A run in our words; what cannot be understood is left out and named. ValueError without an id."""
    unknown: list[str] = []

    def read(field: str, how: Callable[[object], T | None], value: object) -> T | None:
        try:
            return how(value)
        except ValueError:
            unknown.append(field)
            return None

    id_, test_id = to_int(body.id), to_int(body.test_id)
    if id_ is None or test_id is None:
        raise ValueError(f"a run without {'an id' if id_ is None else 'a test_id'}")
    steps = [
        convert_or_empty(step, Status)
        for step in read("status_history", expect_list, body.status_history) or ()
    ]
    history = [parse_step(step) for step in steps]
    abort = map_abort([convert_or_empty(body.status_details, Status), *steps], body.result)
    codes = read("run_status", lambda word: map_status(word, abort), body.status)
    status, processing = codes or (None, None)
    started = first_entered(history, ("running",))
    # The API's own `ended` is the end of processing; what legacy calls so is the end of the load.
    # In a status that we do not know, only the former tells that the run is over.
    ended = first_entered(history, ENDS_OF_LOAD) if codes else None
    return Run(
        id=id_,
        test_id=test_id,
        status=status,
        processing=processing,
        result=read("result_status", map_result, body.result),
        created=read("created", to_timestamp, body.created),
        started=started,
        ended=ended if ended is not None else read("ended", to_timestamp, body.ended),
        duration=read("duration", to_float, body.estimated_duration),
        vus=read("vus", to_float, body.max_vus),
        # Billable time, 0 for a run that never ran.
        execution=None if started is None else read("execution_duration", to_float, body.execution_duration),
        vuh=read("vuh", total_vuh, body.cost),
        phases=phase_durations(history),
        invalid_fields=tuple(unknown),
    )


def convert_or_empty(value: object, type_: type[T]) -> T:
    """A part of an answer in this shape; an empty one if it has another."""
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError:  # a ValueError only since msgspec 0.21
        return type_()


def expect_list(value: object) -> Sequence[object]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ValueError("a history that is not a list")
    return value


def map_status(word: object, abort: RunStatus) -> tuple[RunStatus, ProcessingStatus] | None:
    """The two codes that legacy has for a status; `abort` is the one for an abort."""
    if word is None:
        return None
    if not isinstance(word, str) or word not in STATUSES:
        raise ValueError(f"{word!r} is not a status that we know")
    status, processing = STATUSES[word]
    return (abort if word == "aborted" else status, processing)


def map_abort(steps: Iterable[Status], result: object) -> RunStatus:
    """Why a run was aborted, as far as v6 tells: a person, a threshold, its script, or else the system."""
    extras = [convert_or_empty(step.extra, Extra) for step in steps if step.type == "aborted"]
    if any(extra.by_user for extra in extras):
        return RunStatus.ABORTED_BY_USER
    if result == "failed":
        return RunStatus.ABORTED_BY_THRESHOLD
    if any(to_int_or_none(extra.code) in SCRIPT_ERRORS for extra in extras):
        return RunStatus.ABORTED_BY_SCRIPT_ERROR
    return RunStatus.ABORTED_BY_SYSTEM


def map_result(word: object) -> ResultStatus | None:
    if word is None or word == "":
        return None
    if not isinstance(word, str) or word not in RESULTS:
        raise ValueError(f"{word!r} is not a result that we know")
    return RESULTS[word]


def total_vuh(cost: object) -> float | None:
    """Virtual user hours; None if there is no cost yet. Raises ValueError."""
    if cost is None:
        return None
    try:
        return to_float(msgspec.convert(cost, Cost).total_vuh)
    except msgspec.ValidationError as error:  # a ValueError only since msgspec 0.21
        raise ValueError("a cost that is not an object") from error


def parse_step(step: Status) -> Step:
    """A step of a run's life and the moment it was entered, None if that cannot be read."""
    try:
        return to_str(step.type), to_timestamp(step.entered)
    except ValueError:
        return to_str(step.type), None


def first_entered(history: Sequence[Step], words: Sequence[str]) -> float | None:
    """The moment when a run first was in one of these statuses."""
    return min((at for word, at in history if word in words and at is not None), default=None)


def phase_durations(history: Sequence[Step]) -> tuple[tuple[Phase, float], ...]:
    """How long each phase that is behind the run took: in all, if it was entered more than once.

    A step without a moment leaves open how long it and the one before it took. Steps that are not in the
    order of their moments leave everything open.
    """
    moments = [at for _, at in history if at is not None]
    if moments != sorted(moments):
        return ()
    lengths: dict[Phase, float] = {}
    unclear = set()
    for (word, began), (_, left) in pairwise(history):
        if word not in PHASES:
            continue
        if began is None or left is None:
            unclear.add(PHASES[word])
        else:
            lengths[PHASES[word]] = lengths.get(PHASES[word], 0.0) + left - began
    return tuple((phase, length) for phase, length in lengths.items() if phase not in unclear)


def parse_test(body: TestBody) -> LoadTest:
    """A test in our words. ValueError without an id."""
    id_ = to_int(body.id)
    if id_ is None:
        raise ValueError("a test without an id")
    return LoadTest(id=id_, name=to_str(body.name) or str(id_), project_id=to_int_or_none(body.project_id))


def parse_schedule(body: ScheduleBody) -> Schedule:
    """A schedule in our words. ValueError if it cannot be understood."""
    id_, test_id = to_int(body.id), to_int(body.load_test_id)
    if id_ is None or test_id is None:
        raise ValueError(f"a schedule without {'an id' if id_ is None else 'a load_test_id'}")
    return Schedule(id_, test_id, None if body.deactivated else to_timestamp(body.next_run))
