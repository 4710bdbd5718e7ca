"""`runs list --run`, `--public-id` and `--select`: which requests are sent, and what is printed."""

from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner

from exporter.cli import main
from exporter.commands.runs.select import FIELDS, legacy_fields, parse_keys
from exporter.k6.legacy.schema import RUN_FIELDS
from exporter.simulator import World, faults
from tests.commands.runs.test_reasons import failed_run
from tests.commands.runs.worlds import SHORT, several_tests
from tests.support.lab import START
from tests.support.runs_shell import API_VERSIONS, Shell

both = pytest.mark.parametrize("api_version", API_VERSIONS)


def selections(shell: Shell) -> list[list[str]]:
    """The `$select` of each request for a list of runs."""
    targets = [request.target for request in shell.simulator.requests if request.path.endswith("/v2/runs")]
    return [parse_qs(urlsplit(target).query)["$select"][0].split(",") for target in targets]


@both
def test_runs_with_ids_are_listed_newest_first(api_version: str) -> None:
    # Another test is configured, and the limit is lower: neither applies to IDs.
    shell = Shell(several_tests(), api_version, tests=[{"id": 400002}])

    assert shell.command(is_json=True).list(limit=1, active=False, run_ids=(5000001, 5000003, 5000002)) == 0
    assert [(run["id"], run["test_name"]) for run in shell.json()] == [
        *((5000002, "soak"), (5000003, "smoke"), (5000001, "soak")),
    ]


def test_legacy_lists_ids_with_one_request_and_projects_once() -> None:
    shell = Shell(several_tests())

    shell.command().list(limit=20, active=False, run_ids=(5000001, 5000003))
    assert parse_qs(urlsplit(shell.simulator.requests[0].target).query)["ids[]"] == ["5000001", "5000003"]
    assert sorted(shell.take_requests()) == [
        "GET /loadtests/v2/runs",
        "GET /loadtests/v2/tests/400001",
        "GET /loadtests/v2/tests/400002",
        "GET /v3/organizations",
        "GET /v3/organizations/2001/projects",
    ]


def test_v6_reads_each_id_and_the_projects_once() -> None:
    shell = Shell(several_tests(), "v6")

    shell.command().list(limit=20, active=False, run_ids=(5000001, 5000003))
    assert sorted(shell.take_requests()) == [
        "GET /cloud/v6/load_tests/400001",
        "GET /cloud/v6/load_tests/400002",
        "GET /cloud/v6/projects",
        "GET /cloud/v6/test_runs/5000001",
        "GET /cloud/v6/test_runs/5000003",
    ]


@both
def test_id_that_is_not_found_is_an_error(api_version: str) -> None:
    shell = Shell(several_tests(), api_version)

    assert shell.command().list(limit=20, active=False, run_ids=(7, 5000003, 8)) == 3
    assert [line.split()[0] for line in shell.out.splitlines()] == ["RUN", "5000003"]
    first, second = shell.err.splitlines()
    assert first.startswith("error: run 7 not found")
    assert second.startswith("error: run 8 not found")


@both
def test_run_of_a_deleted_test_is_listed(api_version: str) -> None:
    shell = Shell(several_tests(), api_version)
    shell.simulator.faults.add(faults.error(404).on("*tests/400002*"))

    assert shell.command().list(limit=20, active=False, run_ids=(5000003,)) == 0
    assert "400002 (400002)" in shell.out


def world_with_public_id() -> World:
    world = several_tests()
    world.update_run(5000003, public_id="0a1b2c")
    return world


def test_legacy_lists_the_run_with_a_public_id() -> None:
    shell = Shell(world_with_public_id())

    assert shell.command(is_json=True).list(limit=20, active=False, public_id="0a1b2c") == 0
    assert [run["id"] for run in shell.json()] == [5000003]
    assert shell.command().list(limit=20, active=False, public_id="unknown\x1b") == 3
    assert (shell.out, shell.err.count("unknown\\x1b")) == ("", 1)


def test_v6_rejects_a_public_id() -> None:
    shell = Shell(world_with_public_id(), "v6")

    assert shell.command().list(limit=20, active=False, public_id="0a1b2c") == 2
    assert "--run" in shell.err
    assert shell.take_requests() == []


@both
def test_selected_keys_are_printed_in_their_order(api_version: str) -> None:
    shell = Shell(several_tests(), api_version)

    select = parse_keys("run_status, id,test_id,id")
    assert shell.command(is_json=True).list(limit=2, active=False, select=select) == 0
    first, second = shell.json()
    assert list(first.items()) == [("run_status", 3), ("id", 5000004), ("test_id", 400002)]
    assert second == {"run_status": 5, "id": 5000002, "test_id": 400001}


def test_legacy_requests_only_selected_fields() -> None:
    shell = Shell(several_tests())

    shell.command(is_json=True).list(limit=2, active=False, select=("id", "test_id", "run_status"))
    shell.command(is_json=True).list(limit=2, active=False, run_ids=(5000001,), select=("id", "run_status"))
    assert [set(fields) for fields in selections(shell)] == [{"id", "test_id", "created", "run_status"}] * 3


@both
@pytest.mark.parametrize("run_ids", [(), (5000001,)], ids=["newest", "by ID"])
def test_requests_for_names_follow_the_selected_keys(api_version: str, run_ids: tuple[int, ...]) -> None:
    shell = Shell(several_tests(), api_version, tests=[{"id": 400001}])

    def count_requests(key: str) -> dict[str, int]:
        shell.take_requests()
        command = shell.command(is_json=True)
        assert command.list(limit=1, active=False, run_ids=run_ids, select=(key,)) == 0
        requests = shell.take_requests()
        return {kind: sum(kind in request for request in requests) for kind in ("/projects", "tests/4")}

    of_test = 1 if run_ids else count_requests("id")["tests/4"]
    assert count_requests("id") == {"/projects": 0, "tests/4": 0 if run_ids else of_test}
    assert count_requests("test_name") == {"/projects": 0, "tests/4": of_test}
    assert count_requests("project_name") == {"/projects": 1, "tests/4": of_test}


def test_selected_key_keeps_active_runs_apart() -> None:
    shell = Shell(several_tests())

    assert shell.command(is_json=True).list(limit=20, active=True, select=("id",)) == 0
    assert shell.json() == [{"id": 5000001}]


@both
@pytest.mark.parametrize("key", FIELDS)
def test_selected_key_has_its_value(api_version: str, key: str) -> None:
    world = failed_run("TypeError")
    world.add_run(400001, created=START + 10, phases=SHORT, failed=True, vus=5)
    shell = Shell(world, api_version)
    shell.now.value += 300

    shell.command(is_json=True).list(limit=20, active=False)
    runs = shell.json()
    assert shell.command(is_json=True).list(limit=20, active=False, select=(key,)) == 0
    assert shell.json() == [{key: run[key]} for run in runs]
    assert list(runs[0]) == list(FIELDS)
    ids = [run["id"] for run in runs]
    assert shell.command(is_json=True).list(limit=20, active=False, run_ids=ids, select=(key,)) == 0
    assert shell.json() == [{key: run[key]} for run in runs]


def test_all_keys_need_all_fields_of_the_legacy_api() -> None:
    assert set(legacy_fields([*FIELDS], active=False)) == set(RUN_FIELDS)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--select=id,nmae", "--json"], ["'nmae'", "test_name, project_id"]),
        (["--select=", "--json"], ["known: id, "]),
        (["--select=id"], ["--json"]),
        (["--run=1", "--active"], ["--run ", "--active"]),
        (["--run=1", "--test=1"], ["--run ", "--test"]),
        (["--public-id=a", "--project=1"], ["--public-id ", "--project"]),
        (["--run=1", "--public-id=a"], ["--run ", "--public-id"]),
        (["--run=soak"], ["'soak'"]),
    ],
)
def test_wrong_flags_are_usage_errors(arguments: list[str], parts: list[str]) -> None:
    result = CliRunner().invoke(main, ["runs", "list", *arguments])

    assert result.exit_code == 2
    message = " ".join(result.stderr.split())
    assert [part for part in parts if part not in message] == []
