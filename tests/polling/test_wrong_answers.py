"""Answers that deny what exists, once: nothing is dropped until a second request confirms it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from exporter.simulator import EndStatus, Options, Phases, V6Options, World, faults
from exporter.simulator.faults import Fault
from tests.support.lab import START, Lab

LONG = Phases(created=1, validated=1, queued=1, initializing=1, running=100_000, processing=10)
HASTY = Phases(created=2, validated=None, queued=None, initializing=None, running=None, processing=None)
LEGACY = {"url": "http://k6.test", "requests_per_minute": 100_000}
V6 = {**LEGACY, "stack": 1}
BOTH = pytest.mark.parametrize("api", [LEGACY, V6], ids=["legacy", "v6"])

PROJECT = 30_002


def make_world(tests: int = 3) -> World:
    """Tests of one project, each with a finished and an active run."""
    world = World()
    project = world.add_project("shop")
    assert project == PROJECT
    for i in range(tests):
        test = world.add_test(f"test {i}", project_id=project)
        world.add_run(test, created=START - 3600)
        world.add_run(test, created=START - 600, phases=LONG)
    return world


def count_a_run(lab: Lab, world: World) -> None:
    """Lets a run of each test finish, so that each has a count that could be lost."""
    lab.poll()
    for test in world.tests:
        world.add_run(test, created=START + 10, phases=HASTY, ending=EndStatus.ABORTED_BY_USER)
    lab.at(30).poll()
    assert counts(lab) == len(world.tests)


def counts(lab: Lab) -> float:
    return sum(lab.series("k6_cloud_test_runs_finished_total").values())


@dataclass(frozen=True, slots=True)
class Denial:
    """What denies existing tests at a discovery, with these settings."""

    name: str
    api: dict[str, Any]
    tests: Callable[[World], list[dict[str, Any]]]
    fault: Fault

    def __str__(self) -> str:
        return self.name


def by_id(world: World) -> list[dict[str, Any]]:
    return [{"id": id_} for id_ in world.tests]


def by_project(_: World) -> list[dict[str, Any]]:
    return [{"project": PROJECT}]


def by_name(_: World) -> list[dict[str, Any]]:
    return [{"include": "test"}]


not_found, no_items = faults.error(404), faults.empty_page()
DENIALS = (
    Denial("v6 test by id", V6, by_id, not_found.on("/cloud/v6/load_tests/*", times=1)),
    Denial("v6 project", V6, by_project, not_found.on("/cloud/v6/projects/*/load_tests", times=1)),
    Denial("v6 empty project", V6, by_project, no_items.on("/cloud/v6/projects/*/load_tests", times=1)),
    Denial("v6 all", V6, by_name, not_found.on("/cloud/v6/load_tests", times=1)),
    Denial("v6 runs", V6, by_id, no_items.on("/cloud/v6/test_runs", times=1)),
    Denial("legacy list of ids", LEGACY, by_id, not_found.on("/loadtests/v2/tests", times=1)),
    Denial("legacy empty list of ids", LEGACY, by_id, no_items.on("/loadtests/v2/tests", times=1)),
    Denial("legacy project", LEGACY, by_project, not_found.on("/loadtests/v2/tests", times=1)),
    Denial("legacy empty project", LEGACY, by_project, no_items.on("/loadtests/v2/tests", times=1)),
    Denial("legacy all projects", LEGACY, by_name, not_found.on("/loadtests/v2/tests", times=1)),
    Denial("legacy organizations", LEGACY, by_name, not_found.on("/v3/organizations", times=1)),
    Denial("legacy runs", LEGACY, by_id, no_items.on("/loadtests/v2/runs", times=1)),
)


@pytest.mark.parametrize("denial", DENIALS, ids=str)
def test_one_mistaken_denial_drops_nothing(denial: Denial) -> None:
    world = make_world()
    with Lab(world, api=denial.api, tests=denial.tests(world)) as lab:
        count_a_run(lab, world)
        page = lab.page()
        lab.simulator.faults.add(denial.fault)
        lab.at(330).poll()
        assert len(lab.simulator.faults) == 0

        assert lab.page() == page
        lab.at(345).poll()
        assert lab.page() == page
        assert lab.value("k6_cloud_up") == 1


@pytest.mark.parametrize(
    ("api", "path"), [(LEGACY, "/loadtests/v2/runs"), (V6, "/cloud/v6/test_runs/*")], ids=["legacy", "v6"]
)
def test_mistaken_404_of_an_active_run_loses_no_count(api: dict[str, Any], path: str) -> None:
    world = World()
    test = world.add_test("endurance")
    # Too old for the list of v6, which has the other run.
    world.add_run(test, created=START - 600)
    run = world.add_run(test, created=START - 90_000, phases=LONG)
    with Lab(world, api=api, tests=[{"id": test}]) as lab:
        lab.poll()
        lab.simulator.faults.add(not_found.on(path, times=1))
        lab.at(15).poll()
        assert len(lab.simulator.faults) == 0
        world.stop(run, START + 20)
        lab.at(60).poll()

        assert counts(lab) == 1


@BOTH
@pytest.mark.parametrize("status", [400, 404])
def test_refused_run_id_does_not_fail_later_polls(api: dict[str, Any], status: int) -> None:
    world = World()
    test = world.add_test("endurance")
    run = world.add_run(test, created=START - 600, phases=LONG)
    wrong = 2**62
    with Lab(world, api=api, tests=[{"id": test}]) as lab:
        # The id of the active run is wrong in the first poll, and the API does not accept it later.
        lab.simulator.faults.add(faults.field("id", wrong).on("*runs*", times=1 if api is LEGACY else 2))
        lab.poll()
        assert str(wrong) in lab.page()
        lab.simulator.faults.clear()
        lab.simulator.faults.add(faults.error(status).on(f"*{wrong}*"))
        lab.at(60).poll()

        assert lab.at(120).poll().outcome == "success"
        assert str(wrong) not in lab.page()
        assert f'run_id="{run}"' in lab.page()


@pytest.mark.parametrize("status", [400, 404])
def test_legacy_refusal_of_every_run_drops_none(status: int) -> None:
    world = make_world(1)
    with Lab(world, api=LEGACY, tests=by_id(world)) as lab:
        lab.poll()
        page = lab.page()
        lab.simulator.faults.add(faults.error(status).on("/loadtests/v2/runs*"))

        assert lab.at(15).poll().outcome == "failure"
        assert lab.page() == page


@BOTH
@pytest.mark.parametrize("select", [by_id, by_project, by_name])
def test_deleted_test_is_dropped(
    api: dict[str, Any], select: Callable[[World], list[dict[str, Any]]]
) -> None:
    world = make_world()
    gone, *stay = world.tests
    with Lab(world, api=api, tests=select(world)) as lab:
        lab.poll()
        world.delete_test(gone)
        assert lab.at(300).poll().outcome == "success"
        assert lab.exporter.poller.state.tests.keys() == set(stay)

        lab.take_requests()
        lab.at(600).poll()
        # Once dropped, it is not requested by its id again, unless the configuration has it.
        reads = [request for request in lab.take_requests() if request.endswith(f"/{gone}")]
        assert len(reads) == 0 or select is by_id


def deleting_after_a_page(lab: Lab, path: str, tests: Sequence[int]) -> Fault:
    """Deletes tests after the first response with this path, once."""

    def change(_: Any, response: Any) -> Any:
        for test in tests:
            lab.simulator.world.delete_test(test)
        return response

    return Fault(change).on(path, times=1)


@pytest.mark.parametrize(
    ("api", "path", "select"),
    [
        (LEGACY, "/loadtests/v2/tests", by_project),
        (V6, "/cloud/v6/load_tests", by_name),
        (V6, "/cloud/v6/projects/*/load_tests", by_project),
    ],
    ids=["legacy", "v6", "v6 project"],
)
@pytest.mark.parametrize("deleted", [1, 3])
def test_deletion_between_pages_drops_no_other_test(
    api: dict[str, Any], path: str, select: Callable[[World], list[dict[str, Any]]], deleted: int
) -> None:
    world = make_world(12)
    options = Options(max_page_size=5, v6=V6Options(max_top=5, clamp_top=True))
    with Lab(world, options=options, api=api, tests=select(world)) as lab:
        count_a_run(lab, world)
        gone = list(world.tests)[:deleted]
        lab.simulator.faults.add(deleting_after_a_page(lab, path, gone))
        lab.take_requests()
        lab.at(330).poll()

        # Those that were deleted were on the first page; the next discovery drops them.
        assert lab.exporter.poller.state.tests.keys() == {*gone, *world.tests}
        assert counts(lab) == 12
        tests_path = "/loadtests/v2/tests/" if api is LEGACY else "/cloud/v6/load_tests/"
        reads = [request for request in lab.take_requests() if request.startswith(f"GET {tests_path}")]
        # Of those that moved to a page that was requested already.
        assert len(reads) == deleted
        lab.at(630).poll()
        assert lab.exporter.poller.state.tests.keys() == set(world.tests)


@BOTH
def test_confirmations_of_a_discovery_are_limited(api: dict[str, Any]) -> None:
    world = make_world(250)
    with Lab(world, api=api, tests=[{"include": "test"}]) as lab:
        lab.poll()
        for test in list(world.tests)[1:]:
            world.delete_test(test)
        sizes = []
        for minute in range(5, 30, 5):
            lab.take_requests()
            lab.at(60 * minute).poll()
            reads = [request for request in lab.take_requests() if "tests/4" in request.split(" ")[1]]
            # In legacy, a poll that lacks members makes a second discovery at once.
            assert len([read for read in reads if "test_runs" not in read]) <= 200
            sizes.append(len(lab.exporter.poller.state.members))

        assert sizes[-1] == 1


def test_more_projects_than_a_page_are_all_polled() -> None:
    world = World()
    for i in range(30):
        world.add_test(f"test {i}", project_id=world.add_project(f"project {i}"))
    with Lab(world, options=Options(paged_projects=True, default_page_size=20), api=LEGACY) as lab:
        assert lab.poll().outcome == "success"

        assert lab.exporter.poller.state.tests.keys() == set(world.tests)


@pytest.mark.parametrize("path", ["/v3/organizations", "/v3/organizations/*/projects", "/loadtests/v2/tests"])
def test_list_with_fewer_items_than_its_count_is_reported(path: str) -> None:
    world = make_world()
    with Lab(world, options=Options(paged_projects=True), api=LEGACY) as lab:
        lab.simulator.faults.add(faults.field("meta", {"count": 30}).on(path))
        poll_result = lab.poll()

        assert (poll_result.outcome, {failure.reason for failure in poll_result.failures}) == (
            "partial",
            {"decode"},
        )
        # What was delivered is polled all the same.
        assert lab.exporter.poller.state.tests.keys() == set(world.tests)
