"""What can be done to a simulator over HTTP, without a token and without a trace."""

from typing import Any

import pytest

from exporter.simulator import Phases, Simulator, World
from tests.support.simulator_client import CREATED, ask, simulate


@pytest.fixture
def simulator() -> Simulator:
    world = World()
    test_id = world.add_test("checkout", created=CREATED)
    phases = Phases(created=1, validated=1, queued=1, initializing=1, running=10)
    world.add_run(test_id, created=CREATED, failed=True, phases=phases, vus=20, duration=10)
    return simulate(world, now=CREATED + 4)


def knock(simulator: Simulator, method: str, path: str, json: object = None) -> tuple[int, Any]:
    answer = ask(simulator, f"/simulator/{path}", method=method, authorization=None, json=json)
    return answer.status_code, answer.json()


def status_of_an_honest_request(simulator: Simulator) -> int:
    return ask(simulator, "/v3/organizations").status_code


def test_faults_can_be_put_and_deleted(simulator: Simulator) -> None:
    fault = {"kind": "error", "status": 503, "retry_after": 2, "path": "/v3/*", "method": "GET", "times": 5}

    assert knock(simulator, "PUT", "faults", [fault, {"kind": "hang", "path": "/nowhere"}]) == (
        200,
        {"faults": 2},
    )
    assert status_of_an_honest_request(simulator) == 503
    assert knock(simulator, "PUT", "faults", [{"kind": "empty_body"}]) == (200, {"faults": 1})
    assert status_of_an_honest_request(simulator) == 200
    assert knock(simulator, "DELETE", "faults") == (200, {"faults": 0})


@pytest.mark.parametrize(
    ("told", "why"),
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
def test_a_fault_that_makes_no_sense_is_refused_with_the_reason(
    simulator: Simulator, told: object, why: str
) -> None:
    knock(simulator, "PUT", "faults", [{"kind": "hang", "path": "/nowhere"}])

    status, answer = knock(simulator, "PUT", "faults", told)

    assert status == 400
    assert why in answer["error"]
    assert len(simulator.faults) == 1


def test_the_truth_is_what_every_run_really_is_now(simulator: Simulator) -> None:
    assert knock(simulator, "GET", "state") == (
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
    assert knock(simulator, "POST", "token", {"tokens": ["another"]}) == (200, {"tokens": 1})
    assert status_of_an_honest_request(simulator) == 401
    assert ask(simulator, "/v3/organizations", authorization="Token another").status_code == 200
    assert knock(simulator, "POST", "token", {"tokens": "another"})[0] == 400


def test_the_back_door_leaves_no_trace_and_suffers_no_fault(simulator: Simulator) -> None:
    knock(simulator, "PUT", "faults", [{"kind": "error", "status": 500}])
    knock(simulator, "GET", "state")

    assert knock(simulator, "GET", "nothing")[0] == 404
    assert simulator.requests == []
