"""The endpoints of the v6 API that read, and the table of all its routes."""

from exporter.simulator.api import Api, Route
from exporter.simulator.http import Item, Request, Response
from exporter.simulator.runs import Run
from exporter.simulator.v6 import project_actions, run_actions, schedule_actions, test_actions
from exporter.simulator.v6.access import AUTH_PATH, check_access, check_stack_url
from exporter.simulator.v6.errors import error_response
from exporter.simulator.v6.pages import Key, get_flag, get_time, make_page, sort_items
from exporter.simulator.v6.run_serializer import serialize_run
from exporter.simulator.v6.serializers import serialize_project, serialize_test
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

_PROJECTS, _TESTS_PATH, _RUNS = "/cloud/v6/projects", "/cloud/v6/load_tests", "/cloud/v6/test_runs"
_SCHEDULES, _ZONES = "/cloud/v6/schedules", "/cloud/v6/load_zones"

ROUTES = (
    Route("GET", AUTH_PATH, _authenticate),
    Route("GET", _PROJECTS, _list_projects, _PAGING | {"$orderby", "name", "name_search"}),
    Route("POST", _PROJECTS, project_actions.create_project),
    Route("GET", f"{_PROJECTS}/{{id}}", _read_project),
    Route("PATCH", f"{_PROJECTS}/{{id}}", project_actions.patch_project),
    Route("DELETE", f"{_PROJECTS}/{{id}}", project_actions.delete_project),
    Route("GET", f"{_PROJECTS}/{{id}}/labels", project_actions.list_labels),
    Route("GET", f"{_PROJECTS}/{{id}}/limits", project_actions.read_limits),
    Route("PATCH", f"{_PROJECTS}/{{id}}/limits", project_actions.patch_limits),
    Route("GET", f"{_PROJECTS}/{{id}}/allowed_load_zones", project_actions.list_allowed_load_zones),
    Route("PUT", f"{_PROJECTS}/{{id}}/allowed_load_zones", project_actions.put_allowed_load_zones),
    Route("GET", "/cloud/v6/project-limits", project_actions.list_limits, _PAGING | {"project_id_in"}),
    Route("GET", f"{_PROJECTS}/{{id}}/load_tests", _list_tests, _TESTS),
    Route("POST", f"{_PROJECTS}/{{id}}/load_tests", test_actions.create_test),
    # Without `project_id`: this list has no filter by project, and ignores such a parameter.
    Route("GET", _TESTS_PATH, _list_tests, _TESTS),
    Route("GET", f"{_TESTS_PATH}/{{id}}", _read_test),
    Route("PATCH", f"{_TESTS_PATH}/{{id}}", test_actions.patch_test),
    Route("DELETE", f"{_TESTS_PATH}/{{id}}", test_actions.delete_test),
    Route("PUT", f"{_TESTS_PATH}/{{id}}/move", test_actions.move_test),
    Route("GET", f"{_TESTS_PATH}/{{id}}/script", test_actions.read_script),
    Route("PUT", f"{_TESTS_PATH}/{{id}}/script", test_actions.put_script),
    Route("POST", f"{_TESTS_PATH}/{{id}}/start", run_actions.start_test),
    Route("GET", f"{_TESTS_PATH}/{{id}}/test_runs", _list_runs, _RUNS_OF_TEST),
    Route("GET", f"{_TESTS_PATH}/{{id}}/schedule", schedule_actions.read_schedule_of_test),
    Route("POST", f"{_TESTS_PATH}/{{id}}/schedule", schedule_actions.put_schedule_of_test),
    Route("GET", _RUNS, _list_runs, _PAGING | _WINDOW),
    Route("GET", f"{_RUNS}/{{id}}", _read_run),
    Route("PATCH", f"{_RUNS}/{{id}}", run_actions.patch_run),
    Route("DELETE", f"{_RUNS}/{{id}}", run_actions.delete_run),
    Route("POST", f"{_RUNS}/{{id}}/abort", run_actions.abort_run),
    Route("GET", f"{_RUNS}/{{id}}/distribution", run_actions.read_distribution),
    Route("GET", f"{_RUNS}/{{id}}/script", run_actions.read_run_script),
    *(Route("POST", f"{_RUNS}/{{id}}/{verb}", run_actions.star_run) for verb in ("star", "unstar")),
    *(Route("POST", f"{_RUNS}/{{id}}/{verb}", run_actions.save_run) for verb in ("save", "unsave")),
    Route("GET", _SCHEDULES, schedule_actions.list_schedules, _PAGING),
    Route("GET", f"{_SCHEDULES}/{{id}}", schedule_actions.read_schedule),
    Route("DELETE", f"{_SCHEDULES}/{{id}}", schedule_actions.delete_schedule),
    Route("POST", f"{_SCHEDULES}/{{id}}/activate", schedule_actions.activate_schedule),
    Route("POST", f"{_SCHEDULES}/{{id}}/deactivate", schedule_actions.deactivate_schedule),
    Route("GET", _ZONES, project_actions.list_load_zones, frozenset({"k6_load_zone_id"})),
    Route("GET", f"{_ZONES}/{{id}}/allowed_projects", project_actions.list_allowed_projects),
    Route("PUT", f"{_ZONES}/{{id}}/allowed_projects", project_actions.put_allowed_projects),
    Route("POST", "/cloud/v6/validate_options", run_actions.validate_options),
)
# The list of all runs was seen to refuse `$orderby`, which it does not know.
API = Api(ROUTES, Stack, check_access, error_response, always_rejected=frozenset({"$orderby"}))
