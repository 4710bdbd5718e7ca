"""The endpoints of the v6 API that tell, and the table that says which request is whose."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from exporter.simulator import shapes
from exporter.simulator.options import Options
from exporter.simulator.routing import Table
from exporter.simulator.runs import Run
from exporter.simulator.v6.access import check_stack, check_stack_url, check_token
from exporter.simulator.v6.acts import abort_run, create_test, put_script, start_test, validate_options
from exporter.simulator.v6.errors import error, invalid, not_found, refused, with_nulls
from exporter.simulator.v6.objects import LOAD_ZONES, Serializer
from exporter.simulator.v6.pages import page
from exporter.simulator.v6.parameters import Key, flag, moment, ordered
from exporter.simulator.v6.run_object import run_object
from exporter.simulator.wire import HTTPError, Item, Request, Response
from exporter.simulator.world import Project, Test, World


def handle(asked: Request, world: World, options: Options, tokens: Collection[str]) -> Response:
    """What k6 Cloud would say to this request. A request that acts changes the world."""
    world.advance(asked.at)
    try:
        check_token(asked, options, tokens)
        if asked.path != _AUTH:
            check_stack(asked, options.v6)
        route, thing_id = _routed(asked)
        understood = _understood(asked, route, options)
        told = route.handler(Serializer(world, options.v6, asked.at), understood, thing_id)
        return replace(told, body=shapes.apply_options(told.body, options))
    except HTTPError as refusal:
        return with_nulls(refusal.answer) if options.v6.null_in_errors else refusal.answer


def _auth(teller: Serializer, asked: Request, _: int) -> Response:
    check_stack_url(asked, teller.options)
    return Response(
        body={"stack_id": teller.options.stack_id, "default_project_id": teller.world.default_project_id}
    )


def _list_projects(teller: Serializer, asked: Request, _: int) -> Response:
    name, part_of_name = asked.value("name"), (asked.value("name_search") or "").casefold()
    projects = [
        project
        for project in teller.stack.projects()
        if name in (None, project.name) and part_of_name in project.name.casefold()
    ]
    return page(asked, ordered(projects, asked, _PROJECT_ORDERS), teller.project, teller.options)


def _read_project(teller: Serializer, _: Request, project_id: int) -> Response:
    return Response(body=teller.project(teller.stack.project(project_id)))


def _list_tests(teller: Serializer, asked: Request, _: int) -> Response:
    return _page_of_tests(teller, asked, teller.stack.tests())


def _list_tests_of_project(teller: Serializer, asked: Request, project_id: int) -> Response:
    return _page_of_tests(teller, asked, teller.stack.tests(teller.stack.project(project_id).id))


def _page_of_tests(teller: Serializer, asked: Request, tests: list[Test]) -> Response:
    name = asked.value("name")
    named = [test for test in tests if name in (None, test.name)]
    return page(asked, ordered(named, asked, _TEST_ORDERS), teller.test, teller.options)


def _read_test(teller: Serializer, _: Request, test_id: int) -> Response:
    return Response(body=teller.test(teller.stack.test(test_id)))


def _list_runs(teller: Serializer, asked: Request, _: int) -> Response:
    return _page_of_runs(teller, asked, _window(teller, asked, None))


def _list_runs_of_test(teller: Serializer, asked: Request, test_id: int) -> Response:
    starred = flag(asked, "is_starred")
    runs = _window(teller, asked, teller.stack.test(test_id).id)
    wanted = runs if starred is None else [run for run in runs if run.starred is starred]
    return _page_of_runs(teller, asked, ordered(wanted, asked, _RUN_ORDERS))


def _window(teller: Serializer, asked: Request, test_id: int | None) -> list[Run]:
    since, before = moment(asked, "created_after"), moment(asked, "created_before")
    return teller.stack.runs(since, before, test_id)


def _page_of_runs(teller: Serializer, asked: Request, runs: list[Run]) -> Response:
    def tell(run: Run) -> Item:
        return run_object(teller, run.at(teller.now))

    return page(asked, runs, tell, teller.options)


def _read_run(teller: Serializer, _: Request, run_id: int) -> Response:
    return Response(body=run_object(teller, teller.stack.run(run_id)))


def _list_schedules(teller: Serializer, asked: Request, _: int) -> Response:
    if teller.options.schedules_forbidden:
        raise refused(403, "Not permitted")
    return page(asked, teller.stack.schedules(), teller.schedule, teller.options)


def _list_load_zones(_: Serializer, asked: Request, __: int) -> Response:
    """Whole: the one list without pages."""
    wanted = asked.value("k6_load_zone_id")
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


def _routed(asked: Request) -> tuple[Route, int]:
    """The route of a request and the id in its path, 0 where there is none."""
    matches = _TABLE.at(asked.path)
    if not matches:
        raise not_found()
    for route, thing_id in matches:
        if route.method == asked.method:
            return route, thing_id
    allowed = (("allow", ", ".join(route.method for route, _ in matches)),)
    raise HTTPError(replace(error(405, f"Method {asked.method} not allowed"), headers=allowed))


def _understood(asked: Request, route: Route, options: Options) -> Request:
    """The request without the parameters that this endpoint does not know, or a refusal of it.

    `$orderby` is refused where it is unknown: the list of all runs was seen to do so.
    """
    for name, _ in asked.query:
        if name not in route.parameters and (name == "$orderby" or options.reject_unknown_parameters):
            raise invalid(name, "Unknown parameter.")
    return replace(asked, query=tuple(it for it in asked.query if it[0] in route.parameters))
