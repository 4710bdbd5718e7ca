"""The endpoints of the v6 API that read, and the table of all its routes."""

from exporter.simulator.api import Api, Route
from exporter.simulator.http import Item, Request, Response
from exporter.simulator.runs import Run
from exporter.simulator.v6.access import AUTH_PATH, check_access, check_stack_url
from exporter.simulator.v6.actions import abort_run, create_test, put_script, start_test, validate_options
from exporter.simulator.v6.errors import error_response
from exporter.simulator.v6.pages import Key, get_flag, get_time, make_page, sort_items
from exporter.simulator.v6.run_serializer import serialize_run
from exporter.simulator.v6.serializers import (
    LOAD_ZONES,
    serialize_project,
    serialize_schedule,
    serialize_test,
)
from exporter.simulator.v6.stack import Stack
from exporter.simulator.world import Project, Test


def _authenticate(stack: Stack, request: Request, _: int) -> Response:
    check_stack_url(request, stack.options)
    project_id = stack.world.default_project_id
    return Response(body={"stack_id": stack.options.stack_id, "default_project_id": project_id})


def _list_projects(stack: Stack, request: Request, _: int) -> Response:
    name, part_of_name = request.value("name"), (request.value("name_search") or "").casefold()
    projects = [
        project
        for project in stack.projects()
        if name in (None, project.name) and part_of_name in project.name.casefold()
    ]
    return make_page(stack, request, sort_items(projects, request, _PROJECT_ORDERS), serialize_project)


def _read_project(stack: Stack, _: Request, project_id: int) -> Response:
    return Response(body=serialize_project(stack, stack.project(project_id)))


def _list_tests(stack: Stack, request: Request, project_id: int) -> Response:
    """The tests of one project, or all tests where the path has no id."""
    name = request.value("name")
    tests = stack.tests(stack.project(project_id).id if project_id else None)
    matching = [test for test in tests if name in (None, test.name)]
    return make_page(stack, request, sort_items(matching, request, _TEST_ORDERS), serialize_test)


def _read_test(stack: Stack, _: Request, test_id: int) -> Response:
    return Response(body=serialize_test(stack, stack.test(test_id)))


def _list_runs(stack: Stack, request: Request, test_id: int) -> Response:
    """The runs of one test, or all runs where the path has no id."""
    starred = get_flag(request, "is_starred")
    since, before = get_time(request, "created_after"), get_time(request, "created_before")
    runs = stack.runs(since, before, stack.test(test_id).id if test_id else None)
    matching = [run for run in runs if starred in (None, run.starred)]
    return make_page(stack, request, sort_items(matching, request, _RUN_ORDERS), _serialize_listed_run)


def _serialize_listed_run(stack: Stack, run: Run) -> Item:
    return serialize_run(stack, run.at(stack.now))


def _read_run(stack: Stack, _: Request, run_id: int) -> Response:
    return Response(body=serialize_run(stack, stack.run(run_id)))


def _list_schedules(stack: Stack, request: Request, _: int) -> Response:
    return make_page(stack, request, stack.schedules(), serialize_schedule)


def _list_load_zones(_: Stack, request: Request, __: int) -> Response:
    """The only list without pages."""
    k6_id = request.value("k6_load_zone_id")
    return Response(body={"value": [it for it in LOAD_ZONES if k6_id in (None, it["k6_load_zone_id"])]})


_PROJECT_ORDERS: dict[str, Key[Project]] = {"created": lambda it: it.created, "name": lambda it: it.name}
_TEST_ORDERS: dict[str, Key[Test]] = {
    "id": lambda it: it.id,
    "project_id": lambda it: it.project_id,
    "name": lambda it: it.name,
    "created": lambda it: it.created,
    "updated": lambda it: it.updated,
}
_RUN_ORDERS: dict[str, Key[Run]] = {"created": lambda it: it.created}

_PAGING = frozenset({"$count", "$skip", "$top"})
_WINDOW = frozenset({"created_after", "created_before"})
_TESTS = _PAGING | {"$orderby", "name"}
_RUNS_OF_TEST = _PAGING | _WINDOW | {"$orderby", "is_starred"}

ROUTES = (
    Route("GET", AUTH_PATH, _authenticate),
    Route("GET", "/cloud/v6/projects", _list_projects, _PAGING | {"$orderby", "name", "name_search"}),
    Route("GET", "/cloud/v6/projects/{id}", _read_project),
    Route("GET", "/cloud/v6/projects/{id}/load_tests", _list_tests, _TESTS),
    Route("POST", "/cloud/v6/projects/{id}/load_tests", create_test),
    # Without `project_id`: this list has no filter by project, and ignores such a parameter.
    Route("GET", "/cloud/v6/load_tests", _list_tests, _TESTS),
    Route("GET", "/cloud/v6/load_tests/{id}", _read_test),
    Route("PUT", "/cloud/v6/load_tests/{id}/script", put_script),
    Route("POST", "/cloud/v6/load_tests/{id}/start", start_test),
    Route("GET", "/cloud/v6/load_tests/{id}/test_runs", _list_runs, _RUNS_OF_TEST),
    Route("GET", "/cloud/v6/test_runs", _list_runs, _PAGING | _WINDOW),
    Route("GET", "/cloud/v6/test_runs/{id}", _read_run),
    Route("POST", "/cloud/v6/test_runs/{id}/abort", abort_run),
    Route("GET", "/cloud/v6/schedules", _list_schedules, _PAGING),
    Route("GET", "/cloud/v6/load_zones", _list_load_zones, frozenset({"k6_load_zone_id"})),
    Route("POST", "/cloud/v6/validate_options", validate_options),
)
# The list of all runs was seen to refuse `$orderby`, which it does not know.
API = Api(ROUTES, Stack, check_access, error_response, always_rejected=frozenset({"$orderby"}))
