"""What Terraform and other clients change over the v6 API: projects, limits, tests, schedules."""

from typing import Any

import httpx
import pytest

from exporter.simulator import Phases, RunScript, Simulator, World
from tests.support.simulator_client import CREATED, Clock, fetch_v6, send_v6, simulate
from tests.support.v6_schema import (
    ALLOWED_PROJECTS,
    ERROR,
    LIMITS,
    LOAD_TEST,
    LOAD_ZONES,
    PROJECT,
    SCHEDULE,
    assert_matches,
)

PLAN = RunScript(phases=Phases(created=1, validated=1, queued=1, initializing=1, running=10), vus=7)


@pytest.fixture
def simulator() -> Simulator:
    """One test, 400001, in project 30001, and a private load zone, 3."""
    world = World()
    world.add_test("checkout", created=CREATED - 100, plan=PLAN)
    return simulate(world)


def send(simulator: Simulator, request: str, json: object = None) -> httpx.Response:
    method, path = request.split(" ")
    return send_v6(simulator, path, method=method, json=json)


def change(simulator: Simulator, request: str, json: object = None) -> None:
    response = send(simulator, request, json)
    assert (response.status_code, response.content) == (204, b""), response.text


def advance(simulator: Simulator, seconds: float) -> None:
    assert isinstance(simulator.clock, Clock)
    simulator.clock.now += seconds


def test_project_can_be_created_renamed_and_deleted(simulator: Simulator) -> None:
    created = send(simulator, "POST /projects", {"name": "shop"})
    path = f"/projects/{created.json()['id']}"
    advance(simulator, 5)
    change(simulator, f"PATCH {path}", {"name": "store"})

    project = fetch_v6(simulator, path)
    assert created.status_code == 201
    assert_matches(PROJECT, project)
    assert (project["name"], project["is_default"], project["created"] < project["updated"]) == (
        "store",
        False,
        True,
    )
    simulator.world.add_test("t", project_id=project["id"], created=CREATED)
    change(simulator, f"DELETE {path}")
    assert send(simulator, f"GET {path}").status_code == 404
    assert [test["name"] for test in fetch_v6(simulator, "/load_tests")["value"]] == ["checkout"]


def test_name_of_a_project_is_unique(simulator: Simulator) -> None:
    first, second = (send(simulator, "POST /projects", {"name": name}).json()["id"] for name in "ab")

    assert send(simulator, "POST /projects", {"name": "a"}).status_code == 409
    assert send(simulator, f"PATCH /projects/{second}", {"name": "a"}).status_code == 409
    assert send(simulator, f"PATCH /projects/{first}", {"name": "a"}).status_code == 204


def test_running_test_keeps_its_project(simulator: Simulator) -> None:
    project_id = simulator.world.add_project("shop")
    change(simulator, "PUT /load_tests/400001/move", {"project_id": project_id})
    run = send(simulator, "POST /load_tests/400001/start").json()

    refused = [
        send(simulator, f"DELETE {path}") for path in (f"/projects/{project_id}", "/load_tests/400001")
    ]
    refused.append(send(simulator, f"DELETE /test_runs/{run['id']}"))

    assert run["project_id"] == project_id
    assert [response.status_code for response in refused] == [409, 409, 409]
    advance(simulator, 60)
    change(simulator, f"DELETE /test_runs/{run['id']}")
    change(simulator, "DELETE /load_tests/400001")
    change(simulator, f"DELETE /projects/{project_id}")


def test_limits_can_be_set_and_removed(simulator: Simulator) -> None:
    change(simulator, "PATCH /projects/30001/limits", {"vuh_max_per_month": 500, "vu_max_per_test": 50})
    change(simulator, "PATCH /projects/30001/limits", {"vu_max_per_test": None, "duration_max_per_test": 60})

    limits = fetch_v6(simulator, "/projects/30001/limits")

    assert_matches(LIMITS, limits)
    assert limits == {
        "project_id": 30_001,
        "vuh_max_per_month": 500,
        "vu_max_per_test": None,
        "vu_browser_max_per_test": None,
        "duration_max_per_test": 60,
    }
    assert fetch_v6(simulator, "/project-limits")["value"] == [limits]
    assert send(simulator, "PATCH /projects/30001/limits", {"vu_max_per_test": 0}).status_code == 400


def test_limits_of_some_projects_can_be_listed(simulator: Simulator) -> None:
    ids = [30_001, *(simulator.world.add_project(name) for name in "abc")]
    chosen = ",".join(map(str, [ids[3], ids[1], 1]))

    listed = fetch_v6(simulator, "/project-limits", {"project_id_in": chosen, "$count": "true"})

    assert ([limits["project_id"] for limits in listed["value"]], listed["@count"]) == ([ids[1], ids[3]], 2)


def test_private_load_zone_can_be_allowed_from_both_sides(simulator: Simulator) -> None:
    project_id = simulator.world.add_project("shop")

    zones = send(simulator, "PUT /projects/30001/allowed_load_zones", {"value": [{"id": 3}]}).json()
    projects = send(simulator, "PUT /load_zones/3/allowed_projects", {"value": [{"id": project_id}]}).json()

    assert_matches(LOAD_ZONES, zones)
    assert_matches(ALLOWED_PROJECTS, projects)
    assert [zone["id"] for zone in zones["value"]] == [3]
    assert projects["value"] == [{"id": project_id, "name": "shop"}]
    assert fetch_v6(simulator, "/projects/30001/allowed_load_zones")["value"] == []
    for body in ({"value": [{"id": 1}]}, {"value": [3]}, {}):
        assert send(simulator, "PUT /projects/30001/allowed_load_zones", body).status_code == 400


def test_patch_changes_only_what_it_names(simulator: Simulator) -> None:
    run_id = simulator.world.add_run(400_001, created=CREATED - 50)
    change(simulator, "PATCH /load_tests/400001", {"baseline_test_run_id": run_id, "k6_version": 2})
    change(simulator, "PATCH /load_tests/400001", {"name": "basket", "k6_version": None})

    test = fetch_v6(simulator, "/load_tests/400001")

    assert_matches(LOAD_TEST, test)
    assert (test["name"], test["baseline_test_run_id"], test["k6_version"]) == ("basket", run_id, None)
    assert test["updated"] == "2020-08-18T13:33:41.000000Z"


@pytest.mark.parametrize(
    ("request_", "body", "status"),
    [
        ("PATCH /load_tests/400001", {"name": ""}, 400),
        ("PATCH /load_tests/400001", {"name": "taken"}, 409),
        ("PATCH /load_tests/400001", {"baseline_test_run_id": 7}, 400),
        ("PATCH /load_tests/400001", [], 400),
        ("PUT /load_tests/400001/move", {"project_id": 1}, 400),
        ("PUT /load_tests/400001/move", {}, 400),
        ("PUT /load_tests/400001/move", {"project_id": 30_002}, 409),
        ("PATCH /projects/30001", {"name": 5}, 400),
    ],
)
def test_invalid_change_is_refused(simulator: Simulator, request_: str, body: object, status: int) -> None:
    world = simulator.world
    for project_id, name in ((30_001, "taken"), (world.add_project("shop"), "checkout")):
        world.add_test(name, project_id=project_id, created=CREATED)

    response = send(simulator, request_, body)

    assert response.status_code == status
    assert_matches(ERROR, response.json())


def put_script(simulator: Simulator, script: bytes) -> httpx.Response:
    headers = {"Content-Type": "application/octet-stream"}
    return send_v6(simulator, "/load_tests/400001/script", method="PUT", headers=headers, content=script)


def read_script(simulator: Simulator, path: str, accept: str) -> tuple[int, str, bytes]:
    response = send_v6(simulator, path, headers={"Accept": accept})
    return response.status_code, response.headers["content-type"], response.content


def test_script_is_returned_as_it_was_uploaded(simulator: Simulator) -> None:
    script = "// größe\nexport default () => {}".encode()
    before = fetch_v6(simulator, f"/test_runs/{simulator.world.start(400_001, CREATED)}")["id"]
    assert put_script(simulator, script).status_code == 204
    after = simulator.world.start(400_001, CREATED)

    assert read_script(simulator, "/load_tests/400001/script", "*/*") == (200, "text/javascript", script)
    assert read_script(simulator, f"/test_runs/{after}/script", "text/*")[2] == script
    assert b'"vus": 7' in read_script(simulator, f"/test_runs/{before}/script", "text/javascript")[2]


def test_script_of_another_type_is_406(simulator: Simulator) -> None:
    assert read_script(simulator, "/load_tests/400001/script", "application/x-tar")[0] == 406
    for accept in ("application/x-tar, text/javascript;q=0.9", "application/json", ""):
        assert read_script(simulator, "/load_tests/400001/script", accept)[0] == 200


def test_next_runs_follow_the_new_script(simulator: Simulator) -> None:
    simulator.world.speed = 2.0
    put_script(
        simulator, b"// simulate: failed, aborted_by_limit\nexport const options = {vus: 40, duration: '60s'}"
    )
    runs = [simulator.world.start(400_001, CREATED) for _ in "abc"]
    advance(simulator, 500)

    states = [fetch_v6(simulator, f"/test_runs/{run_id}") for run_id in runs]

    assert [(it["status"], it["result"]) for it in states] == [
        ("completed", "failed"),
        ("aborted", "error"),
        ("completed", "failed"),
    ]
    assert [(it["max_vus"], it["estimated_duration"], it["execution_duration"]) for it in states] == [
        (40, 30, 30),
        (40, 30, 15),
        (40, 30, 30),
    ]


def test_script_with_an_unknown_outcome_is_refused(simulator: Simulator) -> None:
    response = put_script(simulator, b"// simulate: explodes")

    assert response.status_code == 400
    assert "'explodes' is not one of passed, failed" in response.json()["error"]["details"][0]["message"]


def test_manual_runs_end_like_the_scheduled_ones() -> None:
    world = World()
    test_id = world.add_test("t", created=CREATED)
    endings = [RunScript(failed=True, phases=PLAN.phases), None, RunScript(phases=PLAN.phases)]
    world.schedule(test_id, every=1e9, first=CREATED + 1e9, endings=endings)
    runs = [world.start(test_id, CREATED) for _ in "abc"]

    assert [world.at(run_id, CREATED + 99).result for run_id in runs] == ["failed", "passed", "failed"]


def test_run_can_get_a_note_a_star_and_be_saved(simulator: Simulator) -> None:
    path = f"/test_runs/{simulator.world.start(400_001, CREATED)}"
    for request, body in (
        (f"PATCH {path}", {"note": "why"}),
        (f"POST {path}/star", None),
        (f"POST {path}/save", None),
    ):
        change(simulator, request, body)
    noted = fetch_v6(simulator, path)
    change(simulator, f"POST {path}/unstar")
    change(simulator, f"POST {path}/unsave")
    plain = fetch_v6(simulator, path)

    assert (noted["note"], noted["is_starred"], noted["retention_expiry"]) == ("why", True, None)
    assert (plain["is_starred"], plain["retention_expiry"] is None) == (False, False)
    assert send(simulator, f"PATCH {path}", {"note": None}).status_code == 400


def test_distribution_is_known_once_the_run_runs(simulator: Simulator) -> None:
    path = f"/test_runs/{simulator.world.start(400_001, CREATED)}/distribution"
    early = send(simulator, f"GET {path}").status_code
    advance(simulator, 5)

    assert early == 404
    assert fetch_v6(simulator, path)["distribution"]["amazon:us:ashburn"]["percentage"] == 100


DAILY = {
    "frequency": "DAILY",
    "interval": 2,
    "byday": None,
    "until": "2020-08-30T00:00:00.000000Z",
    "count": None,
}


def set_schedule(simulator: Simulator, **body: object) -> dict[str, Any]:
    response = send(simulator, "POST /load_tests/400001/schedule", body)
    assert response.status_code == 200, response.text
    schedule: dict[str, Any] = response.json()
    assert_matches(SCHEDULE, schedule)
    return schedule


def test_schedule_replaces_the_one_before(simulator: Simulator) -> None:
    first = set_schedule(simulator, starts="2020-08-18T13:34:00Z")
    second = set_schedule(
        simulator,
        starts="2020-08-18T13:34:00+00:00",
        recurrence_rule={"frequency": "DAILY", "interval": 2, "until": "2020-08-30T00:00:00Z"},
    )

    assert (first["recurrence_rule"], first["cron"]) == (None, None)
    assert (second["recurrence_rule"], second["cron"]) == (DAILY, None)
    assert second["starts"] == second["next_run"] == "2020-08-18T13:34:00.000000Z"
    assert fetch_v6(simulator, "/load_tests/400001/schedule") == second
    assert fetch_v6(simulator, f"/schedules/{second['id']}") == second
    assert fetch_v6(simulator, "/schedules")["value"] == [second]


def test_scheduled_test_starts_runs_until_its_last_date(simulator: Simulator) -> None:
    set_schedule(simulator, starts="2020-08-18T13:34:00Z", recurrence_rule=DAILY)
    advance(simulator, 30 * 86_400)

    runs = fetch_v6(simulator, "/test_runs")["value"]

    assert [run["created"][:13] for run in runs] == [f"2020-08-{day}T13" for day in (18, 20, 22, 24, 26, 28)]
    assert {run["max_vus"] for run in runs} == {7}
    assert fetch_v6(simulator, "/schedules")["value"][0]["next_run"] is None


def test_schedule_that_began_in_the_past_starts_no_past_runs(simulator: Simulator) -> None:
    cron = {"schedule": "0 * * * *", "time_zone": "UTC"}
    hourly = set_schedule(simulator, starts="2020-01-01T00:00:00Z", cron=cron)
    daily = set_schedule(simulator, starts="2020-01-01T13:34:00Z", recurrence_rule={"frequency": "DAILY"})

    assert (hourly["starts"], hourly["cron"]) == ("2020-01-01T00:00:00.000000Z", cron)
    assert hourly["next_run"] == "2020-08-18T14:00:00.000000Z"
    assert daily["next_run"] == "2020-08-18T13:34:00.000000Z"
    assert fetch_v6(simulator, "/test_runs")["value"] == []


def test_schedule_can_be_deactivated_and_activated(simulator: Simulator) -> None:
    schedule = set_schedule(simulator, starts="2020-08-18T13:34:00Z", recurrence_rule={"frequency": "HOURLY"})
    path = f"/schedules/{schedule['id']}"
    change(simulator, f"POST {path}/deactivate")
    advance(simulator, 3600)
    silent = fetch_v6(simulator, "/test_runs")["value"]
    change(simulator, f"POST {path}/activate")
    advance(simulator, 3600)

    assert (silent, len(fetch_v6(simulator, "/test_runs")["value"])) == ([], 1)
    change(simulator, f"DELETE {path}")
    assert send(simulator, f"GET {path}").status_code == 404


def test_expired_schedule_cannot_be_activated(simulator: Simulator) -> None:
    path = f"/schedules/{set_schedule(simulator, starts='2020-08-18T13:34:00Z')['id']}"
    advance(simulator, 3600)

    change(simulator, f"POST {path}/deactivate")

    assert fetch_v6(simulator, path)["deactivated"] is False
    assert send(simulator, f"POST {path}/activate").status_code == 409


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"starts": "2020-08-18T13:34:00"},
        {"starts": "tomorrow"},
        {"starts": "2020-08-18T13:34:00Z", "recurrence_rule": {"frequency": "SECONDLY"}},
        {"starts": "2020-08-18T13:34:00Z", "recurrence_rule": {"frequency": "DAILY", "interval": 0}},
        {"starts": "2020-08-18T13:34:00Z", "recurrence_rule": {"frequency": "DAILY", "byday": ["MO"]}},
        {"starts": "2020-08-18T13:34:00Z", "recurrence_rule": {"frequency": "WEEKLY", "byday": ["XX"]}},
        {"starts": "2020-08-18T13:34:00Z", "recurrence_rule": {"frequency": "WEEKLY", "byday": [{}]}},
        {"starts": "2020-08-18T13:34:00Z", "recurrence_rule": "daily"},
        {"starts": "2020-08-18T13:34:00Z", "cron": {"schedule": "every day", "time_zone": "UTC"}},
        {"starts": "2020-08-18T13:34:00Z", "cron": {"schedule": "* * * * *"}},
        {
            "starts": "2020-08-18T13:34:00Z",
            "cron": {"schedule": "* * * * *", "time_zone": "UTC"},
            "recurrence_rule": {"frequency": "DAILY"},
        },
    ],
)
def test_invalid_schedule_is_refused(simulator: Simulator, body: object) -> None:
    response = send(simulator, "POST /load_tests/400001/schedule", body)

    assert response.status_code == 400, response.text
    assert_matches(ERROR, response.json())


def test_slot_can_be_missed_by_an_active_schedule() -> None:
    world = World()
    test_id = world.add_test("t", created=CREATED)
    every_third = world.schedule(
        test_id, every=10, first=CREATED, endings=[RunScript(), RunScript(), None], times=9
    )
    other = world.add_test("u", created=CREATED)
    schedule_id = world.schedule(other, every=10, first=CREATED)
    world.miss_slots(schedule_id, CREATED + 5)
    world.advance(CREATED + 25)
    world.miss_slots(schedule_id, CREATED + 25, missed=False)
    world.advance(CREATED + 100)

    created = [world.runs[run_id].created - CREATED for run_id in world.run_ids(test_id, CREATED + 100)]
    assert created == [0, 10, 30, 40, 60, 70]
    assert [world.runs[it].created - CREATED for it in world.run_ids(other, CREATED + 45)] == [0, 30, 40]
    assert not any(world.schedules[it].deactivated for it in (every_third, schedule_id))
