"""Runs, tests and schedules as the v6 API words them, and what they are in our words."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.k6.errors import DecodeError
from exporter.k6.pagination import decode
from exporter.k6.v6 import schema as v6_words
from exporter.k6.v6.schema import RunBody, Schedule, ScheduleBody, TestBody, parse_run, parse_schedule
from exporter.model import ActiveState, LoadTest, Outcome, PhaseSeconds, Reason, Run, unrecognized_fields

TEN = 1772359200.0  # 2026-03-01T10:00:00Z
RESULTS = {None: None, "": None, "passed": 0, "failed": 1, "error": 2}


def read(body: object) -> Run:
    return parse_run(decode(json.dumps(body).encode(), RunBody, "/run"))


def run(**fields: object) -> Run:
    """Run 1 of test 7 with these fields and no others."""
    return read({"id": 1, "test_id": 7, **fields})


def aborted(*, result: object = None, by_user: object = None, code: object = None) -> Run:
    extra = {"by_user": by_user, "message": "why", "code": code}
    return run(status="aborted", result=result, status_details={"type": "aborted", "extra": extra})


def at(second: object) -> object:
    """A moment so many seconds after ten; what is no number goes as it is."""
    return f"2026-03-01T10:00:{second:02}Z" if isinstance(second, int) else second


def lived(*steps: tuple[object, object], **fields: object) -> Run:
    """A run with this history: words, and the second after ten when each was entered."""
    return run(status_history=[{"type": word, "entered": at(second)} for word, second in steps], **fields)


# The full list response of the facts (§2.7), without what is the same in all.
RUNNING: dict[str, Any] = {
    "id": 1001,
    "test_id": 55,
    "project_id": 7,
    "started_by": None,
    "created": "2026-03-01T10:00:00.120000Z",
    "ended": None,
    "note": "",
    "retention_expiry": "2026-03-31T10:00:00Z",
    "cost": {
        "total_vuh": 6.75,
        "breakdown": {
            "protocol_vuh": 6.75,
            "browser_vuh": 0,
            "base_total_vuh": 10,
            "reduction_rate": 32.5,
            "reduction_rate_breakdown": {"volume": 10, "local_run": 25},
        },
    },
    "status": "running",
    "status_details": {"type": "running", "entered": "2026-03-01T10:00:20Z"},
    "status_history": [
        {"type": "created", "entered": "2026-03-01T10:00:00Z"},
        {"type": "initializing", "entered": "2026-03-01T10:00:10Z"},
        {"type": "running", "entered": "2026-03-01T10:00:20Z"},
    ],
    "distribution": [{"load_zone": "amazon:us:ashburn", "percent": 100}],
    "result": None,
    "result_details": None,
    "options": {"stages": [{"duration": "30m", "target": 10}]},
    "k6_dependencies": {"k6": ">=v0.52"},
    "k6_versions": {"k6": "v0.56.0"},
    "max_vus": 10,
    "max_browser_vus": 0,
    "estimated_duration": 1800,
    "execution_duration": 600,
    "is_starred": False,
}
COMPLETED: dict[str, Any] = {
    "id": 1002,
    "test_id": 55,
    "project_id": 7,
    "started_by": "dev@example.com",
    "created": "2026-03-01T11:00:00Z",
    "ended": "2026-03-01T11:30:30Z",
    "note": "",
    "retention_expiry": None,
    "cost": {
        "total_vuh": "5.0",
        "breakdown": {
            "protocol_vuh": "5.0",
            "browser_vuh": "0",
            "base_total_vuh": "5.0",
            "reduction_rate": "0",
            "reduction_rate_breakdown": None,
        },
    },
    "status": "completed",
    "status_details": {"type": "completed", "entered": "2026-03-01T11:30:30Z", "extra": None},
    "status_history": [
        {"type": "created", "entered": "2026-03-01T11:00:00Z"},
        {"type": "queued", "entered": "2026-03-01T11:00:02Z"},
        {"type": "initializing", "entered": "2026-03-01T11:00:10Z"},
        {"type": "running", "entered": "2026-03-01T11:00:20Z"},
        {"type": "processing_metrics", "entered": "2026-03-01T11:30:20Z"},
        {"type": "completed", "entered": "2026-03-01T11:30:30Z"},
    ],
    "distribution": [{"load_zone": "amazon:us:ashburn", "percent": 100}],
    "result": "failed",
    "result_details": {"type": "failed", "message": None, "code": None},
    "options": {},
    "k6_dependencies": {},
    "k6_versions": {"k6": "v1.0.0"},
    "max_vus": 50,
    "max_browser_vus": 0,
    "estimated_duration": 1800,
    "execution_duration": 1800,
    "is_starred": True,
}
INVALID: dict[str, Any] = {
    "id": 1003,
    "test_id": 56,
    "project_id": 7,
    "started_by": "dev@example.com",
    "created": "2026-03-01T12:00:00Z",
    "ended": "2026-03-01T12:00:10Z",
    "note": "",
    "retention_expiry": "2026-03-31T12:00:10Z",
    "cost": None,
    "status": "aborted",
    "status_details": {
        "type": "aborted",
        "entered": "2026-03-01T12:00:10Z",
        "extra": {"by_user": None, "message": "Validation error", "code": 123},
    },
    "status_history": [
        {"type": "created", "entered": "2026-03-01T12:00:00Z"},
        {
            "type": "aborted",
            "entered": "2026-03-01T12:00:10Z",
            "extra": {"by_user": None, "message": "Validation error", "code": 123},
        },
    ],
    "distribution": None,
    "result": "error",
    "result_details": {"type": "error", "message": "Validation error.", "code": 1234},
    "options": None,
    "k6_dependencies": {},
    "k6_versions": {"k6": "v1.0.0"},
    "max_vus": None,
    "max_browser_vus": None,
    "estimated_duration": None,
    "execution_duration": 0,
    "is_starred": False,
}


def test_running_run_is_parsed() -> None:
    assert read(RUNNING) == Run(
        id=1001,
        test_id=55,
        status=2,
        processing=0,
        result=None,
        created=TEN + 0.12,
        started=TEN + 20,
        ended=None,
        duration=1800,
        vus=10,
        execution=600,
        vuh=6.75,
        phases=PhaseSeconds(initializing=10.0),
    )
    assert (read(RUNNING).active_state, read(RUNNING).outcome) == (ActiveState.RUNNING, None)


def test_completed_run_ends_when_its_load_ends() -> None:
    assert read(COMPLETED) == Run(
        id=1002,
        test_id=55,
        status=3,
        processing=2,
        result=1,
        created=TEN + 3600,
        started=TEN + 3620,
        ended=TEN + 5420,
        duration=1800,
        vus=50,
        execution=1800,
        vuh=5.0,
        phases=PhaseSeconds(queued=8.0, initializing=10.0, running=1800.0, processing=10.0),
        reason=Reason("thresholds_failed"),
    )
    assert read(COMPLETED).outcome == Outcome.FAILED


def test_run_that_failed_validation_never_started() -> None:
    assert read(INVALID) == Run(
        id=1003,
        test_id=56,
        status=6,
        processing=2,
        result=2,
        created=TEN + 7200,
        started=None,
        ended=TEN + 7210,
        duration=None,
        vus=None,
        execution=None,
        vuh=None,
        phases=PhaseSeconds(),
        reason=Reason("code_123", 123, "Validation error"),
    )
    assert read(INVALID).outcome == Outcome.ERROR


@pytest.mark.parametrize("extra", [None, {}, {"by_user": "dev@example.com", "message": None, "code": 8035}])
@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize(
    ("status", "codes"),
    [
        ("created", (-2, 0)),
        ("queued", (0, 0)),
        ("initializing", (1, 0)),
        ("running", (2, 0)),
        ("processing_metrics", (3, 1)),
        ("completed", (3, 2)),
    ],
)
def test_status_has_its_two_codes_with_any_result(
    status: str, codes: tuple[int, int], result: str | None, extra: object
) -> None:
    details = {"type": status, "entered": "2026-03-01T10:00:20Z", "extra": extra}

    parsed = run(status=status, result=result, status_details=details, status_history=[details])

    assert (parsed.status, parsed.processing, parsed.result) == (*codes, RESULTS[result])
    assert parsed.invalid_fields == ()


@pytest.mark.parametrize(
    ("by_user", "result", "code", "status"),
    [
        ("dev@example.com", None, None, 5),
        ("dev@example.com", "", None, 5),
        ("dev@example.com", "passed", 8036, 5),
        ("dev@example.com", "failed", 8036, 5),
        ("dev@example.com", "error", 8035, 5),
        (None, "failed", None, 8),
        ("", "failed", None, 8),
        ("", "failed", 8036, 8),
        (None, "failed", 8036, 8),
        (None, "failed", 8030, 8),
        (None, "failed", 8035, 8),
        (None, "error", 8030, 7),
        (None, "error", 8031, 7),
        (None, "error", 8035, 7),
        ("", "error", 8035, 7),
        (None, None, 8035, 7),
        (None, "", 8035, 7),
        (None, "passed", 8035, 7),
        (None, "error", "8035", 7),
        (None, "error", 8035.0, 7),
        (None, None, 8036, 5),
        ("", "", 8036, 5),
        (None, "error", 8036, 5),
        (None, "passed", 8036, 5),
        (None, "error", "8036", 5),
        (None, "error", 8032, 6),
        (None, "error", 8034, 6),
        (None, "error", 2004, 6),
        (None, "error", 0, 6),
        (None, "error", "8035 or so", 6),
        (None, "error", True, 6),
        (None, "error", [8035], 6),
        (None, "error", None, 6),
        ("", "error", None, 6),
        (None, None, None, 6),
        (None, "passed", None, 6),
        (None, "inconclusive", None, 6),
    ],
)
def test_abort_has_one_of_four_reasons(by_user: object, result: object, code: object, status: int) -> None:
    parsed = aborted(by_user=by_user, result=result, code=code)

    assert (parsed.status, parsed.processing, parsed.is_finished) == (status, 2, True)
    assert parsed.outcome == {5: "aborted", 6: "error", 7: "error", 8: "failed"}[status]


def test_abort_reason_is_in_details_or_history() -> None:
    dev = {"type": "aborted", "extra": {"by_user": "dev@example.com", "message": None, "code": None}}
    anonymous = {"type": "aborted", "extra": {"by_user": "", "message": None, "code": None}}

    assert run(status="aborted", status_details=dev).status == 5
    assert run(status="aborted", status_history=[dev]).status == 5
    assert run(status="aborted", status_details=anonymous, status_history=[anonymous, dev]).status == 5
    assert run(status="aborted", status_details=anonymous, status_history=[anonymous]).status == 6
    assert run(status="aborted").status == 6


def test_extra_of_another_status_is_ignored() -> None:
    dev = {"type": "running", "extra": {"by_user": "dev@example.com", "code": 8035}}

    assert run(status="aborted", status_details=dev, status_history=[dev]).status == 6


@pytest.mark.parametrize("extra", [None, {}, [], "dev@example.com", 8035, {"by_user": None}, {"code": {}}])
def test_extra_of_another_shape_is_ignored(extra: object) -> None:
    parsed = run(status="aborted", status_details={"type": "aborted", "extra": extra})

    assert (parsed.status, parsed.invalid_fields) == (6, ())


@pytest.mark.parametrize("word", ["warming_up", "", "Running", "running ", 2, 2.5, True, [], {}, ["running"]])
def test_unknown_status_is_not_guessed(word: object) -> None:
    parsed = run(status=word, result="passed")

    assert (parsed.status, parsed.processing, parsed.invalid_fields) == (None, None, ("run_status",))
    assert unrecognized_fields(parsed) == ("run_status",)
    assert (parsed.active_state, parsed.outcome) == (None, None)


def test_missing_status_is_not_unknown() -> None:
    assert run(status=None) == run() == Run(id=1, test_id=7)


@pytest.mark.parametrize("word", ["inconclusive", "Passed", "passed ", 0, 1, False, [], {}, ["passed"]])
def test_unknown_result_is_never_a_pass(word: object) -> None:
    parsed = run(status="completed", result=word)

    assert (parsed.result, parsed.invalid_fields, parsed.outcome) == (None, ("result_status",), Outcome.NONE)


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"status": "completed"}, Outcome.NONE),
        ({"status": "completed", "result": None}, Outcome.NONE),
        ({"status": "completed", "result": ""}, Outcome.NONE),
        ({"status": "completed", "result": "passed"}, Outcome.PASSED),
        ({"status": "completed", "result": "failed"}, Outcome.FAILED),
        ({"status": "completed", "result": "error"}, Outcome.ERROR),
        ({"status": "processing_metrics", "result": "passed"}, None),
        ({"status": "running", "result": "passed"}, None),
        ({"status": "aborted", "result": "passed"}, Outcome.ERROR),
        ({"status": "aborted", "result": None}, Outcome.ERROR),
        ({"status": "evaporated", "result": "passed"}, None),
        ({"status": "evaporated", "result": "passed", "ended": "2026-03-01T10:00:00Z"}, Outcome.NONE),
        ({"result": "passed", "ended": "2026-03-01T10:00:00Z"}, Outcome.NONE),
    ],
)
def test_only_completed_run_with_result_passed_has_passed(
    fields: dict[str, object], outcome: Outcome | None
) -> None:
    assert run(**fields).outcome == outcome


def test_unknown_status_after_the_load_is_not_the_end() -> None:
    # It used to be: such a run counted as finished without a result, and its pass never came.
    steps = (("running", 0), ("processing_metrics", 30), ("archiving", 40))

    moving = lived(*steps, status="archiving", ended=None)
    over = lived(*steps, status="archiving", ended="2026-03-01T10:00:50Z")

    assert (moving.ended, moving.is_finished) == (None, False)
    assert (over.ended, over.is_finished, over.outcome) == (TEN + 50, True, Outcome.NONE)


def test_field_names_of_other_clients_are_ignored() -> None:
    # What the one other exporter and an older gcx read; none of it is in v6.
    parsed = run(load_test_id=9, run_status=3, result_status=0, reference_id=5, vus=5, cost={"vuh": 3})

    assert parsed == Run(id=1, test_id=7)


@pytest.mark.parametrize(
    ("field", "ours", "name"),
    [
        ("created", "created", "created"),
        ("ended", "ended", "ended"),
        ("max_vus", "vus", "vus"),
        ("estimated_duration", "duration", "duration"),
        ("cost", "vuh", "vuh"),
        ("status", "status", "run_status"),
        ("result", "result", "result_status"),
    ],
)
@pytest.mark.parametrize("odd", [True, [1], {"total_vuh": []}, "abc"])
def test_field_of_another_type_is_unknown(field: str, ours: str, name: str, odd: object) -> None:
    parsed = run(**{"max_vus": 5, "created": "2026-03-01T10:00:00Z", field: odd})

    assert parsed.invalid_fields == (name,)
    assert not getattr(parsed, ours)
    assert parsed.vus == (None if field == "max_vus" else 5)
    assert parsed.created == (None if field == "created" else TEN)


@pytest.mark.parametrize("length", [0, -1, "-1"])
def test_run_without_defined_length_has_no_duration(length: object) -> None:
    assert run(estimated_duration=length) == Run(id=1, test_id=7)


def test_impossible_number_is_unknown() -> None:
    fields = {"estimated_duration": -60, "execution_duration": -5, "max_vus": -1, "cost": {"total_vuh": -0.1}}

    parsed = lived(("running", 5), **fields)

    assert (parsed.duration, parsed.execution, parsed.vus, parsed.vuh) == (None, None, None, None)
    assert parsed.invalid_fields == ("duration", "vus", "execution_duration", "vuh")


def test_phase_of_centuries_has_no_duration() -> None:
    parsed = lived(("queued", 0), ("initializing", "2999-01-01T00:00:00Z"))

    assert parsed.phases == PhaseSeconds()


@pytest.mark.parametrize("odd", [True, 5, "running", {}, {"type": "running"}])
def test_invalid_history_is_unknown(odd: object) -> None:
    parsed = run(status="completed", result="passed", ended="2026-03-01T10:00:00Z", status_history=odd)

    assert parsed == Run(
        id=1, test_id=7, status=3, processing=2, result=0, ended=TEN, invalid_fields=("status_history",)
    )


@pytest.mark.parametrize("odd", [True, 5, "aborted", [], {"type": []}])
def test_details_in_another_shape_say_nothing(odd: object) -> None:
    assert run(status="aborted", result="failed", status_details=odd) == run(
        status="aborted", result="failed"
    )


def test_null_field_is_like_a_missing_one() -> None:
    fields = {field: None for field in RUNNING if field not in ("id", "test_id")}

    assert run(**fields) == run() == Run(id=1, test_id=7)


def test_run_without_id_is_rejected() -> None:
    for parsed, complaint in (
        ({"test_id": 7}, "a run without an id"),
        ({"id": None, "test_id": 7}, "a run without an id"),
        ({"id": "", "test_id": 7}, "a run without an id"),
        ({"id": 1}, "a run without a test_id"),
        ({"id": 1, "test_id": None}, "a run without a test_id"),
        ({"id": True, "test_id": 7}, "True is not a number"),
        ({"id": "one", "test_id": 7}, "'one' is not a number"),
        ({"id": 1.5, "test_id": 7}, "1.5 is not a whole number"),
        ({"id": 1, "test_id": [7]}, "[7] is not a number"),
    ):
        with pytest.raises(ValueError) as error:  # noqa: PT011  the message is the next line
            read(parsed)
        assert str(error.value) == complaint


def test_numbers_may_come_in_strings() -> None:
    parsed = read(
        {
            "id": "9007199254740993",
            "test_id": "7",
            "max_vus": "50",
            "estimated_duration": "1800.0",
            "execution_duration": "600",
            "status_history": [{"type": "running", "entered": "2026-03-01T10:00:20Z"}],
        }
    )

    assert (parsed.id, parsed.test_id, parsed.vus, parsed.duration, parsed.execution) == (
        2**53 + 1,
        7,
        50.0,
        1800.0,
        600.0,
    )
    assert parsed.invalid_fields == ()


@pytest.mark.parametrize(
    ("cost", "vuh"),
    [
        (None, None),
        ({}, None),
        ({"total_vuh": None}, None),
        ({"total_vuh": ""}, None),
        ({"total_vuh": 0}, 0.0),
        ({"total_vuh": "0"}, 0.0),
        ({"total_vuh": 6.75}, 6.75),
        ({"total_vuh": "6.75"}, 6.75),
        ({"total_vuh": 5, "breakdown": None}, 5.0),
        ({"total_vuh": 5, "breakdown": {"reduction_rate": None}}, 5.0),
    ],
)
def test_cost_is_a_number_string_or_missing(cost: object, vuh: float | None) -> None:
    parsed = run(cost=cost)

    assert (parsed.vuh, parsed.invalid_fields) == (vuh, ())


@pytest.mark.parametrize("cost", [5, "5", [], [{"total_vuh": 5}], {"total_vuh": "much"}, {"total_vuh": True}])
def test_cost_of_another_shape_is_unknown(cost: object) -> None:
    parsed = run(status="running", cost=cost)

    assert (parsed.status, parsed.vuh, parsed.invalid_fields) == (2, None, ("vuh",))


@pytest.mark.parametrize("details", [None, {}, [], "failed", {"message": 7, "code": []}])
def test_unusable_result_details_are_ignored(details: object) -> None:
    assert read(COMPLETED | {"result_details": details}) == read(COMPLETED)


def test_result_details_give_the_reason_of_a_failed_run() -> None:
    details = {"type": "failed", "message": "http_req_duration\nexceeded", "code": 1}

    reason = read(COMPLETED | {"result_details": details}).reason

    assert reason == Reason("thresholds_failed", 1, "http_req_duration exceeded")


def test_reason_of_an_abort_comes_from_its_status() -> None:
    assert read(INVALID).reason == Reason("code_123", 123, "Validation error")


def test_result_details_complete_the_reason_of_an_abort() -> None:
    extra = {"by_user": None, "message": None, "code": None}
    details = {"type": "aborted", "entered": "2026-03-01T12:00:10Z", "extra": extra}

    run = read(INVALID | {"status_details": details, "status_history": [details]})

    assert run.reason == Reason("code_1234", 1234, "Validation error.")


@pytest.mark.parametrize("url", [None, "", 7, "http://x.test/1", "javascript:alert(1)", "https://x.test/\n1"])
def test_unusable_page_url_is_left_out(url: object) -> None:
    assert read(COMPLETED | {"test_run_details_page_url": url}).url is None


def test_page_url_of_the_api_is_the_link_of_a_run() -> None:
    url = "https://mystack.grafana.net/a/k6-app/runs/1002"

    assert read(COMPLETED | {"test_run_details_page_url": url}).page_url("https://x.test") == url
    assert read(COMPLETED).page_url("https://x.test") == "https://x.test/runs/1002"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2026-03-01T10:00:00", TEN),
        ("2026-03-01T10:00:00Z", TEN),
        ("2026-03-01T10:00:00+00:00", TEN),
        ("2026-03-01T12:00:00+02:00", TEN),
        ("2026-03-01T10:00:00.120000Z", TEN + 0.12),
        ("2026-03-01T10:00:00.12Z", TEN + 0.12),
        ("2026-03-01T10:00:00.553", TEN + 0.553),
        ("2026-03-01T10:00:00.000001+00:00", TEN + 0.000001),
    ],
)
def test_times_are_parsed_in_any_format(written: str, seconds: float) -> None:
    parsed = run(
        status="completed",
        created=written,
        status_history=[{"type": "running", "entered": written}, {"type": "completed", "entered": written}],
    )

    assert (parsed.created, parsed.started, parsed.ended) == (seconds, seconds, seconds)
    assert run(ended=written).ended == seconds


def test_run_starts_with_status_running() -> None:
    assert lived(("created", 0), ("running", 20), created=at(0)).started == TEN + 20
    assert lived(("created", 0), ("queued", 5), created=at(0)).started is None


@pytest.mark.parametrize(
    ("steps", "ended"),
    [
        ([("running", 20), ("processing_metrics", 40), ("completed", 50)], 40),
        ([("running", 20), ("completed", 50)], 50),
        ([("running", 20), ("aborted", 30)], 30),
        ([("created", 0), ("aborted", 10)], 10),
        ([("running", 20), ("processing_metrics", 40), ("aborted", 45)], 40),
        ([("completed", 50), ("processing_metrics", 40), ("running", 20)], 40),
        ([("running", 20), ("processing_metrics", "soon"), ("completed", 50)], 50),
        ([("running", 20)], 59),
        ([("running", 20), ("completed", None)], 59),
        ([], 59),
    ],
)
def test_run_ends_with_its_load_or_as_the_api_reports(
    steps: Sequence[tuple[object, object]], ended: int
) -> None:
    parsed = lived(*steps, status="completed", ended=at(59))

    assert parsed.ended == TEN + ended


def test_end_at_unix_time_zero_is_an_end() -> None:
    epoch = "1970-01-01T00:00:00Z"

    parsed = run(status="aborted", ended=at(9), status_history=[{"type": "aborted", "entered": epoch}])

    assert parsed.ended == 0.0


def test_run_that_never_started_has_no_duration() -> None:
    assert lived(("created", 0), ("aborted", 9), execution_duration=0).execution is None
    assert lived(("created", 0), ("running", 9), execution_duration=0).execution == 0.0


@pytest.mark.parametrize(
    ("steps", "phases"),
    [
        ([], {}),
        ([("created", 0)], {}),
        ([("created", 0), ("queued", 2)], {}),
        ([("created", 0), ("queued", 2), ("initializing", 9)], {"queued": 7}),
        ([("created", 0), ("initializing", 2), ("running", 9)], {"initializing": 7}),
        ([("queued", 2), ("running", 9), ("completed", 50)], {"queued": 7, "running": 41}),
        ([("running", 9), ("aborted", 20)], {"running": 11}),
        ([("running", 9), ("processing_metrics", 20), ("completed", 22)], {"running": 11, "processing": 2}),
        ([("running", 9), ("running", 9)], {"running": 0}),
        ([("created", 0), ("aborted", 5)], {}),
    ],
)
def test_phase_lasts_until_the_next_step(
    steps: Sequence[tuple[object, object]], phases: dict[str, float]
) -> None:
    assert dict(lived(*steps).phases.items()) == phases


def test_phase_entered_twice_is_summed() -> None:
    # Two samples of one series made Prometheus reject the whole scrape.
    parsed = lived(
        ("queued", 0),
        ("initializing", 5),
        ("queued", 8),
        ("initializing", 20),
        ("running", 21),
        ("aborted", 30),
    )

    assert parsed.phases == PhaseSeconds(queued=17.0, initializing=4.0, running=9.0)
    assert parsed.started == TEN + 21


@pytest.mark.parametrize(
    "steps",
    [
        [("created", 0), ("running", 20), ("initializing", 10), ("completed", 50)],
        [("completed", 50), ("running", 20), ("initializing", 10), ("created", 0)],
        [("created", 1), ("initializing", 0), ("running", 20), ("completed", 50)],
    ],
    ids=["mixed", "from new to old", "a clock that went back"],
)
def test_unsorted_steps_have_no_durations(steps: Sequence[tuple[object, object]]) -> None:
    parsed = lived(*steps, status="completed")

    assert (parsed.phases, parsed.started, parsed.ended) == (PhaseSeconds(), TEN + 20, TEN + 50)


@pytest.mark.parametrize("invalid", [None, "", "soon", 5.5, [], {}])
def test_step_without_time_does_not_extend_the_phase_before(invalid: object) -> None:
    parsed = lived(("queued", 0), ("initializing", invalid), ("running", 20), ("completed", 50))

    assert parsed.phases == PhaseSeconds(running=30.0)


@pytest.mark.parametrize(
    "step", [None, "running", 5, [], {}, {"type": "running"}, {"type": [], "entered": {}}]
)
def test_unparsable_step_affects_no_other_step(step: object) -> None:
    history = [
        {"type": "queued", "entered": at(0)},
        {"type": "initializing", "entered": at(5)},
        {"type": "running", "entered": at(9)},
        step,
        {"type": "completed", "entered": at(30)},
    ]

    parsed = run(status="completed", result="passed", status_history=history)

    assert parsed.phases == PhaseSeconds(queued=5.0, initializing=4.0)
    assert (parsed.started, parsed.ended, parsed.outcome) == (TEN + 9, TEN + 30, Outcome.PASSED)
    assert parsed.invalid_fields == ()


def test_unknown_step_ends_the_phase_before() -> None:
    parsed = lived(("queued", 0), ("warming_up", 5), ("initializing", 9), ("running", 20))

    assert parsed.phases == PhaseSeconds(queued=5.0, initializing=11.0)


def test_test_is_parsed_with_and_without_baseline() -> None:
    parsed = {"id": 55, "project_id": 7, "name": "größe", "created": "2024-12-03T09:53:00.553"}
    test = LoadTest(55, "größe", 7)

    for baseline in ({}, {"baseline_test_run_id": None}, {"baseline_test_run_id": 1001}):
        assert v6_words.parse_test(msgspec.convert(parsed | baseline, TestBody)) == test


@pytest.mark.parametrize(
    ("parsed", "test"),
    [
        ({"id": 55}, LoadTest(55, "55")),
        ({"id": "55", "name": "", "project_id": "7"}, LoadTest(55, "55", 7)),
        ({"id": 55, "name": None, "project_id": None}, LoadTest(55, "55")),
        ({"id": 55, "name": 5, "project_id": "shop"}, LoadTest(55, "55")),
        ({"id": 55, "name": ["a"], "project_id": []}, LoadTest(55, "55")),
    ],
)
def test_a_test_without_a_name_goes_by_its_id(parsed: object, test: LoadTest) -> None:
    assert v6_words.parse_test(msgspec.convert(parsed, TestBody)) == test


@pytest.mark.parametrize("id_", [None, "", "abc", True, 5.5, []])
def test_a_test_without_an_id_is_no_test(id_: object) -> None:
    with pytest.raises(ValueError, match=r"an id|is not a"):
        v6_words.parse_test(TestBody(id=id_, name="checkout"))


def test_schedule_has_next_run_unless_deactivated() -> None:
    parsed = ScheduleBody(id=1, load_test_id=55, next_run="2026-03-01T10:00:00Z", deactivated=False)

    assert parse_schedule(parsed) == Schedule(1, 55, TEN)
    assert parse_schedule(msgspec.structs.replace(parsed, deactivated=True)) == Schedule(
        1, 55, None, is_active=False
    )
    for next_run in (None, "soon"):
        assert parse_schedule(msgspec.structs.replace(parsed, next_run=next_run)) == Schedule(1, 55, None)
    for missing, complaint in (("id", "without an id"), ("load_test_id", "without a load_test_id")):
        with pytest.raises(ValueError, match=complaint):
            parse_schedule(msgspec.structs.replace(parsed, **{missing: None}))


NASTY: Sequence[Any] = (
    *(None, True, False, 0, -1, 1.5, 10**30, -(10**30), 2**64, 5e-324, 1e308),
    *("", " ", "abc", "9" * 5000, "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "running", "\0"),
    *([], {}, [[]], [None], {"type": "aborted"}, {"by_user": {}}, {"total_vuh": {}}, ["x"] * 300, {"": {}}),
)


def mutated(chance: Random, value: Any) -> Any:
    """Somewhere inside, something else than there was."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        return mutated_object(chance, value)
    if isinstance(value, list) and value and chance.random() < 0.8:
        return mutated_list(chance, value)
    return chance.choice(NASTY)


def mutated_object(chance: Random, value: dict[str, Any]) -> Any:
    key = chance.choice(list(value))
    match chance.choice(("inside", "inside", "inside", "drop", "rename")):
        case "drop":
            return {name: value[name] for name in value if name != key}
        case "rename":
            return {(f"{name}s" if name == key else name): value[name] for name in value}
    return value | {key: mutated(chance, value[key])}


def mutated_list(chance: Random, value: list[Any]) -> Any:
    place = chance.randrange(len(value))
    match chance.choice(("inside", "inside", "drop", "twice", "shuffle")):
        case "drop":
            return value[:place] + value[place + 1 :]
        case "twice":
            return [*value, value[place]]
        case "shuffle":
            return chance.sample(value, len(value))
    return [*value[:place], mutated(chance, value[place]), *value[place + 1 :]]


def test_mutated_run_is_parsed_or_rejected_never_passed() -> None:
    read_in_all = refused = 0

    @settings(derandomize=True, deadline=None, max_examples=1000, database=None)
    @given(seed=st.integers(0, 2**64), sample=st.sampled_from([RUNNING, COMPLETED, INVALID]))
    def look(seed: int, sample: dict[str, Any]) -> None:
        nonlocal read_in_all, refused
        chance, value = Random(seed), sample
        for _ in range(chance.randint(1, 6)):
            value = mutated_object(chance, value)
        try:
            parsed = read(value)
        except (ValueError, DecodeError):
            refused += 1
            return
        read_in_all += 1
        assert parsed.outcome != Outcome.PASSED  # no sample passed, and no mutation says so
        assert all(length >= 0 for _, length in parsed.phases.items())
        assert parsed.execution is None or parsed.started is not None

    look()
    assert read_in_all >= 600  # most are; how many depends on the chosen seeds
    assert refused >= 50
    assert read_in_all + refused >= 1000
