"""Lists of the v6 API: order, pages and filters."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.simulator import NextLink, Options, Simulator, V6Options, World
from tests.support.simulator_client import CREATED, fetch_ids_v6, fetch_v6, send_v6, simulate

TEST = 400_001
RUNS = f"/load_tests/{TEST}/test_runs"


def world_of_runs(*ages: float) -> World:
    """One test with a run created at each of these times: 5000001, 5000002, ..."""
    world = World()
    world.add_test("t", created=CREATED - 10)
    for age in ages:
        world.add_run(TEST, created=CREATED + age)
    return world


def simulator_of(*ages: float, **v6: Any) -> Simulator:
    return simulate(world_of_runs(*ages), now=CREATED + 1000, options=Options(v6=V6Options(**v6)))


def at(age: float) -> str:
    return datetime.fromtimestamp(CREATED + age, UTC).isoformat()


def walk(simulator: Simulator, path: str, params: dict[str, Any]) -> list[list[int]]:
    """The ids on each page, found by following the links."""
    pages = []
    while True:
        body = fetch_v6(simulator, path, params)
        pages.append([it["id"] for it in body["value"]])
        if not body.get("@nextLink"):
            return pages
        link = urlsplit(body["@nextLink"])
        path, params = link.path.removeprefix("/cloud/v6"), dict(parse_qsl(link.query))


@pytest.mark.parametrize("path", [RUNS, "/test_runs"])
def test_runs_are_ordered_by_creation(path: str) -> None:
    assert fetch_ids_v6(simulator_of(30, 10, 20, 10), path) == [5_000_002, 5_000_004, 5_000_003, 5_000_001]


def test_runs_of_a_test_can_be_ordered_newest_first() -> None:
    simulator = simulator_of(30, 10, 20)

    assert fetch_ids_v6(simulator, RUNS, {"$orderby": "created desc"}) == [5_000_001, 5_000_003, 5_000_002]
    assert fetch_ids_v6(simulator, RUNS, {"$orderby": "created"}) == [5_000_002, 5_000_003, 5_000_001]


@pytest.mark.parametrize("path", [RUNS, "/test_runs"])
def test_window_includes_its_start_and_excludes_its_end(path: str) -> None:
    simulator = simulator_of(10, 20, 30)

    assert fetch_ids_v6(simulator, path, {"created_after": at(20)}) == [5_000_002, 5_000_003]
    assert fetch_ids_v6(simulator, path, {"created_before": at(20)}) == [5_000_001]
    assert fetch_ids_v6(simulator, path, {"created_after": at(20), "created_before": at(30)}) == [5_000_002]
    assert fetch_ids_v6(simulator, path, {"created_after": at(30), "created_before": at(10)}) == []


@settings(deadline=None)  # no time limit: other processes may share the machine
@given(age=st.floats(min_value=0, max_value=900), microseconds=st.booleans())
def test_run_is_in_the_window_from_its_own_timestamp(age: float, microseconds: bool) -> None:
    simulator = simulator_of(age, microseconds=microseconds)
    [run] = fetch_v6(simulator, "/test_runs")["value"]

    assert fetch_ids_v6(simulator, "/test_runs", {"created_after": run["created"]}) == [run["id"]]
    if microseconds:
        assert fetch_ids_v6(simulator, "/test_runs", {"created_before": run["created"]}) == []


def test_future_run_does_not_exist() -> None:
    simulator = simulator_of(999, 1001)

    assert fetch_ids_v6(simulator, "/test_runs") == [5_000_001]
    assert send_v6(simulator, "/test_runs/5000002").status_code == 404


def test_runs_can_be_filtered_by_star() -> None:
    world = world_of_runs(1)
    starred = world.add_run(TEST, created=CREATED + 2, starred=True)
    simulator = simulate(world, now=CREATED + 9)

    assert [fetch_ids_v6(simulator, RUNS, {"is_starred": word}) for word in ("true", "1", "false", "0")] == [
        [starred],
        [starred],
        [5_000_001],
        [5_000_001],
    ]
    assert [run["is_starred"] for run in fetch_v6(simulator, RUNS)["value"]] == [False, True]


@pytest.mark.parametrize("path", [RUNS, "/test_runs"])
@pytest.mark.parametrize("form", [NextLink.ABSOLUTE, NextLink.HTTP, NextLink.ENCODED, NextLink.RELATIVE])
def test_links_lead_through_all_pages(path: str, form: NextLink) -> None:
    simulator = simulator_of(1, 2, 3, 4, 5, next_link=form)
    window = {"created_after": at(2), "$top": 2, "$count": "true"}

    assert walk(simulator, path, window) == [[5_000_002, 5_000_003], [5_000_004, 5_000_005]]
    assert walk(simulator, path, {"$top": 2, "$skip": 4}) == [[5_000_005]]
    assert walk(simulator, path, {"$skip": 99}) == [[]]


@pytest.mark.parametrize(
    ("form", "link"),
    [
        (NextLink.ABSOLUTE, "https://api.k6.io/cloud/v6/test_runs?$skip=1&$top=1"),
        (NextLink.HTTP, "http://api.k6.io/cloud/v6/test_runs?$skip=1&$top=1"),
        (NextLink.ENCODED, "https://api.k6.io/cloud/v6/test_runs?%24skip=1&%24top=1"),
        (NextLink.RELATIVE, "/cloud/v6/test_runs?$skip=1&$top=1"),
        (NextLink.EMPTY_AT_END, "https://api.k6.io/cloud/v6/test_runs?$skip=1&$top=1"),
        (NextLink.OTHER_HOST, "https://elsewhere.example.com/cloud/v6/test_runs?$skip=1&$top=1"),
        (NextLink.LOOP, "https://api.k6.io/cloud/v6/test_runs?$skip=0&$top=1"),
    ],
)
def test_link_has_the_form_of_the_options(form: NextLink, link: str) -> None:
    simulator = simulator_of(1, 2, next_link=form)

    assert fetch_v6(simulator, "/test_runs", {"$top": 1})["@nextLink"] == link


@pytest.mark.parametrize(("form", "link"), [(NextLink.EMPTY_AT_END, ""), (NextLink.ABSOLUTE, None)])
def test_last_page_has_no_link_or_an_empty_one(form: NextLink, link: str | None) -> None:
    assert fetch_v6(simulator_of(1, next_link=form), "/test_runs").get("@nextLink") == link


def test_link_keeps_other_parameters() -> None:
    simulator = simulator_of(1, 2)

    page = fetch_v6(simulator, RUNS, {"$orderby": "created desc", "created_after": at(0), "$top": 1})

    assert page["@nextLink"] == (
        f"https://api.k6.io/cloud/v6{RUNS}?$orderby=created%20desc"
        "&created_after=2020-08-18T13:33:41%2B00:00&$skip=1&$top=1"
    )


def test_count_is_on_request_and_includes_all_pages() -> None:
    simulator = simulator_of(1, 2, 3)

    assert set(fetch_v6(simulator, "/test_runs", {"$top": 1})) == {"value", "@nextLink"}
    assert set(fetch_v6(simulator, "/test_runs", {"$count": "false"})) == {"value"}
    assert fetch_v6(simulator, "/test_runs", {"$top": 1, "$count": "true"})["@count"] == 3
    assert fetch_v6(simulator, "/test_runs", {"$count": "1"})["@count"] == 3


def test_page_has_a_thousand_items_by_default() -> None:
    simulator = simulator_of(*range(1100))
    simulator.clock = lambda: CREATED + 2000

    assert [len(page) for page in walk(simulator, "/test_runs", {})] == [1000, 100]


def test_larger_top_is_refused_or_clamped() -> None:
    refusing, clamping = simulator_of(1, 2, 3, max_top=2), simulator_of(1, 2, 3, max_top=2, clamp_top=True)

    assert send_v6(refusing, "/test_runs", {"$top": 3}).status_code == 400
    assert walk(clamping, "/test_runs", {"$top": 3}) == [[5_000_001, 5_000_002], [5_000_003]]


def test_pages_shift_when_a_run_is_deleted() -> None:
    simulator = simulator_of(1, 2, 3, 4)
    first = fetch_ids_v6(simulator, "/test_runs", {"$top": 2})
    simulator.world.add_run(TEST, created=CREATED + 5)
    simulator.world.delete_run(first[0])

    assert fetch_ids_v6(simulator, "/test_runs", {"$top": 2, "$skip": 2}) == [5_000_004, 5_000_005]


def world_of_tests() -> Simulator:
    world = World()
    shop = world.add_project("Shop", created=CREATED - 50)
    payments = world.add_project("Payments", created=CREATED - 60)
    world.add_project("tomorrow", created=CREATED + 50)
    world.add_test("checkout", project_id=shop, created=CREATED - 3)
    world.add_test("refund", project_id=payments, created=CREATED - 5)
    world.add_test("checkout", project_id=payments, created=CREATED - 4)
    world.add_test("tomorrow", project_id=shop, created=CREATED + 4)
    return simulate(world)


def test_tests_are_ordered_by_creation() -> None:
    simulator = world_of_tests()

    assert fetch_ids_v6(simulator, "/load_tests") == [400_002, 400_003, 400_001]
    assert fetch_ids_v6(simulator, "/projects/30003/load_tests") == [400_002, 400_003]
    # The list of all tests has no filter by project.
    assert fetch_ids_v6(simulator, "/load_tests", {"project_id": 30_003}) == [400_002, 400_003, 400_001]


def test_tests_are_filtered_by_exact_name() -> None:
    simulator = world_of_tests()

    assert fetch_ids_v6(simulator, "/load_tests", {"name": "checkout"}) == [400_003, 400_001]
    assert fetch_ids_v6(simulator, "/projects/30002/load_tests", {"name": "checkout", "$top": 1}) == [400_001]
    assert fetch_ids_v6(simulator, "/load_tests", {"name": "check"}) == []


@pytest.mark.parametrize(
    ("order", "ids"),
    [
        ("id", [400_001, 400_002, 400_003]),
        ("id desc", [400_003, 400_002, 400_001]),
        ("name,created desc", [400_001, 400_003, 400_002]),
        ("project_id desc, name", [400_003, 400_002, 400_001]),
        ("updated asc", [400_002, 400_003, 400_001]),
    ],
)
def test_tests_are_ordered_by_orderby(order: str, ids: list[int]) -> None:
    assert fetch_ids_v6(world_of_tests(), "/load_tests", {"$orderby": order}) == ids


def test_projects_are_filtered_by_name() -> None:
    simulator = world_of_tests()

    assert fetch_ids_v6(simulator, "/projects") == [30_001, 30_003, 30_002]
    assert fetch_ids_v6(simulator, "/projects", {"$orderby": "name desc"}) == [30_002, 30_003, 30_001]
    assert fetch_ids_v6(simulator, "/projects", {"name": "Shop"}) == [30_002]
    assert fetch_ids_v6(simulator, "/projects", {"name": "shop"}) == []
    assert fetch_ids_v6(simulator, "/projects", {"name_search": "PAY"}) == [30_003]


def test_load_zones_have_no_pages() -> None:
    simulator = simulate(World())

    assert set(fetch_v6(simulator, "/load_zones", {"$top": 1, "$count": "true"})) == {"value"}
    assert fetch_ids_v6(simulator, "/load_zones", {"k6_load_zone_id": "amazon:us:ashburn"}) == [1]


class CountingRuns(dict[int, Any]):
    """Counts how often a run is read."""

    reads = 0

    def __getitem__(self, key: int) -> Any:
        self.reads += 1
        return super().__getitem__(key)


def test_window_reads_only_the_runs_in_it() -> None:
    world = World()
    for n in range(1000):
        test_id = world.add_test(f"t{n}", created=CREATED - 1)
        for hour in range(6):
            world.add_run(test_id, created=CREATED + 3600 * hour + n)
    counting = CountingRuns(world.runs)
    world.runs = counting
    simulator = simulate(world, now=CREATED + 24 * 3600)

    assert len(fetch_ids_v6(simulator, "/test_runs", {"created_after": at(5 * 3600 + 990)})) == 10
    assert len(fetch_ids_v6(simulator, RUNS)) == 6
    assert counting.reads == 16
