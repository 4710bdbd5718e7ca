"""Polls of the v6 API: which requests they send, and what follows from the responses."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from exporter.simulator import EndStatus, NextLink, Options, Phases, V6Options, World, faults
from tests.support.lab import START, Lab

V6 = {"url": "http://k6.test", "stack": 1, "requests_per_minute": 100_000}
RUNS = "/cloud/v6/test_runs"
LONG = Phases(created=1, validated=1, queued=1, initializing=1, running=100_000, processing=10)
HASTY = Phases(created=2, validated=None, queued=None, initializing=None, running=None, processing=None)


def lab(world: World, **settings: Any) -> Lab:
    return Lab(world, **{"api": V6, **settings})


def many_tests(tests: int, *, moving: int = 0, runs: int = 1) -> World:
    """So many tests with so many finished runs each; the first few have one more that moves for a day."""
    world = World()
    for i in range(tests):
        test = world.add_test(f"test {i}")
        for age in range(runs, 0, -1):
            world.add_run(test, created=START - 3600.0 * age - i / 1000)
        if i < moving:
            world.add_run(test, created=START - 600 - i, phases=LONG)
    world.add_run(
        world.add_test("latest"), created=START - 30, phases=HASTY, ending=EndStatus.ABORTED_BY_SYSTEM
    )
    return world


def paths(requests: Iterable[str]) -> list[str]:
    return [request.split(" ")[1] for request in requests]


def finished(one: Lab) -> dict[str, float]:
    """How often runs were seen to finish, by outcome."""
    counted: dict[str, float] = {}
    for series, value in one.series("k6_cloud_test_runs_finished_total").items():
        outcome = series.split('outcome="')[1].split('"')[0]
        counted[outcome] = counted.get(outcome, 0) + value
    return {outcome: count for outcome, count in counted.items() if count}


def outcomes(one: Lab) -> set[str]:
    """The outcomes of the last finished runs of the tests."""
    series = one.series("k6_cloud_test_last_outcome")
    return {name.split('outcome="')[1].split('"')[0] for name, value in series.items() if value}


def test_poll_with_seven_active_runs_sends_one_request() -> None:
    with lab(many_tests(1000, moving=7, runs=5)) as one:
        one.poll()
        one.take_requests()
        for seconds in range(15, 90, 15):
            one.at(seconds).poll()
            assert paths(one.take_requests()) == [RUNS]

        assert sum(one.series("k6_cloud_test_active_runs").values()) == 7


def test_active_run_stays_listed_after_a_reload() -> None:
    world = many_tests(3)
    test = next(iter(world.tests))
    with lab(world) as one:
        one.poll()
        world.add_run(test, created=START + 10, phases=LONG)
        one.at(15).poll()
        for minute in range(1, 10):
            world.add_run(test, created=START + 60 * minute)
            one.at(60 * minute + 5).poll()
        one.reload(api=V6)
        one.at(610).poll()
        one.take_requests()
        one.at(625).poll()

        assert paths(one.take_requests()) == [RUNS]


def test_active_run_that_fits_on_no_page_is_read() -> None:
    world = many_tests(1)
    test = next(iter(world.tests))
    old = world.add_run(test, created=START - 3000, phases=LONG)
    for i in range(20):
        world.add_run(test, created=START - 2000 + i)
    new = world.add_run(test, created=START - 600, phases=LONG)
    with lab(world, options=Options(v6=V6Options(max_top=10, clamp_top=True))) as one:
        one.poll()
        one.take_requests()
        one.at(15).poll()

        assert paths(one.take_requests()) == [RUNS, f"{RUNS}/{old}"]
        assert {run.id for run in one.exporter.poller.state.tests[test].active_runs} == {old, new}


def test_list_that_outgrows_its_page_costs_one_page_once() -> None:
    world = many_tests(1)
    test = next(iter(world.tests))
    with lab(world, options=Options(v6=V6Options(max_top=20, clamp_top=True))) as one:
        one.poll()
        active = world.add_run(test, created=START + 10, phases=LONG)
        requests = []
        for minute in range(1, 30):
            world.add_run(
                test, created=START + 60 * minute - 5, phases=HASTY, ending=EndStatus.ABORTED_BY_USER
            )
            one.take_requests()
            one.at(60 * minute).poll()
            requests.append([path for path in paths(one.take_requests()) if "test_runs" in path])

        one_page, two_pages, with_read = [RUNS], [RUNS, RUNS], [RUNS, f"{RUNS}/{active}"]
        assert requests.count(one_page) + requests.count(two_pages) + requests.count(with_read) == 29
        assert requests.count(two_pages) == 1
        assert requests.index(two_pages) > 15
        assert finished(one) == {"aborted": 29}


def test_idle_poll_sends_one_request() -> None:
    for tests in (1, 1000):
        with lab(many_tests(tests)) as one:
            one.poll()
            one.take_requests()
            one.at(60).poll()

            assert paths(one.take_requests()) == [RUNS]


def test_listed_active_run_needs_no_request() -> None:
    world = many_tests(3)
    with lab(world) as one:
        one.poll()
        new = world.add_run(next(iter(world.tests)), created=START + 10, phases=LONG)
        one.at(15).poll()
        one.take_requests()
        one.at(30).poll()

        assert paths(one.take_requests()) == [RUNS]
        assert f'run_id="{new}"' in one.page()


def test_first_poll_requests_only_tests_missing_in_the_list() -> None:
    world = World()
    busy, quiet, never = (world.add_test(name) for name in ("busy", "quiet", "never"))
    for hours in range(1, 5):
        world.add_run(busy, created=START - 3600 * hours)
    old = world.add_run(quiet, created=START - 40 * 86400)
    with lab(world) as one:
        one.poll()

        assert sorted(paths(one.take_requests())) == [
            "/cloud/v6/load_tests",
            f"/cloud/v6/load_tests/{quiet}/test_runs",
            f"/cloud/v6/load_tests/{never}/test_runs",
            "/cloud/v6/project-limits",
            "/cloud/v6/projects",
            "/cloud/v6/schedules",
            RUNS,
        ]
        last = one.exporter.poller.state.tests[quiet].last_run
        assert last
        assert last.id == old


def test_first_poll_finds_active_run_older_than_its_window() -> None:
    world = World()
    test = world.add_test("endurance")
    run = world.add_run(test, created=START - 30 * 3600, phases=Phases(running=200_000))
    with lab(world) as one:
        one.poll()
        assert [moving.id for moving in one.exporter.poller.state.tests[test].active_runs] == [run]

        one.at(86400 * 2)
        one.poll()
        assert one.exporter.poller.state.tests[test].active_runs == ()
        assert finished(one) == {"passed": 1}


def test_short_run_between_polls_is_counted() -> None:
    world = many_tests(2)
    test = next(iter(world.tests))
    with lab(world) as one:
        one.poll()
        world.add_run(test, created=START + 5, ending=EndStatus.ABORTED_BY_SYSTEM, phases=HASTY)
        one.at(60).poll()
        one.at(120).poll()

        assert finished(one) == {"error": 1}


def test_runs_on_several_pages_count_once_each() -> None:
    world = many_tests(10)
    tests = list(world.tests)[:10]
    with lab(world, options=Options(v6=V6Options(max_top=100, clamp_top=True))) as one:
        one.poll()
        for i in range(1200):
            world.add_run(
                tests[i % 10], created=START + 1 + i / 100, phases=HASTY, ending=EndStatus.ABORTED_BY_USER
            )
        one.at(60).poll()
        one.at(120).poll()

        assert finished(one) == {"aborted": 1200}


def test_run_created_between_pages_counts_once() -> None:
    world = many_tests(1)
    test = next(iter(world.tests))
    with lab(world, options=Options(v6=V6Options(max_top=5, clamp_top=True))) as one:
        one.poll()
        for i in range(12):
            world.add_run(test, created=START + 1 + i, phases=HASTY, ending=EndStatus.ABORTED_BY_USER)
        # Each answer takes a second, and another run is created meanwhile.
        one.simulator.faults.add(faults.slow(before=1.0).on(f"{RUNS}*"))
        for i in range(3):
            world.add_run(test, created=START + 60.5 + i, phases=HASTY, ending=EndStatus.ABORTED_BY_USER)
        one.at(60).poll()
        one.simulator.faults.clear()
        one.at(120).poll()

        assert finished(one) == {"aborted": 15}


def test_run_deleted_between_list_and_read_is_dropped() -> None:
    world = many_tests(2, moving=1)
    moving = max(run for run in world.runs if world.at(run, START).finished is None)
    with lab(world) as one:
        one.poll()
        world.delete_run(moving)
        poll_result = one.at(15).poll()

        assert poll_result.outcome == "success"
        assert f'run_id="{moving}"' not in one.page()
        assert finished(one) == {}


def test_active_run_that_fails_to_load_is_kept() -> None:
    world = many_tests(1)
    # Older than the first list, which therefore lacks it.
    moving = world.add_run(next(iter(world.tests)), created=START - 90_000, phases=LONG)
    with lab(world) as one:
        one.poll()
        world.stop(moving, START + 1)
        one.simulator.faults.add(faults.error(500).on(f"{RUNS}/{moving}"))
        poll_result = one.at(15).poll()
        assert (poll_result.outcome, [failure.reason for failure in poll_result.failures]) == (
            "partial",
            ["server"],
        )
        assert one.value("k6_cloud_up") == 0

        one.simulator.faults.clear()
        one.at(30).poll()
        assert finished(one) == {"aborted": 1}
        assert one.value("k6_cloud_up") == 1


def test_outage_of_a_day_loses_no_run() -> None:
    world = many_tests(1)
    test = next(iter(world.tests))
    with lab(world) as one:
        one.poll()
        one.simulator.faults.add(faults.error(503))
        for hour in range(24):
            world.add_run(test, created=START + 3600 * hour + 60, failed=hour % 2 == 0)
            one.at(3600 * (hour + 1)).poll()
        one.simulator.faults.clear()
        one.poll()
        one.at(86400 + 60).poll()

        assert finished(one) == {"passed": 12, "failed": 12}


@pytest.mark.parametrize("ahead", [-7200.0, 7200.0])
def test_wrong_local_clock_hides_no_run(ahead: float) -> None:
    world = many_tests(1)
    test = next(iter(world.tests))
    with lab(world) as one:
        one.now.wall_error = ahead
        one.poll()
        one.now.value += 60
        new = world.add_run(test, created=START + 30, phases=LONG)
        one.poll()

        assert f'run_id="{new}"' in one.page()


def test_run_from_the_future_hides_no_other() -> None:
    world = many_tests(1)
    test = next(iter(world.tests))
    with lab(world) as one:
        one.simulator.faults.add(faults.field("created", "2999-01-01T00:00:00Z").on(f"{RUNS}*", times=1))
        one.poll()
        new = world.add_run(test, created=START + 30, phases=LONG)
        one.at(60).poll()

        assert f'run_id="{new}"' in one.page()


def test_tests_are_selected_by_id_project_and_name() -> None:
    world = World()
    shop = world.add_project("shop")
    by_id = world.add_test("one")
    by_project = world.add_test("two", project_id=shop)
    world.add_test("two draft", project_id=shop)
    world.add_test("three")
    with lab(world, tests=[{"id": by_id, "name": "uno"}, {"project": shop, "exclude": "draft"}]) as one:
        one.poll()
        assert one.exporter.poller.state.tests.keys() == {by_id, by_project}
        assert 'test_name="uno"' in one.page()
        assert f"/cloud/v6/load_tests/{by_id}" in paths(one.take_requests())

    with lab(world, tests=[{"include": "^t"}]) as one:
        one.poll()
        assert [test.test.name for test in one.exporter.poller.state.tests.values()] == [
            "two",
            "two draft",
            "three",
        ]


def test_many_ids_are_found_with_one_list() -> None:
    world = many_tests(300)
    some = [{"id": id_} for id_ in list(world.tests)[:200]]
    with lab(world, tests=[*some, {"id": 99}]) as one:
        one.poll()

        assert paths(one.take_requests()).count("/cloud/v6/load_tests") == 1
        assert len(one.exporter.poller.state.tests) == 200
        assert [*map(str, one.exporter.poller.state.unresolved)] == ["test 99"]


def test_discovery_finds_new_and_deleted_tests() -> None:
    world = many_tests(2)
    first = next(iter(world.tests))
    with lab(world) as one:
        one.poll()
        new = world.add_test("new")
        world.delete_test(first)
        one.at(240).poll()
        assert new not in one.exporter.poller.state.tests
        one.at(300).poll()

        assert new in one.exporter.poller.state.tests
        assert first not in one.exporter.poller.state.tests


def test_a_discovery_that_fails_keeps_the_members() -> None:
    world = many_tests(2)
    with lab(world) as one:
        one.poll()
        page = one.page()
        one.simulator.faults.add(faults.error(500).on("/cloud/v6/load_tests*"))
        poll_result = one.at(300).poll()

        assert poll_result.outcome == "partial"
        assert one.page() == page
        assert one.exporter.poller.state.unresolved == ()


def test_schedules_are_kept_when_they_cannot_be_fetched() -> None:
    world = many_tests(1)
    test = next(iter(world.tests))
    world.schedule(test, every=86400, first=START + 500)
    labels = f'{{project_id="{world.default_project_id}",test_id="{test}",test_name="test 0"}}'
    series = f"k6_cloud_test_schedule_next_run_timestamp_seconds{labels}"
    with lab(world) as one:
        one.poll()
        assert one.value(series) == START + 500
        one.simulator.faults.add(faults.error(500).on("/cloud/v6/schedules"))
        assert one.at(300).poll().outcome == "success"
        assert one.value(series) == START + 500

    with lab(world) as one:
        one.simulator.faults.add(faults.error(403).on("/cloud/v6/schedules"))
        assert one.poll().outcome == "success"
        assert one.value(series) is None


@pytest.mark.parametrize("form", NextLink)
def test_next_link_of_any_form_is_followed_or_ends_the_list(form: NextLink) -> None:
    world = many_tests(1)
    test = next(iter(world.tests))
    options = Options(v6=V6Options(max_top=10, clamp_top=True, next_link=form))
    with lab(world, tests=[{"id": test}], options=options) as one:
        one.poll()
        for i in range(25):
            world.add_run(test, created=START + 1 + i, phases=HASTY, ending=EndStatus.ABORTED_BY_USER)
        poll_result = one.at(60).poll()

        breaks_off = form is NextLink.LOOP
        assert poll_result.outcome == ("partial" if breaks_off else "success")
        assert finished(one) == {"aborted": 9 if breaks_off else 25}


def test_unknown_status_is_counted() -> None:
    world = many_tests(1, moving=1)
    (moving,) = (run for run in world.runs if world.at(run, START).finished is None)
    with lab(world) as one:
        one.simulator.faults.add(faults.replaced_word("running", "warming_up"))
        one.poll()
        assert one.at(15).poll().outcome == "success"

        assert one.value('k6_cloud_exporter_unknown_values_total{field="run_status"}') == 1
        assert not any(f'run_id="{moving}"' in series for series in one.series("k6_cloud_run_status"))
        assert any(f'run_id="{moving}"' in series for series in one.series("k6_cloud_run_info"))


def test_unknown_result_is_counted() -> None:
    world = World()
    world.add_run(world.add_test("checkout"), created=START - 600)
    with lab(world) as one:
        one.simulator.faults.add(faults.replaced_word("passed", "splendid"))
        one.poll()
        assert one.at(15).poll().outcome == "success"

        assert one.value('k6_cloud_exporter_unknown_values_total{field="result_status"}') == 1
        assert one.series("k6_cloud_run_result_status") == {}
        assert outcomes(one) == {"none"}


def test_missing_result_is_never_passed() -> None:
    world = World()
    world.add_run(world.add_test("checkout"), created=START - 600)
    with lab(world) as one:
        one.simulator.faults.add(faults.missing_field("result").on("/cloud/v6/*test_runs*"))
        one.poll()

        assert one.series("k6_cloud_run_result_status") == {}
        assert outcomes(one) == {"none"}


def test_rejected_token_ends_the_poll_with_one_request() -> None:
    with lab(many_tests(5)) as one:
        one.simulator.tokens.clear()
        poll_result = one.poll()

        assert len(one.take_requests()) == 1
        assert [failure.reason for failure in poll_result.failures] == ["unauthorized"]


def test_wrong_stack_is_forbidden() -> None:
    with lab(many_tests(1), api=V6 | {"stack": 2}) as one:
        poll_result = one.poll()

    assert {failure.reason for failure in poll_result.failures} == {"forbidden"}


def test_partial_poll_lists_its_runs_again() -> None:
    world = World()
    test = world.add_test("checkout")
    moving = world.add_run(test, created=START - 3000, phases=LONG)
    with lab(world) as one:
        one.poll()
        one.simulator.faults.add(faults.error(503))
        world.add_run(test, created=START + 60, failed=True)
        world.add_run(test, created=START + 1000)
        one.at(1200).poll()
        one.simulator.faults.clear()
        one.simulator.faults.add(faults.error(500).on(f"{RUNS}/{moving}", times=3))
        one.at(1215).poll()
        one.simulator.faults.clear()
        one.at(1230).poll()

        assert finished(one) == {"failed": 1, "passed": 1}


def test_outage_after_an_idle_day_loses_no_run() -> None:
    world = World()
    test = world.add_test("checkout")
    with lab(world) as one:
        one.poll()
        one.simulator.faults.add(faults.error(503))
        world.add_run(test, created=START + 600, ending=EndStatus.ABORTED_BY_THRESHOLD)
        for hour in range(1, 49):
            one.at(3600 * hour).poll()
        one.simulator.faults.clear()
        one.poll()

        assert finished(one) == {"failed": 1}
        assert outcomes(one) == {"failed"}


def test_run_deleted_between_pages_hides_no_other() -> None:
    world = many_tests(1)
    test = next(iter(world.tests))
    with lab(world, options=Options(v6=V6Options(max_top=5, clamp_top=True))) as one:
        one.poll()
        runs = [
            world.add_run(test, created=START + 200 + i, phases=HASTY, ending=EndStatus.ABORTED_BY_USER)
            for i in range(13)
        ]
        one.simulator.faults.add(faults.slow(before=1.0).on(f"{RUNS}*"))
        one.run(deleting_meanwhile(one, runs[0]))
        one.simulator.faults.clear()
        for seconds in range(320, 800, 60):
            one.at(seconds).poll()

        assert finished(one) == {"aborted": 13}


async def deleting_meanwhile(one: Lab, run: int) -> None:
    """A poll, during which a run that it has listed is deleted."""
    one.at(260)
    polling = asyncio.ensure_future(one.exporter.poller.poll())
    while one.now.value < START + 261:  # noqa: ASYNC110 (the clock is a number)
        await asyncio.sleep(0)
    one.simulator.world.delete_run(run)
    await polling


@pytest.mark.parametrize("days", [-3, 3])
def test_wrong_local_clock_is_corrected_by_server_time(days: int) -> None:
    world = World()
    test = world.add_test("checkout")
    with lab(world) as one:
        one.now.wall_error = 86400.0 * days
        one.poll()
        run = world.add_run(test, created=START + 30, phases=LONG)
        one.now.value += 60
        one.poll()

        assert f'run_id="{run}"' in one.page()


def test_empty_list_of_tests_is_verified() -> None:
    world = many_tests(2)
    with lab(world) as one:
        one.poll()
        page = one.page()
        one.simulator.faults.add(faults.empty_page().on("/cloud/v6/load_tests"))
        poll_result = one.at(300).poll()
        assert [failure.reason for failure in poll_result.failures] == ["decode"]
        assert one.page() == page

        for test in list(world.tests):
            world.delete_test(test)
        assert one.at(600).poll().outcome == "success"
        assert one.page() == ""


def count_forty_runs(one: Lab, world: World) -> dict[str, float]:
    """What is counted of a run in each of forty minutes, with a poll in each."""
    test = next(iter(world.tests))
    for minute in range(40):
        created = START + 60 * minute + 30
        world.add_run(test, created=created, phases=HASTY, ending=EndStatus.ABORTED_BY_USER)
    for _ in range(41):
        one.now.value += 60
        one.poll()
    return finished(one)


def world_without_runs() -> World:
    world = World()
    world.add_test("checkout")
    return world


WORLDS = pytest.mark.parametrize("make", [world_without_runs, lambda: many_tests(2)], ids=["no_runs", "runs"])


@WORLDS
@pytest.mark.parametrize(
    "date",
    ["Thu, 24 Sep 2026 14:13:20 GMT", "Thu, 01 Jan 2099 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:01 GMT"],
)
def test_wrong_date_in_the_first_poll_hides_no_run(make: Callable[[], World], date: str) -> None:
    world = make()
    with lab(world) as one:
        one.simulator.faults.add(faults.header("date", date))
        one.poll()
        one.simulator.faults.clear()

        assert count_forty_runs(one, world) == {"aborted": 40}


@WORLDS
@pytest.mark.parametrize("days", [-3, 3])
def test_wrong_local_clock_without_date_hides_no_run(make: Callable[[], World], days: int) -> None:
    world = make()
    with lab(world) as one:
        one.now.wall_error = 86400.0 * days
        one.simulator.faults.add(faults.header("date", ""))
        one.poll()

        assert count_forty_runs(one, world) == {"aborted": 40}


@pytest.mark.parametrize("date", ["Thu, 01 Jan 2099 00:00:00 GMT", "Mon, 01 Jan 1990 00:00:00 GMT"])
def test_wrong_date_in_a_later_poll_changes_no_list(date: str) -> None:
    world = many_tests(2)
    with lab(world) as one:
        for seconds in (0, 60):
            one.at(seconds).poll()
        expected = one.take_requests()[-1]
        one.simulator.faults.add(faults.header("date", date))
        for seconds in (120, 180, 240):
            one.at(seconds).poll()
            assert one.take_requests() == [expected]


def test_run_of_a_wrong_id_stops_no_count() -> None:
    world = many_tests(1)
    with lab(world) as one:
        one.simulator.faults.add(faults.field("id", 2**62).on("*test_runs*", times=2))
        one.poll()
        assert str(2**62) in one.page()

        assert count_forty_runs(one, world) == {"aborted": 40}
