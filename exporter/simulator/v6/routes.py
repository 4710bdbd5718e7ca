"""The endpoints of the v6 API that tell, and the table that says which request is whose."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from exporter.simulator import shapes
from exporter.simulator.http import HTTPError, Item, Request, Response
from exporter.simulator.options import Options
from exporter.simulator.routing import Table
from exporter.simulator.runs import Run
from exporter.simulator.v6.access import check_stack, check_stack_url, check_token
from exporter.simulator.v6.actions import abort_run, create_test, put_script, start_test, validate_options
from exporter.simulator.v6.errors import error, invalid, not_found, refused, with_nulls
from exporter.simulator.v6.pages import page
from exporter.simulator.v6.parameters import Key, flag, moment, ordered
from exporter.simulator.v6.run_object import run_object
from exporter.simulator.v6.serializers import LOAD_ZONES, Serializer
from exporter.simulator.world import Project, Test, World


def handle(request: Request, world: World, options: Options, tokens: Collection[str]) -> Response:
    """What k6 Cloud would say to this request. A request that acts changes the world."""
    world.advance(request.at)
    try:
        check_token(request, options, tokens)
        if request.path != _AUTH:
            check_stack(request, options.v6)
        route, thing_id = _routed(request)
        understood = _understood(request, route, options)
        told = route.handler(Serializer(world, options.v6, request.at), understood, thing_id)
        return replace(told, body=shapes.apply_options(told.body, options))
    except HTTPError as refusal:
        return with_nulls(refusal.answer) if options.v6.null_in_errors else refusal.answer


def _auth(serializer: Serializer, request: Request, _: int) -> Response:
    check_stack_url(request, serializer.options)
    return Response(
        body={
            "stack_id": serializer.options.stack_id,
            "default_project_id": serializer.world.default_project_id,
        }
    )


def _list_projects(serializer: Serializer, request: Request, _: int) -> Response:
    name, part_of_name = request.value("name"), (request.value("name_search") or "").casefold()
    projects = [
        project
        for project in serializer.stack.projects()
        if name in (None, project.name) and part_of_name in project.name.casefold()
    ]
    return page(request, ordered(projects, request, _PROJECT_ORDERS), serializer.project, serializer.options)


def _read_project(serializer: Serializer, _: Request, project_id: int) -> Response:
    return Response(body=serializer.project(serializer.stack.project(project_id)))


def _list_tests(serializer: Serializer, request: Request, _: int) -> Response:
    return _page_of_tests(serializer, request, serializer.stack.tests())


def _list_tests_of_project(serializer: Serializer, request: Request, project_id: int) -> Response:
    return _page_of_tests(
        serializer, request, serializer.stack.tests(serializer.stack.project(project_id).id)
    )


def _page_of_tests(serializer: Serializer, request: Request, tests: list[Test]) -> Response:
    name = request.value("name")
    named = [test for test in tests if name in (None, test.name)]
    return page(request, ordered(named, request, _TEST_ORDERS), serializer.test, serializer.options)


def _read_test(serializer: Serializer, _: Request, test_id: int) -> Response:
    return Response(body=serializer.test(serializer.stack.test(test_id)))


def _list_runs(serializer: Serializer, request: Request, _: int) -> Response:
    return _page_of_runs(serializer, request, _window(serializer, request, None))


def _list_runs_of_test(serializer: Serializer, request: Request, test_id: int) -> Response:
    starred = flag(request, "is_starred")
    runs = _window(serializer, request, serializer.stack.test(test_id).id)
    wanted = runs if starred is None else [run for run in runs if run.starred is starred]
    return _page_of_runs(serializer, request, ordered(wanted, request, _RUN_ORDERS))


def _window(serializer: Serializer, request: Request, test_id: int | None) -> list[Run]:
    since, before = moment(request, "created_after"), moment(request, "created_before")
    return serializer.stack.runs(since, before, test_id)


def _page_of_runs(serializer: Serializer, request: Request, runs: list[Run]) -> Response:
    def tell(run: Run) -> Item:
        return run_object(serializer, run.at(serializer.now))

    return page(request, runs, tell, serializer.options)


def _read_run(serializer: Serializer, _: Request, run_id: int) -> Response:
    return Response(body=run_object(serializer, serializer.stack.run(run_id)))


def _list_schedules(serializer: Serializer, request: Request, _: int) -> Response:
    if serializer.options.schedules_forbidden:
        raise refused(403, "Not permitted")
    return page(request, serializer.stack.schedules(), serializer.schedule, serializer.options)


def _list_load_zones(_: Serializer, request: Request, __: int) -> Response:
    """Whole: the one list without pages."""
    wanted = request.value("k6_load_zone_id")
    return Response(body={"value": [it for it in LOAD_ZONES if wanted in (None, it["k6_load_zone_id"])]})


_PROJECT_ORDERS: dict[str, Key[Project]] = {"created": lambda it: it.created, "name": lambda it: it.name}
_TEST_ORDERS: dict[str, Key[Test]] = {
    "id": lambda it: it.id,
    "project_id": lambda it: it.project_id,
    "name": lambda it: it.name,
    "created": lambda it: it.created,
    "updated": lambda it: it.updated,
}
_RUN_ORDERS: dict[str, Key[Run]] = {"created": lambda it: it.created}


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint: `{id}` in its path is a number. `parameters` are those of its query."""

    method: str
    path: str
    handler: Callable[[Serializer, Request, int], Response]
    parameters: frozenset[str] = frozenset()


_AUTH = "/cloud/v6/auth"
_PAGING = frozenset({"$count", "$skip", "$top"})
_WINDOW = frozenset({"created_after", "created_before"})
_TESTS = _PAGING | {"$orderby", "name"}

ROUTES = (
    Route("GET", _AUTH, _auth),
    Route("GET", "/cloud/v6/projects", _list_projects, _PAGING | {"$orderby", "name", "name_search"}),
    Route("GET", "/cloud/v6/projects/{id}", _read_project),
    Route("GET", "/cloud/v6/projects/{id}/load_tests", _list_tests_of_project, _TESTS),
    Route("POST", "/cloud/v6/projects/{id}/load_tests", create_test),
    Route("GET", "/cloud/v6/load_tests", _list_tests, _TESTS),
    Route("GET", "/cloud/v6/load_tests/{id}", _read_test),
    Route("PUT", "/cloud/v6/load_tests/{id}/script", put_script),
    Route("POST", "/cloud/v6/load_tests/{id}/start", start_test),
    Route(
        "GET",
        "/cloud/v6/load_tests/{id}/test_runs",
        _list_runs_of_test,
        _PAGING | _WINDOW | {"$orderby", "is_starred"},
    ),
    Route("GET", "/cloud/v6/test_runs", _list_runs, _PAGING | _WINDOW),
    Route("GET", "/cloud/v6/test_runs/{id}", _read_run),
    Route("POST", "/cloud/v6/test_runs/{id}/abort", abort_run),
    Route("GET", "/cloud/v6/schedules", _list_schedules, _PAGING),
    Route("GET", "/cloud/v6/load_zones", _list_load_zones, frozenset({"k6_load_zone_id"})),
    Route("POST", "/cloud/v6/validate_options", validate_options),
)
_TABLE = Table(ROUTES)


def _routed(request: Request) -> tuple[Route, int]:
    """The route of a request and the id in its path, 0 where there is none."""
    matches = _TABLE.at(request.path)
    if not matches:
        raise not_found()
    for route, thing_id in matches:
        if route.method == request.method:
            return route, thing_id
    allowed = (("allow", ", ".join(route.method for route, _ in matches)),)
    raise HTTPError(replace(error(405, f"Method {request.method} not allowed"), headers=allowed))


def _understood(request: Request, route: Route, options: Options) -> Request:
    """The request without the parameters that this endpoint does not know, or a refusal of it.

    `$orderby` is refused where it is unknown: the list of all runs was seen to do so.
    """
    for name, _ in request.query:
        if name not in route.parameters and (name == "$orderby" or options.reject_unknown_parameters):
            raise invalid(name, "Unknown parameter.")
    return replace(request, query=tuple(it for it in request.query if it[0] in route.parameters))
