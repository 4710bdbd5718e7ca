"""The v6 API's client, against a simulator that follows the documentation and servers that do not."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import httpx
import pytest

from exporter.k6.errors import BadRequest, Conflict, DecodeError, Forbidden, NotFound, Unauthorized
from exporter.k6.v6.client import V6Client
from exporter.k6.write import V6Writer, WriteTransport
from exporter.model import LoadTest, PhaseSeconds, Reason, Run, RunList, TestList
from exporter.simulator import (
    EndStatus,
    Fault,
    NextLink,
    Options,
    Phases,
    Simulator,
    Timestamps,
    V6Options,
    World,
    faults,
)
from tests.support.k6_server import TOKEN, Script, TransportClient
from tests.support.lab import START

T = TypeVar("T")
RUNS, TESTS, SCHEDULES = "/cloud/v6/test_runs", "/cloud/v6/load_tests", "/cloud/v6/schedules"
SINCE = START - 86400.0  # 2026-09-20T14:13:20Z
FIRST_PAGE = f"GET {RUNS}?created_after=2026-09-20T14:13:20.000000Z&$top=1000"
UNSURE = math.inf
FOREIGN_HOST = "elsewhere.example.com"


def authorize() -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKEN}", "X-Stack-Id": "1"}


def transport_to(
    server: httpx.AsyncBaseTransport, headers: Mapping[str, str] | None = None
) -> WriteTransport:
    client = TransportClient(
        server,
        requests_per_minute=100_000,
        authorize=authorize if headers is None else lambda: dict(headers),
    )
    return client.transport


def api_of(server: httpx.AsyncBaseTransport) -> V6Client:
    return V6Client(transport_to(server))


class Cloud:
    """The v6 client of one simulated world; its time is START unless set."""

    def __init__(
        self,
        world: World,
        options: Options | V6Options | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.now = START
        self.simulator = Simulator(
            world,
            tokens=[TOKEN],
            clock=lambda: self.now,
            options=Options(v6=options) if isinstance(options, V6Options) else options or Options(),
            connection_error=httpx.ReadError,
        )
        self.elsewhere = Script(httpx.Response(200, json={"value": []}))
        self.meanwhile: list[Callable[[], object]] = []
        transport = transport_to(Hosts({"k6.test": self, FOREIGN_HOST: self.elsewhere}), headers)
        self.api, self.acts = V6Client(transport), V6Writer(transport)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer; then do what happens in the world before the next request."""
        response = await httpx.ASGITransport(self.simulator).handle_async_request(request)
        if self.meanwhile:
            self.meanwhile.pop(0)()
        return response

    def requests(self) -> list[str]:
        """The requests since this was last called: method, path and query as a person would type them."""
        requests = [f"{request.method} {request.target}" for request in self.simulator.requests]
        self.simulator.requests.clear()
        return requests


class Hosts(httpx.AsyncBaseTransport):
    """A network: each host with its own server."""

    def __init__(self, servers: Mapping[str, Any]) -> None:
        self._servers = servers

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert request.url.scheme == "https"
        response: httpx.Response = await self._servers[request.url.host].handle_async_request(request)
        return response


class Pages(httpx.AsyncBaseTransport):
    """A server that sends these pages in turn, the last one repeatedly; `got` are its requests."""

    def __init__(self, *pages: object) -> None:
        self._pages = list(pages)
        self.got: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert (request.method, request.url.scheme, request.url.host) == ("GET", "https", "k6.test")
        typed = "&".join(f"{name}={value}" for name, value in request.url.params.multi_items())
        self.got.append(f"{request.url.path}?{typed}")
        page = self._pages.pop(0) if len(self._pages) > 1 else self._pages[0]
        return httpx.Response(200, content=page if isinstance(page, bytes) else json.dumps(page))


def run(work: Awaitable[T]) -> T:
    async def scene() -> T:
        return await work

    return asyncio.run(scene())


def run_json(id_: object, **more: object) -> dict[str, object]:
    return {"id": id_, "test_id": 7, "status": "completed", "result": "passed", **more}


def some_runs(count: int) -> tuple[World, int, list[int]]:
    """A world of one test, its id, and the ids of its runs, one a second until START, from old to new."""
    world = World()
    test = world.add_test("busy")
    return world, test, [world.add_run(test, created=START - count + i) for i in range(count)]


def ids(things: Iterable[Run | LoadTest]) -> list[int]:
    return [thing.id for thing in things]


# Calls


def test_run_is_parsed() -> None:
    world = World()
    test = world.add_test("checkout")
    run_id = world.add_run(test, created=START - 500, failed=True, vus=200, duration=130)
    cloud = Cloud(world)

    assert run(cloud.api.read_run(run_id)) == Run(
        id=run_id,
        test_id=test,
        status=3,
        processing=2,
        result=1,
        created=START - 500,
        started=START - 483,
        ended=START - 363,
        duration=130,
        vus=200,
        execution=120,
        vuh=6.666667,
        phases=PhaseSeconds(queued=5.0, initializing=10.0, running=120.0, processing=15.0),
        reason=Reason("thresholds_failed", message="A threshold was crossed: http_req_duration p(95)<500"),
    )
    assert cloud.requests() == [f"GET {RUNS}/{run_id}"]


def test_every_request_has_token_and_stack() -> None:
    world, test, [run_id] = some_runs(1)
    cloud = Cloud(world)

    run(cloud.api.list_runs(SINCE))
    run(cloud.api.list_newest_runs(test, 3))
    run(cloud.api.read_run(run_id))
    run(cloud.api.list_tests())
    run(cloud.api.read_test(test))
    run(cloud.api.list_schedules())
    started = run(cloud.acts.start_run(test))
    run(cloud.acts.stop_run(started.id))

    sent = [(it.headers["authorization"], it.headers["x-stack-id"]) for it in cloud.simulator.requests]
    assert sent == [(f"Bearer {TOKEN}", "1")] * 8


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"Authorization": "Bearer nonsense", "X-Stack-Id": "1"}, Unauthorized),
        ({"Authorization": f"Token {TOKEN}", "X-Stack-Id": "1"}, Unauthorized),
        ({"X-Stack-Id": "1"}, Unauthorized),
        ({"Authorization": f"Bearer {TOKEN}", "X-Stack-Id": "2"}, Forbidden),
        ({"Authorization": f"Bearer {TOKEN}"}, BadRequest),
    ],
)
def test_missing_permission_is_reported(headers: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        run(Cloud(World(), headers=headers).api.list_runs(SINCE))


def test_list_of_runs_includes_its_start_time() -> None:
    world = World()
    first, second = world.add_test("first"), world.add_test("second")
    world.add_run(first, created=SINCE - 0.000001)
    at_it = world.add_run(first, created=SINCE)
    after = world.add_run(second, created=SINCE + 1)
    world.add_run(second, created=START + 1)
    cloud = Cloud(world)

    listing = run(cloud.api.list_runs(SINCE))

    assert (ids(listing.runs), listing.skipped, listing.complete_since) == ([at_it, after], (), SINCE)
    assert [run.test_id for run in listing.runs] == [first, second]
    assert cloud.requests() == [FIRST_PAGE]


def test_times_are_sent_with_microseconds() -> None:
    world = World()
    test = world.add_test("t")
    moment = START - 100 + 0.123457
    world.add_run(test, created=moment - 0.000001)
    at_it = world.add_run(test, created=moment)
    cloud = Cloud(world)
    created = run(cloud.api.read_run(at_it)).created
    cloud.requests()

    assert created is not None
    assert ids(run(cloud.api.list_runs(created)).runs) == [at_it]
    assert cloud.requests() == [f"GET {RUNS}?created_after=2026-09-21T14:11:40.123457Z&$top=1000"]


@pytest.mark.parametrize("moment", [0.0, -0.5, -86400.0, -62135596800.0, -62135596920.0, -1e18, -math.inf])
def test_time_before_1970_is_sent_as_1970(moment: float) -> None:
    # A run that says it is from the year 1 made all polls after it fail: the year 0 cannot be written.
    world, _, runs = some_runs(2)
    cloud = Cloud(world)

    listing = run(cloud.api.list_runs(moment))

    assert (ids(listing.runs), listing.complete_since) == (runs, moment)
    assert cloud.requests() == [f"GET {RUNS}?created_after=1970-01-01T00:00:00.000000Z&$top=1000"]


def test_parameters_are_url_encoded() -> None:
    server = Script(httpx.Response(200, json={"value": []}))

    run(api_of(server).list_runs(SINCE))
    run(api_of(server).list_newest_runs(7, 3))

    assert [request.url.raw_path for request in server.got] == [
        b"/cloud/v6/test_runs?created_after=2026-09-20T14%3A13%3A20.000000Z&%24top=1000",
        b"/cloud/v6/load_tests/7/test_runs?%24orderby=created+desc&%24top=3",
    ]


def test_empty_list_of_runs_is_complete() -> None:
    assert run(Cloud(World()).api.list_runs(SINCE)) == RunList(
        complete_since=SINCE, complete_until=SINCE, page_size=1000
    )


def test_newest_runs_are_sorted_and_limited() -> None:
    world, test, runs = some_runs(5)
    world.add_run(world.add_test("other"), created=START)
    cloud = Cloud(world)

    listing = run(cloud.api.list_newest_runs(test, 3))

    assert (ids(listing.runs), listing.skipped) == ([runs[4], runs[3], runs[2]], ())
    assert listing.complete_since == UNSURE
    assert cloud.requests() == [f"GET {TESTS}/{test}/test_runs?$orderby=created desc&$top=3"]


def test_newest_runs_are_limited_to_a_page() -> None:
    # `runs.keep: 1000` requested a few more than that, and each test failed with 400.
    world, test, _ = some_runs(2)
    cloud = Cloud(world)

    assert len(run(cloud.api.list_newest_runs(test, 1007)).runs) == 2
    assert cloud.requests() == [f"GET {TESTS}/{test}/test_runs?$orderby=created desc&$top=1000"]


def test_newest_runs_skip_a_run_of_another_test() -> None:
    world, test, runs = some_runs(2)
    cloud = Cloud(world)
    cloud.simulator.faults.add(faults.unexpected_run())

    listing = run(cloud.api.list_newest_runs(test, 3))

    assert ids(listing.runs) == runs[::-1]
    assert [it.reason for it in listing.skipped] == ["unexpected"]
    assert {str(runs[0] + 77), str(test + 77)} <= set(listing.skipped[0].description.split())


def test_what_does_not_exist_is_not_found() -> None:
    cloud = Cloud(World())
    api, acts = cloud.api, cloud.acts

    for call in (
        api.read_run(1),
        api.read_test(1),
        api.list_newest_runs(1, 3),
        api.list_tests(1),
        acts.start_run(1),
        acts.stop_run(1),
    ):
        with pytest.raises(NotFound):
            run(call)


def test_start_creates_a_run_and_stop_ends_it() -> None:
    world = World(stop_delay=5)
    test = world.add_test("soak")
    cloud = Cloud(world)

    started = run(cloud.acts.start_run(test))
    assert (started.test_id, started.status, started.created, started.started) == (test, -2, START, None)
    run(cloud.acts.stop_run(started.id))
    cloud.now += 4
    assert run(cloud.api.read_run(started.id)).status != 5
    cloud.now += 1
    assert run(cloud.api.read_run(started.id)).status == 5
    assert cloud.requests() == [
        f"POST {TESTS}/{test}/start",
        f"POST {RUNS}/{started.id}/abort",
        f"GET {RUNS}/{started.id}",
        f"GET {RUNS}/{started.id}",
    ]


def test_a_run_that_has_ended_cannot_be_stopped() -> None:
    world = World()
    run_id = world.add_run(world.add_test("t"), created=START - 500)
    cloud = Cloud(world)

    with pytest.raises(
        Conflict, match=r"\(409 at POST /cloud/v6/test_runs/\{id\}/abort: Cannot abort a test"
    ):
        run(cloud.acts.stop_run(run_id))
    assert cloud.requests() == [f"POST {RUNS}/{run_id}/abort"]


@pytest.mark.parametrize(
    "fault", [faults.not_json(), faults.cut_json(), faults.empty_body(), faults.missing_field("id")]
)
def test_start_without_response_is_not_repeated(fault: faults.Fault) -> None:
    world = World()
    test = world.add_test("soak")
    cloud = Cloud(world)
    cloud.simulator.faults.add(fault)

    with pytest.raises(DecodeError):
        run(cloud.acts.start_run(test))
    assert (len(world.runs), cloud.requests()) == (1, [f"POST {TESTS}/{test}/start"])


def test_tests_are_listed_all_or_by_project() -> None:
    world = World()
    test = world.add_test("checkout", created=1)
    shop = world.add_project("shop")
    other = world.add_test("größe", project_id=shop, created=2)
    cloud = Cloud(world)

    both = (LoadTest(test, "checkout", world.default_project_id), LoadTest(other, "größe", shop))
    assert run(cloud.api.list_tests()) == TestList(both)
    assert run(cloud.api.list_tests(shop)) == TestList(both[1:])
    assert run(cloud.api.list_tests(world.add_project("empty"))) == TestList()
    assert cloud.requests()[:2] == [
        f"GET {TESTS}?$top=1000",
        f"GET /cloud/v6/projects/{shop}/load_tests?$top=1000",
    ]


def test_read_test_works_with_and_without_baseline() -> None:
    world = World()
    test = world.add_test("checkout")

    cloud = Cloud(world)
    for change in ((), (faults.missing_field("baseline_test_run_id"),)):
        cloud.simulator.faults.add(*change)
        assert run(cloud.api.read_test(test)) == LoadTest(test, "checkout", world.default_project_id)
        assert cloud.requests() == [f"GET {TESTS}/{test}"]


def test_unparsable_test_is_skipped() -> None:
    server = Pages({"value": [{"id": 7, "name": None}, {"name": "nameless"}, None, {"id": "8", "name": "b"}]})

    listing = run(api_of(server).list_tests())

    assert listing.tests == (LoadTest(7, "7"), LoadTest(8, "b"))
    assert [it.reason for it in listing.skipped] == ["invalid"] * 2


def next_runs(api: V6Client) -> dict[int, float]:
    """The tests that will run again by their schedules, and when."""
    schedules = run(api.list_schedules()).items()
    return {test: schedule.next_run for test, schedule in schedules if schedule.next_run is not None}


def test_schedules_say_when_each_test_runs_next() -> None:
    world = World()
    hourly, twice, paused, done = (world.add_test(name) for name in ("hourly", "twice", "paused", "done"))
    world.add_test("by hand")
    world.schedule(hourly, every=3600, first=START + 600)
    world.schedule(twice, every=86400, first=START + 900)
    world.schedule(twice, every=86400, first=START + 300)
    world.deactivate_schedule(world.schedule(paused, every=3600, first=START + 60), START)
    world.schedule(done, every=3600, first=START - 60, times=1)
    cloud = Cloud(world)

    assert next_runs(cloud.api) == {hourly: START + 600, twice: START + 300}
    assert cloud.requests() == [f"GET {SCHEDULES}?$top=1000"]
    inactive = {test for test, schedule in run(cloud.api.list_schedules()).items() if not schedule.is_active}
    assert inactive == {paused}


def test_a_schedule_on_a_later_page_is_a_schedule() -> None:
    world = World()
    tests = [world.add_test(f"test {n}") for n in range(5)]
    for n, test in enumerate(tests):
        world.schedule(test, every=3600, first=START + 60 * (n + 1))
    cloud = Cloud(world, V6Options(max_top=2, clamp_top=True))

    assert next_runs(cloud.api) == {test: START + 60 * (n + 1) for n, test in enumerate(tests)}
    assert cloud.requests() == [
        f"GET {SCHEDULES}?$top=1000",
        f"GET {SCHEDULES}?$skip=2&$top=2",
        f"GET {SCHEDULES}?$skip=4&$top=2",
    ]


def test_a_schedule_that_cannot_be_read_is_none() -> None:
    good = {"id": 1, "load_test_id": 7, "next_run": "2026-09-21T15:00:00Z", "deactivated": False}
    server = Pages(
        {
            "value": [
                None,
                "daily",
                good | {"id": 2, "load_test_id": 8, "next_run": "soon"},
                good | {"id": 3, "load_test_id": "nine"},
                good | {"id": 4, "load_test_id": None},
                good,
            ]
        }
    )

    assert next_runs(api_of(server)) == {7: START + 2800}


def test_schedules_may_be_forbidden() -> None:
    cloud = Cloud(World())
    cloud.simulator.faults.add(faults.error(403))

    with pytest.raises(Forbidden):
        run(cloud.api.list_schedules())


# Only the form of the JSON changes, not what it means.
UNUSUAL_JSON = (faults.numbers_as_strings(), faults.unknown_keys(), faults.field("result_details", {}))


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(reject_unknown_parameters=True),
        Options(v6=V6Options(timestamps=Timestamps.NAIVE)),
        Options(v6=V6Options(timestamps=Timestamps.OFFSET, microseconds=False)),
        Options(v6=V6Options(null_extra=True)),
        Options(v6=V6Options(max_top=4, clamp_top=True)),
        Options(v6=V6Options(max_top=1, clamp_top=True, next_link=NextLink.ENCODED)),
    ],
    ids=repr,
)
@pytest.mark.parametrize("changes", [(), UNUSUAL_JSON])
def test_every_call_works_alike_on_every_kind_of_server(options: Options, changes: Sequence[Fault]) -> None:
    world, test, runs = some_runs(9)
    world.add_run(test, created=START - 900, ending=EndStatus.ABORTED_BY_SCRIPT_ERROR)
    shop = world.add_project("shop")
    world.add_test("second", project_id=shop)
    world.schedule(test, every=3600, first=START + 60)
    plain, cloud = Cloud(world).api, Cloud(world, options)
    cloud.simulator.faults.add(*changes)
    api = cloud.api

    assert run(api.list_runs(SINCE)).runs == run(plain.list_runs(SINCE)).runs
    [newest] = run(api.list_newest_runs(test, 1)).runs
    assert newest == run(plain.read_run(runs[-1])) == run(api.read_run(runs[-1]))
    assert run(api.list_tests()) == run(plain.list_tests())
    assert run(api.list_tests(shop)) == run(plain.list_tests(shop))
    assert run(api.read_test(test)) == run(plain.read_test(test))
    assert next_runs(api) == {test: START + 60}
    started = run(cloud.acts.start_run(test))
    assert (started.test_id, started.status) == (test, -2)
    run(cloud.acts.stop_run(started.id))


# Paging


@pytest.mark.parametrize("form", [form for form in NextLink if form is not NextLink.LOOP])
def test_next_link_of_any_form_is_followed(form: NextLink) -> None:
    world, _, runs = some_runs(25)
    cloud = Cloud(world, V6Options(max_top=10, clamp_top=True, next_link=form))

    listing = run(cloud.api.list_runs(SINCE))

    assert (ids(listing.runs), listing.skipped) == (runs, ())
    request = f"GET {RUNS}?created_after=2026-09-20T14:13:20.000000Z"
    assert cloud.requests() == [FIRST_PAGE, f"{request}&$skip=10&$top=10", f"{request}&$skip=20&$top=10"]


def test_next_link_never_changes_the_host() -> None:
    world, _, runs = some_runs(3)
    cloud = Cloud(world, V6Options(max_top=1, clamp_top=True, next_link=NextLink.OTHER_HOST))
    page = run(api_of(Hosts({"k6.test": cloud}))._transport.get(RUNS))
    assert json.loads(page)["@nextLink"] == f"https://{FOREIGN_HOST}{RUNS}?$skip=1&$top=1"

    assert ids(run(cloud.api.list_runs(SINCE)).runs) == runs
    assert cloud.elsewhere.got == []


def test_next_link_to_itself_is_incomplete() -> None:
    world, _, runs = some_runs(25)
    cloud = Cloud(world, V6Options(max_top=10, clamp_top=True, next_link=NextLink.LOOP))

    listing = run(cloud.api.list_runs(SINCE))

    assert (ids(listing.runs), listing.complete_since) == (runs[:10], UNSURE)
    assert len(cloud.requests()) == 2


LIST = f"{RUNS}?created_after=2026-09-20T14:13:20.000000Z"


@pytest.mark.parametrize(
    ("link", "turn"),
    [
        (f"https://k6.test{RUNS}?$skip=2&$top=2", "$skip=2&$top=2"),
        (f"http://k6.test{RUNS}?$skip=2&$top=2", "$skip=2&$top=2"),
        (f"https://k6.test{RUNS}?%24skip=2&%24top=2", "$skip=2&$top=2"),
        (f"https://k6.test{RUNS}?$top=2&$skip=2", "$skip=2&$top=2"),
        (f"{RUNS}?$skip=2&$top=2", "$skip=2&$top=2"),
        ("?$skip=2&$top=2", "$skip=2&$top=2"),
        ("?$skip=2", "$skip=2"),
        ("//evil.test?$skip=2", "$skip=2"),
        ("https://user:password@evil.test/x?$skip=2", "$skip=2"),
        ("javascript:alert(1)?$skip=2", "$skip=2"),
        # Another path, and other parameters than ours: we keep our own.
        ("https://k6.test/cloud/v6/projects/9/load_tests?$skip=2&$top=2", "$skip=2&$top=2"),
        (f"https://k6.test{RUNS}/../../../admin?$skip=2", "$skip=2"),
        ("?created_after=1999-01-01T00:00:00Z&$orderby=id&$skip=2", "$skip=2"),
        ("?$skip=9&$skip=2", "$skip=2"),
        ("?$skiptoken=a%20b%26c", "$skiptoken=a b&c"),
        # A link that does not say where: there is more, and we can count.
        (f"https://k6.test{RUNS}", "$skip=2&$top=1000"),
        ("next", "$skip=2&$top=1000"),
        (" ", "$skip=2&$top=1000"),
        ("?page=2", "$skip=2&$top=1000"),
        ("?$top=2", "$skip=2&$top=1000"),
        ("?$skip=", "$skip=2&$top=1000"),
        ("?$skip=-2", "$skip=2&$top=1000"),
        ("?$skip=two", "$skip=2&$top=1000"),
        ("?$skip=2&$top=all", "$skip=2"),
        ("#$skip=2", "$skip=2&$top=1000"),
        # These used to be errors of Python and httpx, which no one caught.
        ("http://[", "$skip=2&$top=1000"),
        ("https://k6\u2100.test?$skip=2", "$skip=2&$top=1000"),
        ("?$skip=" + "9" * 100_000, "$skip=2&$top=1000"),
        ("?$skiptoken=" + "x" * 100_000, "$skip=2&$top=1000"),
        # Something that is no link is not the end either.
        (True, "$skip=2&$top=1000"),
        (2, "$skip=2&$top=1000"),
        ([f"{RUNS}?$skip=2"], "$skip=2&$top=1000"),
        ({"href": f"{RUNS}?$skip=2"}, "$skip=2&$top=1000"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_only_page_parameters_of_next_link_are_used(link: object, turn: str) -> None:
    server = Pages({"value": [run_json(1), run_json(2)], "@nextLink": link}, {"value": [run_json(3)]})

    listing = run(api_of(server).list_runs(SINCE))

    assert server.got == [f"{LIST}&$top=1000", f"{LIST}&{turn}"]
    assert ids(listing.runs) == [1, 2, 3]


@pytest.mark.parametrize("link", [{}, {"@nextLink": None}, {"@nextLink": ""}, {"@nextLink": False}])
def test_a_list_without_a_next_link_is_at_its_end(link: dict[str, object]) -> None:
    server = Pages({"value": [run_json(1)], **link})

    assert run(api_of(server).list_runs(SINCE)).complete_since == SINCE
    assert len(server.got) == 1


def test_next_link_of_other_apis_is_ignored() -> None:
    server = Pages({"value": [run_json(1)], "next": f"{RUNS}?$skip=1", "@odata.nextLink": f"{RUNS}?$skip=1"})

    assert ids(run(api_of(server).list_runs(SINCE)).runs) == [1]
    assert len(server.got) == 1


def test_empty_page_with_next_link_is_incomplete() -> None:
    server = Pages(
        {"value": [run_json(1)], "@nextLink": "?$skip=1"},
        {"value": [], "@nextLink": "?$skip=2"},
        {"value": [run_json(2)]},
    )

    listing = run(api_of(server).list_runs(SINCE))

    assert (ids(listing.runs), listing.complete_since) == ([1], UNSURE)
    assert len(server.got) == 2


def test_empty_first_page_with_next_link_is_incomplete() -> None:
    server = Pages({"value": [], "@nextLink": "?$skip=1000"})

    assert run(api_of(server).list_runs(SINCE)) == RunList(
        complete_since=UNSURE, complete_until=SINCE, is_complete=False, page_size=1000
    )


@pytest.mark.parametrize("link", ["?$skip=1", "next", "?$skiptoken=again"])
def test_same_page_again_ends_after_two_requests(link: str) -> None:
    # With a link that does not say where, it used to get a thousand requests.
    server = Pages({"value": [run_json(1), "unreadable"], "@nextLink": link})

    listing = run(api_of(server).list_runs(SINCE))

    assert (ids(listing.runs), len(listing.skipped), listing.complete_since) == ([1], 1, UNSURE)
    assert len(server.got) == 2


def test_circular_next_links_end_the_list() -> None:
    pages = [{"value": [run_json(n)], "@nextLink": f"?$skip={n % 3}&$top={n}"} for n in range(3)]
    server = Pages(*pages, *pages, b"")

    listing = run(api_of(server).list_runs(SINCE))

    assert (ids(listing.runs), listing.complete_since) == ([0, 1, 2], UNSURE)
    assert len(server.got) == 4


def test_a_list_that_never_ends_is_unreadable() -> None:
    server = Pages(*({"value": [run_json(n)], "@nextLink": f"?$skip={n}"} for n in range(1, 1100)))

    with pytest.raises(DecodeError, match="1000 pages"):
        run(api_of(server).list_runs(SINCE))
    assert len(server.got) == 1000


def test_a_list_of_2500_runs_takes_three_pages() -> None:
    world, _, runs = some_runs(2500)
    cloud = Cloud(world)

    listing = run(cloud.api.list_runs(SINCE))

    assert ids(listing.runs) == runs
    request = f"GET {RUNS}?created_after=2026-09-20T14:13:20.000000Z"
    assert cloud.requests() == [
        FIRST_PAGE,
        f"{request}&$skip=1000&$top=1000",
        f"{request}&$skip=2000&$top=1000",
    ]


def test_full_page_of_1000_runs_is_complete() -> None:
    world, _, runs = some_runs(1000)
    cloud = Cloud(world)

    listing = run(cloud.api.list_runs(SINCE))

    assert (ids(listing.runs), listing.complete_since) == (runs, SINCE)
    assert cloud.requests() == [FIRST_PAGE]


def test_server_that_rejects_page_size_is_an_error() -> None:
    # 1000 is the documented maximum.
    world, _, _ = some_runs(1)

    with pytest.raises(BadRequest, match="Validation error"):
        run(Cloud(world, V6Options(max_top=999)).api.list_runs(SINCE))


def test_run_created_between_pages_is_listed_once() -> None:
    world, test, runs = some_runs(12)
    cloud = Cloud(world, V6Options(max_top=5, clamp_top=True))
    created: list[int] = []
    cloud.meanwhile = [lambda: created.append(world.add_run(test, created=START))] * 2

    listing = run(cloud.api.list_runs(SINCE))

    assert ids(listing.runs) == runs + created
    assert len(created) == 2


def test_deletion_between_pages_makes_list_uncertain() -> None:
    # The pages move up by one. The missing run was taken for deleted, and its end was never counted.
    world, _, runs = some_runs(12)
    cloud = Cloud(world, V6Options(max_top=5, clamp_top=True))
    cloud.meanwhile = [lambda: world.delete_run(runs[0])]

    listing = run(cloud.api.list_runs(SINCE))

    assert ids(listing.runs) == [run_id for run_id in runs if run_id != runs[5]]
    assert listing.complete_since == UNSURE


def test_only_list_on_one_page_is_complete() -> None:
    world, _, runs = some_runs(12)

    for max_top, reaches_back_to, page_size in ((12, SINCE, 1000), (11, UNSURE, 11), (1, UNSURE, 1)):
        listing = run(Cloud(world, V6Options(max_top=max_top, clamp_top=True)).api.list_runs(SINCE))
        assert (ids(listing.runs), listing.complete_since) == (runs, reaches_back_to)
        assert listing.page_size == page_size


def test_tests_on_several_pages_are_all_listed() -> None:
    world = World()
    tests = [world.add_test(f"test {n}", created=n) for n in range(7)]
    cloud = Cloud(world, V6Options(max_top=3, clamp_top=True))

    assert ids(run(cloud.api.list_tests()).tests) == tests
    assert ids(run(cloud.api.list_tests(world.default_project_id)).tests) == tests
    assert [request.partition("?")[2] for request in cloud.requests()] == [
        "$top=1000",
        "$skip=3&$top=3",
        "$skip=6&$top=3",
    ] * 2


def test_incomplete_list_of_tests_is_an_error() -> None:
    # Those beyond were forgotten, with all that had been counted of them.
    world = World()
    for n in range(7):
        world.add_test(f"test {n}")
    looped = Cloud(world, V6Options(max_top=3, clamp_top=True, next_link=NextLink.LOOP))
    emptied = Cloud(world, V6Options(max_top=3, clamp_top=True))
    emptied.simulator.faults.add(faults.empty_page().on("*skip=3*"))

    for cloud in (looped, emptied):
        with pytest.raises(DecodeError, match=r"^GET /cloud/v6/load_tests: "):
            run(cloud.api.list_tests())


def test_incomplete_list_of_facts_is_an_error() -> None:
    # What is missing would be taken for deleted.
    api = api_of(Pages({"value": [], "@nextLink": "?$skip=1000"}))

    for call, endpoint in (
        (api.list_schedules(), "schedules"),
        (api.list_projects(), "projects"),
        (api.list_limits(), "project-limits"),
    ):
        with pytest.raises(DecodeError, match=rf"^GET /cloud/v6/{endpoint}: incomplete list"):
            run(call)


# Odd answers


@pytest.mark.parametrize("count", [1, "1", 0, -1, 5000, None, "many", [], {}, True])
def test_a_count_says_nothing(count: object) -> None:
    server = Pages({"@count": count, "value": [run_json(1)]})

    listing = run(api_of(server).list_runs(SINCE))

    assert (ids(listing.runs), listing.complete_since, len(server.got)) == ([1], SINCE, 1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"5",
        b"{}",
        b'{"value": null}',
        b'{"value": {}}',
        b'{"value": "runs"}',
        b'{"value": [1',
        b'{"values": []}',
        b'{"k6-runs": []}',
        b'{"error": {"message": "no", "code": "error"}}',
        b"\xff",
        b"[" * 100_000,
        b'{"value": ' + b"[" * 100_000,
    ],
    ids=range(15),
)
def test_invalid_list_response_is_a_decode_error(body: bytes) -> None:
    api = api_of(Pages(body))

    for call, endpoint in (
        (api.list_runs(SINCE), "/cloud/v6/test_runs"),
        (api.list_newest_runs(7, 3), "/cloud/v6/load_tests/{id}/test_runs"),
        (api.list_tests(), "/cloud/v6/load_tests"),
        (api.list_tests(7), "/cloud/v6/projects/{id}/load_tests"),
        (api.list_schedules(), "/cloud/v6/schedules"),
    ):
        with pytest.raises(DecodeError) as error:
            run(call)
        assert str(error.value).startswith(f"{endpoint}: ")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"id": null}',
        b'{"id": "x", "test_id": 7}',
        b'{"k6-run": {"id": 1}}',
        b"\xff",
    ],
)
def test_invalid_item_response_is_a_decode_error(body: bytes) -> None:
    api = api_of(Pages(body))

    for call, endpoint in ((api.read_run(1), "/cloud/v6/test_runs/"), (api.read_test(7), TESTS)):
        with pytest.raises(DecodeError) as error:
            run(call)
        assert str(error.value).startswith(endpoint)


def test_unparsable_run_is_skipped_and_list_uncertain() -> None:
    server = Pages(
        {"value": [run_json(1), "broken", {"id": 2}, None, run_json(3), {"test_id": 7}, run_json("x")]}
    )

    listing = run(api_of(server).list_runs(SINCE))

    assert (ids(listing.runs), listing.complete_since) == ([1, 3], UNSURE)
    assert [it.reason for it in listing.skipped] == ["invalid"] * 5


def test_run_that_is_not_utf_8_is_skipped() -> None:
    server = Pages(b'{"value": [{"id": "\xed\xa0\x80"}, {"id": 2, "test_id": 7}]}')

    listing = run(api_of(server).list_runs(SINCE))

    assert (ids(listing.runs), [it.reason for it in listing.skipped]) == ([2], ["invalid"])


def test_newest_runs_skip_an_unparsable_run() -> None:
    world, test, runs = some_runs(3)
    cloud = Cloud(world)
    cloud.simulator.faults.add(faults.invalid_item())

    listing = run(cloud.api.list_newest_runs(test, 3))

    assert (ids(listing.runs), [it.reason for it in listing.skipped]) == ([runs[1], runs[0]], ["invalid"])


def test_repeated_run_counts_once_with_later_data() -> None:
    moving = run_json(1, status="running", result=None)
    server = Pages(
        {"value": [moving, run_json(2), moving], "@nextLink": "?$skip=3"},
        {"value": [run_json(1), run_json(3)]},
    )

    listing = run(api_of(server).list_runs(SINCE))

    assert [(run.id, run.status) for run in listing.runs] == [(1, 3), (2, 3), (3, 3)]


def test_page_with_repeated_run_is_complete() -> None:
    world, _, runs = some_runs(3)
    cloud = Cloud(world)
    cloud.simulator.faults.add(faults.duplicate())

    listing = run(cloud.api.list_runs(SINCE))

    assert (ids(listing.runs), listing.complete_since) == (runs, SINCE)


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (EndStatus.FINISHED, 3),
        (EndStatus.TIMED_OUT, 6),
        (EndStatus.ABORTED_BY_USER, 5),
        (EndStatus.ABORTED_BY_SYSTEM, 6),
        (EndStatus.ABORTED_BY_SCRIPT_ERROR, 7),
        (EndStatus.ABORTED_BY_THRESHOLD, 8),
        (EndStatus.ABORTED_BY_LIMIT, 6),
    ],
)
def test_each_end_has_its_v6_code(ending: EndStatus, code: int) -> None:
    world = World()
    test = world.add_test("t")
    world.add_run(test, created=START - 500, ending=ending, phases=Phases(running=10))

    assert [run.status for run in run(Cloud(world).api.list_runs(SINCE)).runs] == [code]


def test_upload_without_execution_is_not_finished() -> None:
    world = World()
    world.add_run(world.add_test("t"), created=START - 500, ending=EndStatus.ARCHIVED)

    assert run(Cloud(world).api.list_runs(SINCE)).runs == ()
