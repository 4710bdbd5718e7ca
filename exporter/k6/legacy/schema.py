"""The legacy API's responses, and their conversion to tests and runs of exporter.model.

A field can have any type, so each is converted by itself: one that cannot be converted is left out, and its
name is added to the run's unknown fields.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from exporter.k6.coerce import to_float, to_int, to_int_or_none, to_str, to_timestamp
from exporter.k6.errors import DecodeError
from exporter.k6.pagination import UnexpectedItem, decode
from exporter.model import LoadTest, Phase, Run

T = TypeVar("T")

# Without a selection, responses contain scripts and archives, which can have megabytes.
RUN_FIELDS = (
    "id",
    "test_id",
    "run_status",
    "processing_status",
    "result_status",
    "created",
    "started",
    "ended",
    "duration",
    "vus",
)
TEST_FIELDS = ("id", "name", "project_id", "last_test_run_id")


class Meta(msgspec.Struct):
    count: Any = None


class RunsPage(msgspec.Struct):
    items: list[msgspec.Raw] = msgspec.field(name="k6-runs")
    meta: Meta | None = None


class TestsPage(msgspec.Struct):
    items: list[msgspec.Raw] = msgspec.field(name="k6-tests")
    meta: Meta | None = None


class RunBody(msgspec.Struct):
    id: Any = None
    test_id: Any = None
    run_status: Any = None
    processing_status: Any = None
    result_status: Any = None
    created: Any = None
    started: Any = None
    ended: Any = None
    duration: Any = None
    vus: Any = None


class RunEnvelope(msgspec.Struct):
    run: RunBody = msgspec.field(name="k6-run")


class TestBody(msgspec.Struct):
    id: Any = None
    name: Any = None
    project_id: Any = None
    last_test_run_id: Any = None


class TestEnvelope(msgspec.Struct):
    test: TestBody = msgspec.field(name="k6-test")


class IdOnly(msgspec.Struct):
    id: Any = None


class Organizations(msgspec.Struct):
    organizations: list[IdOnly]


class Projects(msgspec.Struct):
    projects: list[IdOnly]


def parse_run(body: RunBody, *, of_test: int | None = None) -> Run:
    """Converts a run. Raises ValueError without an id, UnexpectedItem for a run of another test."""
    unknown: list[str] = []

    def convert(field: str, to: Callable[[object], T | None]) -> T | None:
        try:
            return to(getattr(body, field))
        except ValueError:
            unknown.append(field)
            return None

    id_ = to_int(body.id)
    test_id = to_int(body.test_id)
    if id_ is None or (test_id is None and of_test is None):
        raise ValueError(f"a run without {'an id' if id_ is None else 'a test_id'}")
    if of_test is not None and test_id not in (None, of_test):
        raise UnexpectedItem(f"run {id_} of test {test_id} in the list of test {of_test}")
    started, ended = convert("started", to_timestamp), convert("ended", to_timestamp)
    execution = ended - started if started is not None and ended is not None and ended >= started else None
    return Run(
        id=id_,
        test_id=test_id if test_id is not None else of_test or 0,
        status=convert("run_status", to_int),
        processing=convert("processing_status", to_int),
        result=convert("result_status", to_int),
        created=convert("created", to_timestamp),
        started=started,
        ended=ended,
        duration=convert("duration", to_float),
        vus=convert("vus", to_float),
        execution=execution,
        # The legacy API has no times for the end of other phases.
        phases=((Phase.RUNNING, execution),) if execution is not None else (),
        invalid_fields=tuple(unknown),
    )


def parse_test(body: TestBody, of_project: int | None) -> LoadTest:
    """Converts a test of this project, if it is known. Raises ValueError if it has no id."""
    id_ = to_int(body.id)
    if id_ is None:
        raise ValueError("a test without an id")
    return LoadTest(
        id=id_,
        name=to_str(body.name) or str(id_),
        project_id=to_int_or_none(body.project_id) if of_project is None else of_project,
        last_run_id=to_int_or_none(body.last_test_run_id),
    )


def decode_run(body: bytes, endpoint: str) -> Run:
    """The run of a response. Raises DecodeError."""
    try:
        return parse_run(decode(body, RunEnvelope, endpoint).run)
    except ValueError as error:
        raise DecodeError(f"{endpoint}: {error}") from error


def decode_test(body: bytes, endpoint: str) -> LoadTest:
    """The test of a response. Raises DecodeError."""
    try:
        return parse_test(decode(body, TestEnvelope, endpoint).test, None)
    except ValueError as error:
        raise DecodeError(f"{endpoint}: {error}") from error


def parse_ids(bodies: Sequence[IdOnly], endpoint: str) -> list[int]:
    """The ids of all entries. Raises DecodeError if one is missing: its tests would be dropped unnoticed."""
    ids = [to_int_or_none(body.id) for body in bodies]
    if None in ids:
        raise DecodeError(f"{endpoint}: an entry without an id")
    return [id_ for id_ in ids if id_ is not None]


def total_count(page: RunsPage | TestsPage) -> int | None:
    """The number of items on all pages, if the server reports it."""
    return to_int_or_none(page.meta.count) if page.meta else None
