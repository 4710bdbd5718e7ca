"""Facts that polls of v6 fetch with each discovery, and facts that are kept from poll to poll."""

import pytest

from exporter.simulator import EndStatus, Phases, World, faults
from exporter.simulator.world import Limits
from tests.support.lab import START, Lab, Series

V6 = {"url": "http://k6.test", "stack": 1, "requests_per_minute": 100_000}
LEGACY = {"url": "http://k6.test"}
SHORT = Phases(created=1, validated=1, queued=1, initializing=1, running=30, processing=5)
KEPT = (
    "k6_cloud_test_consecutive_failures",
    "k6_cloud_test_last_finished_info",
    "k6_cloud_test_schedule_due_timestamp_seconds",
    "k6_cloud_test_vuh_total",
)


def kept_series(lab: Lab) -> Series:
    return {name: value for prefix in KEPT for name, value in lab.series(prefix).items()}


def single_value(lab: Lab, name: str) -> float | None:
    """The value of a metric with at most one series."""
    values = list(lab.series(name).values())
    assert len(values) < 2
    return values[0] if values else None


def test_facts_outlive_failed_polls_and_reloads() -> None:
    world = World()
    test = world.add_test("checkout")
    world.add_run(test, created=START - 600, phases=SHORT, failed=True)
    world.schedule(
        test, every=600, first=START + 60, endings=[EndStatus.ABORTED_BY_SYSTEM], phases=SHORT, times=2
    )
    with Lab(world, api=V6) as lab:
        for seconds in (0, 70, 200, 400, 660, 800):
            lab.at(seconds).poll()
        before = kept_series(lab)
        assert {name.partition("{")[0] for name in before} == {*KEPT}
        assert single_value(lab, KEPT[0]) == 3
        assert single_value(lab, KEPT[2]) == START + 660
        assert (single_value(lab, KEPT[3]) or 0) > 0

        lab.simulator.faults.add(faults.error(503))
        lab.at(860).poll()
        assert kept_series(lab) == before
        lab.simulator.faults.clear()
        for settings in ({"runs": {"keep": 0}}, {"tests": [{"id": test}]}, {"runs": {"keep": 9}}):
            assert lab.reload(api=V6, **settings).is_success
            lab.poll()
            assert kept_series(lab) == before


@pytest.mark.parametrize(("recent", "older"), [(1, 30), (4, 30), (4, 3), (30, 0)])
def test_api_versions_remember_as_many_failures(recent: int, older: int) -> None:
    world = World()
    test = world.add_test("checkout")
    for i in range(older):
        world.add_run(test, created=START - (older - i + 1) * 86400.0, phases=SHORT, failed=True)
    for i in range(recent):
        world.add_run(test, created=START - (recent - i) * 600.0, phases=SHORT, failed=True)

    with Lab(world, api=V6) as v6, Lab(world, api=LEGACY) as legacy:
        v6.poll()
        legacy.poll()

        failures = [single_value(lab, "k6_cloud_test_consecutive_failures") for lab in (v6, legacy)]
        assert failures == [min(recent + older, 10)] * 2


def test_failures_since_a_pass_need_no_further_request() -> None:
    world = World()
    test = world.add_test("checkout")
    for i, failed in enumerate([False, True, True]):
        world.add_run(test, created=START - 3600.0 + 600 * i, phases=SHORT, failed=failed)
    with Lab(world, api=V6) as lab:
        lab.poll()

        assert single_value(lab, "k6_cloud_test_consecutive_failures") == 2
        # The end of the second run.
        since = single_value(lab, "k6_cloud_test_failing_since_timestamp_seconds")
        assert since is not None
        assert START - 3000.0 < since < START - 2400.0
        assert not [request for request in lab.take_requests() if f"load_tests/{test}" in request]


@pytest.mark.parametrize("wall_error", [-86400.0, 0.0, 86400.0])
def test_slot_without_a_run_is_due(wall_error: float) -> None:
    world = World()
    test = world.add_test("checkout")
    schedule = world.schedule(test, every=600, first=START + 100, phases=SHORT)
    with Lab(world, api=V6) as lab:
        lab.now.wall_error = wall_error
        due = "k6_cloud_test_schedule_due_timestamp_seconds"
        lab.poll()
        assert single_value(lab, due) is None
        lab.at(160).poll()
        created = single_value(lab, "k6_cloud_test_last_run_created_timestamp_seconds")
        assert single_value(lab, due) == created == START + 100

        world.miss_slots(schedule, START + 200)
        for seconds in range(220, 800, 60):
            lab.at(seconds).poll()
        assert single_value(lab, due) == START + 700
        assert single_value(lab, "k6_cloud_test_last_run_created_timestamp_seconds") == created

        world.deactivate_schedule(schedule, START + 800)
        lab.at(1200).poll()
        assert single_value(lab, due) is None


def world_with_projects() -> World:
    world = World()
    limits = Limits(vuh_max_per_month=500, vu_max_per_test=100, duration_max_per_test=3600)
    labels = {"team": "red", "cost": "7"}
    shop = world.add_project("Shop", labels=labels, folder_uid="f1", limits=limits)
    world.add_project("Search")
    world.add_test("checkout", project_id=shop)
    return world


def test_projects_have_chosen_labels_and_limits() -> None:
    world = world_with_projects()
    with Lab(world, api=V6, metrics={"project_labels": ["team"]}) as lab:
        lab.poll()

        info = lab.series("k6_cloud_project_info")
        shop = next(id_ for id_, project in world.projects.items() if project.name == "Shop")
        assert len(info) == len(world.projects)
        assert f'{{folder_uid="f1",project_id="{shop}",project_name="Shop",team="red"}}' in "".join(info)
        assert "cost" not in "".join(info)
        assert lab.series("k6_cloud_project_limit_") == {
            f'k6_cloud_project_limit_vuh_per_month{{project_id="{shop}"}}': 500,
            f'k6_cloud_project_limit_vus_per_test{{project_id="{shop}"}}': 100,
            f'k6_cloud_project_limit_duration_seconds{{project_id="{shop}"}}': 3600,
        }


def test_only_the_first_shard_exposes_projects() -> None:
    exposed = []
    for shard in range(3):
        with Lab(world_with_projects(), api=V6, sharding={"shard": shard, "total": 3}) as lab:
            lab.poll()
            exposed.append(bool(lab.series("k6_cloud_project_")))

    assert exposed == [True, False, False]


@pytest.mark.parametrize("endpoint", ["*/projects*", "*/project-limits*", "*/schedules*"])
def test_token_without_access_to_a_fact_polls_successfully(endpoint: str) -> None:
    with Lab(world_with_projects(), api=V6) as lab:
        lab.poll()
        before = lab.series("k6_cloud_project_")
        lab.simulator.faults.add(faults.error(403).on(endpoint))

        assert lab.at(400).poll().outcome == "success"
        assert lab.series("k6_cloud_project_") == before != {}
        assert lab.value("k6_cloud_up") == 1


def test_token_without_access_to_projects_exposes_none() -> None:
    with Lab(world_with_projects(), api=V6) as lab:
        lab.simulator.faults.add(faults.error(403).on("*/project*"))

        assert lab.poll().outcome == "success"
        assert lab.series("k6_cloud_project_") == {}


def test_renamed_project_is_exposed_after_a_discovery() -> None:
    world = world_with_projects()
    shop = next(id_ for id_, project in world.projects.items() if project.name == "Shop")
    with Lab(world, api=V6) as lab:
        lab.poll()
        world.update_project(shop, START + 10, name="Store")
        lab.at(20).poll()
        assert 'project_name="Shop"' in "".join(lab.series("k6_cloud_project_info"))
        lab.at(400).poll()

        info = "".join(lab.series("k6_cloud_project_info"))
        assert 'project_name="Store"' in info
        assert 'project_name="Shop"' not in info


def test_only_discoveries_on_v6_request_projects() -> None:
    def count(lab: Lab) -> list[int]:
        requests = [request.split(" ")[1] for request in lab.take_requests()]
        return [requests.count(f"/cloud/v6/{name}") for name in ("projects", "project-limits")]

    with Lab(world_with_projects(), api=V6) as v6:
        counted = []
        for seconds in (0, 60, 400, 460):
            v6.at(seconds).poll()
            counted.append(count(v6))
    assert counted == [[1, 1], [0, 0], [1, 1], [0, 0]]


def test_cut_discovery_keeps_schedules_and_members() -> None:
    world = world_with_projects()
    world.schedule(next(iter(world.tests)), every=600, first=START + 1000, phases=SHORT)
    with Lab(world, api=V6, poll={"stale_after": "1h"}) as lab:
        lab.poll()
        before = lab.series("k6_cloud_test_schedule_next_run_timestamp_seconds")
        lab.simulator.faults.add(faults.error(401).on("*/project-limits*"))
        lab.at(400).poll()

        assert lab.series("k6_cloud_test_schedule_next_run_timestamp_seconds") == before != {}
