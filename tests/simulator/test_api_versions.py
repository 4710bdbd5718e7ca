"""Legacy and v6 agree about the same run at the same time."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.simulator import EndStatus, Phases, RunScript, Simulator, World
from tests.support.simulator_client import CREATED, fetch, fetch_v6, send, send_v6, simulate
from tests.support.worlds import PHASES, world_of_all_endings

# (run_status, processing_status): status; an aborted run that never ran has processing status 0
STATUS = {
    (-2, 0): "created",
    (-1, 0): "created",
    (0, 0): "queued",
    (1, 0): "initializing",
    (2, 0): "running",
    (3, 1): "processing_metrics",
    (3, 2): "completed",
    (3, 3): "completed",
} | {(status, processing): "aborted" for status in range(4, 10) for processing in range(4)}
RESULT_OF_ABORTED = {4: "error", 5: "error", 6: "error", 7: "error", 8: "failed", 9: "error"}


def result_of(legacy: dict[str, Any]) -> str | None:
    """The v6 word for the result codes of legacy, which need run_status and processing_status too."""
    if legacy["run_status"] in RESULT_OF_ABORTED:
        return RESULT_OF_ABORTED[legacy["run_status"]]
    if legacy["processing_status"] == 2:
        return ("passed", "failed")[legacy["result_status"]]
    return "error" if legacy["processing_status"] == 3 else None


def parse_time(text: str | None) -> float | None:
    """Unix seconds, without fractions: legacy writes whole seconds without a zone."""
    if text is None:
        return None
    return datetime.fromisoformat(text.removesuffix("Z")).replace(microsecond=0, tzinfo=UTC).timestamp()


def both(simulator: Simulator, run_id: int) -> tuple[dict[str, Any], dict[str, Any]]:
    legacy = fetch(simulator, f"/loadtests/v2/runs/{run_id}")["k6-run"]
    return legacy, fetch_v6(simulator, f"/test_runs/{run_id}")


def assert_agree(legacy: dict[str, Any], v6: dict[str, Any]) -> None:
    entered = {step["type"]: step["entered"] for step in v6["status_history"]}
    over = v6["status"] in ("completed", "aborted")
    assert v6["status"] == STATUS[legacy["run_status"], legacy["processing_status"]]
    assert v6["result"] == result_of(legacy)
    assert [v6[name] for name in ("id", "test_id", "project_id", "note")] == [
        legacy[name] for name in ("id", "test_id", "project_id", "note")
    ]
    assert parse_time(v6["created"]) == parse_time(legacy["created"])
    assert parse_time(entered.get("running")) == parse_time(legacy["started"])
    execution_over = entered.get("processing_metrics", v6["ended"])
    assert parse_time(execution_over) == parse_time(legacy["ended"])
    assert over or v6["ended"] is None
    assert v6["max_vus"] in (None, legacy["vus"])
    assert v6["estimated_duration"] in (None, legacy["duration"])
    by_user = (v6["status_details"].get("extra") or {}).get("by_user")
    assert (by_user is not None) is (legacy["run_status"] == 5) is (legacy["stopped_by_id"] != 0)


@pytest.mark.parametrize("age", range(30))
def test_versions_agree_on_every_run_at_every_second(age: int) -> None:
    world, test_id = world_of_all_endings()
    simulator = simulate(world, now=CREATED + age)

    runs = fetch(simulator, "/loadtests/v2/runs", {"test_id": test_id})["k6-runs"]
    in_v6 = {run["id"]: run for run in fetch_v6(simulator, "/test_runs")["value"]}

    [archive] = {run["id"] for run in runs} - set(in_v6)
    assert world.runs[archive].plan.ending is EndStatus.ARCHIVED
    for run in runs:
        if run["id"] != archive:
            assert_agree(run, in_v6[run["id"]])


SECONDS = st.none() | st.integers(min_value=0, max_value=50)


@settings(deadline=None)  # no time limit: other processes may share the machine
@given(
    phases=st.builds(
        Phases,
        created=st.integers(min_value=0, max_value=50),
        validated=SECONDS,
        queued=SECONDS,
        initializing=SECONDS,
        running=st.integers(min_value=0, max_value=50),
        processing=SECONDS,
    ),
    ending=st.sampled_from([it for it in EndStatus if it is not EndStatus.ARCHIVED]),
    failed=st.booleans(),
    age=st.integers(min_value=0, max_value=350),
    stopped=SECONDS,
)
def test_versions_agree_on_random_runs(
    phases: Phases, ending: EndStatus, failed: bool, age: int, stopped: int | None
) -> None:
    failed = failed and ending is EndStatus.FINISHED  # otherwise it looks like an abort by threshold in v6
    world = World(stop_delay=0)
    run_id = world.add_run(world.add_test("t"), created=CREATED, ending=ending, failed=failed, phases=phases)
    if stopped is not None:
        world.stop(run_id, CREATED + stopped)

    assert_agree(*both(simulate(world, now=CREATED + age), run_id))


@pytest.mark.parametrize(
    ("ending", "legacy", "v6"),
    [
        (EndStatus.FINISHED, (3, 2, 0), ("completed", "passed", "no extra")),
        (EndStatus.TIMED_OUT, (4, 3, 0), ("aborted", "error", 8034)),
        (EndStatus.ABORTED_BY_USER, (5, 2, 0), ("aborted", "error", "owner@example.com")),
        (EndStatus.ABORTED_BY_SYSTEM, (6, 2, 0), ("aborted", "error", 8034)),
        (EndStatus.ABORTED_BY_SCRIPT_ERROR, (7, 2, 0), ("aborted", "error", 8035)),
        (EndStatus.ABORTED_BY_THRESHOLD, (8, 2, 1), ("aborted", "failed", 8036)),
        (EndStatus.ABORTED_BY_LIMIT, (9, 2, 0), ("aborted", "error", 2004)),
    ],
)
def test_codes_of_each_ending(
    ending: EndStatus, legacy: tuple[int, int, int], v6: tuple[str, str, int | str]
) -> None:
    world = World()
    run_id = world.add_run(world.add_test("t"), created=CREATED, ending=ending, phases=PHASES)

    old, new = both(simulate(world, now=CREATED + 60), run_id)

    extra = new["status_details"].get("extra")
    who_or_what = "no extra" if extra is None else extra["by_user"] or extra["code"]
    assert (old["run_status"], old["processing_status"], old["result_status"]) == legacy
    assert (new["status"], new["result"], who_or_what) == v6


def test_v6_start_can_be_stopped_in_legacy() -> None:
    world = World(stop_delay=2)
    test_id = world.add_test("t", created=CREATED, plan=RunScript(phases=PHASES))
    run_id = send_v6(simulate(world), f"/load_tests/{test_id}/start", method="POST").json()["id"]

    send(simulate(world, CREATED + 9), f"/loadtests/v2/runs/{run_id}/stop", method="POST")

    old, new = both(simulate(world, CREATED + 11), run_id)
    assert (old["run_status"], old["result_status"]) == (5, 0)
    assert (new["status"], new["result"]) == ("aborted", "error")
    assert new["status_history"][-1]["extra"]["by_user"] == "owner@example.com"


def test_versions_agree_on_tests_and_projects() -> None:
    world = World()
    shop = world.add_project("shop", created=CREATED - 9)
    for name in "ba":
        world.add_test(name, project_id=shop, created=CREATED - 5)
    simulator = simulate(world)

    old = fetch(simulator, "/loadtests/v2/tests", {"project_id": shop})["k6-tests"]
    new = fetch_v6(simulator, f"/projects/{shop}/load_tests")["value"]

    assert [(it["id"], it["name"], it["project_id"], parse_time(it["created"])) for it in old] == [
        (it["id"], it["name"], it["project_id"], parse_time(it["created"])) for it in new
    ]
    [_, legacy_shop] = fetch(simulator, f"/v3/organizations/{world.default_organization_id}/projects")[
        "projects"
    ]
    assert fetch_v6(simulator, f"/projects/{shop}")["name"] == legacy_shop["name"]
