"""The control paths `/simulator/...` of a simulator in another process; k6 Cloud has no such thing.

PUT /simulator/faults: a list of faults that replaces the active ones (see `faults.from_json`).
DELETE /simulator/faults: no more faults.
POST /simulator/token: `{"tokens": ["a", "b"]}`, the only accepted tokens from now on.
PUT /simulator/schedules/{id}: `{"misses_slots": true}`, no run starts although the schedule is active.
GET /simulator/state: every test and run as it is in the world; times in Unix seconds.
"""

import json
from collections.abc import Mapping

from exporter.simulator import faults
from exporter.simulator.http import Item, Request, Response
from exporter.simulator.runs import RunState
from exporter.simulator.world import World

_SCHEDULES = "/simulator/schedules/"


def handle(request: Request, world: World, active: faults.Faults, tokens: set[str]) -> Response:
    """Execute a control request; a 400 response has the reason of a failure."""
    try:
        match request.method, request.path:
            case "PUT" | "DELETE", "/simulator/faults":
                # Parsed before the old ones are removed: a wrong request must change nothing.
                new = faults.from_json(json.loads(request.body)) if request.method == "PUT" else []
                active.clear()
                active.add(*new)
                return Response(body={"faults": len(active)})
            case "POST", "/simulator/token":
                accepted = _parse_tokens(json.loads(request.body))
                tokens.clear()
                tokens.update(accepted)
                return Response(body={"tokens": len(tokens)})
            case "PUT", path if path.startswith(_SCHEDULES):
                return _change_schedule(path, json.loads(request.body), world, request.at)
            case "GET", "/simulator/state":
                return Response(body=dump_state(world, request.at))
    except ValueError as error:
        return Response(400, {"error": str(error)})
    return Response(404, {"error": f"no {request.method} {request.path} here"})


def dump_state(world: World, now: float) -> Item:
    """Everything that exists at that time, in the simulator's own terms."""
    world.advance(now)
    tests = [
        {"id": test.id, "name": test.name, "project_id": test.project_id} for test in world.tests.values()
    ]
    runs = [_dump_run(run.at(now)) for run in world.runs.values() if run.created <= now]
    return {"now": now, "tests": tests, "runs": runs}


def _dump_run(state: RunState) -> Item:
    names = ("id", "test_id", "phase", "result", "created", "started", "ended", "finished", "stopped_by")
    return {name: getattr(state, name) for name in names} | {
        "run_status": state.status,
        "processing_status": state.processing,
        "vus": state.run.plan.vus,
        "duration": state.run.plan.planned_seconds,
        "history": [{"phase": step.phase, "entered": step.entered} for step in state.history],
    }


def _change_schedule(path: str, body: object, world: World, now: float) -> Response:
    missed = body.get("misses_slots") if isinstance(body, Mapping) else None
    if not isinstance(missed, bool):
        raise ValueError('the body must be {"misses_slots": true} or {"misses_slots": false}')
    text = path.removeprefix(_SCHEDULES)
    if not text.isdecimal() or int(text) not in world.schedules:
        return Response(404, {"error": f"no schedule {text}"})
    world.miss_slots(int(text), now, missed=missed)
    return Response(body={"misses_slots": missed})


def _parse_tokens(body: object) -> set[str]:
    tokens = body.get("tokens") if isinstance(body, Mapping) else None
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ValueError('the body must be {"tokens": ["a", "b"]}')
    return set(tokens)
