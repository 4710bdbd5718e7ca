"""Polls of the legacy API: which requests they send, and what follows from the responses."""

from collections.abc import Iterable

import pytest

from exporter.logs import LogfmtFormatter
from exporter.simulator import EndStatus, Options, Phases, World, faults
from tests.support.lab import START, TOKEN, Lab

TESTS = "/loadtests/v2/tests"
RUNS = "/loadtests/v2/runs"

LONG = Phases(created=1, validated=1, queued=1, initializing=1, running=10_000, processing=10)


def many_tests(tests: int, *, moving: int = 0, runs: int = 1) -> World:
    """So many tests with so many finished runs each; the first few have one more that moves for hours."""
    world = World()
    for i in range(tests):
        test = world.add_test(f"test {i}")
        for age in range(runs, 0, -1):
            world.add_run(test, created=START - 3600.0 * age)
        if i < moving:
            world.add_run(test, created=START - 600, phases=LONG)
    return world


def counted(requests: Iterable[str]) -> dict[str, int]:
    paths = [request.split(" ")[1] for request in requests]
    return {path: paths.count(path) for path in sorted(set(paths))}


def all_of(world: World) -> list[dict[str, int]]:
    return [{"id": id_} for id_ in world.tests]


def test_poll_of_500_tests_sends_8_requests() -> None:
    with Lab(many_tests(500, moving=3), api={"url": "http://k6.test", "requests_per_minute": 6000}) as lab:
        lab.poll()
        lab.take_requests()
        lab.at(15).poll()

        assert counted(lab.take_requests()) == {TESTS: 5, RUNS: 3}


def test_idle_poll_requests_a_page_for_each_hundred_tests() -> None:
    world = many_tests(250)
    with Lab(world, tests=all_of(world)) as lab:
        lab.poll()
        lab.take_requests()
        lab.at(60).poll()

        assert counted(lab.take_requests()) == {TESTS: 3}


def test_new_run_costs_one_list() -> None:
    world = many_tests(100, moving=3)
    with Lab(world, tests=all_of(world)) as lab:
        lab.poll()
        lab.take_requests()
        for test in list(world.tests)[:3]:
            world.start(test, START + 10)
        lab.at(15).poll()

        assert counted(lab.take_requests()) == {TESTS: 1, RUNS: 3}


def test_active_run_beyond_the_first_page_needs_two_lists() -> None:
    world = World()
    test = world.add_test("busy")
    old = world.add_run(test, created=START - 5000, phases=LONG)
    for i in range(250):
        world.add_run(test, created=START - 4000 + i)
    with Lab(world, tests=[{"id": test}]) as lab:
        lab.poll()
        lab.take_requests()
        new = world.add_run(test, created=START + 10)
        lab.at(15).poll()

        assert counted(lab.take_requests()) == {TESTS: 1, RUNS: 2}
        runs = {run.id for run in lab.exporter.poller.state.tests[test].active_runs}
        assert runs == {old, new}


def test_without_selector_all_tests_are_polled() -> None:
    world = World()
    first = world.add_test("first")
    second = world.add_test("second", project_id=world.add_project("payments"))
    with Lab(world) as lab:
        lab.poll()

        assert lab.exporter.poller.state.tests.keys() == {first, second}


def test_project_entry_selects_by_test_names() -> None:
    world = World()
    project = world.add_project("shop")
    nightly = world.add_test("nightly soak", project_id=project)
    world.add_test("nightly draft", project_id=project)
    world.add_test("smoke", project_id=project)
    world.add_test("nightly elsewhere")
    with Lab(world, tests=[{"project": project, "include": "^nightly", "exclude": "draft"}]) as lab:
        lab.poll()

        assert lab.exporter.poller.state.tests.keys() == {nightly}


def test_name_pattern_matches_in_all_projects() -> None:
    world = World()
    nightly = world.add_test("nightly", project_id=world.add_project("shop"))
    world.add_test("hourly")
    with Lab(world, tests=[{"include": "^nightly"}]) as lab:
        lab.poll()

        assert lab.exporter.poller.state.tests.keys() == {nightly}


def test_an_alias_takes_the_place_of_the_name() -> None:
    world = World()
    test = world.add_test("Untitled test (3)")
    with Lab(world, tests=[{"id": test, "name": "checkout-soak"}]) as lab:
        lab.poll()
        world.rename_test(test, "Untitled test (4)")
        lab.at(60).poll()

        assert 'test_name="checkout-soak"' in lab.page()
        assert "Untitled" not in lab.page()


def test_renamed_test_needs_no_request_for_its_runs() -> None:
    world = many_tests(1)
    (test,) = world.tests
    with Lab(world, tests=[{"id": test}]) as lab:
        lab.poll()
        world.rename_test(test, "renamed")
        lab.take_requests()
        lab.at(60).poll()

        assert counted(lab.take_requests()) == {TESTS: 1}
        assert 'test_name="renamed"' in lab.page()
        assert "test 0" not in lab.page()


def test_entry_without_a_test_is_unresolved() -> None:
    world = World()
    project = world.add_project("shop")
    test = world.add_test("checkout", project_id=project)
    with Lab(
        world, tests=[{"id": test}, {"id": 99}, {"project": project, "include": "^x"}, {"project": 98}]
    ) as lab:
        poll_result = lab.poll()

        assert poll_result.outcome == "success"
        assert [*map(str, lab.exporter.poller.state.unresolved)] == [
            "test 99",
            f"project {project}, include '^x'",
            "project 98",
        ]
        assert lab.value("k6_cloud_exporter_tests_unresolved") == 3


def test_new_test_of_a_project_is_discovered() -> None:
    world = World()
    project = world.add_project("shop")
    world.add_test("old", project_id=project)
    with Lab(world, tests=[{"project": project}]) as lab:
        lab.poll()
        new = world.add_test("new", project_id=project)
        lab.at(240).poll()
        assert new not in lab.exporter.poller.state.tests
        lab.at(300).poll()

        assert new in lab.exporter.poller.state.tests


def test_deleted_test_is_dropped_at_the_next_poll() -> None:
    world = many_tests(2)
    gone, stays = world.tests
    with Lab(world) as lab:
        lab.poll()
        world.delete_test(gone)
        lab.at(60).poll()

        assert lab.value("k6_cloud_up") == 1
        assert lab.exporter.poller.state.tests.keys() == {stays}


def test_run_deleted_between_list_and_read_is_dropped() -> None:
    world = many_tests(1, moving=1)
    moving = max(world.runs)
    with Lab(world) as lab:
        lab.poll()
        world.delete_run(moving)
        lab.at(15).poll()

        assert f'run_id="{moving}"' not in lab.page()
        assert lab.value("k6_cloud_up") == 1


def test_short_run_between_polls_is_counted() -> None:
    world = World()
    test = world.add_test("hasty")
    with Lab(world, tests=[{"id": test}]) as lab:
        lab.poll()
        world.add_run(
            test,
            created=START + 5,
            ending=EndStatus.ABORTED_BY_SYSTEM,
            phases=Phases(
                created=2, validated=None, queued=None, initializing=None, running=None, processing=None
            ),
        )
        lab.at(60).poll()

        labels = (
            f'{{outcome="error",project_id="{world.default_project_id}",test_id="{test}",test_name="hasty"}}'
        )
        assert lab.value(f"k6_cloud_test_runs_finished_total{labels}") == 1


def test_list_without_paging_gives_the_same_series() -> None:
    world = many_tests(3, moving=2, runs=30)
    with Lab(world, options=Options(documented_only=True, reject_unknown_parameters=True)) as lab:
        assert lab.poll().failures == []
        reference = lab.page()
    with Lab(many_tests(3, moving=2, runs=30)) as lab:
        lab.poll()

        assert lab.page() == reference


def test_tests_outside_the_default_project_are_found() -> None:
    world = World()
    test = world.add_test("far", project_id=world.add_project("elsewhere"))
    with Lab(world, tests=[{"id": test}], options=Options(ids_only_in_default_project=True)) as lab:
        lab.poll()
        world.start(test, START + 30)
        lab.at(60).poll()

        assert [run.id for run in lab.exporter.poller.state.tests[test].runs] == [max(world.runs)]
        assert lab.exporter.poller.state.unconfirmed_since == {}


def test_deletion_of_old_run_is_noticed_within_an_hour() -> None:
    world = many_tests(1, runs=3)
    (test,) = world.tests
    oldest = min(world.runs)
    with Lab(world) as lab:
        lab.poll()
        world.delete_run(oldest)
        for minute in range(5, 65, 5):
            lab.at(60 * minute).poll()

        assert oldest not in {run.id for run in lab.exporter.poller.state.tests[test].runs}


def test_missing_last_run_id_is_checked_at_each_discovery() -> None:
    world = many_tests(1)
    (test,) = world.tests
    with Lab(world, tests=[{"id": test}]) as lab:
        lab.simulator.faults.add(faults.field("last_test_run_id", None))
        lab.poll()
        world.start(test, START + 30)
        lab.at(60).poll()
        assert max(world.runs) not in {run.id for run in lab.exporter.poller.state.tests[test].runs}
        lab.at(300).poll()

        assert max(world.runs) in {run.id for run in lab.exporter.poller.state.tests[test].runs}


def test_failing_test_affects_no_other() -> None:
    world = many_tests(3, moving=3)
    failing, *others = world.tests
    with Lab(world, poll={"stale_after": "2m"}) as lab:
        lab.poll()
        lab.simulator.faults.add(faults.error(500).on(f"{RUNS}?*test_id={failing}*"))
        poll_result = lab.at(15).poll()

        assert poll_result.outcome == "partial"
        assert [failure.reason for failure in poll_result.failures] == ["server"]
        assert (lab.value("k6_cloud_up"), lab.value('k6_cloud_exporter_polls_total{outcome="partial"}')) == (
            0,
            1,
        )
        assert lab.exporter.poller.state.unconfirmed_since.keys() == {failing}

        for seconds in range(30, 180, 15):
            lab.at(seconds).poll()
        page = lab.page()
        assert f'test_id="{failing}"' not in page
        assert all(f'test_id="{other}"' in page for other in others)


def test_failed_request_for_runs_is_repeated() -> None:
    world = many_tests(1)
    (test,) = world.tests
    with Lab(world, tests=[{"id": test}]) as lab:
        lab.poll()
        new = world.start(test, START + 30)
        lab.simulator.faults.add(faults.error(403).on(f"{RUNS}*", times=1))
        lab.at(60).poll()
        lab.at(120).poll()

        assert new in {run.id for run in lab.exporter.poller.state.tests[test].runs}


@pytest.mark.parametrize("tests", [1, 200])
def test_rejected_token_is_sent_once(tests: int) -> None:
    with Lab(many_tests(tests)) as lab:
        lab.simulator.tokens.clear()
        poll_result = lab.poll()

        assert len(lab.take_requests()) == 1
        assert [failure.reason for failure in poll_result.failures] == ["unauthorized"]
        assert lab.value("k6_cloud_up") == 0


def test_token_rejected_during_a_poll_ends_it() -> None:
    world = many_tests(200, moving=200)
    with Lab(world, api={"url": "http://k6.test", "concurrency": 1, "requests_per_minute": 6000}) as lab:
        lab.simulator.faults.add(faults.error(401).on(RUNS))
        lab.poll()

        assert counted(lab.take_requests())[RUNS] == 1


def test_poll_cut_short_keeps_its_results() -> None:
    world = many_tests(3)
    slow, *quick = world.tests
    with Lab(
        world,
        tests=all_of(world),
        api={"url": "http://k6.test", "timeout": "10s"},
        poll={"interval": "10ms", "idle_interval": "20ms", "stale_after": "200ms"},
    ) as lab:
        lab.simulator.faults.add(faults.hang().on(f"{RUNS}?*test_id={slow}*"))
        poll_result = lab.poll()

        assert [failure.reason for failure in poll_result.failures] == ["timeout"]
        assert lab.exporter.poller.state.tests.keys() == set(quick)
        lab.simulator.faults.clear()
        lab.at(0.02).poll()
        assert lab.exporter.poller.state.tests.keys() == set(world.tests)


@pytest.mark.parametrize("list_of", ["/v3/organizations", "/v3/organizations/*/projects"])
def test_unparsable_project_drops_no_test(list_of: str) -> None:
    world = many_tests(2)
    with Lab(world) as lab:
        lab.poll()
        page = lab.page()
        lab.simulator.faults.add(faults.field("id", "x").on(list_of))
        poll_result = lab.at(300).poll()

        assert [failure.reason for failure in poll_result.failures] == ["decode"]
        assert lab.page() == page
        assert lab.exporter.poller.state.unresolved == ()


def test_unparsable_test_drops_no_test() -> None:
    world = many_tests(2)
    with Lab(world) as lab:
        lab.poll()
        lab.simulator.faults.add(faults.invalid_item().on(TESTS))
        lab.at(300).poll()

        assert lab.exporter.poller.state.members.keys() == set(world.tests)
        assert lab.value('k6_cloud_exporter_runs_skipped_total{reason="invalid"}') == 1


def test_echoed_token_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    world = many_tests(1)
    with Lab(world) as lab:
        lab.simulator.faults.add(faults.field("id", TOKEN).on("/loadtests/*"))
        lab.poll()

        logged = "\n".join(LogfmtFormatter().format(record) for record in caplog.records)
        assert TOKEN not in logged + lab.get("/").text
        assert "***" in logged


def test_poll_of_1000_tests_sends_17_requests() -> None:
    world = many_tests(1000, moving=7, runs=5)
    with Lab(world, api={"url": "http://k6.test", "requests_per_minute": 100_000}) as lab:
        lab.poll()
        lab.take_requests()
        lab.at(15).poll()

        assert counted(lab.take_requests()) == {TESTS: 10, RUNS: 7}


def test_successful_polls_keep_data_fresh() -> None:
    world = many_tests(200, moving=200)
    with Lab(world, api={"url": "http://k6.test", "requests_per_minute": 50}) as lab:
        for _ in range(12):
            began = lab.now.value
            lab.poll()
            lab.now.value = max(lab.now.value, began + 15)
            fresh = lab.value("k6_cloud_exporter_series")

            assert fresh or not lab.value("k6_cloud_up")


def test_internal_error_is_visible(caplog: pytest.LogCaptureFixture) -> None:
    with Lab(many_tests(1)) as lab:
        lab.poll()
        lab.exporter.poller.record_internal_error(ZeroDivisionError("canary"))

        assert lab.value("k6_cloud_up") == 0
        assert lab.value('k6_cloud_exporter_polls_total{outcome="failure"}') == 1
        assert lab.value('k6_cloud_exporter_poll_failures_total{reason="internal"}') == 1
        assert "The last poll failed" in lab.get("/").text
        assert "ZeroDivisionError" in lab.get("/").text
        assert "canary" in caplog.text
