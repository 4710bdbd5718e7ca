"""The requests of the v6 API that change the world: start, abort, and the upload of a test."""

import json
from email import message_from_bytes
from email.policy import HTTP

from exporter.simulator.http import HTTPError, Request, Response, invalid
from exporter.simulator.v6.run_serializer import serialize_cost, serialize_run
from exporter.simulator.v6.serializers import serialize_test
from exporter.simulator.v6.stack import Stack
from exporter.simulator.world import UPLOAD_PLAN

# Characters of a UUID in its text form.
_MAX_KEY_LENGTH = 36
_MAX_NAME_LENGTH = 300


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


def validate_options(stack: Stack, request: Request, _: int) -> Response:
    """Every set of options is valid, and costs as much as a run of an uploaded test."""
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    if not isinstance(body, dict) or not isinstance(body.get("options"), dict):
        raise invalid("options", "An object is required.")
    project_id = body.get("project_id")
    if project_id is not None and project_id not in {it.id for it in stack.projects()}:
        raise invalid("project_id", "There is no such project.")
    vuh = UPLOAD_PLAN.vus * UPLOAD_PLAN.planned_seconds / 3600
    breakdown = serialize_cost(vuh)["breakdown"]
    return Response(body={"vuh_usage": round(vuh, 6), "breakdown": breakdown})


def create_test(stack: Stack, request: Request, project_id: int) -> Response:
    """A test whose runs follow the plan for uploads. Its script is never read."""
    project = stack.project(project_id)
    name = _parse_form(request).get("name", "")
    if not 1 <= len(name) <= _MAX_NAME_LENGTH:
        raise invalid("name", f"From 1 to {_MAX_NAME_LENGTH} characters.")
    if any(test.name == name for test in stack.tests(project.id)):
        # k6 relies on this status: it then finds the test by its name and replaces the script.
        raise HTTPError(409, "A test with this name already exists in the project")
    test_id = stack.world.add_test(name, project_id=project.id, created=stack.now, plan=UPLOAD_PLAN)
    return Response(201, serialize_test(stack, stack.test(test_id)))


def put_script(stack: Stack, request: Request, test_id: int) -> Response:
    """Changes nothing about the test, not even the time of its update."""
    stack.test(test_id)
    _require_content_type(request, "application/octet-stream")
    if not request.body:
        raise invalid("script", "This field is required.")
    return Response(204, raw=b"")


def _parse_form(request: Request) -> dict[str, str]:
    """The fields of a multipart form, without its files."""
    content_type = _require_content_type(request, "multipart/form-data")
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
    form = message_from_bytes(head + request.body, policy=HTTP)
    fields = {}
    for part in form.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(content, bytes) and part.get_filename() is None:
            fields[str(name)] = content.decode(errors="replace")
    return fields


def _require_content_type(request: Request, content_type: str) -> str:
    """The Content-Type header, with its parameters; 415 if it is another type."""
    header = request.headers.get("content-type", "")
    if header.partition(";")[0].strip().lower() != content_type:
        raise HTTPError(415, f"Send {content_type}")
    return header
