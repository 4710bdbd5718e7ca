"""Start, abort and upload over the v6 API, and the list of schedules."""

from collections.abc import Mapping

import httpx
import pytest

from exporter.simulator import Options, Phases, RunScript, Simulator, V6Options, World
from tests.support.simulator_client import CREATED, Clock, fetch_v6, send_v6, simulate
from tests.support.v6_schema import ERROR, LOAD_TEST, STARTED_TEST_RUN, VALIDATED_OPTIONS, assert_matches

SHORT_PLAN = RunScript(
    phases=Phases(created=2, validated=2, queued=2, initializing=2, running=10, processing=4)
)


def simulator_with(plan: RunScript = SHORT_PLAN) -> Simulator:
    """One test, 400001, whose runs follow the plan; a stop takes two seconds."""
    world = World(stop_delay=2)
    world.add_test("checkout", created=CREATED - 10, plan=plan)
    return simulate(world)


def post(simulator: Simulator, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
    return send_v6(simulator, path, method="POST", headers=headers)


def start(simulator: Simulator, key: str | None = None) -> int:
    headers = {} if key is None else {"K6-Idempotency-Key": key}
    run_id: int = post(simulator, "/load_tests/400001/start", headers).json()["id"]
    return run_id


def advance(simulator: Simulator, seconds: float) -> None:
    assert isinstance(simulator.clock, Clock)
    simulator.clock.now += seconds


def test_start_returns_a_created_run_and_its_url() -> None:
    response = post(simulator_with(), "/load_tests/400001/start")

    assert response.status_code == 200
    run = response.json()
    assert_matches(STARTED_TEST_RUN, run)
    assert (run["status"], run["result"], run["started_by"]) == ("created", None, "owner@example.com")
    assert run["test_run_details_page_url"] == f"https://simulated.grafana.net/a/k6-app/runs/{run['id']}"


def test_idempotency_key_is_valid_for_ten_minutes() -> None:
    simulator = simulator_with()
    first = start(simulator, "a")

    assert start(simulator, "a") == first
    assert start(simulator, "b") != first
    assert len({first, start(simulator), start(simulator)}) == 3
    advance(simulator, 599)
    assert start(simulator, "a") == first
    advance(simulator, 1)
    assert start(simulator, "a") != first


def test_idempotency_key_belongs_to_one_test_and_run() -> None:
    simulator = simulator_with()
    first = start(simulator, "a")
    other = simulator.world.add_test("other", created=CREATED)

    assert post(simulator, f"/load_tests/{other}/start", {"K6-Idempotency-Key": "a"}).json()["id"] != first
    simulator.world.delete_run(first)
    assert start(simulator, "a") != first


@pytest.mark.parametrize("key", ["", "x" * 37])
def test_invalid_idempotency_key_is_refused(key: str) -> None:
    simulator = simulator_with()

    response = post(simulator, "/load_tests/400001/start", {"K6-Idempotency-Key": key})

    assert response.status_code == 400
    assert_matches(ERROR, response.json())
    assert simulator.world.runs == {}


def test_abort_takes_effect_after_the_delay() -> None:
    simulator = simulator_with()
    run_id = start(simulator)
    advance(simulator, 9)

    response = post(simulator, f"/test_runs/{run_id}/abort")

    assert (response.status_code, response.content) == (204, b"")
    assert fetch_v6(simulator, f"/test_runs/{run_id}")["status"] == "running"
    advance(simulator, 2)
    run = fetch_v6(simulator, f"/test_runs/{run_id}")
    assert (run["status"], run["result"], run["execution_duration"]) == ("aborted", "error", 3)
    assert run["status_details"]["extra"] == {"by_user": "owner@example.com", "message": None, "code": None}


@pytest.mark.parametrize(
    ("age", "status"), [(0, 204), (5, 204), (7, 204), (9, 204), (18, 409), (21, 409), (99, 409)]
)
def test_run_can_be_aborted_until_its_execution_ends(age: float, status: int) -> None:
    simulator = simulator_with()
    run_id = start(simulator)
    advance(simulator, age)

    assert post(simulator, f"/test_runs/{run_id}/abort").status_code == status


def test_aborted_run_cannot_be_aborted_again() -> None:
    simulator = simulator_with()
    run_id = start(simulator)
    assert [post(simulator, f"/test_runs/{run_id}/abort").status_code for _ in "ab"] == [204, 204]
    advance(simulator, 2)

    assert post(simulator, f"/test_runs/{run_id}/abort").status_code == 409


BOUNDARY = "c0ffee"
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def form(name: str | None, script: bytes = b"export default () => {}") -> bytes:
    parts = [
        b'Content-Disposition: form-data; name="script"; filename="archive.tar"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n" + script
    ]
    if name is not None:
        parts.insert(0, b'Content-Disposition: form-data; name="name"\r\n\r\n' + name.encode())
    body = b"".join(b"--%s\r\n%s\r\n" % (BOUNDARY.encode(), part) for part in parts)
    return body + b"--%s--\r\n" % BOUNDARY.encode()


def upload(simulator: Simulator, name: str | None, script: bytes = b"x") -> httpx.Response:
    return send_v6(
        simulator,
        "/projects/30001/load_tests",
        method="POST",
        headers=MULTIPART,
        content=form(name, script),
    )


def test_uploaded_test_can_be_started() -> None:
    simulator = simulate(World())

    response = upload(simulator, "größe", bytes(range(256)) * 100)

    assert response.status_code == 201
    assert_matches(LOAD_TEST, response.json())
    test = response.json()
    assert (test["name"], test["project_id"]) == ("größe", 30_001)
    assert fetch_v6(simulator, "/projects/30001/load_tests", {"name": "größe"})["value"] == [test]
    run_id = post(simulator, f"/load_tests/{test['id']}/start").json()["id"]
    advance(simulator, 10)
    assert fetch_v6(simulator, f"/test_runs/{run_id}")["result"] == "passed"


@pytest.mark.parametrize(
    ("name", "status"), [("checkout", 409), ("", 400), (None, 400), ("x" * 301, 400), ("x" * 300, 201)]
)
def test_name_of_an_upload_is_validated(name: str | None, status: int) -> None:
    assert upload(simulator_with(), name).status_code == status


def test_name_may_exist_in_another_project() -> None:
    simulator = simulate(World())
    simulator.world.add_test("t", project_id=simulator.world.add_project("shop"), created=CREATED)

    assert upload(simulator, "t").status_code == 201


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/octet-stream", b"export default () => {}", 204),
        ("application/octet-stream", b"", 400),
        ("application/json", b"{}", 415),
    ],
)
def test_put_script_does_not_change_the_test(content_type: str, body: bytes, status: int) -> None:
    simulator = simulator_with()
    before = fetch_v6(simulator, "/load_tests/400001")
    advance(simulator, 60)

    response = send_v6(
        simulator,
        "/load_tests/400001/script",
        method="PUT",
        headers={"Content-Type": content_type},
        content=body,
    )

    assert response.status_code == status
    assert fetch_v6(simulator, "/load_tests/400001") == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"options": {"vus": 10}}, 200),
        ({"options": {"cloud": {"projectID": 30_001}}, "project_id": 30_001}, 200),
        ({"options": {}, "project_id": 1}, 400),
        ({"options": None}, 400),
        ({}, 400),
        ([], 400),
        (None, 400),
    ],
)
def test_options_are_validated(body: object, status: int) -> None:
    response = send_v6(simulate(World()), "/validate_options", method="POST", json=body)

    assert response.status_code == status
    assert_matches(VALIDATED_OPTIONS if status == 200 else ERROR, response.json())


DAY = 86_400.0


def test_schedules_have_rules_and_next_runs() -> None:
    world = World()
    nightly, hourly, frequent = (world.add_test(name, created=CREATED - 9) for name in "abc")
    world.schedule(nightly, every=DAY, first=CREATED - 3 * DAY - 1)
    world.schedule(hourly, every=7200, first=CREATED + 60, times=5)
    world.schedule(frequent, every=50, first=CREATED - 100)
    simulator = simulate(world, options=Options(v6=V6Options(microseconds=False)))

    first, second, third = fetch_v6(simulator, "/schedules")["value"]

    assert first == {
        "id": 60_001,
        "load_test_id": nightly,
        "starts": "2020-08-15T13:33:40Z",
        "recurrence_rule": {
            "frequency": "DAILY",
            "interval": 1,
            "byday": None,
            "until": None,
            "count": None,
        },
        "cron": None,
        "deactivated": False,
        "next_run": "2020-08-19T13:33:40Z",
        "created_by": "owner@example.com",
    }
    assert second["recurrence_rule"] == first["recurrence_rule"] | {
        "frequency": "HOURLY",
        "interval": 2,
        "count": 5,
    }
    assert (second["starts"], second["next_run"]) == ("2020-08-18T13:34:41Z", "2020-08-18T13:34:41Z")
    # k6 Cloud has no rule for such short intervals, but the time is correct.
    assert third["cron"] == {"schedule": "*/1 * * * *", "time_zone": "UTC"}
    assert (third["recurrence_rule"], third["next_run"]) == (None, "2020-08-18T13:34:31Z")


def test_ended_and_deactivated_schedules_are_listed() -> None:
    world = World()
    once, halted = world.add_test("once"), world.add_test("halted")
    world.schedule(once, every=DAY, first=CREATED, times=1)
    world.deactivate_schedule(world.schedule(halted, every=60, first=CREATED), CREATED - 1)
    simulator = simulate(world)

    first, second = fetch_v6(simulator, "/schedules")["value"]

    assert (first["next_run"], first["deactivated"]) == (None, False)
    assert (second["next_run"], second["deactivated"]) == ("2020-08-18T13:34:41.000000Z", True)
    assert [run["test_id"] for run in fetch_v6(simulator, "/test_runs")["value"]] == [once]


def test_scheduled_run_has_no_user() -> None:
    world = World()
    world.schedule(world.add_test("t"), every=60, first=CREATED)

    [run] = fetch_v6(simulate(world), "/test_runs")["value"]

    assert run["started_by"] is None
