"""How options and faults change the responses of the v6 API."""

import json
from typing import Any

import httpx
import pytest

from exporter.simulator import Fault, Options, Phases, Simulator, Timestamps, V6Options, World, faults
from tests.support.simulator_client import CREATED, fetch, fetch_ids_v6, fetch_v6, send_v6, simulate
from tests.support.v6_schema import ERROR, assert_matches

RUNS = "/load_tests/400001/test_runs"


def simulator_with(options: Options = Options(), now: float = CREATED + 1000) -> Simulator:  # noqa: B008
    """One test with five finished runs, 5000001 to 5000005."""
    world = World()
    test_id = world.add_test("t")
    for n in range(5):
        world.add_run(test_id, created=CREATED + n, phases=Phases(running=60), vus=60)
    return simulate(world, now=now, options=options)


def first_run(v6: V6Options, now: float = CREATED + 1000) -> dict[str, Any]:
    [run, *_] = fetch_v6(simulator_with(Options(v6=v6), now), "/test_runs")["value"]
    assert isinstance(run, dict)
    return run


@pytest.mark.parametrize(
    ("form", "microseconds", "written"),
    [
        (Timestamps.Z, True, "2020-08-18T13:33:41.000000Z"),
        (Timestamps.Z, False, "2020-08-18T13:33:41Z"),
        (Timestamps.OFFSET, False, "2020-08-18T13:33:41+00:00"),
        (Timestamps.NAIVE, True, "2020-08-18T13:33:41.000000"),
    ],
)
def test_timestamps_have_the_form_of_the_v6_options(
    form: Timestamps, microseconds: bool, written: str
) -> None:
    run = first_run(V6Options(timestamps=form, microseconds=microseconds))

    assert run["created"] == run["status_history"][0]["entered"] == written


def test_v6_options_do_not_change_legacy_timestamps() -> None:
    simulator = simulator_with(Options(v6=V6Options(timestamps=Timestamps.OFFSET)))

    assert fetch(simulator, "/loadtests/v2/runs/5000001")["k6-run"]["created"] == "2020-08-18T13:33:41"


def test_status_extra_can_be_null() -> None:
    assert "extra" not in first_run(V6Options())["status_details"]
    assert first_run(V6Options(null_extra=True))["status_details"]["extra"] is None


def with_fault(fault: Fault) -> Simulator:
    simulator = simulator_with()
    simulator.faults.add(fault)
    return simulator


def test_error_has_the_form_of_v6() -> None:
    response = send_v6(with_fault(faults.error(429, retry_after=7)), "/test_runs")

    assert (response.status_code, response.headers["retry-after"]) == (429, "7")
    assert_matches(ERROR, response.json())
    assert response.json()["error"]["code"] == "error"


def test_listed_run_can_be_404() -> None:
    simulator = with_fault(faults.error(404, message="Not found").on("/cloud/v6/test_runs/5000003"))

    assert 5_000_003 in fetch_ids_v6(simulator, "/test_runs")
    assert send_v6(simulator, "/test_runs/5000003").status_code == 404
    assert send_v6(simulator, "/test_runs/5000004").status_code == 200


@pytest.mark.parametrize(
    ("old", "new", "path", "where"),
    [
        ("completed", "archived", "/test_runs", ("status",)),
        ("completed", "archived", RUNS, ("status_details", "type")),
        ("passed", "flaky", "/test_runs", ("result",)),
        ("passed", "flaky", "/test_runs", ("result_details", "type")),
    ],
)
def test_word_can_be_replaced_by_an_unknown_one(
    old: str, new: str, path: str, where: tuple[str, ...]
) -> None:
    simulator = with_fault(faults.replaced_word(old, new))

    for run in fetch_v6(simulator, path)["value"]:
        value = run
        for key in where:
            value = value[key]
        assert value == new


def test_field_can_be_null_or_missing_everywhere() -> None:
    simulator = with_fault(faults.field("status", None))
    simulator.faults.add(faults.missing_field("is_starred"))

    runs = [*fetch_v6(simulator, RUNS)["value"], fetch_v6(simulator, "/test_runs/5000001")]

    assert {run["status"] for run in runs} == {None}
    assert all("is_starred" not in run for run in runs)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (faults.field("@nextLink", ""), {"@count": 5, "@nextLink": ""}),
        (faults.field("@count", "many"), {"@count": "many"}),
        (faults.missing_field("@nextLink"), {"@count": 5}),
    ],
)
def test_envelope_can_be_wrong(fault: Fault, expected: dict[str, Any]) -> None:
    page = fetch_v6(with_fault(fault), "/test_runs", {"$top": 2, "$count": "true"})

    assert {key: page.get(key) for key in expected} == expected


def test_envelope_can_lack_its_list() -> None:
    assert fetch_v6(with_fault(faults.missing_field("value")), "/test_runs") == {}


def test_page_can_be_wrong() -> None:
    params = {"$top": 2}

    assert fetch_ids_v6(with_fault(faults.duplicate()), "/test_runs", params) == [
        5_000_001,
        5_000_002,
        5_000_001,
    ]
    assert fetch_v6(with_fault(faults.invalid_item()), "/test_runs", params)["value"][0] == "invalid"
    assert [
        run["test_id"] for run in fetch_v6(with_fault(faults.unexpected_run()), RUNS, params)["value"]
    ] == [
        400_001,
        400_001,
        400_078,
    ]
    empty = fetch_v6(with_fault(faults.empty_page()), "/test_runs", params)
    assert (empty["value"], empty["@nextLink"]) == (
        [],
        "https://api.k6.io/cloud/v6/test_runs?$skip=2&$top=2",
    )


def test_every_page_can_be_the_first() -> None:
    simulator = with_fault(faults.repeated_page())

    for skip in (0, 2, 99):
        assert fetch_ids_v6(simulator, "/test_runs", {"$top": 2, "$skip": skip}) == [5_000_001, 5_000_002]


def test_keys_can_be_unknown() -> None:
    listed = fetch_v6(with_fault(faults.unknown_keys()), "/test_runs")

    assert all("undocumented" in item for item in [listed, *listed["value"]])


def test_numbers_can_be_strings() -> None:
    run = fetch_v6(with_fault(faults.numbers_as_strings()), "/test_runs/5000001")

    assert (run["id"], run["execution_duration"]) == ("5000001", "60")


def test_body_can_be_cut_and_connection_can_break() -> None:
    cut = send_v6(with_fault(faults.cut_json()), "/test_runs")

    assert cut.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        cut.json()
    with pytest.raises(httpx.ReadError):
        send_v6(with_fault(faults.truncated()), "/test_runs")


def test_faults_can_be_parsed_from_json() -> None:
    simulator = simulator_with()
    simulator.faults.add(
        *faults.from_json(
            [
                {
                    "kind": "replaced_word",
                    "old": "passed",
                    "new": "flaky",
                    "path": "/cloud/v6/test_runs?*$top=1*",
                }
            ]
        )
    )

    assert fetch_v6(simulator, "/test_runs", {"$top": 1})["value"][0]["result"] == "flaky"
    assert fetch_v6(simulator, "/test_runs", {"$top": 2})["value"][0]["result"] == "passed"
