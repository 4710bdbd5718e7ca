"""The legacy API's client, against a simulator that follows the documentation and servers that do not."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qs

import httpx
import pytest

from exporter.k6.errors import BadRequest, DecodeError, Forbidden, NotFound
from exporter.k6.legacy.client import LegacyClient, is_sorted_descending
from exporter.k6.pagination import MAX_AHEAD
from exporter.k6.write import LegacyWriter
from exporter.model import LoadTest, PhaseSeconds, Reason, Run, RunList
from exporter.simulator import EndStatus, Fault, Options, Phases, Simulator, Timestamps, World, faults
from tests.support.k6_server import TOKEN, TransportClient
from tests.support.lab import START

T = TypeVar("T")
Answer = Mapping[str, Any]
RUNS, TESTS = "/loadtests/v2/runs", "/loadtests/v2/tests"
WHOLE, UNSURE = -math.inf, math.inf
# Only the form of the JSON changes, not what it means.
UNUSUAL_JSON = (faults.numbers_as_strings(), faults.unknown_keys())


class Cloud:
    """The legacy client of one simulated world; its time is START unless set."""

    def __init__(self, world: World, options: Options | None = None) -> None:
        self.now = START
        self.simulator = Simulator(
            world,
            tokens=[TOKEN],
            clock=lambda: self.now,
            options=options or Options(),
            connection_error=httpx.ReadError,
        )
        client = TransportClient(httpx.ASGITransport(self.simulator), requests_per_minute=100_000)
        self.api = LegacyClient(client.transport)
        self.acts = LegacyWriter(client.transport)

    def requests(self) -> list[str]:
        """The requests since this was last called: method, path and query as a person would type them."""
        requests = [f"{request.method} {request.target}" for request in self.simulator.requests]
        self.simulator.requests.clear()
        return requests


def run(work: Awaitable[T]) -> T:
    async def scene() -> T:
        return await work

    return asyncio.run(scene())


def client(serve: Callable[[dict[str, list[str]]], Answer], got: list[str] | None = None) -> LegacyClient:
    """A client of a server that makes its answer of nothing but the query."""

    async def handle(request: httpx.Request) -> httpx.Response:
        if got is not None:
            got.append(request.url.query.decode())
        answer = dict(serve(parse_qs(request.url.query.decode())))
        return httpx.Response(answer.pop("status", 200), content=json.dumps(answer))

    return LegacyClient(TransportClient(httpx.MockTransport(handle), requests_per_minute=100_000).transport)


def run_json(id_: int, *, created: str = "2026-09-21T00:00:00", **more: object) -> dict[str, object]:
    return {"id": id_, "test_id": 7, "run_status": 3, "processing_status": 2, "created": created, **more}


def minute(n: int) -> str:
    return f"2026-09-{1 + n // 1440:02}T{n // 60 % 24:02}:{n % 60:02}:00"


def some_runs(count: int, every: float = 60.0) -> tuple[World, int, list[int]]:
    """A world of one test, its id, and the ids of its runs from new to old."""
    world = World()
    test = world.add_test("busy")
    runs = [world.add_run(test, created=START - every * (count - i) - 1000) for i in range(count)]
    return world, test, runs[::-1]


def ids(runs: Iterable[Run]) -> list[int]:
    return [run.id for run in runs]


SELECT = (
    "$select=id,test_id,run_status,processing_status,result_status,created,started,ended,duration,vus,"
    "error_code,error_detail"
)
PAGING = "page_size=100&order_by=-created"


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
        phases=PhaseSeconds(running=120),
        reason=Reason("thresholds_failed"),
    )
    assert cloud.requests() == [f"GET {RUNS}/{run_id}?{SELECT}"]


def test_run_is_parsed_from_any_format_of_times_and_numbers() -> None:
    world, _, [run_id] = some_runs(1)
    plain = run(Cloud(world).api.read_run(run_id))

    for timestamps in Timestamps:
        for microseconds in (False, True):
            cloud = Cloud(world, Options(timestamps=timestamps, microseconds=microseconds))
            cloud.simulator.faults.add(*UNUSUAL_JSON)
            assert run(cloud.api.read_run(run_id)) == plain


def test_what_is_null_is_not_known() -> None:
    world, test, [run_id] = some_runs(1)
    fields = {"run_status", "processing_status", "result_status", "created", "started", "ended"}
    cloud = Cloud(world)
    cloud.simulator.faults.add(*(faults.field(name, None) for name in fields | {"duration", "vus"}))

    assert run(cloud.api.read_run(run_id)) == Run(id=run_id, test_id=test)


def test_a_run_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(NotFound):
        run(Cloud(World()).api.read_run(1))


def test_only_selected_fields_are_requested() -> None:
    world, _, [run_id] = some_runs(1)
    cloud = Cloud(world)

    assert run(cloud.api.read_run(run_id, select=("id", "test_id", "vus"))).vus == 50
    assert ids(run(cloud.api.list_runs(public_id="none", select=("id", "test_id"))).runs) == []
    assert cloud.requests() == [
        f"GET {RUNS}/{run_id}?$select=id,test_id,vus",
        f"GET {RUNS}?$select=id,test_id&public_id=none&page=1&{PAGING}",
    ]


def test_run_is_found_by_its_public_id() -> None:
    world, test, _ = some_runs(3)
    public = world.add_run(test, created=START - 50, public_id="abc")
    cloud = Cloud(world)

    assert ids(run(cloud.api.list_runs(public_id="abc")).runs) == [public]
    assert cloud.requests() == [f"GET {RUNS}?{SELECT}&public_id=abc&page=1&{PAGING}"]


def test_parameters_are_url_encoded() -> None:
    got: list[str] = []

    run(client(lambda _: {"k6-runs": [], "meta": {"count": 0}}, got).list_runs(7, ids=[1, 2]))

    assert got == [
        "%24select=id%2Ctest_id%2Crun_status%2Cprocessing_status%2Cresult_status%2Ccreated%2Cstarted%2Cended"
        "%2Cduration%2Cvus%2Cerror_code%2Cerror_detail&test_id=7&ids%5B%5D=1&ids%5B%5D=2&page=1&page_size=100&order_by=-created"
    ]


def test_runs_of_a_test_need_one_request() -> None:
    world, test, runs = some_runs(5)
    cloud = Cloud(world)

    listing = run(cloud.api.list_runs(test))

    assert (ids(listing.runs), listing.skipped, listing.complete_since) == (runs, (), WHOLE)
    assert cloud.requests() == [f"GET {RUNS}?{SELECT}&test_id={test}&page=1&{PAGING}"]


def test_list_without_runs_is_complete() -> None:
    world, test, _ = some_runs(0)

    assert run(Cloud(world).api.list_runs(test)) == RunList(complete_since=WHOLE)


def test_the_runs_of_no_test_are_not_found() -> None:
    with pytest.raises(NotFound):
        run(Cloud(World()).api.list_runs(1))


def test_runs_by_id_leave_out_deleted_ones() -> None:
    world, test, runs = some_runs(5)
    cloud = Cloud(world)

    listing = run(cloud.api.list_runs(test, ids=[runs[3], 1, runs[1]]))

    assert (set(ids(listing.runs)), listing.complete_since) == ({runs[1], runs[3]}, WHOLE)
    assert len(cloud.requests()) == 1


def test_ids_go_in_portions_of_a_hundred() -> None:
    world, test, runs = some_runs(250)
    cloud = Cloud(world)

    listing = run(cloud.api.list_runs(test, ids=runs))

    assert (set(ids(listing.runs)), listing.complete_since) == (set(runs), WHOLE)
    assert [request.count("ids[]=") for request in cloud.requests()] == [100, 100, 50]


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(documented_only=True),
        Options(reject_unknown_parameters=True),
        Options(documented_only=True, reject_unknown_parameters=True),
        Options(max_page_size=7),
        Options(max_page_size=1),
        Options(default_page_size=None),
        Options(default_page_size=3),
        Options(missing_page_is_404=True),
        Options(max_page_size=7, missing_page_is_404=True),
        Options(ids_only_in_default_project=True),
    ],
    ids=repr,
)
@pytest.mark.parametrize("changes", [(), UNUSUAL_JSON])
def test_every_call_works_on_every_kind_of_server(options: Options, changes: Sequence[Fault]) -> None:
    world, test, runs = some_runs(21)
    others = [world.add_test(f"test {n}") for n in range(20)]
    cloud = Cloud(world, options)
    cloud.simulator.faults.add(*changes)
    api = cloud.api

    listing = run(api.list_runs(test))
    assert (set(ids(listing.runs)), listing.complete_since) == (set(runs), WHOLE)
    listing = run(api.list_runs(test, ids=runs[:9]))
    assert (set(ids(listing.runs)), listing.complete_since) == (set(runs[:9]), WHOLE)
    assert run(api.read_run(runs[0])).id == runs[0]
    tests = run(api.list_tests(world.default_project_id))
    assert {test.id for test in tests.tests} == {test, *others}
    assert {test.id for test in run(api.list_tests(ids=[test, *others[:9]])).tests} == {test, *others[:9]}
    assert run(api.read_test(test)) == LoadTest(test, "busy", world.default_project_id, runs[0])
    assert [*run(api.list_projects()).projects] == [world.default_project_id]
    started = run(cloud.acts.start_run(others[0]))
    run(cloud.acts.stop_run(started.id))


def test_rejected_undocumented_parameters_are_sent_once() -> None:
    world, test, runs = some_runs(2)
    cloud = Cloud(world, Options(documented_only=True, reject_unknown_parameters=True))

    for _ in range(2):
        run(cloud.api.list_runs(test))
    assert cloud.requests() == [
        f"GET {RUNS}?{SELECT}&test_id={test}&page=1&{PAGING}",
        f"GET {RUNS}?{SELECT}&test_id={test}",
        f"GET {RUNS}?{SELECT}&test_id={test}",
    ]

    for _ in range(2):
        run(cloud.api.list_tests())
    assert cloud.requests() == [
        f"GET {TESTS}?$select=id,name,project_id,last_test_run_id&page=1&page_size=100&order_by=id",
        f"GET {TESTS}?page=1&page_size=100&order_by=id",
        f"GET {TESTS}?page=1&page_size=100&order_by=id",
    ]

    for _ in range(2):
        run(cloud.api.read_test(test))
    assert cloud.requests() == [
        f"GET {TESTS}/{test}?$select=id,name,project_id,last_test_run_id",
        f"GET {TESTS}/{test}",
        f"GET {TESTS}/{test}",
    ]
    assert len(runs) == 2


def test_later_400_is_not_about_undocumented_parameters() -> None:
    # It used to be taken for one that knows no pages, for as long as the process lived.
    world, test, runs = some_runs(250)
    cloud = Cloud(world)
    run(cloud.api.list_runs(test, ids=runs[:1]))
    cloud.simulator.faults.add(faults.error(400).on(times=1))

    with pytest.raises(BadRequest):
        run(cloud.api.list_runs(test))
    cloud.requests()
    assert ids(run(cloud.api.list_runs(test)).runs) == runs
    assert len(cloud.requests()) == 3


def test_bad_request_stays_one_with_documented_parameters() -> None:
    api = client(lambda _: {"status": 400})

    for _ in range(2):
        with pytest.raises(BadRequest):
            run(api.list_runs(7))


def test_a_list_of_5000_runs_is_followed_to_its_end() -> None:
    world, test, runs = some_runs(5000)
    cloud = Cloud(world)

    listing = run(cloud.api.list_runs(test))

    assert (ids(listing.runs), listing.complete_since) == (runs, WHOLE)
    # The fiftieth page is full, so another is requested: a count may be that of the page.
    assert len(cloud.requests()) == 51


@pytest.mark.parametrize("options", [Options(), Options(max_page_size=7)])
def test_list_stops_at_the_requested_time(options: Options) -> None:
    world, test, runs = some_runs(350)
    cloud = Cloud(world, options)
    back_to = START - 1000 - 60 * 130

    listing = run(cloud.api.list_runs(test, since=back_to))

    listed = ids(listing.runs)
    pages = math.ceil(131 / options.max_page_size)
    assert listed == runs[: pages * options.max_page_size]
    assert listing.complete_since == listing.runs[-1].created
    assert len(cloud.requests()) == pages


def ordered(runs: Sequence[dict[str, object]], size: int, **meta: int) -> Callable[..., Answer]:
    """A server that pages through these runs in its own order and its own size of a page."""

    def serve(query: dict[str, list[str]]) -> Answer:
        first = (int(query.get("page", ["1"])[0]) - 1) * size
        return {"k6-runs": runs[first : first + size], **({"meta": dict(meta)} if meta else {})}

    return serve


def test_list_sorted_ascending_is_followed_to_its_end() -> None:
    runs = [run_json(n, created=minute(n)) for n in range(1, 51)]
    got: list[str] = []

    listing = run(client(ordered(runs, 10, count=50), got).list_runs(7, since=math.inf))

    assert (ids(listing.runs), listing.complete_since) == (list(range(1, 51)), WHOLE)
    assert len(got) == 5


def test_runs_of_one_time_prove_no_order() -> None:
    # From old to new; the first page is all of one second, long before the requested time.
    old = [run_json(n, created=minute(0)) for n in (1, 2)]
    new = [run_json(n, created=minute(n)) for n in (3, 4, 5, 6)]

    listing = run(client(ordered([*old, *new], 2, count=6)).list_runs(7, since=1e12))

    assert (ids(listing.runs), listing.complete_since) == ([1, 2, 3, 4, 5, 6], WHOLE)


def test_list_with_undated_run_is_followed_to_its_end() -> None:
    runs = [run_json(n, created=minute(100 - n)) for n in range(1, 31)]
    runs[3] |= {"created": None}

    listing = run(client(ordered(runs, 10, count=30)).list_runs(7, since=1e12))

    assert (len(listing.runs), listing.complete_since) == (30, WHOLE)


@pytest.mark.parametrize(
    ("created", "is_sorted"),
    [
        ([], False),
        ([1.0], False),
        ([1.0, 1.0], False),
        ([1.0, 2.0], False),
        ([2.0, 1.0], True),
        ([2.0, 2.0, 1.0], True),
        ([2.0, 1.0, 2.0], False),
        ([2.0, None, 1.0], False),
        ([None, None], False),
        ([None], False),
    ],
)
def test_order_is_used_only_if_visible(created: list[float | None], is_sorted: bool) -> None:
    assert is_sorted_descending([Run(n, 7, created=moment) for n, moment in enumerate(created)]) is is_sorted


@pytest.mark.parametrize("size", [7, 100])
def test_without_count_a_page_without_news_ends_the_list(size: int) -> None:
    runs = [run_json(n, created=minute(1000 - n)) for n in range(1, 251)]
    got: list[str] = []

    listing = run(client(ordered(runs, size), got).list_runs(7))

    assert (len(listing.runs), listing.complete_since) == (250, WHOLE)
    assert len(got) == math.ceil(250 / size) + 1


def test_a_count_may_be_the_length_of_the_page() -> None:
    runs = [run_json(n, created=minute(1000 - n)) for n in range(1, 251)]

    def serve(query: dict[str, list[str]]) -> Answer:
        page = ordered(runs, 100)(query)
        return {**page, "meta": {"count": len(page["k6-runs"])}}

    listing = run(client(serve).list_runs(7))

    assert (len(listing.runs), listing.complete_since) == (250, WHOLE)


@pytest.mark.parametrize("meta", [None, {}, {"count": None}, {"count": "250"}, {"count": "many"}])
def test_count_may_have_any_type_or_be_missing(meta: object) -> None:
    runs = [run_json(n, created=minute(1000 - n)) for n in range(1, 251)]

    listing = run(client(lambda query: {**ordered(runs, 100)(query), "meta": meta}).list_runs(7))

    assert (len(listing.runs), listing.complete_since) == (250, WHOLE)


class PagedTests:
    """A server of 1,000 tests with this page size and count; `most` requests ran at the same time."""

    def __init__(self, size: int, count: object) -> None:
        self.size, self.count = size, count
        self.pages: list[int] = []
        self.running = self.most = 0

    async def handle(self, request: httpx.Request) -> httpx.Response:
        query = parse_qs(request.url.query.decode())
        page = int(query["page"][0])
        self.pages.append(page)
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        tests = [{"id": id_, "name": "x"} for id_ in range(1, 1001)]
        items = tests[(page - 1) * self.size : page * self.size]
        return httpx.Response(200, content=json.dumps({"k6-tests": items, "meta": {"count": self.count}}))

    @property
    def api(self) -> LegacyClient:
        server = httpx.MockTransport(self.handle)
        return LegacyClient(TransportClient(server, requests_per_minute=100_000).transport)


@pytest.mark.parametrize(("size", "pages"), [(100, 11), (70, 15), (50, 20)])
def test_pages_of_tests_are_requested_at_the_same_time(size: int, pages: int) -> None:
    server = PagedTests(size, count=1000)

    listing = run(server.api.list_tests())

    assert [test.id for test in listing.tests] == [*range(1, 1001)]
    assert listing.is_complete
    # The same requests as one after the other.
    assert sorted(server.pages) == [*range(1, pages + 1)]
    assert server.most == min(10, pages - 2)


@pytest.mark.parametrize("count", [None, 100])
def test_without_a_total_pages_follow_each_other(count: object) -> None:
    server = PagedTests(100, count)

    listing = run(server.api.list_tests())

    assert len(listing.tests) == 1000
    assert (server.pages, server.most) == ([*range(1, 12)], 1)


def test_wrong_count_costs_few_requests() -> None:
    server = PagedTests(100, count=10**15)

    listing = run(server.api.list_tests())

    assert (len(listing.tests), listing.is_complete) == (1000, False)
    assert len(server.pages) <= 11 + MAX_AHEAD


def test_page_ahead_that_fails_fails_the_list() -> None:
    server = PagedTests(100, count=1000)

    async def fail(request: httpx.Request) -> httpx.Response:
        response = await server.handle(request)
        return httpx.Response(403) if "page=7&" in str(request.url) else response

    api = LegacyClient(TransportClient(httpx.MockTransport(fail), requests_per_minute=100_000).transport)

    with pytest.raises(Forbidden):
        run(api.list_tests())


def test_repeated_page_ends_the_list_as_complete() -> None:
    world, test, runs = some_runs(250)
    cloud = Cloud(world)
    cloud.simulator.faults.add(faults.repeated_page())

    listing = run(cloud.api.list_runs(test))

    assert ids(listing.runs) == runs[:100]
    assert listing.complete_since == listing.runs[-1].created
    assert len(cloud.requests()) == 2


def test_repeated_unsorted_page_is_uncertain() -> None:
    runs = [run_json(n, created=minute(n)) for n in range(1, 21)]

    listing = run(client(lambda _: {"k6-runs": runs, "meta": {"count": 50}}).list_runs(7))

    assert (len(listing.runs), listing.complete_since) == (20, UNSURE)


def test_a_list_that_never_ends_is_given_up() -> None:
    def serve(query: dict[str, list[str]]) -> Answer:
        page = int(query["page"][0])
        return {"k6-runs": [run_json(page * 2, created=minute(1)), run_json(page * 2 + 1, created=minute(2))]}

    got: list[str] = []
    with pytest.raises(DecodeError, match="1000 pages"):
        run(client(serve, got).list_runs(7))
    assert len(got) == 1000


def test_a_run_that_comes_twice_is_one_run() -> None:
    world, test, runs = some_runs(5)
    cloud = Cloud(world)
    cloud.simulator.faults.add(faults.duplicate())

    listing = run(cloud.api.list_runs(test))

    assert (ids(listing.runs), listing.complete_since) == (runs, WHOLE)


def test_run_started_between_pages_hides_no_other() -> None:
    runs = [run_json(n, created=minute(n)) for n in range(250, 0, -1)]

    def serve(query: dict[str, list[str]]) -> Answer:
        if query["page"] == ["2"] and len(runs) == 250:
            runs.insert(0, run_json(251, created=minute(251)))
        return ordered(runs, 100, count=len(runs))(query)

    listing = run(client(serve).list_runs(7))

    assert set(ids(listing.runs)) == set(range(1, 251))
    assert listing.complete_since == min(run.created or 0 for run in listing.runs)


def test_unparsable_run_is_skipped_and_list_uncertain() -> None:
    world, test, runs = some_runs(5)
    cloud = Cloud(world)
    cloud.simulator.faults.add(faults.invalid_item())

    listing = run(cloud.api.list_runs(test))

    assert (ids(listing.runs), listing.complete_since) == (runs[1:], UNSURE)
    [skipped] = listing.skipped
    assert skipped.reason == "invalid"
    assert skipped.description.startswith("/loadtests/v2/runs: ")


@pytest.mark.parametrize(
    "invalid",
    [None, 5, "run", [], True, {}, {"id": None}, {"id": "abc"}, {"id": 1.5}, {"id": []}, {"id": True}],
    ids=repr,
)
def test_repeated_invalid_item_is_skipped_once(invalid: object) -> None:
    runs = [run_json(1), invalid, run_json(2)]

    listing = run(client(lambda _: {"k6-runs": runs, "meta": {"count": 100}}).list_runs(7))

    assert ids(listing.runs) == [1, 2]
    assert [skipped.reason for skipped in listing.skipped] == ["invalid"]


def test_unparsable_run_is_described_briefly() -> None:
    runs = [run_json(1), {"id": "x" * 1_000_000}, {"id": 3, "test_id": ["y" * 10_000] * 100}]

    listing = run(client(lambda _: {"k6-runs": runs}).list_runs(7))

    assert [len(skipped.description) < 300 for skipped in listing.skipped] == [True, True]


def test_run_of_another_test_is_skipped() -> None:
    world, test, runs = some_runs(3)
    cloud = Cloud(world)
    cloud.simulator.faults.add(faults.unexpected_run())

    listing = run(cloud.api.list_runs(test))

    assert ids(listing.runs) == runs
    assert [skipped.reason for skipped in listing.skipped] == ["unexpected"]
    assert {str(runs[-1] + 77), str(test + 77)} <= set(listing.skipped[0].description.split())
    assert listing.complete_since == UNSURE


def test_run_without_test_id_belongs_to_the_requested_test() -> None:
    nameless = {"id": 1, "run_status": 2}
    api = client(lambda query: {"k6-runs": [nameless]} if "test_id" in query else {"k6-run": nameless})

    assert [run.test_id for run in run(api.list_runs(7)).runs] == [7]
    with pytest.raises(DecodeError, match="test_id"):
        run(api.read_run(1))


def test_unparsable_field_is_unknown() -> None:
    odd = run_json(
        1, run_status="running", vus=[], started="noon", ended=5, duration="90", result_status=True
    )

    [read] = run(client(lambda _: {"k6-runs": [odd]}).list_runs(7)).runs

    assert (read.status, read.vus, read.started, read.ended, read.duration) == (None, None, None, None, 90)
    assert read.invalid_fields == ("started", "ended", "run_status", "result_status", "vus")


@pytest.mark.parametrize("length", [0, -1, "-1"])
def test_run_without_defined_length_has_no_duration(length: object) -> None:
    [read] = run(client(lambda _: {"k6-runs": [run_json(1, duration=length)]}).list_runs(7)).runs

    assert (read.duration, read.invalid_fields) == (None, ())


def test_impossible_number_is_unknown() -> None:
    odd = run_json(1, duration=-60, vus=-1, started="1970-01-01T00:00:00", ended="2026-09-21T00:00:00")

    [read] = run(client(lambda _: {"k6-runs": [odd]}).list_runs(7)).runs

    assert (read.duration, read.vus, read.execution, read.phases) == (None, None, None, PhaseSeconds())
    assert read.invalid_fields == ("duration", "vus")


@pytest.mark.parametrize("none", [None, 0, "0", "", -1])
def test_last_run_without_an_id_is_none(none: object) -> None:
    tests = {"k6-tests": [{"id": 7, "last_test_run_id": none}]}

    [test] = run(client(lambda _: tests).list_tests()).tests

    assert test.last_run_id is None


def test_run_that_ended_before_its_start_has_no_duration() -> None:
    odd = run_json(1, started="2026-09-21T00:10:00", ended="2026-09-21T00:00:00")

    [read] = run(client(lambda _: {"k6-runs": [odd]}).list_runs(7)).runs

    assert (read.execution, read.phases) == (None, PhaseSeconds())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"5",
        b"{}",
        b'{"k6-runs": null}',
        b'{"k6-runs": {}}',
        b'{"k6-runs": [1',
        b"\xff",
        b"[" * 100_000,
        b'{"k6-runs": ' + b"[" * 100_000,
        b'{"k6-tests": []}',
    ],
    ids=range(12),
)
def test_invalid_list_response_is_a_decode_error(body: bytes) -> None:
    async def serve(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=body)

    with pytest.raises(DecodeError, match=r"^/loadtests/v2/runs: "):
        run(LegacyClient(TransportClient(httpx.MockTransport(serve)).transport).list_runs(7))


def test_projects_are_those_of_all_organizations() -> None:
    world = World()
    second = world.add_organization("second")
    project = world.add_project("more", organization_id=second)
    cloud = Cloud(world)

    projects = run(cloud.api.list_projects()).projects

    assert set(projects) == set(world.projects)
    assert project in projects
    assert cloud.requests() == [
        "GET /v3/organizations",
        f"GET /v3/organizations/{world.default_organization_id}/projects",
        f"GET /v3/organizations/{second}/projects",
    ]


@pytest.mark.parametrize("size", [1, 7, 20, 30, 100])
def test_projects_are_paged_if_their_count_says_so(size: int) -> None:
    world = World()
    projects = [world.default_project_id, *(world.add_project(f"project {i}") for i in range(29))]
    cloud = Cloud(world, Options(paged_projects=True, default_page_size=size))

    found = run(cloud.api.list_projects())

    assert (sorted(found.projects), found.is_complete) == (sorted(projects), True)
    # One for the list of organizations.
    assert len(cloud.requests()) == 1 + -(-30 // size)


def test_fewer_projects_than_their_count_are_incomplete() -> None:
    got: list[str] = []
    body = {"organizations": [{"id": 1}], "projects": [{"id": 2}], "meta": {"count": 2}}

    found = run(client(lambda _: body, got).list_projects())

    assert ([*found.projects], found.is_complete) == ([2], False)
    assert len(got) == 4


@pytest.mark.parametrize("meta", [None, {}, {"count": None}, {"count": "many"}, {"count": 0}, {"count": 1}])
def test_count_of_projects_may_be_missing_or_wrong(meta: object) -> None:
    got: list[str] = []
    body = {"organizations": [{"id": 1}], "projects": [{"id": 2}], "meta": meta}

    found = run(client(lambda _: body, got).list_projects())

    assert ([*found.projects], found.is_complete) == ([2], True)
    assert len(got) == 2


def test_forbidden_organization_fails_the_list_of_projects() -> None:
    world = World()
    second = world.add_organization("second")
    cloud = Cloud(world)
    cloud.simulator.faults.add(faults.error(403).on(f"/v3/organizations/{second}/*"))

    with pytest.raises(Forbidden):
        run(cloud.api.list_projects())


def test_tests_of_a_project_are_listed_with_their_last_run() -> None:
    world, test, runs = some_runs(3)
    project = world.add_project("shop")
    bare = world.add_test("größe", project_id=project)
    cloud = Cloud(world)

    assert run(cloud.api.list_tests(project)).tests == (LoadTest(bare, "größe", project, None),)
    assert run(cloud.api.list_tests()).tests == (LoadTest(test, "busy", world.default_project_id, runs[0]),)
    assert cloud.requests()[0] == (
        f"GET {TESTS}?$select=id,name,project_id,last_test_run_id&project_id={project}"
        "&page=1&page_size=100&order_by=id"
    )


def test_a_test_without_a_name_goes_by_its_id() -> None:
    api = client(lambda _: {"k6-tests": [{"id": 7, "name": None}, {"id": 8, "name": 5}, {"id": "9"}, {}]})

    listing = run(api.list_tests())

    assert [(test.id, test.name) for test in listing.tests] == [(7, "7"), (8, "8"), (9, "9")]
    assert [skipped.reason for skipped in listing.skipped] == ["invalid"]


def test_tests_of_no_project_are_not_found() -> None:
    with pytest.raises(NotFound):
        run(Cloud(World()).api.list_tests(5))
    with pytest.raises(NotFound):
        run(Cloud(World()).api.read_test(5))


def test_newest_runs_cost_a_page_for_each_hundred() -> None:
    world, test, runs = some_runs(250)
    cloud = Cloud(world)

    newest = run(cloud.api.list_newest_runs(test, 100))
    assert set(ids(newest.runs)) == set(sorted(runs)[-100:])
    assert len(cloud.requests()) == 1
    assert len(run(cloud.api.list_newest_runs(test, 101)).runs) == 200
    assert len(cloud.requests()) == 2


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
    assert [request.split("?")[0] for request in cloud.requests()] == [
        f"POST {TESTS}/{test}/start-testrun",
        f"POST {RUNS}/{started.id}/stop",
        f"GET {RUNS}/{started.id}",
        f"GET {RUNS}/{started.id}",
    ]


def test_start_without_response_is_not_repeated() -> None:
    world = World()
    test = world.add_test("soak")
    cloud = Cloud(world)
    cloud.simulator.faults.add(faults.not_json().on(times=1))

    with pytest.raises(DecodeError):
        run(cloud.acts.start_run(test))
    assert len(world.runs) == 1


@pytest.mark.parametrize(
    ("ending", "code"), [(EndStatus.TIMED_OUT, 4), (EndStatus.ABORTED_BY_LIMIT, 9), (EndStatus.ARCHIVED, 10)]
)
def test_each_ending_keeps_its_code(ending: EndStatus, code: int) -> None:
    world = World()
    test = world.add_test("t")
    world.add_run(test, created=START - 500, ending=ending, phases=Phases(running=10))

    assert [run.status for run in run(Cloud(world).api.list_runs(test)).runs] == [code]
