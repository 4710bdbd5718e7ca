"""The requests of the v6 API about single runs, beyond reading one: start, abort, notes, stars, script."""

from dataclasses import replace

from exporter.simulator.http import HTTPError, Request, Response, invalid, not_found
from exporter.simulator.runs import Phase
from exporter.simulator.scripts import parse_options
from exporter.simulator.v6.bodies import parse_object
from exporter.simulator.v6.run_serializer import serialize_cost, serialize_run
from exporter.simulator.v6.script_response import make_script_response
from exporter.simulator.v6.stack import Stack

# Characters of a UUID in its text form.
_MAX_KEY_LENGTH = 36


def start_test(stack: Stack, request: Request, test_id: int) -> Response:
    """Answered with 200, not 201: the run, and the URL of its page."""
    key = request.headers.get("k6-idempotency-key")
    if key is not None and not 1 <= len(key) <= _MAX_KEY_LENGTH:
        raise invalid("K6-Idempotency-Key", f"From 1 to {_MAX_KEY_LENGTH} characters.")
    run_id = stack.world.start(stack.test(test_id).id, stack.now, key=key)
    page = f"{stack.options.stack_url.rstrip('/')}/a/k6-app/runs/{run_id}"
    return Response(body=serialize_run(stack, stack.run(run_id)) | {"test_run_details_page_url": page})


def abort_run(stack: Stack, _: Request, run_id: int) -> Response:
    """A run can be aborted until its execution ends, so also before it runs."""
    if stack.run(run_id).ended is not None:
        raise HTTPError(409, "Cannot abort a test run that is not running")
    stack.world.stop(run_id, stack.now)
    return Response(204, raw=b"")


def patch_run(stack: Stack, request: Request, run_id: int) -> Response:
    run = stack.run(run_id).run
    note = parse_object(request).get("note")
    if not isinstance(note, str):
        raise invalid("note", "This field is required.")
    stack.world.update_run(run_id, plan=replace(run.plan, note=note))
    return Response(204, raw=b"")


def delete_run(stack: Stack, _: Request, run_id: int) -> Response:
    if stack.run(run_id).finished is None:
        raise HTTPError(409, "Cannot delete a test run that is running")
    stack.world.delete_run(run_id)
    return Response(204, raw=b"")


def star_run(stack: Stack, request: Request, run_id: int) -> Response:
    stack.world.update_run(stack.run(run_id).id, starred=not request.path.endswith("/unstar"))
    return Response(204, raw=b"")


def save_run(stack: Stack, request: Request, run_id: int) -> Response:
    """The results of a saved run do not expire."""
    stack.world.update_run(stack.run(run_id).id, saved=not request.path.endswith("/unsave"))
    return Response(204, raw=b"")


def read_run_script(stack: Stack, request: Request, run_id: int) -> Response:
    run = stack.run(run_id).run
    return make_script_response(request, run.script, run.plan)


def read_distribution(stack: Stack, _: Request, run_id: int) -> Response:
    """The load generators of a run, once there are any."""
    if all(step.phase is not Phase.RUNNING for step in stack.run(run_id).history):
        raise not_found()
    zone = {"percentage": 100, "nodes": [{"size": "m5.large", "public_ip": "192.0.2.1"}]}
    return Response(body={"distribution": {"amazon:us:ashburn": zone}})


def validate_options(stack: Stack, request: Request, _: int) -> Response:
    """Every set of options is valid, and costs as much as a run of a script with these options."""
    body = parse_object(request)
    options = body.get("options")
    if not isinstance(options, dict):
        raise invalid("options", "An object is required.")
    project_id = body.get("project_id")
    if project_id is not None and project_id not in {it.id for it in stack.projects()}:
        raise invalid("project_id", "There is no such project.")
    vus, seconds = parse_options(options)
    cost = serialize_cost(vus * seconds / stack.world.speed / 3600)
    return Response(body={"vuh_usage": cost["total_vuh"], "breakdown": cost["breakdown"]})
