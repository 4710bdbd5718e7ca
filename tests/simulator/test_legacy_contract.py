"""Every response of the legacy API matches the vendor's page "Test Runs Legacy API".

The tables are that page's samples and the field lists of its sibling pages; nothing
here is read from the simulator.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest

from exporter.simulator import Phases, World
from tests.support.simulator_client import CREATED, TOKEN, fetch, send, simulate
from tests.support.worlds import world_of_all_endings

INT, NUMBER, STR, BOOL, OBJECT, TIME = "int", "number", "str", "bool", "object", "time"
INTS, STR_OR_INT = "list of int", "str or int"

# field: (type, may be null)
LISTED_RUN = {
    "config": (OBJECT, False),
    "created": (TIME, False),
    "duration": (INT, False),
    "ended": (TIME, True),
    "error_code": (INT, True),
    "error_detail": (STR, True),
    "id": (INT, False),
    "is_baseline": (BOOL, False),
    "k6_archive": (STR, False),
    "load_time": (NUMBER, True),
    "note": (STR, False),
    "organization_id": (INT, False),
    "processing_status": (INT, False),
    "project_id": (INT, False),
    "public_id": (STR, True),
    "request_builder_config": (OBJECT, True),
    "result_status": (INT, False),
    "run_process": (STR, False),
    "run_status": (INT, False),
    "script": (STR, False),
    "started": (TIME, True),
    "stopped_by_id": (INT, False),
    "test_id": (INT, False),
    "user_id": (INT, False),
    "version": (STR_OR_INT, False),
    "vus": (INT, False),
    "vus_per_instance": (INT, False),
}
READ_RUN = LISTED_RUN | {"export": (OBJECT, True)}
STARTED_RUN = {
    name: fact
    for name, fact in LISTED_RUN.items()
    if name not in ("is_baseline", "request_builder_config", "vus_per_instance")
}
TEST = {
    "created": (TIME, False),
    "id": (INT, False),
    "last_test_run_id": (STR, True),
    "name": (STR, False),
    "project_id": (INT, False),
    "script": (STR, False),
    "test_run_ids": (INTS, False),
    "updated": (TIME, False),
    "user_id": (INT, False),
}
ORGANIZATION = {
    "billing_address": (STR, True),
    "billing_country": (STR, True),
    "billing_email": (STR, True),
    "created": (TIME, False),
    "description": (STR, True),
    "id": (INT, False),
    "is_default": (BOOL, False),
    "name": (STR, False),
    "owner_id": (INT, False),
    "updated": (TIME, False),
    "vat_number": (STR, True),
}
PROJECT = {
    "created": (TIME, False),
    "description": (STR, True),
    "id": (INT, False),
    "is_default": (BOOL, False),
    "name": (STR, False),
    "organization_id": (INT, False),
    "updated": (TIME, False),
}
Table = dict[str, tuple[str, bool]]


IS_A: dict[str, Callable[[object], bool]] = {
    INT: lambda value: type(value) is int,
    NUMBER: lambda value: type(value) in (int, float),
    STR: lambda value: type(value) is str,
    BOOL: lambda value: type(value) is bool,
    OBJECT: lambda value: type(value) is dict,
    INTS: lambda value: isinstance(value, list) and all(type(item) is int for item in value),
    STR_OR_INT: lambda value: type(value) in (int, str),
    TIME: lambda value: re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", str(value)) is not None,
}


def assert_matches(table: Table, thing: dict[str, Any]) -> None:
    assert set(thing) == set(table)
    for name, (kind, may_be_null) in table.items():
        assert (may_be_null and thing[name] is None) or IS_A[kind](thing[name]), (name, thing[name])


@pytest.mark.parametrize("age", range(0, 30, 2))
def test_runs_have_the_documented_fields_at_every_age(age: int) -> None:
    world, test_id = world_of_all_endings()
    simulator = simulate(world, now=CREATED + age)

    listed = fetch(simulator, "/loadtests/v2/runs", {"test_id": test_id})

    assert set(listed) == {"k6-runs", "meta"}
    assert listed["meta"] == {"count": 12}
    for run in listed["k6-runs"]:
        assert_matches(LISTED_RUN, run)
        read = fetch(simulator, f"/loadtests/v2/runs/{run['id']}")
        assert set(read) == {"k6-run"}
        assert_matches(READ_RUN, read["k6-run"])
        assert {name: value for name, value in read["k6-run"].items() if name != "export"} == run


@pytest.mark.parametrize("age", range(0, 30, 2))
def test_run_state_is_consistent_at_every_age(age: int) -> None:
    world, test_id = world_of_all_endings()

    for run in fetch(simulate(world, now=CREATED + age), "/loadtests/v2/runs", {"test_id": test_id})[
        "k6-runs"
    ]:
        assert run["run_status"] in range(-2, 11)
        assert run["processing_status"] in range(4)
        assert run["result_status"] in (0, 1)
        if run["run_status"] <= 2:
            assert (run["ended"], run["result_status"], run["processing_status"]) == (None, 0, 0)
        assert run["run_status"] != 2 or run["started"] is not None
        assert run["run_status"] >= 2 or run["started"] is None
        assert run["run_status"] not in range(3, 10) or run["ended"] is not None


def test_run_equals_the_documented_sample() -> None:
    world = World()
    test_id = world.add_test("checkout")
    phases = Phases(created=1, validated=1, queued=6, initializing=15, running=118, processing=9)
    run_id = world.add_run(test_id, created=CREATED, failed=True, phases=phases, vus=200, duration=120)

    run = fetch(simulate(world, now=CREATED + 3600), f"/loadtests/v2/runs/{run_id}")["k6-run"]

    assert run | {"load_time": 75.0, "k6_archive": "string"} == {
        "config": {},
        "created": "2020-08-18T13:33:41",
        "duration": 120,
        "ended": "2020-08-18T13:36:02",
        "error_code": None,
        "error_detail": None,
        "export": None,
        "id": run_id,
        "is_baseline": False,
        "k6_archive": "string",
        "load_time": 75.0,
        "note": "",
        "organization_id": world.default_organization_id,
        "processing_status": 2,
        "project_id": world.default_project_id,
        "public_id": None,
        "request_builder_config": None,
        "result_status": 1,
        "run_process": "k6 to Cloud",
        "run_status": 3,
        "script": "",
        "started": "2020-08-18T13:34:04",
        "stopped_by_id": 0,
        "test_id": test_id,
        "user_id": world.owner_id,
        "version": 2,
        "vus": 200,
        "vus_per_instance": 0,
    }


def test_start_returns_a_created_run() -> None:
    world = World()
    test_id = world.add_test("t")

    response = send(simulate(world), f"/loadtests/v2/tests/{test_id}/start-testrun", method="POST")

    assert response.status_code == 200
    assert set(response.json()) == {"k6-run"}
    assert_matches(STARTED_RUN, response.json()["k6-run"])
    assert response.json()["k6-run"]["run_status"] == -2


@pytest.mark.parametrize("json", [None, {}])
def test_stop_returns_200_without_body(json: object) -> None:
    world = World()
    run_id = world.add_run(world.add_test("t"), created=CREATED)

    response = send(simulate(world), f"/loadtests/v2/runs/{run_id}/stop", method="POST", json=json)

    assert (response.status_code, response.content) == (200, b"")


def test_tests_have_the_documented_fields() -> None:
    world, test_id = world_of_all_endings()
    world.add_test("never run")

    listed = fetch(simulate(world), "/loadtests/v2/tests")

    assert set(listed) == {"k6-runs", "k6-tests", "load_zones", "meta"}
    assert (listed["k6-runs"], listed["load_zones"], listed["meta"]) == ([], [], {"count": 2})
    for test in listed["k6-tests"]:
        assert_matches(TEST, test)
        assert fetch(simulate(world), f"/loadtests/v2/tests/{test['id']}") == {"k6-test": test}
    run_ids = world.run_ids(test_id, CREATED)
    assert [test["test_run_ids"] for test in listed["k6-tests"]] == [run_ids, []]
    assert [test["last_test_run_id"] for test in listed["k6-tests"]] == [str(run_ids[-1]), None]


def test_organizations_and_projects_have_documented_fields() -> None:
    world = World()
    world.add_project("shop")
    world.add_organization("another")
    simulator = simulate(world)

    organizations = fetch(simulator, "/v3/organizations")

    assert set(organizations) == {"organizations"}
    assert [it["is_default"] for it in organizations["organizations"]] == [True, False]
    for organization in organizations["organizations"]:
        assert_matches(ORGANIZATION, organization)
        where = f"/v3/organizations/{organization['id']}"
        projects = fetch(simulator, f"{where}/projects")
        assert set(projects) == {"projects"}
        for project in projects["projects"]:
            assert_matches(PROJECT, project)
            assert project["organization_id"] == organization["id"]
    names = fetch(simulator, f"/v3/organizations/{world.default_organization_id}/projects")["projects"]
    assert [it["name"] for it in names] == ["Default project", "shop"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/loadtests/v2/runs", 400, 2),
        ("GET", "/loadtests/v2/runs?test_id=one", 400, 2),
        ("GET", "/loadtests/v2/tests?order_by=colour", 400, 2),
        ("GET", "/loadtests/v2/tests?page=0", 400, 2),
        ("GET", "/loadtests/v2/tests?page_size=0", 400, 2),
        ("GET", "/loadtests/v2/runs?test_id=1", 404, 3),
        ("GET", "/loadtests/v2/runs/1", 404, 3),
        ("GET", "/loadtests/v2/runs/one", 404, 3),
        ("POST", "/loadtests/v2/runs/1/stop", 404, 3),
        ("GET", "/loadtests/v2/tests/1", 404, 3),
        ("GET", "/loadtests/v2/tests?project_id=1", 404, 3),
        ("POST", "/loadtests/v2/tests/1/start-testrun", 404, 3),
        ("GET", "/v3/organizations/1/projects", 404, 3),
        ("GET", "/v3/projects", 404, 3),
        ("DELETE", "/loadtests/v2/runs", 405, 7),
        ("GET", "/loadtests/v2/runs/1/stop", 405, 7),
    ],
)
def test_errors_have_the_documented_form(method: str, path: str, status: int, code: int) -> None:
    response = send(simulate(World()), path, method=method)

    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert error["errors"] == [error["message"]]
    assert status != 400 or all(isinstance(why, list) for why in error["field_errors"].values())


@pytest.mark.parametrize("scheme", ["Token", "token", "TOKEN", "Bearer", "bearer"])
def test_known_token_is_accepted_with_any_scheme(scheme: str) -> None:
    response = send(simulate(World()), "/v3/organizations", authorization=f"{scheme} {TOKEN}")

    assert response.status_code == 200


@pytest.mark.parametrize(
    ("authorization", "code"), [(None, 5), ("Token wrong", 6), (f"Basic {TOKEN}", 6), (TOKEN, 6), ("", 6)]
)
def test_other_authorization_is_refused(authorization: str | None, code: int) -> None:
    response = send(simulate(World()), "/v3/organizations", authorization=authorization)

    assert (response.status_code, response.json()["error"]["code"]) == (401, code)
