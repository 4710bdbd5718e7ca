"""The requests of the v6 API that create, change and delete tests, and their scripts."""

from exporter.simulator.http import HTTPError, Request, Response, invalid, parse_integer
from exporter.simulator.v6.bodies import (
    get_id,
    get_name,
    get_nullable_integer,
    parse_form,
    parse_object,
    parse_uploaded_script,
    require_content_type,
)
from exporter.simulator.v6.script_response import make_script_response
from exporter.simulator.v6.serializers import serialize_test
from exporter.simulator.v6.stack import Stack

_MAX_NAME_LENGTH = 300


def create_test(stack: Stack, request: Request, project_id: int) -> Response:
    """A test whose runs follow its script, as far as it is understood."""
    project = stack.project(project_id)
    parts = parse_form(request)
    name = get_name({"name": parts.get("name", b"").decode(errors="replace")}, _MAX_NAME_LENGTH)
    script = parse_uploaded_script(parts.get("script", b""))
    # k6 relies on this status: it then finds the test by its name and replaces the script.
    _require_free_name(stack, project.id, name)
    test_id = stack.world.add_test(name, project_id=project.id, created=stack.now)
    stack.world.upload_script(test_id, script)
    if (version := parse_integer(parts.get("k6_version", b"").decode(errors="replace"))) is not None:
        stack.world.update_test(test_id, stack.now, k6_version=version)
    return Response(201, serialize_test(stack, stack.test(test_id)))


def patch_test(stack: Stack, request: Request, test_id: int) -> Response:
    test, body = stack.test(test_id), parse_object(request)
    changes: dict[str, object] = {}
    if "name" in body:
        changes["name"] = name = get_name(body, _MAX_NAME_LENGTH)
        if name != test.name:
            _require_free_name(stack, test.project_id, name)
    if "baseline_test_run_id" in body:
        run_id = get_nullable_integer(body, "baseline_test_run_id")
        if run_id is not None and run_id not in stack.world.run_ids(test_id, stack.now):
            raise invalid("baseline_test_run_id", "There is no such run of this test.")
        changes["baseline_run_id"] = run_id
    if "k6_version" in body:
        changes["k6_version"] = get_nullable_integer(body, "k6_version")
    stack.world.update_test(test_id, stack.now, **changes)
    return Response(204, raw=b"")


def delete_test(stack: Stack, _: Request, test_id: int) -> Response:
    stack.test(test_id)
    if stack.is_running(test_id):
        raise HTTPError(409, "Cannot delete a test while it is running")
    stack.world.delete_test(test_id)
    return Response(204, raw=b"")


def move_test(stack: Stack, request: Request, test_id: int) -> Response:
    """The runs of the test move with it."""
    test, project_id = stack.test(test_id), get_id(parse_object(request), "project_id")
    if project_id not in {it.id for it in stack.projects()}:
        raise invalid("project_id", "There is no such project.")
    if project_id != test.project_id:
        _require_free_name(stack, project_id, test.name)
    stack.world.update_test(test_id, stack.now, project_id=project_id)
    return Response(204, raw=b"")


def read_script(stack: Stack, request: Request, test_id: int) -> Response:
    test = stack.test(test_id)
    return make_script_response(request, test.script, stack.world.describe_plan(test_id))


def put_script(stack: Stack, request: Request, test_id: int) -> Response:
    """Changes the runs that start from now on; the test stays as it is, even the time of its update."""
    stack.test(test_id)
    require_content_type(request, "application/octet-stream")
    stack.world.upload_script(test_id, parse_uploaded_script(request.body))
    return Response(204, raw=b"")


def _require_free_name(stack: Stack, project_id: int, name: str) -> None:
    if any(test.name == name for test in stack.tests(project_id)):
        raise HTTPError(409, "A test with this name already exists in the project")
