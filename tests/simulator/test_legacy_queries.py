"""Filters, pages, orders, selections of the legacy API, and the switches where its documents are silent."""

import pytest

from exporter.simulator import Options, Phases, Simulator, Timestamps, World
from tests.support.simulator_client import CREATED, ask, names_of_tests, run_ids, simulate, told

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


def test_runs_come_in_ascending_order_of_their_ids(simulator: Simulator) -> None:
    assert run_ids(simulator, {"test_id": FIRST}) == list(range(5_000_001, 5_000_008))
    assert run_ids(simulator, {"$test_id": SECOND}) == [5_000_008]


@pytest.mark.parametrize("order", ["-created", "-started", "-id", "-ended"])
def test_runs_can_be_asked_for_newest_first_and_in_pages(simulator: Simulator, order: str) -> None:
    def page(number: int) -> list[int]:
        return run_ids(simulator, {"test_id": FIRST, "order_by": order, "page": number, "page_size": 3})

    pages = [page(number) for number in (1, 2, 3, 4)]

    assert pages == [[5_000_007, 5_000_006, 5_000_005], [5_000_004, 5_000_003, 5_000_002], [5_000_001], []]


def test_a_run_that_has_not_started_orders_before_all_that_have(world: World) -> None:
    waiting = world.add_run(FIRST, created=CREATED, phases=Phases(queued=10_000))
    simulator = simulate(world, now=CREATED + 1000)

    assert run_ids(simulator, {"test_id": FIRST, "order_by": "started"})[0] == waiting
    assert run_ids(simulator, {"test_id": FIRST, "order_by": "-started"})[-1] == waiting


def test_the_count_is_of_all_that_match_and_not_of_the_page(simulator: Simulator) -> None:
    assert told(simulator, RUNS, {"test_id": FIRST, "page_size": 2})["meta"] == {"count": 7}


def test_some_runs_can_be_named(simulator: Simulator) -> None:
    assert run_ids(simulator, {"test_id": FIRST, "ids[]": [5_000_003, 5_000_001, 5_000_008, 1]}) == [
        5_000_001,
        5_000_003,
    ]
    assert run_ids(simulator, {"ids[]": [5_000_008, 5_000_001]}) == [5_000_001, 5_000_008]
    assert run_ids(simulator, {"ids[]": [1]}) == []


def test_a_run_can_be_found_by_its_public_id(simulator: Simulator) -> None:
    assert run_ids(simulator, {"public_id": "public-4"}) == [5_000_005]
    assert run_ids(simulator, {"public_id": "nobody"}) == []


@pytest.mark.parametrize("parameter", ["$select", "select"])
def test_only_the_selected_fields_are_told(simulator: Simulator, parameter: str) -> None:
    fields = {parameter: "id,run_status,nonsense,export"}

    listed = told(simulator, RUNS, {"test_id": SECOND, **fields})
    read = told(simulator, f"{RUNS}/5000008", fields)

    assert listed["k6-runs"] == [{"id": 5_000_008, "run_status": 3}]
    assert read["k6-run"] == {"id": 5_000_008, "run_status": 3, "export": None}


def test_some_undocumented_fields_are_told_when_selected(simulator: Simulator) -> None:
    fields = {"$select": "test_name,vuh_cost,execution_duration"}

    run = told(simulator, f"{RUNS}/5000008", fields)["k6-run"]

    assert run == {"test_name": "second", "vuh_cost": 50 * 120 / 3600, "execution_duration": 120.0}


def test_a_run_of_the_future_is_not_told(world: World) -> None:
    simulator = simulate(world, now=CREATED + 15)

    assert run_ids(simulator, {"test_id": FIRST}) == [5_000_001, 5_000_002]
    assert ask(simulator, f"{RUNS}/5000003").status_code == 404
    assert told(simulator, f"/loadtests/v2/tests/{FIRST}")["k6-test"]["last_test_run_id"] == "5000002"


def test_a_page_is_never_larger_than_the_server_allows(world: World) -> None:
    simulator = simulate(world, now=CREATED + 1000, options=Options(default_page_size=2, max_page_size=4))

    assert len(run_ids(simulator, {"test_id": FIRST})) == 2
    assert len(run_ids(simulator, {"test_id": FIRST, "page_size": 50})) == 4


def test_without_a_default_page_size_everything_comes_at_once(world: World) -> None:
    simulator = simulate(world, now=CREATED + 1000, options=Options(default_page_size=None))

    assert len(run_ids(simulator, {"test_id": FIRST})) == 7


def test_a_page_past_the_last_can_be_a_404(world: World) -> None:
    simulator = simulate(world, now=CREATED + 1000, options=Options(missing_page_is_404=True))
    question = {"test_id": FIRST, "page_size": 7}

    assert ask(simulator, RUNS, {**question, "page": 1}).status_code == 200
    assert ask(simulator, RUNS, {**question, "page": 2}).status_code == 404


def test_a_server_of_the_documents_alone_tells_all_runs_at_once_ascending(world: World) -> None:
    simulator = simulate(
        world, now=CREATED + 1000, options=Options(documented_only=True, default_page_size=2)
    )

    told_runs = run_ids(simulator, {"test_id": FIRST, "order_by": "-created", "page": 2, "page_size": 3})

    assert told_runs == list(range(5_000_001, 5_000_008))
    assert "k6-tests" in told(simulator, "/loadtests/v2/tests", {"$select": "id"})
    assert told(simulator, f"{RUNS}/5000008", {"$select": "id,test_name"})["k6-run"] == {"id": 5_000_008}


def test_unknown_parameters_can_earn_a_400(world: World) -> None:
    strict = simulate(world, now=CREATED + 1000, options=Options(reject_unknown_parameters=True))
    stricter = simulate(
        world, now=CREATED + 1000, options=Options(reject_unknown_parameters=True, documented_only=True)
    )

    assert ask(strict, RUNS, {"test_id": FIRST, "colour": "red"}).status_code == 400
    assert ask(strict, RUNS, {"test_id": FIRST, "page": 1}).status_code == 200
    refusal = ask(stricter, RUNS, {"test_id": FIRST, "page": 1})
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
def test_moments_are_written_in_the_form_asked_for(options: Options, written: str) -> None:
    world = World()
    run_id = world.add_run(world.add_test("t"), created=CREATED + 0.25)

    run = told(simulate(world, now=CREATED + 1, options=options), f"{RUNS}/{run_id}")["k6-run"]

    assert run["created"] == written


def test_numbers_can_be_strings_and_fields_null_and_keys_unknown(world: World) -> None:
    options = Options(numbers_as_strings=True, nulls=frozenset({"vus"}), extra_keys=True)
    simulator = simulate(world, now=CREATED + 1000, options=options)

    listed = told(simulator, RUNS, {"test_id": SECOND, "$select": "id,vus,run_status,is_baseline"})

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


def test_tests_are_those_of_one_project_by_default_the_default_one(tests_in_projects: World) -> None:
    simulator = simulate(tests_in_projects)

    assert names_of_tests(simulator, {}) == ["b", "a"]
    assert names_of_tests(simulator, {"project_id": SHOP}) == ["Größe", "a"]


def test_tests_can_be_named_across_projects(tests_in_projects: World) -> None:
    ids = {"ids[]": [400_001, 400_003, 1]}

    assert names_of_tests(simulate(tests_in_projects), ids) == ["b", "Größe"]
    assert names_of_tests(simulate(tests_in_projects), {**ids, "project_id": SHOP}) == ["Größe"]
    assert names_of_tests(
        simulate(tests_in_projects, options=Options(ids_only_in_default_project=True)), ids
    ) == ["b"]


def test_tests_can_be_ordered_searched_and_paged(tests_in_projects: World) -> None:
    simulator = simulate(tests_in_projects)

    assert names_of_tests(simulator, {"order_by": "name"}) == ["a", "b"]
    assert names_of_tests(simulator, {"order_by": "-id", "page": 2, "page_size": 1}) == ["b"]
    assert names_of_tests(simulator, {"project_id": SHOP, "q": "GRÖSS"}) == ["Größe"]


def test_tests_can_be_ordered_by_their_last_run(tests_in_projects: World) -> None:
    tests_in_projects.add_run(400_001, created=CREATED + 5)
    simulator = simulate(tests_in_projects, now=CREATED + 10)

    assert names_of_tests(simulator, {"order_by": "-last_run_time"}) == ["b", "a"]


def test_a_start_and_a_stop_are_seen_by_the_next_question() -> None:
    world = World(stop_delay=0.0)
    test_id = world.add_test("t")
    simulator = simulate(world)

    started = ask(simulator, f"/loadtests/v2/tests/{test_id}/start-testrun", method="POST").json()["k6-run"]
    ask(simulator, f"/loadtests/v2/runs/{started['id']}/stop", method="POST")
    run = told(simulator, f"/loadtests/v2/runs/{started['id']}")["k6-run"]

    assert (started["run_status"], run["run_status"]) == (-2, 5)
    assert (run["stopped_by_id"], run["ended"]) == (world.owner_id, "2020-08-18T13:33:41")


def test_a_scheduled_run_appears_when_its_moment_has_come() -> None:
    world = World()
    test_id = world.add_test("t")
    world.schedule(test_id, every=60, first=CREATED)

    assert len(run_ids(simulate(world, now=CREATED - 1), {"test_id": test_id})) == 0
    assert len(run_ids(simulate(world, now=CREATED + 120), {"test_id": test_id})) == 3


def test_one_test_among_thousands_of_tests_and_runs_is_found_without_looking_at_all() -> None:
    world = World()
    tests = [world.add_test(f"test {n}") for n in range(3_000)]
    for test_id in tests:
        for n in range(10):
            world.add_run(test_id, created=CREATED + n)
    simulator = simulate(world, now=CREATED + 10_000)

    assert len(run_ids(simulator, {"test_id": tests[1_500]})) == 10
    last_page = told(simulator, "/loadtests/v2/tests", {"page": 30, "$select": "name"})
    assert last_page["k6-tests"][-1] == {"name": "test 2999"}
