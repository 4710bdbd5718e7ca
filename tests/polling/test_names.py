"""Tests that are selected by their exact names, through both API versions."""

import logging
from typing import Any

import pytest

from exporter.simulator import Fault, World, faults
from tests.support.lab import START, Lab

both = pytest.mark.parametrize("api", [{}, {"stack": 1}], ids=["legacy", "v6"])


def build_world() -> World:
    """400001 checkout-soak and 400002 login in one project, 400003 login in another."""
    world = World()
    for name, projects in (("shop", ("checkout-soak", "login")), ("payments", ("login",))):
        project = world.add_project(name)
        for test in projects:
            world.add_test(test, project_id=project)
    return world


def lab(world: World, api: dict[str, Any], *names: str, **settings: Any) -> Lab:
    tests = [{"name": name} for name in names]
    return Lab(world, **{"api": {"url": "http://k6.test"} | api, "tests": tests} | settings)


@both
@pytest.mark.parametrize("name", ["checkout", "Checkout-Soak", "checkout-soak ", "heckout.soak"])
def test_only_the_exact_name_selects_a_test(api: dict[str, Any], name: str) -> None:
    with lab(build_world(), api, "checkout-soak", name) as exporter:
        assert exporter.poll().outcome == "success"

        assert list(exporter.exporter.poller.state.tests) == [400001]
        assert [entry.name for entry in exporter.exporter.poller.state.unresolved] == [name]


@both
def test_name_of_several_tests_selects_none(api: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    world = build_world()
    candidates = "400002 (project 30002), 400003 (project 30003)"
    with lab(world, api, "checkout-soak", "login") as exporter:
        for second in (0, 600):
            assert exporter.at(second).poll().outcome == "success"

        assert list(exporter.exporter.poller.state.tests) == [400001]
        assert exporter.value("k6_cloud_exporter_tests_unresolved") == 1
        assert candidates in exporter.get("/").text
        # Once, and not after each discovery.
        warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert [candidates in str(vars(record)["entries"]) for record in warnings] == [True]

        world.rename_test(400003, "login-2")
        exporter.at(1200).poll()

        assert list(exporter.exporter.poller.state.tests) == [400001, 400002]
        assert exporter.exporter.poller.state.unresolved == ()


@both
def test_name_in_a_project_selects_its_test(api: dict[str, Any]) -> None:
    with lab(build_world(), api, tests=[{"name": "login", "project": 30003}]) as exporter:
        exporter.poll()

        assert list(exporter.exporter.poller.state.tests) == [400003]


@both
def test_ambiguous_name_does_not_hide_a_selected_test(api: dict[str, Any]) -> None:
    with lab(build_world(), api, tests=[{"name": "login"}, {"id": 400002}]) as exporter:
        exporter.poll()

        assert list(exporter.exporter.poller.state.tests) == [400002]


@both
def test_name_is_ambiguous_across_shards(api: dict[str, Any]) -> None:
    unresolved = []
    for shard in (0, 1):
        with lab(build_world(), api, "login", sharding={"shard": shard, "total": 2}) as exporter:
            exporter.poll()
            assert list(exporter.exporter.poller.state.tests) == []
            unresolved.append(len(exporter.exporter.poller.state.unresolved))

    assert unresolved == [1, 0]


def select_projects(world: World, api: dict[str, Any], *names: str, **settings: Any) -> Lab:
    return lab(world, api, tests=[{"project": name} for name in names], **settings)


def member_ids(exporter: Lab) -> list[int]:
    return list(exporter.exporter.poller.state.members)


def unresolved(exporter: Lab) -> list[str]:
    return [str(entry) for entry in exporter.exporter.poller.state.unresolved]


@both
def test_name_of_a_project_selects_its_tests(api: dict[str, Any]) -> None:
    with select_projects(build_world(), api, "shop") as exporter:
        assert exporter.poll().outcome == "success"

        assert member_ids(exporter) == [400001, 400002]
        assert unresolved(exporter) == []


@both
def test_name_of_a_project_and_a_pattern_select_tests(api: dict[str, Any]) -> None:
    entry = {"project": "shop", "exclude": "^login"}
    with lab(build_world(), api, tests=[entry, {"project": 30003}]) as exporter:
        exporter.poll()

        assert member_ids(exporter) == [400001, 400003]


@both
@pytest.mark.parametrize("name", ["Shop", "shop ", "sho.", "zebra"])
def test_only_the_exact_name_selects_a_project(api: dict[str, Any], name: str) -> None:
    with select_projects(build_world(), api, name, "payments") as exporter:
        assert exporter.poll().outcome == "success"

        assert member_ids(exporter) == [400003]
        assert unresolved(exporter) == [f"project {name!r}"]


@both
def test_name_of_several_projects_selects_none(api: dict[str, Any]) -> None:
    world = build_world()
    world.add_test("other", project_id=world.add_project("shop"))
    with select_projects(world, api, "shop", "payments") as exporter:
        exporter.poll()

        assert member_ids(exporter) == [400003]
        assert unresolved(exporter) == ["project 'shop': 2 projects have this name: 30002, 30004"]


@both
def test_project_is_looked_up_with_each_discovery(api: dict[str, Any]) -> None:
    world = build_world()
    with select_projects(world, api, "shop") as exporter:
        exporter.poll()
        world.update_project(30002, START + 1, name="store")
        world.update_project(30003, START + 1, name="shop")
        exporter.at(30).poll()
        assert member_ids(exporter) == [400001, 400002]
        exporter.at(400).poll()
        assert member_ids(exporter) == [400003]
        world.delete_project(30003)
        exporter.at(800).poll()

        assert member_ids(exporter) == []
        assert unresolved(exporter) == ["project 'shop'"]


@both
@pytest.mark.parametrize("fault", [faults.error(403), faults.error(503), faults.empty_page()])
def test_project_that_cannot_be_looked_up_stays(api: dict[str, Any], fault: Fault) -> None:
    with select_projects(build_world(), api, "shop", poll={"stale_after": "1d"}) as exporter:
        exporter.poll()
        exporter.simulator.faults.add(fault.on("*/projects"))
        for second in (400, 800, 1200):
            assert exporter.at(second).poll().outcome != "success"
            assert member_ids(exporter) == [400001, 400002]
            assert unresolved(exporter) == []
        exporter.simulator.faults.clear()

        assert exporter.at(1600).poll().outcome == "success"
        assert member_ids(exporter) == [400001, 400002]


@both
def test_project_that_was_never_looked_up_is_a_failure(api: dict[str, Any]) -> None:
    with select_projects(build_world(), api, "shop") as exporter:
        exporter.simulator.faults.add(faults.error(403).on("*/projects"))

        assert exporter.poll().outcome != "success"
        assert member_ids(exporter) == []


@pytest.mark.parametrize("tests", [["shop"], ["shop", "payments", "zebra"]])
def test_names_of_projects_need_no_further_request_on_v6(tests: list[str]) -> None:
    with select_projects(build_world(), {"stack": 1}, *tests) as exporter:
        exporter.poll()
        requests = [request.split(" ")[1] for request in exporter.take_requests()]

        assert requests.count("/cloud/v6/projects") == 1
