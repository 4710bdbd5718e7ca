"""One function for each endpoint of the legacy API, and the table that says which request is whose."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from exporter.simulator import shapes
from exporter.simulator.http import HTTPError, Request, Response
from exporter.simulator.legacy.errors import Code, error, invalid, not_found
from exporter.simulator.legacy.parameters import Key, ordered, paged, selected, whole, wholes
from exporter.simulator.legacy.serializers import (
    LIST_FIELDS,
    READ_FIELDS,
    RUN_FIELDS,
    START_FIELDS,
    TEST_FIELDS,
    Serializer,
)
from exporter.simulator.options import Options
from exporter.simulator.routing import Table
from exporter.simulator.runs import RunState
from exporter.simulator.world import Test, World


def handle(request: Request, world: World, options: Options, tokens: Collection[str]) -> Response:
    """What k6 Cloud would say to this request. A request that acts changes the world."""
    world.advance(request.at)
    try:
        _authenticate(request, options, tokens)
        route, thing_id = _match_route(request)
        understood = _known_params(request, route, options)
        told = route.handler(Serializer(world, options, request.at), understood, thing_id)
        return replace(told, body=shapes.apply_options(told.body, options))
    except HTTPError as refused:
        return refused.answer


def _authenticate(request: Request, options: Options, tokens: Collection[str]) -> None:
    given = request.headers.get("authorization")
    if given is None:
        if options.auth_required:
            message = "Authentication credentials were not provided"
            raise HTTPError(error(401, message, Code.NOT_AUTHENTICATED))
        return
    scheme, _, token = given.partition(" ")
    # Documents and clients write Token, token and Bearer.
    if scheme.lower() not in {"token", "bearer"} or token.strip() not in tokens:
        raise HTTPError(error(401, "Invalid token"))


def _list_runs(serializer: Serializer, request: Request, _: int) -> Response:
    states = ordered(_matching_runs(serializer, request), request, RUN_ORDERS)
    # "Returns all test runs for a particular load test": the documents know no pages here.
    page = states if serializer.options.documented_only else paged(states, request, serializer.options)
    selectable = LIST_FIELDS if serializer.options.documented_only else RUN_FIELDS
    fields = [name for name in selected(request, LIST_FIELDS, selectable) if name != "export"]
    told = [serializer.run(state, fields) for state in page]
    return Response(body={"k6-runs": told, "meta": {"count": len(states)}})


def _matching_runs(serializer: Serializer, request: Request) -> list[RunState]:
    """The runs that every filter lets through. Without any filter the documents know no list."""
    test_id = whole(request, "test_id", "$test_id")  # the page's examples write $test_id
    ids = wholes(request, "ids[]")
    public_id = request.value("public_id")
    if test_id is None and not ids and public_id is None:
        raise invalid("test_id", "This field is required.")
    candidates: Iterable[int] = ids or serializer.world.runs
    if test_id is not None:
        candidates = serializer.world.run_ids(_test(serializer, test_id).id, serializer.now)
    runs = (serializer.world.runs.get(run_id) for run_id in candidates)
    return [
        run.at(serializer.now)
        for run in runs
        if run is not None
        and run.created <= serializer.now
        and (not ids or run.id in ids)
        and public_id in (None, run.public_id)
    ]


def _read_run(serializer: Serializer, request: Request, run_id: int) -> Response:
    selectable = READ_FIELDS if serializer.options.documented_only else RUN_FIELDS
    fields = selected(request, READ_FIELDS, selectable)
    return Response(body={"k6-run": serializer.run(_run(serializer, run_id), fields)})


def _stop_run(serializer: Serializer, _: Request, run_id: int) -> Response:
    """Answered with nothing, a stop of an ended run too: the documents show no body for either."""
    serializer.world.stop(_run(serializer, run_id).id, serializer.now)
    return Response(raw=b"")


def _start_test(serializer: Serializer, _: Request, test_id: int) -> Response:
    run_id = serializer.world.start(_test(serializer, test_id).id, serializer.now)
    return Response(body={"k6-run": serializer.run(_run(serializer, run_id), START_FIELDS)})


def _list_tests(serializer: Serializer, request: Request, _: int) -> Response:
    tests = ordered(_matching_tests(serializer, request), request, _test_orders(serializer))
    fields = selected(request, tuple(TEST_FIELDS), TEST_FIELDS)
    told = [serializer.test(test, fields) for test in paged(tests, request, serializer.options)]
    return Response(body={"k6-runs": [], "k6-tests": told, "load_zones": [], "meta": {"count": len(tests)}})


def _matching_tests(serializer: Serializer, request: Request) -> list[Test]:
    project_id = whole(request, "project_id")
    ids = wholes(request, "ids[]")
    if project_id is not None and project_id not in serializer.world.projects:
        raise not_found()
    if project_id is None and (not ids or serializer.options.ids_only_in_default_project):
        project_id = serializer.world.default_project_id
    part_of_name = (request.value("q") or "").casefold()
    tests = (serializer.world.tests.get(test_id) for test_id in ids or serializer.world.tests)
    return [
        test
        for test in tests
        if test is not None
        and test.created <= serializer.now
        and project_id in (None, test.project_id)
        and part_of_name in test.name.casefold()
    ]


def _read_test(serializer: Serializer, _: Request, test_id: int) -> Response:
    return Response(body={"k6-test": serializer.test(_test(serializer, test_id), TEST_FIELDS)})


def _list_organizations(serializer: Serializer, _: Request, __: int) -> Response:
    organizations = serializer.world.organizations.values()
    return Response(body={"organizations": [serializer.organization(it) for it in organizations]})


def _read_organization(serializer: Serializer, _: Request, organization_id: int) -> Response:
    organization = serializer.world.organizations.get(organization_id)
    if organization is None:
        raise not_found()
    return Response(body={"organization": serializer.organization(organization)})


def _list_projects(serializer: Serializer, _: Request, organization_id: int) -> Response:
    if organization_id not in serializer.world.organizations:
        raise not_found()
    projects = serializer.world.projects.values()
    told = [serializer.project(it) for it in projects if it.organization_id == organization_id]
    return Response(body={"projects": told})


def _read_project(serializer: Serializer, _: Request, project_id: int) -> Response:
    project = serializer.world.projects.get(project_id)
    if project is None:
        raise not_found()
    return Response(body={"project": serializer.project(project)})


def _run(serializer: Serializer, run_id: int) -> RunState:
    try:
        return serializer.world.at(run_id, serializer.now)
    except KeyError:
        raise not_found() from None


def _test(serializer: Serializer, test_id: int) -> Test:
    test = serializer.world.tests.get(test_id)
    if test is None or test.created > serializer.now:
        raise not_found()
    return test


RUN_ORDERS: dict[str, Key[RunState]] = {
    "id": lambda state: state.id,
    "created": lambda state: state.created,
    "started": lambda state: state.started,
    "ended": lambda state: state.ended,
}


def _test_orders(serializer: Serializer) -> dict[str, Key[Test]]:
    def last_run_time(test: Test) -> float | None:
        last = serializer.world.last_run_id(test.id, serializer.now)
        return None if last is None else serializer.world.runs[last].created

    return {"id": lambda test: test.id, "name": lambda test: test.name, "last_run_time": last_run_time}


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint: `{id}` in its path is a number. `documented` and `seen` are its parameters.

    `seen` ones are in no document of the vendor, but in the sources of clients that worked.
    """

    method: str
    path: str
    handler: Callable[[Serializer, Request, int], Response]
    documented: frozenset[str] = frozenset()
    seen: frozenset[str] = frozenset()


_SELECT = frozenset({"$select", "select"})
_PAGING = frozenset({"page", "page_size", "order_by"})

ROUTES = (
    Route(
        "GET",
        "/loadtests/v2/runs",
        _list_runs,
        documented=_SELECT | {"test_id", "$test_id", "ids[]", "public_id"},
        seen=_PAGING | {"exclude_events", "method"},
    ),
    Route("GET", "/loadtests/v2/runs/{id}", _read_run, documented=_SELECT),
    Route("POST", "/loadtests/v2/runs/{id}/stop", _stop_run),
    Route("POST", "/loadtests/v2/tests/{id}/start-testrun", _start_test),
    Route(
        "GET",
        "/loadtests/v2/tests",
        _list_tests,
        documented=_PAGING | {"project_id", "ids[]", "q"},
        seen=_SELECT,
    ),
    Route("GET", "/loadtests/v2/tests/{id}", _read_test),
    Route("GET", "/v3/organizations", _list_organizations),
    Route("GET", "/v3/organizations/{id}", _read_organization),
    Route("GET", "/v3/organizations/{id}/projects", _list_projects),
    Route("GET", "/v3/projects/{id}", _read_project),
)
_TABLE = Table(ROUTES)


def _match_route(request: Request) -> tuple[Route, int]:
    """The route of a request and the id in its path, 0 where there is none."""
    matches = _TABLE.at(request.path)
    if not matches:
        raise not_found()
    for route, thing_id in matches:
        if route.method == request.method:
            return route, thing_id
    allowed = (("allow", ", ".join(route.method for route, _ in matches)),)
    raise HTTPError(replace(error(405, f"Method {request.method} not allowed"), headers=allowed))


def _known_params(request: Request, route: Route, options: Options) -> Request:
    """The request without the parameters that this server does not know, or a refusal of it."""
    known = route.documented if options.documented_only else route.documented | route.seen
    unknown = [name for name, _ in request.query if name not in known]
    if unknown and options.reject_unknown_parameters:
        raise invalid(unknown[0], "Unknown parameter.")
    return replace(request, query=tuple((name, value) for name, value in request.query if name in known))
