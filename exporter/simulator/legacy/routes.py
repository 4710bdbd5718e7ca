"""The endpoints of the legacy API: one function for each, and the table of routes."""

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from exporter.simulator.api import Api, Context, Route
from exporter.simulator.http import HTTPError, Item, Request, Response, invalid, not_found
from exporter.simulator.legacy.errors import NOT_AUTHENTICATED, error_response
from exporter.simulator.legacy.parameters import get_integer, get_integers, get_page, sort_items
from exporter.simulator.legacy.serializers import (
    select_fields,
    serialize_organization,
    serialize_project,
    serialize_run,
    serialize_test,
)
from exporter.simulator.options import Options
from exporter.simulator.runs import RunState
from exporter.simulator.world import Test

T = TypeVar("T")


_EXCHANGE_PATH = "/v3/account/grafana-app/start"


def check_token(request: Request, options: Options, tokens: Collection[str]) -> None:
    """401 unless the token is known. Documents and clients write Token, token and Bearer."""
    if request.path == _EXCHANGE_PATH:
        _check_service_token(request, options, tokens)
        return
    authorization = request.headers.get("authorization")
    if authorization is None:
        raise HTTPError(401, "Authentication credentials were not provided", code=NOT_AUTHENTICATED)
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() not in {"token", "bearer"} or token.strip() not in tokens:
        raise HTTPError(401, "Invalid token")


def _check_service_token(request: Request, options: Options, tokens: Collection[str]) -> None:
    """gcx and Terraform exchange a token of Grafana for one of k6 Cloud. Here one token is valid for both."""
    if request.headers.get("x-grafana-service-token") not in tokens:
        raise HTTPError(401, "Invalid token")
    if request.headers.get("x-stack-id") != str(options.v6.stack_id):
        raise HTTPError(403, "No access to this stack")


def _exchange_token(context: Context, request: Request, _: int) -> Response:
    """Known only from the sources of these clients."""
    organization_id = str(context.world.default_organization_id)
    token = request.headers["x-grafana-service-token"]
    return Response(body={"organization_id": organization_id, "v3_grafana_token": token})


def _find(objects: Mapping[int, T], object_id: int) -> T:
    if object_id not in objects:
        raise not_found()
    return objects[object_id]


def _find_run(context: Context, run_id: int) -> RunState:
    run = _find(context.world.runs, run_id)
    if run.created > context.now:
        raise not_found()
    return run.at(context.now)


def _find_test(context: Context, test_id: int) -> Test:
    test = _find(context.world.tests, test_id)
    if test.created > context.now:
        raise not_found()
    return test


def _list_runs(context: Context, request: Request, _: int) -> Response:
    states = sort_items(_match_runs(context, request), request, {"id", "created", "started", "ended"})
    # "Returns all test runs for a particular load test": the documents do not mention pages here.
    page = states if context.options.documented_only else get_page(states, request, context.options)
    # The samples have `export` only where a single run is read.
    items = [
        select_fields(context, request, serialize_run(context, state), without={"export"}) for state in page
    ]
    # The count is that of all pages, so that a client can notice a missing page.
    return Response(body={"k6-runs": items, "meta": {"count": len(states)}})


def _match_runs(context: Context, request: Request) -> list[RunState]:
    """The runs that match every filter. The documents know no list without any filter."""
    test_id = get_integer(request, "test_id", "$test_id")  # the page's examples write $test_id
    ids = get_integers(request, "ids[]")
    public_id = request.value("public_id")
    if test_id is None and not ids and public_id is None:
        raise invalid("test_id", "This field is required.")
    candidates: Iterable[int] = ids or context.world.runs
    if test_id is not None:
        candidates = context.world.run_ids(_find_test(context, test_id).id, context.now)
    runs = (context.world.runs.get(run_id) for run_id in candidates)
    return [
        run.at(context.now)
        for run in runs
        if run is not None
        and run.created <= context.now
        and (not ids or run.id in ids)
        and public_id in (None, run.public_id)
    ]


def _read_run(context: Context, request: Request, run_id: int) -> Response:
    item = serialize_run(context, _find_run(context, run_id))
    return Response(body={"k6-run": select_fields(context, request, item)})


def _stop_run(context: Context, _: Request, run_id: int) -> Response:
    """Answered without a body, also for an ended run: the documents show none."""
    context.world.stop(_find_run(context, run_id).id, context.now)
    # The status stays for a moment, as in k6 Cloud: a client must wait for the end by reading the run.
    return Response(raw=b"")


def _start_test(context: Context, request: Request, test_id: int) -> Response:
    run_id = context.world.start(_find_test(context, test_id).id, context.now)
    item = serialize_run(context, _find_run(context, run_id))
    without = {"export", "is_baseline", "request_builder_config", "vus_per_instance"}
    return Response(body={"k6-run": select_fields(context, request, item, without=without)})


def _list_tests(context: Context, request: Request, _: int) -> Response:
    tests = sort_items(_match_tests(context, request), request, {"id", "name"})
    page = get_page(tests, request, context.options)
    items = [select_fields(context, request, serialize_test(context, test)) for test in page]
    return Response(body={"k6-runs": [], "k6-tests": items, "load_zones": [], "meta": {"count": len(tests)}})


def _match_tests(context: Context, request: Request) -> list[Test]:
    world = context.world
    project_id = get_integer(request, "project_id")
    ids = get_integers(request, "ids[]")
    if project_id is not None:
        _find(world.projects, project_id)
    # Without a project, the documents list the tests of the default project only.
    elif not ids or context.options.ids_only_in_default_project:
        project_id = world.default_project_id
    tests = (world.tests.get(test_id) for test_id in ids or world.tests)
    return [
        test
        for test in tests
        if test is not None and test.created <= context.now and project_id in (None, test.project_id)
    ]


def _read_test(context: Context, _: Request, test_id: int) -> Response:
    return Response(body={"k6-test": serialize_test(context, _find_test(context, test_id))})


def _list_organizations(context: Context, request: Request, _: int) -> Response:
    items = [serialize_organization(context, it) for it in context.world.organizations.values()]
    return _respond_with_list("organizations", items, context, request)


def _list_projects(context: Context, request: Request, organization_id: int) -> Response:
    organization = _find(context.world.organizations, organization_id)
    projects = context.world.projects.values()
    items = [serialize_project(context, it) for it in projects if it.organization_id == organization.id]
    return _respond_with_list("projects", items, context, request)


def _respond_with_list(name: str, items: list[Item], context: Context, request: Request) -> Response:
    if not context.options.paged_projects:
        return Response(body={name: items})
    page = get_page(items, request, context.options)
    return Response(body={name: page, "meta": {"count": len(items)}})


_SELECT = frozenset({"$select", "select"})
_PAGES = frozenset({"page", "page_size"})
_PAGING = frozenset({"page", "page_size", "order_by"})
_UNDOCUMENTED = _PAGING | {"exclude_events", "method"}
_RUN_FILTERS = frozenset({"test_id", "$test_id", "ids[]", "public_id"})
_TEST_FILTERS = frozenset({"project_id", "ids[]"})

ROUTES = (
    Route("GET", "/loadtests/v2/runs", _list_runs, _SELECT | _RUN_FILTERS, undocumented=_UNDOCUMENTED),
    Route("GET", "/loadtests/v2/runs/{id}", _read_run, _SELECT),
    Route("POST", "/loadtests/v2/runs/{id}/stop", _stop_run),
    Route("POST", "/loadtests/v2/tests/{id}/start-testrun", _start_test),
    Route("GET", "/loadtests/v2/tests", _list_tests, _PAGING | _TEST_FILTERS, undocumented=_SELECT),
    Route("GET", "/loadtests/v2/tests/{id}", _read_test),
    Route("PUT", _EXCHANGE_PATH, _exchange_token),
    Route("GET", "/v3/organizations", _list_organizations, undocumented=_PAGES),
    Route("GET", "/v3/organizations/{id}/projects", _list_projects, undocumented=_PAGES),
)
API = Api(ROUTES, Context, check_token, error_response)
