"""`runs list`: which runs, in which order, at what cost, and what it says where it cannot tell."""

import re

import pytest

from exporter.simulator import EndStatus, Options, Phases, V6Options, World, faults
from tests.support.lab import START
from tests.support.runs_shell import GENERATIONS, Shell

BRISK = Phases(created=1, validated=1, queued=2, initializing=6, running=60, processing=5)
LONG = Phases(created=1, validated=1, queued=2, initializing=6, running=7200, processing=5)


def shop() -> World:
    world = World()
    soak, smoke = world.add_test("soak"), world.add_test("smoke")
    world.add_run(soak, created=START - 3600, phases=LONG, vus=200)
    world.add_run(soak, created=START - 600, phases=BRISK, ending=EndStatus.ABORTED_BY_USER)
    world.add_run(smoke, created=START - 1200, phases=BRISK, failed=True)
    world.add_run(smoke, created=START - 300, phases=BRISK, vus=5)
    return world


def many(tests: int, *, every: float) -> World:
    """So many tests with a finished run each, the first test's the newest."""
    world = World()
    for number in range(tests):
        world.add_test(f"test {number}")
    for number in reversed(range(tests)):
        world.add_run(400_001 + number, created=START - 600 - number * every, phases=BRISK)
    return world


def listed(shell: Shell, *, most: int = 20, active: bool = False) -> list[int]:
    assert shell.desk(is_json=True).list(most=most, active=active) == 0
    return [run["id"] for run in shell.json()]


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_runs_of_all_tests_are_a_table_from_new_to_old(api_version: str) -> None:
    shell = Shell(shop(), api_version)

    assert shell.desk().list(most=20, active=False) == 0
    assert shell.out == (
        "RUN      TEST            STATE              CREATED     RAN                 VUS\n"
        "5000004  smoke (400002)  ● finished, passed  5 min ago   1 min of 1 min        5\n"
        "5000002  soak (400001)   ● aborted by user   10 min ago  1 min of 1 min       50\n"
        "5000003  smoke (400002)  ● finished, failed  20 min ago  1 min of 1 min       50\n"
        "5000001  soak (400001)   ● running           1 h ago     59 min 50 s of 2 h  200\n"
    ).replace("STATE              CREATED", "STATE               CREATED")
    assert shell.err == ""


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_the_newest_are_told_if_not_all_are_wanted(api_version: str) -> None:
    assert listed(Shell(shop(), api_version), most=2) == [5000004, 5000002]


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_a_run_under_way_is_found_behind_newer_ones_that_are_over(api_version: str) -> None:
    shell = Shell(shop(), api_version)

    assert listed(shell, active=True) == [5000001]
    shell.now.value += 7200
    assert shell.desk().list(most=20, active=True) == 0
    assert (shell.out, shell.err) == ("", "no run is under way\n")


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_a_run_under_way_is_found_whatever_its_test_among_many(api_version: str) -> None:
    world = many(40, every=60)
    running = world.add_run(400_040, created=START - 3000, phases=LONG)

    assert listed(Shell(world, api_version), most=3, active=True) == [running]


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_only_the_tests_that_are_meant_are_told(api_version: str) -> None:
    shell = Shell(shop(), api_version, tests=[{"id": 400001, "name": "alias"}])

    assert shell.desk(is_json=True).list(most=20, active=False) == 0
    assert [(run["id"], run["test_name"]) for run in shell.json()] == [
        (5000002, "alias"),
        (5000001, "alias"),
    ]


def test_json_has_every_fact_by_a_name_that_stays() -> None:
    world = World()
    test = world.add_test("soak")
    world.add_run(test, created=START - 600, phases=BRISK, vus=36)
    shell = Shell(world, "v6")

    assert shell.desk(is_json=True).list(most=20, active=False) == 0
    assert shell.json() == [
        {
            "id": 5000001,
            "test_id": 400001,
            "test_name": "soak",
            "project_id": 30001,
            "state": "finished, passed",
            "is_over": True,
            "outcome": "passed",
            "run_status": 3,
            "processing_status": 2,
            "result_status": 0,
            "created": "2026-09-21T14:03:20Z",
            "started": "2026-09-21T14:03:30Z",
            "ended": "2026-09-21T14:04:30Z",
            "planned_seconds": 60.0,
            "execution_seconds": 60.0,
            "phase_seconds": {"queued": 2.0, "initializing": 6.0, "running": 60.0, "processing": 5.0},
            "vus": 36.0,
            "vuh": 0.6,
            "url": "https://app.k6.io/runs/5000001",
            "api": "v6",
        }
    ]


def test_no_runs_are_an_empty_array() -> None:
    assert listed(Shell(World())) == []


def test_on_v6_many_tests_cost_one_list_of_runs() -> None:
    shell = Shell(many(40, every=60), "v6")

    assert listed(shell, most=3) == [5000040, 5000039, 5000038]
    assert shell.asked() == [
        "GET /cloud/v6/load_tests",
        "GET /cloud/v6/schedules",
        "GET /cloud/v6/test_runs",
    ]


def test_on_v6_it_is_looked_further_back_until_there_are_enough_runs() -> None:
    shell = Shell(many(40, every=86400), "v6")

    assert len(listed(shell, most=7)) == 7
    assert shell.asked().count("GET /cloud/v6/test_runs") == 2
    assert shell.desk().list(most=100, active=False) == 0
    assert shell.err == (
        "runs created before 2026-08-22 were not asked for; --test ID shows those of a test\n"
    )
    assert len(shell.out.splitlines()) == 1 + 30


def test_on_legacy_only_the_tests_with_the_newest_runs_are_asked_for_theirs() -> None:
    shell = Shell(many(40, every=86400))

    assert listed(shell, most=3) == [5000040, 5000039, 5000038]
    assert shell.asked().count("GET /loadtests/v2/runs") == 3


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_an_entry_that_means_no_test_is_named_and_the_others_are_told(api_version: str) -> None:
    shell = Shell(shop(), api_version, tests=[{"id": 400002}, {"id": 7}])

    assert shell.desk().list(most=20, active=False) == 3
    assert len(shell.out.splitlines()) == 3
    assert shell.err == "error: test 7: nothing in k6 Cloud fits this, or the token may not see it\n"


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_a_refused_token_is_one_sentence_and_shown_nowhere(api_version: str) -> None:
    shell = Shell(shop(), api_version, token="wrong-token")

    assert shell.desk().list(most=20, active=False) == 3
    told = shell.err
    assert told.startswith("error: k6 Cloud refuses the token (401 at GET /")
    assert told.count("\n") == 1
    assert "wrong-token" not in told + shell.out


def test_a_token_for_another_stack_is_one_sentence() -> None:
    shell = Shell(shop(), "v6", options=Options(v6=V6Options(stack_id=2)))

    assert shell.desk(is_json=True).list(most=20, active=False) == 3
    assert shell.out == ""
    assert re.fullmatch(r"error: the token may not do this \(403 at GET /cloud/v6/load_tests.*\n", shell.err)


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_a_test_whose_runs_cannot_be_told_costs_only_itself(api_version: str) -> None:
    shell = Shell(shop(), api_version)
    shell.simulator.faults.add(faults.error(500).on("*runs?*test_id=400001*"))
    shell.simulator.faults.add(faults.error(500).on("*/load_tests/400001/test_runs*"))

    assert shell.desk().list(most=20, active=False) == 3
    assert [line.split()[0] for line in shell.out.splitlines()] == ["RUN", "5000004", "5000003"]
    assert shell.err.startswith("error: k6 Cloud is in trouble (500 at GET ")


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_a_run_that_cannot_be_read_is_named_and_the_others_are_told(api_version: str) -> None:
    shell = Shell(shop(), api_version, tests=[{"id": 400001}])
    shell.simulator.faults.add(faults.invalid_item().on("*runs?*"))

    assert shell.desk().list(most=20, active=False) == 3
    assert [line.split()[0] for line in shell.out.splitlines()] == ["RUN", "5000001"]
    assert shell.err.startswith("error: skipped /")


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_a_run_under_way_is_found_behind_many_of_its_test(api_version: str) -> None:
    world = World()
    test = world.add_test("busy")
    soak = world.add_run(test, created=START - 3600, phases=LONG)
    for number in range(60):
        world.add_run(test, created=START - 3000 + 20 * number, phases=BRISK)

    assert listed(Shell(world, api_version), most=5, active=True) == [soak]


def test_a_name_cannot_take_over_the_terminal() -> None:
    world = World()
    test = world.add_test("[red]\x1b[31m\nsoak")
    world.add_run(test, created=START - 600, phases=BRISK)
    shell = Shell(world)

    shell.desk(is_terminal=True).list(most=20, active=False)
    assert "[red]\\x1b[31m\\nsoak (400001)" in shell.out
