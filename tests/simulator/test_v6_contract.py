"""Every response of the v6 API matches the schema that the vendor publishes."""

from typing import Any

import pytest

from exporter.simulator import (
    REJECTED,
    EndStatus,
    NextLink,
    Options,
    Phases,
    RunScript,
    Simulator,
    Timestamps,
    V6Options,
    World,
    demo_world,
)
from tests.support import v6_schema
from tests.support.simulator_client import CREATED, fetch_v6, send_v6, simulate
from tests.support.v6_schema import Schema, assert_matches, listing
from tests.support.worlds import world_of_all_endings


@pytest.mark.parametrize("age", range(0, 30, 2))
def test_runs_match_the_schema_at_every_age(age: int) -> None:
    world, test_id = world_of_all_endings()
    simulator = simulate(world, now=CREATED + age)

    listed = fetch_v6(simulator, "/test_runs", {"$count": "true"})

    assert_matches(listing(v6_schema.TEST_RUN), listed)
    assert listed["@count"] == len(listed["value"]) == 11
    assert listed["value"] == fetch_v6(simulator, f"/load_tests/{test_id}/test_runs")["value"]
    for run in listed["value"]:
        assert fetch_v6(simulator, f"/test_runs/{run['id']}") == run


@pytest.mark.parametrize("age", range(0, 30, 2))
def test_run_state_is_consistent_at_every_age(age: int) -> None:
    world, _ = world_of_all_endings()

    for run in fetch_v6(simulate(world, now=CREATED + age), "/test_runs")["value"]:
        words = [step["type"] for step in run["status_history"]]
        assert words == sorted(set(words), key=v6_schema.STATUSES.index)
        assert [step["entered"] for step in run["status_history"]] == sorted(
            step["entered"] for step in run["status_history"]
        )
        assert run["status_details"] == run["status_history"][-1]
        assert run["status"] == run["status_details"]["type"]
        over = run["status"] in ("completed", "aborted")
        assert run["result"] in v6_schema.RESULTS if over else run["result"] is None
        assert (run["result_details"] is None) is (run["result"] is None)
        assert (run["ended"] is not None) is over
        assert (run["execution_duration"] == 0) or "running" in words


SAMPLE = Phases(created=10, validated=None, queued=None, initializing=10, running=1800, processing=10)


def test_run_equals_the_sample_of_the_document() -> None:
    world = World()
    plan = RunScript(phases=SAMPLE, vus=10, note="User-defined note for the test run.")
    run_id = world.start(world.add_test("Orders API Soak Test", created=CREATED, plan=plan), CREATED)
    simulator = simulate(world, now=CREATED + 3600, options=Options(v6=V6Options(microseconds=False)))

    assert fetch_v6(simulator, f"/test_runs/{run_id}") == {
        "id": run_id,
        "test_id": 400_001,
        "project_id": 30_001,
        "started_by": "owner@example.com",
        "created": "2020-08-18T13:33:41Z",
        "ended": "2020-08-18T14:04:11Z",
        "note": "User-defined note for the test run.",
        "retention_expiry": "2020-09-17T14:04:11Z",
        "cost": {
            "total_vuh": 5.0,
            "breakdown": {
                "protocol_vuh": 5.0,
                "browser_vuh": 0,
                "base_total_vuh": 5.0,
                "reduction_rate": 0,
                "reduction_rate_breakdown": None,
            },
        },
        "status": "completed",
        "status_details": {"type": "completed", "entered": "2020-08-18T14:04:11Z"},
        "status_history": [
            {"type": "created", "entered": "2020-08-18T13:33:41Z"},
            {"type": "initializing", "entered": "2020-08-18T13:33:51Z"},
            {"type": "running", "entered": "2020-08-18T13:34:01Z"},
            {"type": "processing_metrics", "entered": "2020-08-18T14:04:01Z"},
            {"type": "completed", "entered": "2020-08-18T14:04:11Z"},
        ],
        "distribution": [{"load_zone": "amazon:us:ashburn", "percent": 100}],
        "result": "passed",
        "result_details": {"type": "passed", "message": None, "code": None},
        "options": {"vus": 10, "duration": "1800s", "cloud": {"projectID": 30_001}},
        "k6_dependencies": {"k6": ">=v1.0"},
        "k6_versions": {"k6": "v2.2.0"},
        "max_vus": 10,
        "max_browser_vus": 0,
        "estimated_duration": 1800,
        "execution_duration": 1800,
        "is_starred": False,
    }


def fetch_run(
    age: float,
    *,
    ending: EndStatus = EndStatus.FINISHED,
    phases: Phases = SAMPLE,
    vus: int = 1,
    duration: int | None = None,
) -> dict[str, Any]:
    world = World()
    run_id = world.add_run(
        world.add_test("t", created=CREATED),
        created=CREATED,
        ending=ending,
        phases=phases,
        vus=vus,
        duration=duration,
    )
    return fetch_v6(simulate(world, now=CREATED + age), f"/test_runs/{run_id}")


PLANNED = ("cost", "options", "max_vus", "max_browser_vus", "estimated_duration")


def test_options_and_estimates_are_null_before_validation() -> None:
    created = fetch_run(5)
    initializing = fetch_run(12)

    assert [created[name] for name in (*PLANNED, "distribution")] == [None] * 6
    assert all(initializing[name] is not None for name in (*PLANNED, "distribution"))


def test_distribution_is_known_from_initializing_on() -> None:
    phases = Phases(created=1, validated=1, queued=10, initializing=10)

    assert [fetch_run(age, phases=phases)["distribution"] is None for age in (0, 1, 5, 15, 25)] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_cost_is_an_estimate_until_the_run_ends() -> None:
    runs = [
        fetch_run(age, ending=EndStatus.ABORTED_BY_LIMIT, vus=60, duration=3600) for age in (15, 100, 9999)
    ]

    assert [run["cost"]["total_vuh"] for run in runs] == [60.0, 60.0, 30.0]


def test_execution_duration_grows_while_running() -> None:
    assert [fetch_run(age)["execution_duration"] for age in (0, 15, 20, 620, 9999)] == [0, 0, 0, 600, 1800]


def test_rejected_run_has_no_options() -> None:
    refused = fetch_run(60, ending=EndStatus.ABORTED_BY_SYSTEM, phases=REJECTED)

    assert [refused[name] for name in (*PLANNED, "distribution")] == [None] * 6
    assert [step["type"] for step in refused["status_history"]] == ["created", "aborted"]
    assert refused["status_details"]["extra"] == {
        "by_user": None,
        "message": "Validation error",
        "code": None,
    }
    assert (refused["result"], refused["execution_duration"]) == ("error", 0)
    assert refused["result_details"] == {"type": "error", "message": "Validation error", "code": None}


def make_demo() -> Simulator:
    return simulate(demo_world(CREATED), now=CREATED)


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/projects", listing(v6_schema.PROJECT)),
        ("/projects/30001", v6_schema.PROJECT),
        ("/projects/30002/load_tests", listing(v6_schema.LOAD_TEST)),
        ("/load_tests", listing(v6_schema.LOAD_TEST)),
        ("/load_tests/400001", v6_schema.LOAD_TEST),
        ("/load_tests/400001/test_runs", listing(v6_schema.TEST_RUN)),
        ("/test_runs", listing(v6_schema.TEST_RUN)),
        ("/test_runs/5000001", v6_schema.TEST_RUN),
        ("/schedules", listing(v6_schema.SCHEDULE)),
        ("/schedules/60001", v6_schema.SCHEDULE),
        ("/load_tests/400001/schedule", v6_schema.SCHEDULE),
        ("/load_zones", v6_schema.LOAD_ZONES),
        ("/load_zones/3/allowed_projects", v6_schema.ALLOWED_PROJECTS),
        ("/projects/30002/allowed_load_zones", v6_schema.LOAD_ZONES),
        ("/projects/30002/labels", v6_schema.PROJECT_LABELS),
        ("/projects/30002/limits", v6_schema.LIMITS),
        ("/project-limits", listing(v6_schema.LIMITS)),
    ],
)
@pytest.mark.parametrize("params", [{}, {"$count": "true", "$top": 1}])
def test_every_response_matches_the_schema(path: str, schema: Schema, params: dict[str, str]) -> None:
    assert_matches(schema, fetch_v6(make_demo(), path, params))


ALLOWED = V6Options(
    timestamps=Timestamps.OFFSET,
    microseconds=False,
    null_extra=True,
    next_link=NextLink.HTTP,
    max_top=3,
    clamp_top=True,
)


@pytest.mark.parametrize("path", ["/test_runs", "/load_tests", "/schedules"])
def test_responses_with_options_match_the_schema(path: str) -> None:
    schema = {
        "/test_runs": v6_schema.TEST_RUN,
        "/load_tests": v6_schema.LOAD_TEST,
        "/schedules": v6_schema.SCHEDULE,
    }[path]
    simulator = simulate(demo_world(CREATED), now=CREATED, options=Options(v6=ALLOWED))

    assert_matches(listing(schema), fetch_v6(simulator, path))


@pytest.mark.parametrize(("endpoint", "parameters"), v6_schema.ENDPOINTS.items())
def test_exactly_the_documented_parameters_are_known(endpoint: str, parameters: set[str]) -> None:
    method, path = endpoint.removeprefix("/cloud/v6").split(" /cloud/v6")
    simulator = simulate(demo_world(CREATED), now=CREATED, options=Options(reject_unknown_parameters=True))

    def unknown(name: str) -> bool:
        response = send_v6(simulator, path.replace("{id}", "1"), {name: "1"}, method=method)
        assert response.status_code not in (404, 405) or "{id}" in path
        return response.status_code == 400 and "Unknown parameter" in response.text

    every = {name for names in v6_schema.ENDPOINTS.values() for name in names} | {"$filter", "project_id"}
    assert {name for name in every if not unknown(name)} == parameters


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/test_runs?$orderby=created", 400, "error"),
        ("GET", "/load_tests/400001/test_runs?$orderby=ended", 400, "error"),
        ("GET", "/load_tests?$orderby=name%20down", 400, "error"),
        ("GET", "/load_tests?$orderby=", 400, "error"),
        ("GET", "/test_runs?$top=1001", 400, "error"),
        ("GET", "/test_runs?$top=0", 400, "error"),
        ("GET", "/test_runs?$skip=-1", 400, "error"),
        ("GET", "/test_runs?$count=perhaps", 400, "error"),
        ("GET", "/test_runs?created_after=", 400, "error"),
        ("GET", "/test_runs?created_after=yesterday", 400, "error"),
        ("GET", "/test_runs?created_after=2025-08-01T12:00:00", 400, "error"),
        ("GET", "/test_runs?created_after=2025-08-01T12:00:00+00:00", 400, "error"),  # + is a space
        ("GET", "/test_runs?created_before=0001-01-01T00:00:00%2B14:00", 400, "error"),
        ("GET", "/load_tests/400001/test_runs?is_starred=maybe", 400, "error"),
        ("GET", "/test_runs/1", 404, "error"),
        ("GET", "/test_runs/one", 404, "error"),
        ("GET", "/load_tests/1", 404, "error"),
        ("GET", "/load_tests/1/test_runs", 404, "error"),
        ("GET", "/load_tests/400001/test_runs/5000001", 404, "error"),
        ("GET", "/projects/1", 404, "error"),
        ("GET", "/projects/1/load_tests", 404, "error"),
        ("POST", "/projects/1/load_tests", 404, "error"),
        ("POST", "/load_tests/1/start", 404, "error"),
        ("PUT", "/load_tests/1/script", 404, "error"),
        ("POST", "/test_runs/1/abort", 404, "error"),
        ("POST", "/test_runs/5000001/abort", 409, "conflict"),
        ("DELETE", "/projects", 405, "error"),
        ("DELETE", "/projects/30001", 409, "conflict"),
        ("GET", "/projects/1/limits", 404, "error"),
        ("GET", "/projects/1/labels", 404, "error"),
        ("GET", "/projects/1/allowed_load_zones", 404, "error"),
        ("GET", "/load_zones/1/allowed_projects", 404, "error"),
        ("GET", "/project-limits?project_id_in=1,two", 400, "error"),
        ("GET", "/load_tests/1/script", 404, "error"),
        ("GET", "/load_tests/1/schedule", 404, "error"),
        ("DELETE", "/load_tests/1", 404, "error"),
        ("GET", "/schedules/1", 404, "error"),
        ("POST", "/schedules/1/activate", 404, "error"),
        ("DELETE", "/test_runs/1", 404, "error"),
        ("GET", "/test_runs/1/script", 404, "error"),
        ("GET", "/test_runs/1/distribution", 404, "error"),
        ("POST", "/test_runs/1/star", 404, "error"),
        ("GET", "/test_runs/5000001/abort", 405, "error"),
        ("POST", "/projects/30001/load_tests", 415, "error"),
        ("PUT", "/load_tests/400001/script", 415, "error"),
    ],
)
def test_errors_have_the_documented_form(method: str, path: str, status: int, code: str) -> None:
    simulator = simulate(demo_world(CREATED), now=CREATED)

    response = send_v6(simulator, path, method=method)

    assert response.status_code == status, response.text
    assert_matches(v6_schema.ERROR, response.json())
    assert response.json()["error"]["code"] == code
    assert "target" not in response.json()["error"]
    if status == 400:
        [detail] = response.json()["error"]["details"]
        assert f"{detail['target']}=" in path
