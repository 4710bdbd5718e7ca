"""`runs list`: which runs, in which order, with how many requests, and what happens on errors."""

import re

import pytest

from exporter.simulator import Options, V6Options, World, faults
from tests.commands.runs.worlds import LONG, SHORT, many_tests, several_tests
from tests.support.lab import START
from tests.support.runs_shell import API_VERSIONS, Shell

both = pytest.mark.parametrize("api_version", API_VERSIONS)


def list_ids(shell: Shell, *, limit: int = 20, active: bool = False) -> list[int]:
    assert shell.command(is_json=True).list(limit=limit, active=active) == 0
    return [run["id"] for run in shell.json()]


@both
def test_list_is_a_table_that_begins_with_the_newest_run(api_version: str) -> None:
    shell = Shell(several_tests(), api_version)

    assert shell.command().list(limit=20, active=False) == 0
    header, *rows = [re.split(" {2,}", line) for line in shell.out.splitlines()]
    reason = "thresholds failed"
    assert header.pop(2) == "PROJECT"
    assert [row.pop(2) for row in rows] == ["Default project"] * 4
    if api_version == "v6":
        reason += ": A threshold was crossed: http_req_duration p(95)<500"
    assert header == ["RUN", "TEST", "STATE", "CREATED", "RAN", "VUS", "REASON"]
    assert rows == [
        ["5000004", "smoke (400002)", "● finished, passed", "5 min ago", "1 min of 1 min", "5"],
        ["5000002", "soak (400001)", "● aborted by user", "10 min ago", "1 min of 1 min", "50"],
        ["5000003", "smoke (400002)", "● finished, failed", "20 min ago", "1 min of 1 min", "50", reason],
        ["5000001", "soak (400001)", "● running", "1 h ago", "59 min 50 s of 2 h", "200"],
    ]
    assert shell.err == ""


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (80, "RUN TEST STATE CREATED REASON"),
        (120, "RUN TEST PROJECT STATE CREATED REASON"),
        (160, "RUN TEST PROJECT STATE CREATED RAN VUS REASON"),
    ],
)
def test_list_leaves_out_columns_on_a_narrow_terminal(width: int, columns: str) -> None:
    shell = Shell(several_tests(), "v6")

    shell.command(is_terminal=True, width=width).list(limit=20, active=False)
    header, *rows = shell.out.splitlines()
    assert header.split() == columns.split()
    assert max(map(len, rows)) <= width


def test_list_without_reasons_keeps_its_columns() -> None:
    shell = Shell(many_tests(3, every=60))

    shell.command(is_terminal=True, width=80).list(limit=20, active=False)
    assert shell.out.splitlines()[0].split() == ["RUN", "TEST", "STATE", "CREATED", "RAN", "VUS"]


@both
def test_limit_keeps_the_newest_runs(api_version: str) -> None:
    assert list_ids(Shell(several_tests(), api_version), limit=2) == [5000004, 5000002]


@both
def test_active_run_is_found_behind_finished_runs(api_version: str) -> None:
    shell = Shell(several_tests(), api_version)

    assert list_ids(shell, active=True) == [5000001]
    shell.now.value += 7200
    assert shell.command().list(limit=20, active=True) == 0
    assert (shell.out, len(shell.err.splitlines())) == ("", 1)


@both
def test_active_run_is_found_among_many_tests_tests(api_version: str) -> None:
    world = many_tests(40, every=60)
    running = world.add_run(400_040, created=START - 3000, phases=LONG)

    assert list_ids(Shell(world, api_version), limit=3, active=True) == [running]


@both
def test_only_configured_tests_are_listed(api_version: str) -> None:
    shell = Shell(several_tests(), api_version, tests=[{"id": 400001, "name": "alias"}])

    assert shell.command(is_json=True).list(limit=20, active=False) == 0
    assert [(run["id"], run["test_name"]) for run in shell.json()] == [
        (5000002, "alias"),
        (5000001, "alias"),
    ]


def test_json_has_all_keys() -> None:
    world = World()
    test = world.add_test("soak")
    world.add_run(test, created=START - 600, phases=SHORT, vus=36)
    shell = Shell(world, "v6")

    assert shell.command(is_json=True).list(limit=20, active=False) == 0
    assert shell.json() == [
        {
            "id": 5000001,
            "test_id": 400001,
            "test_name": "soak",
            "project_id": 30001,
            "project_name": "Default project",
            "state": "finished, passed",
            "is_finished": True,
            "outcome": "passed",
            "run_status": 3,
            "processing_status": 2,
            "result_status": 0,
            "reason": None,
            "reason_code": None,
            "reason_message": None,
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


def test_no_runs_are_an_empty_json_array() -> None:
    assert list_ids(Shell(World())) == []


def test_v6_fetches_runs_of_many_tests_in_one_list() -> None:
    shell = Shell(many_tests(40, every=60), "v6")

    assert list_ids(shell, limit=3) == [5000040, 5000039, 5000038]
    assert shell.take_requests() == [
        "GET /cloud/v6/load_tests",
        "GET /cloud/v6/test_runs",
        "GET /cloud/v6/projects",
    ]


def test_v6_widens_the_window_until_the_limit_is_reached() -> None:
    shell = Shell(many_tests(40, every=86400), "v6")

    assert len(list_ids(shell, limit=7)) == 7
    assert shell.take_requests().count("GET /cloud/v6/test_runs") == 2
    assert shell.command().list(limit=100, active=False) == 0
    (hint,) = shell.err.splitlines()
    assert "2026-08-22" in hint
    assert "--test ID" in hint
    assert len(shell.out.splitlines()) == 1 + 30


def test_legacy_queries_only_tests_with_the_newest_runs() -> None:
    shell = Shell(many_tests(40, every=86400))

    assert list_ids(shell, limit=3) == [5000040, 5000039, 5000038]
    assert shell.take_requests().count("GET /loadtests/v2/runs") == 3


@both
def test_entry_without_a_matching_test_is_an_error(api_version: str) -> None:
    shell = Shell(several_tests(), api_version, tests=[{"id": 400002}, {"id": 7}])

    assert shell.command().list(limit=20, active=False) == 3
    assert len(shell.out.splitlines()) == 3
    (error,) = shell.err.splitlines()
    assert error.startswith("error: test 7: ")


@both
def test_refused_token_is_an_error_without_the_token(api_version: str) -> None:
    shell = Shell(several_tests(), api_version, token="wrong-token")

    assert shell.command().list(limit=20, active=False) == 3
    err = shell.err
    assert re.fullmatch(r"error: .* \(401 at GET /.*\n", err)
    assert "wrong-token" not in err + shell.out


def test_token_of_another_stack_is_an_error() -> None:
    shell = Shell(several_tests(), "v6", options=Options(v6=V6Options(stack_id=2)))

    assert shell.command(is_json=True).list(limit=20, active=False) == 3
    assert shell.out == ""
    assert re.fullmatch(r"error: .* \(403 at GET /cloud/v6/load_tests.*\n", shell.err)


@both
def test_failed_query_of_a_test_keeps_the_other_runs(api_version: str) -> None:
    shell = Shell(several_tests(), api_version)
    shell.simulator.faults.add(faults.error(500).on("*runs?*test_id=400001*"))
    shell.simulator.faults.add(faults.error(500).on("*/load_tests/400001/test_runs*"))

    assert shell.command().list(limit=20, active=False) == 3
    assert [line.split()[0] for line in shell.out.splitlines()] == ["RUN", "5000004", "5000003"]
    assert re.match(r"error: .* \(500 at GET ", shell.err)


@both
def test_malformed_run_is_skipped_with_an_error(api_version: str) -> None:
    shell = Shell(several_tests(), api_version, tests=[{"id": 400001}])
    shell.simulator.faults.add(faults.invalid_item().on("*runs?*"))

    assert shell.command().list(limit=20, active=False) == 3
    assert [line.split()[0] for line in shell.out.splitlines()] == ["RUN", "5000001"]
    assert shell.err.startswith("error: skipped /")


@both
def test_active_run_is_found_behind_many_runs_of_its_test(api_version: str) -> None:
    world = World()
    test = world.add_test("busy")
    soak = world.add_run(test, created=START - 3600, phases=LONG)
    for number in range(60):
        world.add_run(test, created=START - 3000 + 20 * number, phases=SHORT)

    assert list_ids(Shell(world, api_version), limit=5, active=True) == [soak]


def test_name_cannot_control_the_terminal() -> None:
    world = World()
    test = world.add_test("[red]\x1b[31m\nsoak")
    world.add_run(test, created=START - 600, phases=SHORT)
    shell = Shell(world)

    shell.command(is_terminal=True).list(limit=20, active=False)
    assert "[red]\\x1b[31m\\nsoak (400001)" in shell.out
