"""Lists of the legacy API: filters, pages, order and fields, and options for what the documents omit."""

import pytest

from exporter.simulator import Options, Phases, Simulator, Timestamps, World, faults
from tests.support.simulator_client import CREATED, fetch, fetch_run_ids, fetch_test_names, send, simulate

RUNS = "/loadtests/v2/runs"


@pytest.fixture
def world() -> World:
    """One test with runs 5000001 to 5000007, ten seconds apart; another with run 5000008."""
    world = World()
    first, second = world.add_test("first"), world.add_test("second")
    for n in range(7):
        world.add_run(first, created=CREATED + 10 * n, public_id=f"public-{n}")
    world.add_run(second, created=CREATED)
    return world


@pytest.fixture
def simulator(world: World) -> Simulator:
    return simulate(world, now=CREATED + 1000)


FIRST, SECOND = 400_001, 400_002


def test_runs_are_ordered_by_id(simulator: Simulator) -> None:
    assert fetch_run_ids(simulator, {"test_id": FIRST}) == list(range(5_000_001, 5_000_008))
    assert fetch_run_ids(simulator, {"$test_id": SECOND}) == [5_000_008]


@pytest.mark.parametrize("order", ["-created", "-started", "-id", "-ended"])
def test_runs_can_be_ordered_newest_first_in_pages(simulator: Simulator, order: str) -> None:
    def page(number: int) -> list[int]:
        return fetch_run_ids(simulator, {"test_id": FIRST, "order_by": order, "page": number, "page_size": 3})

    pages = [page(number) for number in (1, 2, 3, 4)]

    assert pages == [[5_000_007, 5_000_006, 5_000_005], [5_000_004, 5_000_003, 5_000_002], [5_000_001], []]


def test_unstarted_run_sorts_before_started_ones(world: World) -> None:
    waiting = world.add_run(FIRST, created=CREATED, phases=Phases(queued=10_000))
    simulator = simulate(world, now=CREATED + 1000)

    assert fetch_run_ids(simulator, {"test_id": FIRST, "order_by": "started"})[0] == waiting
    assert fetch_run_ids(simulator, {"test_id": FIRST, "order_by": "-started"})[-1] == waiting


def test_count_includes_all_pages(simulator: Simulator) -> None:
    assert fetch(simulator, RUNS, {"test_id": FIRST, "page_size": 2})["meta"] == {"count": 7}


def test_runs_can_be_selected_by_id(simulator: Simulator) -> None:
    assert fetch_run_ids(simulator, {"test_id": FIRST, "ids[]": [5_000_003, 5_000_001, 5_000_008, 1]}) == [
        5_000_001,
        5_000_003,
    ]
    assert fetch_run_ids(simulator, {"ids[]": [5_000_008, 5_000_001]}) == [5_000_001, 5_000_008]
    assert fetch_run_ids(simulator, {"ids[]": [1]}) == []


def test_run_can_be_selected_by_public_id(simulator: Simulator) -> None:
    assert fetch_run_ids(simulator, {"public_id": "public-4"}) == [5_000_005]
    assert fetch_run_ids(simulator, {"public_id": "unknown"}) == []


@pytest.mark.parametrize("parameter", ["$select", "select"])
def test_select_limits_the_fields(simulator: Simulator, parameter: str) -> None:
    fields = {parameter: "id,run_status,nonsense,export"}

    listed = fetch(simulator, RUNS, {"test_id": SECOND, **fields})
    read = fetch(simulator, f"{RUNS}/5000008", fields)

    assert listed["k6-runs"] == [{"id": 5_000_008, "run_status": 3}]
    assert read["k6-run"] == {"id": 5_000_008, "run_status": 3, "export": None}


def test_select_adds_undocumented_fields(simulator: Simulator) -> None:
    fields = {"$select": "test_name,vuh_cost,execution_duration"}

    run = fetch(simulator, f"{RUNS}/5000008", fields)["k6-run"]

    assert run == {"test_name": "second", "vuh_cost": 50 * 120 / 3600, "execution_duration": 120.0}


def test_future_run_is_not_listed(world: World) -> None:
    simulator = simulate(world, now=CREATED + 15)

    assert fetch_run_ids(simulator, {"test_id": FIRST}) == [5_000_001, 5_000_002]
    assert send(simulator, f"{RUNS}/5000003").status_code == 404
    assert fetch(simulator, f"/loadtests/v2/tests/{FIRST}")["k6-test"]["last_test_run_id"] == "5000002"


def test_page_size_is_limited(world: World) -> None:
    simulator = simulate(world, now=CREATED + 1000, options=Options(default_page_size=2, max_page_size=4))

    assert len(fetch_run_ids(simulator, {"test_id": FIRST})) == 2
    assert len(fetch_run_ids(simulator, {"test_id": FIRST, "page_size": 50})) == 4


def test_without_default_page_size_all_runs_are_on_one_page(world: World) -> None:
    simulator = simulate(world, now=CREATED + 1000, options=Options(default_page_size=None))

    assert len(fetch_run_ids(simulator, {"test_id": FIRST})) == 7


def test_page_after_the_last_can_be_404(world: World) -> None:
    simulator = simulate(world, now=CREATED + 1000, options=Options(missing_page_is_404=True))
    params = {"test_id": FIRST, "page_size": 7}

    assert send(simulator, RUNS, {**params, "page": 1}).status_code == 200
    assert send(simulator, RUNS, {**params, "page": 2}).status_code == 404


def test_documented_only_lists_all_runs_by_id(world: World) -> None:
    simulator = simulate(
        world, now=CREATED + 1000, options=Options(documented_only=True, default_page_size=2)
    )

    runs = fetch_run_ids(simulator, {"test_id": FIRST, "order_by": "-created", "page": 2, "page_size": 3})

    assert runs == list(range(5_000_001, 5_000_008))
    assert "k6-tests" in fetch(simulator, "/loadtests/v2/tests", {"$select": "id"})
    assert fetch(simulator, f"{RUNS}/5000008", {"$select": "id,test_name"})["k6-run"] == {"id": 5_000_008}


def test_unknown_parameters_can_be_refused(world: World) -> None:
    strict = simulate(world, now=CREATED + 1000, options=Options(reject_unknown_parameters=True))
    stricter = simulate(
        world, now=CREATED + 1000, options=Options(reject_unknown_parameters=True, documented_only=True)
    )

    assert send(strict, RUNS, {"test_id": FIRST, "colour": "red"}).status_code == 400
    assert send(strict, RUNS, {"test_id": FIRST, "page": 1}).status_code == 200
    refusal = send(stricter, RUNS, {"test_id": FIRST, "page": 1})
    assert refusal.status_code == 400
    assert refusal.json()["error"]["field_errors"] == {"page": ["Unknown parameter."]}


@pytest.mark.parametrize(
    ("options", "written"),
    [
        (Options(), "2020-08-18T13:33:41"),
        (Options(timestamps=Timestamps.Z), "2020-08-18T13:33:41Z"),
        (Options(timestamps=Timestamps.OFFSET), "2020-08-18T13:33:41+00:00"),
        (Options(timestamps=Timestamps.Z, microseconds=True), "2020-08-18T13:33:41.250000Z"),
    ],
)
def test_timestamps_have_the_form_of_the_options(options: Options, written: str) -> None:
    world = World()
    run_id = world.add_run(world.add_test("t"), created=CREATED + 0.25)

    run = fetch(simulate(world, now=CREATED + 1, options=options), f"{RUNS}/{run_id}")["k6-run"]

    assert run["created"] == written


def test_faults_change_numbers_fields_and_keys(simulator: Simulator) -> None:
    simulator.faults.add(faults.field("vus", None), faults.unknown_keys(), faults.numbers_as_strings())

    listed = fetch(simulator, RUNS, {"test_id": SECOND, "$select": "id,vus,run_status,is_baseline"})

    extra = {"undocumented": {"added": ["1", "two", None]}}
    run = {"id": "5000008", "is_baseline": False, "run_status": "3", "vus": None, **extra}
    assert listed == {"k6-runs": [run], "meta": {"count": "1"}, **extra}


@pytest.fixture
def tests_in_projects() -> World:
    world = World()
    shop = world.add_project("shop")
    for name in ("b", "a"):
        world.add_run(world.add_test(name), created=CREATED)
    world.add_test("Größe", project_id=shop)
    world.add_test("a", project_id=shop)
    return world


SHOP = 30_002


def test_tests_are_listed_by_project(tests_in_projects: World) -> None:
    simulator = simulate(tests_in_projects)

    assert fetch_test_names(simulator, {}) == ["b", "a"]
    assert fetch_test_names(simulator, {"project_id": SHOP}) == ["Größe", "a"]


def test_tests_can_be_selected_by_id_across_projects(tests_in_projects: World) -> None:
    ids = {"ids[]": [400_001, 400_003, 1]}

    assert fetch_test_names(simulate(tests_in_projects), ids) == ["b", "Größe"]
    assert fetch_test_names(simulate(tests_in_projects), {**ids, "project_id": SHOP}) == ["Größe"]
    assert fetch_test_names(
        simulate(tests_in_projects, options=Options(ids_only_in_default_project=True)), ids
    ) == ["b"]


def test_tests_can_be_ordered_and_paged(tests_in_projects: World) -> None:
    simulator = simulate(tests_in_projects)

    assert fetch_test_names(simulator, {"order_by": "name"}) == ["a", "b"]
    assert fetch_test_names(simulator, {"order_by": "-id", "page": 2, "page_size": 1}) == ["b"]


def test_start_and_stop_show_in_the_next_request() -> None:
    world = World(stop_delay=0.0)
    test_id = world.add_test("t")
    simulator = simulate(world)

    started = send(simulator, f"/loadtests/v2/tests/{test_id}/start-testrun", method="POST").json()["k6-run"]
    send(simulator, f"/loadtests/v2/runs/{started['id']}/stop", method="POST")
    run = fetch(simulator, f"/loadtests/v2/runs/{started['id']}")["k6-run"]

    assert (started["run_status"], run["run_status"]) == (-2, 5)
    assert (run["stopped_by_id"], run["ended"]) == (world.owner_id, "2020-08-18T13:33:41")


def test_scheduled_run_appears_when_due() -> None:
    world = World()
    test_id = world.add_test("t")
    world.schedule(test_id, every=60, first=CREATED)

    assert len(fetch_run_ids(simulate(world, now=CREATED - 1), {"test_id": test_id})) == 0
    assert len(fetch_run_ids(simulate(world, now=CREATED + 120), {"test_id": test_id})) == 3


def test_one_test_is_found_among_thousands() -> None:
    world = World()
    tests = [world.add_test(f"test {n}") for n in range(3_000)]
    for test_id in tests:
        for n in range(10):
            world.add_run(test_id, created=CREATED + n)
    simulator = simulate(world, now=CREATED + 10_000)

    assert len(fetch_run_ids(simulator, {"test_id": tests[1_500]})) == 10
    last_page = fetch(simulator, "/loadtests/v2/tests", {"page": 30, "$select": "name"})
    assert last_page["k6-tests"][-1] == {"name": "test 2999"}
