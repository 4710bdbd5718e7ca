"""The requests of the v6 API that act on the world: start, abort, and the upload of a test."""

import json
from email import message_from_bytes
from email.policy import HTTP

from exporter.simulator.http import Request, Response
from exporter.simulator.v6.errors import invalid, refused
from exporter.simulator.v6.run_object import cost, started_run_object
from exporter.simulator.v6.serializers import Serializer

_LONGEST_KEY = 36
_LONGEST_NAME = 300


def start_test(serializer: Serializer, request: Request, test_id: int) -> Response:
    """Answered with 200, not 201."""
    key = request.headers.get("k6-idempotency-key")
    if key is not None and not 1 <= len(key) <= _LONGEST_KEY:
        raise invalid("K6-Idempotency-Key", f"From 1 to {_LONGEST_KEY} characters.")
    run_id = serializer.world.start(serializer.stack.test(test_id).id, serializer.now, key=key)
    return Response(body=started_run_object(serializer, serializer.stack.run(run_id)))


def abort_run(serializer: Serializer, _: Request, run_id: int) -> Response:
    """A run can be aborted until its execution is over, so before it runs as well."""
    if serializer.stack.run(run_id).ended is not None:
        raise refused(409, "Cannot abort a test run that is not running")
    serializer.world.stop(run_id, serializer.now)
    return Response(204, raw=b"")


def validate_options(serializer: Serializer, request: Request, _: int) -> Response:
    """Every set of options is fine, and costs what a run of an uploaded test will."""
    try:
        told = json.loads(request.body)
    except ValueError:
        told = None
    if not isinstance(told, dict) or not isinstance(told.get("options"), dict):
        raise invalid("options", "An object is required.")
    project_id = told.get("project_id")
    if project_id is not None and project_id not in {it.id for it in serializer.stack.projects()}:
        raise invalid("project_id", "There is no such project.")
    plan = serializer.world.uploads
    usage = plan.vus * plan.planned_seconds / 3600
    breakdown = cost(usage, as_strings=serializer.options.cost_as_strings)["breakdown"]
    return Response(body={"vuh_usage": round(usage, 6), "breakdown": breakdown})


def create_test(serializer: Serializer, request: Request, project_id: int) -> Response:
    """A test whose runs do what the world has planned for uploads; its script is never read."""
    project = serializer.stack.project(project_id)
    name = _form(request).get("name", "")
    if not 1 <= len(name) <= _LONGEST_NAME:
        raise invalid("name", f"From 1 to {_LONGEST_NAME} characters.")
    if any(test.name == name for test in serializer.stack.tests(project.id)):
        raise refused(409, "A test with this name already exists in the project")
    test_id = serializer.world.add_test(
        name, project_id=project.id, created=serializer.now, plan=serializer.world.uploads
    )
    return Response(201, serializer.test(serializer.stack.test(test_id)))


def put_script(serializer: Serializer, request: Request, test_id: int) -> Response:
    """Nothing about the test changes by it, not even when it was updated."""
    serializer.stack.test(test_id)
    _demand(request, "application/octet-stream")
    if not request.body:
        raise invalid("script", "This field is required.")
    return Response(204, raw=b"")


def _form(request: Request) -> dict[str, str]:
    """The fields of a multipart form; what is in a file is of no interest."""
    content_type = _demand(request, "multipart/form-data")
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
    form = message_from_bytes(head + request.body, policy=HTTP)
    fields = {}
    for part in form.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(content, bytes) and part.get_filename() is None:
            fields[str(name)] = content.decode(errors="replace")
    return fields


def _demand(request: Request, content_type: str) -> str:
    """The content type of a request, which must be this one."""
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != content_type:
        raise refused(415, f"Send {content_type}")
    return given
