"""A wrong or changed clock, and polls that cease: what is exposed, and what the status page shows."""

import re

import pytest

from exporter.simulator import Phases, World, faults
from tests.faults.test_k6_faults import API, API_VERSIONS, Setup
from tests.support.lab import START, Lab

DAY = 86400.0
STALE_AFTER = 300.0  # the default setting in seconds


@pytest.mark.parametrize("api_version", API_VERSIONS)
def test_up_is_0_as_soon_as_the_data_is_stale(api_version: str) -> None:
    setup = Setup(api_version)
    with setup.lab as lab:
        lab.poll()
        # A scrape just before, since self metrics are cached for a second.
        assert lab.at(STALE_AFTER).value("k6_cloud_up") == 1
        assert lab.page()
        assert lab.get("/-/ready").status_code == 200

        lab.at(STALE_AFTER + 0.1)

        assert lab.value("k6_cloud_up") == 0
        assert lab.value("k6_cloud_exporter_series") == 0
        assert lab.page() == ""
        assert lab.get("/-/ready").status_code == 503
        assert 'class="outage"' in lab.get("/").text

        lab.poll()
        assert lab.value("k6_cloud_up") == 1
        assert lab.page()
        assert lab.get("/-/ready").status_code == 200


@pytest.mark.parametrize("api_version", API_VERSIONS)
@pytest.mark.parametrize("step", [-10 * 365 * DAY, -3600.0, 3600.0, 10 * 365 * DAY])
def test_clock_step_does_not_make_data_stale_or_fresh(api_version: str, step: float) -> None:
    setup = Setup(api_version)
    with setup.lab as lab:
        lab.poll()
        page = lab.page()

        lab.now.wall_error = step

        assert lab.at(STALE_AFTER).page() == page
        assert lab.value("k6_cloud_up") == 1
        assert lab.at(STALE_AFTER + 2).page() == ""
        assert lab.value("k6_cloud_up") == 0


@pytest.mark.parametrize("step", [-DAY, -3600.0, 3600.0, DAY])
def test_clock_step_does_not_change_ages_on_status_page(step: float) -> None:
    with Lab(World(), api=API["legacy"]) as lab:
        lab.simulator.faults.add(faults.error(403))
        lab.poll()
        ages = visible_ages(lab.at(7))
        assert ages == ["7 s ago", "7 s ago"]  # of the last poll and of its error

        lab.now.wall_error = step

        assert visible_ages(lab) == ages


def visible_ages(lab: Lab) -> list[str]:
    """Every age in the status page."""
    return re.findall(r">([^<>]* ago)<", lab.get("/").text)


@pytest.mark.parametrize("api_version", API_VERSIONS)
@pytest.mark.parametrize("days", [-3, 3])
def test_wrong_clock_drops_no_time_and_no_old_run(api_version: str, days: int) -> None:
    pages = []
    for error in (0.0, days * DAY):
        world = World()
        test = world.add_test("checkout")
        world.add_run(test, created=START - 5 * DAY)
        with Lab(world, api=API[api_version]) as lab:
            lab.now.wall_error = error
            lab.poll()
            world.add_run(test, created=START + 10, phases=Phases(running=20))
            for seconds in (30, 60, 300):
                lab.at(seconds).poll()
            pages.append(lab.page())

    assert pages[0].count("k6_cloud_run_created_timestamp_seconds{") == 2
    assert pages[1] == pages[0]


@pytest.mark.parametrize("api_version", API_VERSIONS)
@pytest.mark.parametrize("date", ["Thu, 01 Jan 2099 00:00:00 GMT", "Mon, 01 Jan 1990 00:00:00 GMT"])
def test_one_wrong_date_header_drops_nothing(api_version: str, date: str) -> None:
    world = World()
    test = world.add_test("checkout")
    with Lab(world, api=API[api_version]) as lab:
        lab.poll()
        runs = [world.add_run(test, created=START + 10, phases=Phases(running=20)) for _ in range(3)]
        lab.simulator.faults.add(faults.header("date", date))
        lab.at(300).poll()
        page = lab.page()
        lab.simulator.faults.clear()
        lab.at(360).poll()

        assert all(f'run_id="{run}"' in page for run in runs)
        assert "k6_cloud_run_created_timestamp_seconds{" in page
        assert lab.page() == page
