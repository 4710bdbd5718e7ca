"""The legacy API's responses, and their conversion to tests and runs of exporter.model.

A field can have any type, so each is converted by itself: one that cannot be converted is left out, and its
name is added to the run's unknown fields.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from exporter.k6.coerce import (
    MAX_DURATION,
    FieldConverter,
    share_number,
    to_amount,
    to_id,
    to_id_or_none,
    to_int,
    to_int_or_none,
    to_planned_duration,
    to_str,
    to_timestamp,
)
from exporter.k6.errors import DecodeError
from exporter.k6.pagination import UnexpectedItem, decode_item
from exporter.k6.reasons import find_reason
from exporter.model import LoadTest, PhaseSeconds, Run


class Meta(msgspec.Struct):
    count: Any = None


class RunsPage(msgspec.Struct):
    # Not decoded with the page, so that one invalid run does not affect the others.
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
    error_code: Any = None
    error_detail: Any = None


class RunEnvelope(msgspec.Struct):
    run: RunBody = msgspec.field(name="k6-run")


class TestBody(msgspec.Struct):
    id: Any = None
    name: Any = None
    project_id: Any = None
    last_test_run_id: Any = None


class TestEnvelope(msgspec.Struct):
    test: TestBody = msgspec.field(name="k6-test")


# Without a selection, responses contain scripts and archives, which can have megabytes.
RUN_FIELDS = RunBody.__struct_fields__
SELECT_TEST = ("$select", ",".join(TestBody.__struct_fields__))


class NamedItem(msgspec.Struct):
    id: Any = None
    name: Any = None


class OrganizationsPage(msgspec.Struct):
    items: list[NamedItem] = msgspec.field(name="organizations")
    meta: Meta | None = None


class ProjectsPage(msgspec.Struct):
    items: list[NamedItem] = msgspec.field(name="projects")
    meta: Meta | None = None


def parse_run(body: RunBody, *, of_test: int | None = None) -> Run:
    """Converts a run. Raises ValueError without an id, UnexpectedItem for a run of another test."""
    convert = FieldConverter()
    id_ = to_id(body.id, "a run without an id")
    # In the list of one test, its id can be absent.
    test_id = to_id(of_test if body.test_id in (None, "") else body.test_id, "a run without a test_id")
    if of_test not in (None, test_id):
        raise UnexpectedItem(f"run {id_} of test {test_id} in the list of test {of_test}")
    started = convert("started", to_timestamp, body.started)
    ended = convert("ended", to_timestamp, body.ended)
    status = convert("run_status", to_int, body.run_status)
    processing = convert("processing_status", to_int, body.processing_status)
    result = convert("result_status", to_int, body.result_status)
    elapsed = ended - started if started is not None and ended is not None else None
    execution = elapsed if elapsed is not None and 0 <= elapsed <= MAX_DURATION else None
    return Run(
        id=id_,
        test_id=test_id if of_test is None else of_test,  # one object for all runs of a test
        status=status,
        processing=processing,
        result=result,
        created=convert("created", to_timestamp, body.created),
        started=started,
        ended=ended,
        # The planned length. In the vendor's example it differs from the time between start and end.
        duration=share_number(convert("duration", to_planned_duration, body.duration)),
        vus=share_number(convert("vus", to_amount, body.vus)),
        execution=execution,
        # The legacy API has no times for the end of other phases.
        phases=PhaseSeconds(running=execution),
        reason=find_reason(
            status,
            processing,
            result,
            code=to_int_or_none(body.error_code),
            message=to_str(body.error_detail),
        ),
        invalid_fields=tuple(convert.invalid),
    )


def parse_test(body: TestBody, of_project: int | None) -> LoadTest:
    """Converts a test of this project, if it is known. Raises ValueError if it has no id."""
    id_ = to_id(body.id, "a test without an id")
    return LoadTest(
        id=id_,
        # A test without a name still needs a label by which it can be recognized.
        name=to_str(body.name) or str(id_),
        project_id=to_int_or_none(body.project_id) if of_project is None else of_project,
        # A string in the vendor's documentation:
        # https://grafana.com/docs/grafana-cloud/testing/k6/reference/cloud-rest-api/deprecated-rest-api/tests/
        last_run_id=to_id_or_none(body.last_test_run_id),
    )


def decode_run(body: bytes, endpoint: str) -> Run:
    """The run of a response. Raises DecodeError."""
    return decode_item(body, RunEnvelope, lambda envelope: parse_run(envelope.run), endpoint)


def decode_test(body: bytes, endpoint: str) -> LoadTest:
    """The test of a response. Raises DecodeError."""
    return decode_item(body, TestEnvelope, lambda envelope: parse_test(envelope.test, None), endpoint)


def parse_names(bodies: Sequence[NamedItem], endpoint: str) -> dict[int, str]:
    """The names of all entries, by id. Raises DecodeError without an id: its tests would be lost."""
    names = {to_int_or_none(body.id): to_str(body.name) for body in bodies}
    if None in names:
        raise DecodeError(f"{endpoint}: an entry without an id")
    return {id_: name for id_, name in names.items() if id_ is not None}
