"""The requests of the v6 API about projects beyond reading them: changes, limits, labels, load zones."""

from dataclasses import asdict, fields, replace

from exporter.simulator.http import HTTPError, Item, Request, Response, invalid, not_found, parse_integer
from exporter.simulator.v6.bodies import get_ids, get_name, get_nullable_integer, parse_object
from exporter.simulator.v6.pages import make_page
from exporter.simulator.v6.serializers import LOAD_ZONES, serialize_project
from exporter.simulator.v6.stack import Stack
from exporter.simulator.world import Limits, Project

_MAX_NAME_LENGTH = 255
_MAX_PROJECTS = 1000
_MAX_IDS = 30  # of `project_id_in`


def create_project(stack: Stack, request: Request, _: int) -> Response:
    name = get_name(parse_object(request), _MAX_NAME_LENGTH)
    _require_free_name(stack, name)
    if len(stack.projects()) >= _MAX_PROJECTS:
        raise HTTPError(409, f"There are {_MAX_PROJECTS} projects already")
    organization_id = stack.world.default_organization_id
    project_id = stack.world.add_project(name, organization_id=organization_id, created=stack.now)
    project = stack.world.projects[project_id]
    return Response(201, serialize_project(stack, project))


def patch_project(stack: Stack, request: Request, project_id: int) -> Response:
    project, name = stack.project(project_id), get_name(parse_object(request), _MAX_NAME_LENGTH)
    if name != project.name:
        _require_free_name(stack, name)
    stack.world.update_project(project_id, stack.now, name=name)
    return Response(204, raw=b"")


def delete_project(stack: Stack, _: Request, project_id: int) -> Response:
    """Refused for the default project: no document says what happens to it."""
    if stack.project(project_id).is_default:
        raise HTTPError(409, "Cannot delete the default project")
    if any(stack.is_running(test.id) for test in stack.tests(project_id)):
        raise HTTPError(409, "Cannot delete a project with a running test")
    stack.world.delete_project(project_id)
    return Response(204, raw=b"")


def list_labels(stack: Stack, _: Request, project_id: int) -> Response:
    labels = stack.project(project_id).labels
    return Response(body={"value": [{"key": key, "value": value} for key, value in labels.items()]})


def list_limits(stack: Stack, request: Request, _: int) -> Response:
    """The limits of all projects, or of those in the list of ids."""
    text = request.value("project_id_in")
    ids = None if text is None else [parse_integer(part) for part in text.split(",")]
    if ids is not None and (None in ids or len(ids) > _MAX_IDS):
        raise invalid("project_id_in", f"At most {_MAX_IDS} integers, separated by commas.")
    projects = [project for project in stack.projects() if ids is None or project.id in ids]
    return make_page(stack, request, projects, _serialize_limits)


def read_limits(stack: Stack, _: Request, project_id: int) -> Response:
    return Response(body=_serialize_limits(stack, stack.project(project_id)))


def patch_limits(stack: Stack, request: Request, project_id: int) -> Response:
    """Null removes a limit; a limit that is not named stays."""
    project, body = stack.project(project_id), parse_object(request)
    names = [limit.name for limit in fields(Limits) if limit.name in body]
    changes = {name: get_nullable_integer(body, name) for name in names}
    stack.world.update_project(project_id, stack.now, limits=replace(project.limits, **changes))
    return Response(204, raw=b"")


def list_load_zones(_: Stack, request: Request, __: int) -> Response:
    """The only long list without pages."""
    k6_id = request.value("k6_load_zone_id")
    return Response(body={"value": [it for it in LOAD_ZONES if k6_id in (None, it["k6_load_zone_id"])]})


def list_allowed_load_zones(stack: Stack, _: Request, project_id: int) -> Response:
    """The private load zones that the project may use; it may always use the public ones."""
    allowed = stack.project(project_id).load_zone_ids
    return Response(body={"value": [zone for zone in _PRIVATE_ZONES.values() if zone["id"] in allowed]})


def put_allowed_load_zones(stack: Stack, request: Request, project_id: int) -> Response:
    stack.project(project_id)
    ids = get_ids(parse_object(request))
    if not set(ids) <= set(_PRIVATE_ZONES):
        raise invalid("value", "There is no such private load zone.")
    stack.world.update_project(project_id, stack.now, load_zone_ids=ids)
    return list_allowed_load_zones(stack.reload(), request, project_id)


def list_allowed_projects(stack: Stack, _: Request, zone_id: int) -> Response:
    if zone_id not in _PRIVATE_ZONES:
        raise not_found()
    allowed = [project for project in stack.projects() if zone_id in project.load_zone_ids]
    return Response(body={"value": [{"id": project.id, "name": project.name} for project in allowed]})


def put_allowed_projects(stack: Stack, request: Request, zone_id: int) -> Response:
    if zone_id not in _PRIVATE_ZONES:
        raise not_found()
    ids, projects = get_ids(parse_object(request)), stack.projects()
    if not set(ids) <= {project.id for project in projects}:
        raise invalid("value", "There is no such project.")
    for project in projects:
        zones = {*project.load_zone_ids} - {zone_id} | ({zone_id} if project.id in ids else set())
        stack.world.update_project(project.id, stack.now, load_zone_ids=tuple(sorted(zones)))
    return list_allowed_projects(stack.reload(), request, zone_id)


_PRIVATE_ZONES = {zone["id"]: zone for zone in LOAD_ZONES if not zone["public"]}


def _serialize_limits(_: Stack, project: Project) -> Item:
    return {"project_id": project.id, **asdict(project.limits)}


def _require_free_name(stack: Stack, name: str) -> None:
    if any(project.name == name for project in stack.projects()):
        raise HTTPError(409, "A project with this name already exists")
