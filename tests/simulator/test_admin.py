"""The control paths of the simulator: no token needed, and not recorded."""

from typing import Any

import pytest

from exporter.simulator import Phases, Simulator, World
from tests.support.simulator_client import CREATED, send, simulate


@pytest.fixture
def simulator() -> Simulator:
    world = World()
    test_id = world.add_test("checkout", created=CREATED)
    phases = Phases(created=1, validated=1, queued=1, initializing=1, running=10)
    world.add_run(test_id, created=CREATED, failed=True, phases=phases, vus=20, duration=10)
    return simulate(world, now=CREATED + 4)


def control(simulator: Simulator, method: str, path: str, json: object = None) -> tuple[int, Any]:
    response = send(simulator, f"/simulator/{path}", method=method, authorization=None, json=json)
    return response.status_code, response.json()


def get_status_without_control(simulator: Simulator) -> int:
    return send(simulator, "/v3/organizations").status_code


def test_faults_can_be_put_and_deleted(simulator: Simulator) -> None:
    fault = {"kind": "error", "status": 503, "retry_after": 2, "path": "/v3/*", "method": "GET", "times": 5}

    assert control(simulator, "PUT", "faults", [fault, {"kind": "hang", "path": "/nowhere"}]) == (
        200,
        {"faults": 2},
    )
    assert get_status_without_control(simulator) == 503
    assert control(simulator, "PUT", "faults", [{"kind": "empty_body"}]) == (200, {"faults": 1})
    assert get_status_without_control(simulator) == 200
    assert control(simulator, "DELETE", "faults") == (200, {"faults": 0})


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "faults must be a list of objects"),
        ([1], "faults must be a list of objects"),
        ([{"kind": "plague"}], "the kind of a fault must be one of error, redirect, "),
        ([{"kind": "hang", "colour": "red"}], "unexpected keyword argument 'colour'"),
        ([{"kind": "error"}], "missing 1 required positional argument: 'status'"),
        ([{"kind": "hang", "times": "three"}], "times: 'three' is not an integer"),
        ([{"kind": "hang", "path": 3}], "path: 3 is not a string"),
    ],
)
def test_invalid_faults_are_refused_with_the_reason(simulator: Simulator, body: object, why: str) -> None:
    control(simulator, "PUT", "faults", [{"kind": "hang", "path": "/nowhere"}])

    status, response = control(simulator, "PUT", "faults", body)

    assert status == 400
    assert why in response["error"]
    assert len(simulator.faults) == 1


def test_state_shows_every_run(simulator: Simulator) -> None:
    assert control(simulator, "GET", "state") == (
        200,
        {
            "now": CREATED + 4,
            "tests": [{"id": 400_001, "name": "checkout", "project_id": 30_001}],
            "runs": [
                {
                    "id": 5_000_001,
                    "test_id": 400_001,
                    "phase": "running",
                    "run_status": 2,
                    "processing_status": 0,
                    "result": None,
                    "created": CREATED,
                    "started": CREATED + 4,
                    "ended": None,
                    "finished": None,
                    "vus": 20,
                    "duration": 10,
                    "stopped_by": None,
                    "history": [
                        {"phase": "created", "entered": CREATED},
                        {"phase": "validated", "entered": CREATED + 1},
                        {"phase": "queued", "entered": CREATED + 2},
                        {"phase": "initializing", "entered": CREATED + 3},
                        {"phase": "running", "entered": CREATED + 4},
                    ],
                }
            ],
        },
    )


def test_tokens_can_be_replaced(simulator: Simulator) -> None:
    assert control(simulator, "POST", "token", {"tokens": ["another"]}) == (200, {"tokens": 1})
    assert get_status_without_control(simulator) == 401
    assert send(simulator, "/v3/organizations", authorization="Token another").status_code == 200
    assert control(simulator, "POST", "token", {"tokens": "another"})[0] == 400


def test_control_requests_are_not_recorded_and_meet_no_fault(simulator: Simulator) -> None:
    control(simulator, "PUT", "faults", [{"kind": "error", "status": 500}])
    control(simulator, "GET", "state")

    assert control(simulator, "GET", "nothing")[0] == 404
    assert simulator.requests == []


def test_schedule_can_miss_its_slots(simulator: Simulator) -> None:
    world = simulator.world
    schedule_id = world.schedule(next(iter(world.tests)), every=10, first=CREATED + 10)

    assert control(simulator, "PUT", f"schedules/{schedule_id}", {"misses_slots": True}) == (
        200,
        {"misses_slots": True},
    )
    world.advance(CREATED + 35)
    missed = len(world.runs)
    world.miss_slots(schedule_id, CREATED + 35, missed=False)
    world.advance(CREATED + 45)

    assert (missed, len(world.runs)) == (1, 2)


@pytest.mark.parametrize(("path", "body", "status"), [("1", {"misses_slots": True}, 404), ("60001", {}, 400)])
def test_invalid_change_of_a_schedule_is_refused(
    simulator: Simulator, path: str, body: object, status: int
) -> None:
    assert control(simulator, "PUT", f"schedules/{path}", body)[0] == status
