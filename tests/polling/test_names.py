"""Tests that are selected by their exact names, through both API versions."""

import logging
from typing import Any

import pytest

from exporter.simulator import World
from tests.support.lab import Lab

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
        assert [candidates in str(vars(record)["entry"]) for record in warnings] == [True]

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
