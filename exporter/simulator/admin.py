"""The back door `/simulator/...` to a simulator in another process; k6 Cloud has no such thing.

PUT /simulator/faults: a list of faults to put in force in place of the present ones (see `faults.from_json`).
DELETE /simulator/faults: no more faults.
POST /simulator/token: `{"tokens": ["a", "b"]}`, the only ones let in from now on.
GET /simulator/state: every test and every run as it really is; moments in Unix seconds.
"""

import json
from collections.abc import Mapping
from typing import Protocol

from exporter.simulator import faults
from exporter.simulator.http import Item, Request, Response
from exporter.simulator.runs import RunState
from exporter.simulator.world import World


class Controlled(Protocol):
    """What of a simulator can be reached by the back door."""

    world: World
    tokens: set[str]
    faults: faults.Faults


def control(request: Request, simulator: Controlled) -> Response:
    """Do what is asked; 400 says why not."""
    try:
        match request.method, request.path:
            case "PUT", "/simulator/faults":
                put = faults.from_json(_json(request))
                simulator.faults.clear()
                simulator.faults.add(*put)
                return Response(body={"faults": len(simulator.faults)})
            case "DELETE", "/simulator/faults":
                simulator.faults.clear()
                return Response(body={"faults": 0})
            case "POST", "/simulator/token":
                simulator.tokens = _tokens(_json(request))
                return Response(body={"tokens": len(simulator.tokens)})
            case "GET", "/simulator/state":
                return Response(body=dump_state(simulator.world, request.at))
    except ValueError as wrong:
        return Response(400, {"error": str(wrong)})
    return Response(404, {"error": f"no {request.method} {request.path} here"})


def dump_state(world: World, now: float) -> Item:
    """Everything that exists at that moment, in no API's words."""
    world.advance(now)
    tests = [
        {"id": test.id, "name": test.name, "project_id": test.project_id} for test in world.tests.values()
    ]
    runs = [_truth_of(run.at(now)) for run in world.runs.values() if run.created <= now]
    return {"now": now, "tests": tests, "runs": runs}


def _truth_of(state: RunState) -> Item:
    return {
        "id": state.id,
        "test_id": state.test_id,
        "phase": state.phase,
        "run_status": state.status,
        "processing_status": state.processing,
        "result": state.result,
        "created": state.created,
        "started": state.started,
        "ended": state.ended,
        "finished": state.finished,
        "vus": state.run.plan.vus,
        "duration": state.run.plan.planned_seconds,
        "stopped_by": state.stopped_by,
        "history": [{"phase": step.phase, "entered": step.entered} for step in state.history],
    }


def _json(request: Request) -> object:
    told: object = json.loads(request.body)
    return told


def _tokens(told: object) -> set[str]:
    tokens = told.get("tokens") if isinstance(told, Mapping) else None
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ValueError('tokens are told as {"tokens": ["a", "b"]}')
    return set(tokens)
