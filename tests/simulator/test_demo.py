"""The demo shows every state of a run within a minute."""

from collections import Counter
from itertools import pairwise

import pytest

from exporter.simulator import Result, RunState, Simulator, World, demo_world, describe_access
from tests.support.documents import DOCS, read_document
from tests.support.simulator_client import CREATED, TOKEN, fetch, fetch_v6, send, simulate


def observe(world: World, *, every: float = 2.0) -> list[dict[int, tuple[int, int, Result | None]]]:
    """The last run of each test, every two seconds during one minute."""
    seen = []
    for now in (CREATED + every * n for n in range(int(60 / every) + 1)):
        world.advance(now)
        last = {test_id: world.last_run_id(test_id, now) for test_id in world.tests}
        states = {test_id: world.at(run, now) for test_id, run in last.items() if run is not None}
        seen.append({key: (it.status, it.processing.value, it.result) for key, it in states.items()})
    return seen


def test_demo_shows_every_status_within_a_minute() -> None:
    seen = {state for observation in observe(demo_world(CREATED)) for state in observation.values()}

    assert {status for status, _, _ in seen} == set(range(-2, 10))
    assert {processing for _, processing, _ in seen} == {0, 1, 2, 3}
    assert {(3, 2, "passed"), (3, 2, "failed"), (3, 3, "error"), (8, 2, "failed")} <= seen


def test_demo_states_last_at_least_three_seconds() -> None:
    world = demo_world(CREATED)
    world.advance(CREATED + 60)

    lengths = {
        later.entered - earlier.entered
        for run in world.runs.values()
        for earlier, later in pairwise(run.steps)
    }

    assert round(min(lengths), 3) == 3


def test_demo_tests_have_finished_runs_at_the_start() -> None:
    world = demo_world(CREATED)
    world.advance(CREATED)

    ended = Counter(run.test_id for run in world.runs.values() if run.at(CREATED).finished is not None)

    assert set(ended) == set(world.tests)
    assert min(ended.values()) >= 3


def test_demo_has_two_tests_of_one_name() -> None:
    world = demo_world(CREATED)

    names = [test.name for test in world.tests.values()]

    assert len(names) == 17
    assert names.count("login-spike") == 2
    assert "größentabelle-smoke" in names
    assert [it.name for it in world.projects.values()] == ["Default project", "shop", "payments", "platform"]


def test_speed_shortens_runs_and_pauses() -> None:
    world = demo_world(CREATED, speed=20.0)
    world.advance(CREATED + 60)

    soak = [run for run in world.runs.values() if world.tests[run.test_id].name == "checkout-soak"]

    [first, second, *_] = soak
    assert round(second.created - first.created, 6) == 690 / 20
    done = first.at(CREATED)
    assert round(done.executed, 6) == 30
    assert done.run.plan.planned_seconds == 30


def test_demo_is_reproducible() -> None:
    def runs() -> list[object]:
        world = demo_world(CREATED, seed=5)
        world.advance(CREATED + 500)
        return [run.at(CREATED + 500) for run in world.runs.values()]

    assert runs() == runs()


def test_demo_world_answers_requests() -> None:
    simulator = Simulator(demo_world(CREATED), tokens={TOKEN}, clock=lambda: CREATED)
    shop = next(it.id for it in simulator.world.projects.values() if it.name == "shop")

    response = send(simulator, "/loadtests/v2/tests", {"project_id": shop})

    names = [test["name"] for test in response.json()["k6-tests"]]
    assert names == ["checkout-soak", "login-spike", "search-load", "größentabelle-smoke", "cart-smoke"]


def states_of(world: World, name: str, now: float) -> list[RunState]:
    """The runs of the test with this name, oldest first."""
    world.advance(now)
    [test_id] = (test.id for test in world.tests.values() if test.name == name)
    return [world.at(run_id, now) for run_id in world.run_ids(test_id, now)]


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("refund-stress", 8, 8036),
        ("cart-smoke", 5, 8036),
        ("websocket-fanout", 7, 8035),
        ("node-failover", 6, 8034),
        ("invoice-export", 4, 8034),
        ("ingest-breakpoint", 9, 2004),
        ("draft-script", 6, None),
    ],
)
def test_both_api_versions_give_the_reason(name: str, status: int, code: int | None) -> None:
    world = demo_world(CREATED)
    run_id = states_of(world, name, CREATED)[0].id
    simulator = simulate(world)

    legacy = fetch(simulator, f"/loadtests/v2/runs/{run_id}")["k6-run"]
    v6 = fetch_v6(simulator, f"/test_runs/{run_id}")

    assert (legacy["run_status"], legacy["error_code"]) == (status, code)
    assert legacy["error_detail"]
    expected = {"code": code, "message": legacy["error_detail"], "by_user": None}
    assert v6["status_details"]["extra"] == expected
    # What distinguishes a crossed threshold from an interrupted k6, whose code is the same.
    assert (v6["result"] == "failed") is (status == 8)


def test_demo_names_the_crossed_threshold() -> None:
    world = demo_world(CREATED)
    run_id = states_of(world, "search-load", CREATED)[0].id

    run = fetch_v6(simulate(world), f"/test_runs/{run_id}")

    assert (run["status"], run["result"]) == ("completed", "failed")
    assert run["result_details"]["message"] == "A threshold was crossed: http_req_duration p(95)<500"


def test_demo_names_the_user_who_aborted() -> None:
    world = demo_world(CREATED)
    world.advance(CREATED)
    run = next(run for run in world.runs.values() if run.stopped_by is not None)

    extra = fetch_v6(simulate(world), f"/test_runs/{run.id}")["status_details"]["extra"]

    assert extra == {"code": None, "message": None, "by_user": "owner@example.com"}


def test_demo_has_a_test_that_fails_three_times_in_a_row() -> None:
    results = [state.result for state in states_of(demo_world(CREATED), "chargeback-load", CREATED + 500)]

    assert results[:8] == ["failed", "failed", "failed", "passed"] * 2


def test_demo_has_a_schedule_that_misses_slots() -> None:
    created = [state.created for state in states_of(demo_world(CREATED), "nightly-report", CREATED + 500)]

    assert [later - earlier for earlier, later in pairwise(created)][:4] == [63, 126, 63, 126]


def test_demo_has_a_deactivated_schedule() -> None:
    world = demo_world(CREATED)
    runs = states_of(world, "old-gateway", CREATED + 500)

    schedules = fetch_v6(simulate(world, now=CREATED + 500), "/schedules")["value"]

    assert len(runs) == 5
    assert [it["load_test_id"] for it in schedules if it["deactivated"]] == [runs[0].test_id]
    assert all(it["next_run"] for it in schedules)


def test_demo_projects_have_owners_and_limits() -> None:
    simulator = simulate(demo_world(CREATED))

    projects = {it["name"]: it for it in fetch_v6(simulator, "/projects")["value"]}
    limits = {it["project_id"]: it for it in fetch_v6(simulator, "/project-limits")["value"]}

    assert projects["payments"]["labels"] == {"team": "payments", "tier": "1"}
    assert projects["shop"]["grafana_folder_uid"] == "shop-load-tests"
    assert (projects["Default project"]["labels"], projects["platform"]["grafana_folder_uid"]) == ({}, None)
    assert limits[projects["platform"]["id"]]["vu_max_per_test"] == 1000


DAY = 86_400.0


def past_states(days: float, seed: int = 0) -> list[RunState]:
    """The runs of the history, without those that any demo has before its start."""
    runs = demo_world(CREATED, seed, history=days * DAY).runs.values()
    return [run.at(CREATED) for run in runs if run.created < CREATED - DAY]


def test_history_precedes_the_recent_runs() -> None:
    world, plain = demo_world(CREATED, history=30 * DAY), demo_world(CREATED)
    for each in (world, plain):
        each.advance(CREATED)

    created = [world.runs[run_id].created for run_id in sorted(world.runs)]

    assert created == sorted(created)
    assert CREATED - 30 * DAY <= created[0] < CREATED - 29 * DAY
    assert created[-len(plain.runs) :] == [run.created for run in plain.runs.values()]
    assert {state.test_id for state in past_states(30)} == set(world.tests)


def test_history_mostly_passes_and_fails_in_a_row() -> None:
    past = past_states(90)
    passed: dict[int, list[bool]] = {}
    for state in past:
        passed.setdefault(state.test_id, []).append(state.result is Result.PASSED)

    share = sum(state.result is Result.PASSED for state in past) / len(past)

    assert 0.8 < share < 0.95
    assert all(state.finished for state in past)
    assert any(them[n : n + 3] == [False] * 3 for them in passed.values() for n in range(len(them)))
    assert {state.status for state in past} == {3, 4, 5, 6, 7, 8, 9}


def test_history_is_reproducible() -> None:
    first, second, other = (past_states(9, seed) for seed in (1, 1, 2))

    assert first == second
    assert first != other


def test_long_history_shares_its_plans() -> None:
    past = past_states(365)

    assert len(past) > 20_000
    assert len({id(state.run.plan) for state in past}) <= 2 * 17


def test_document_names_the_variables_of_each_client() -> None:
    text = read_document(DOCS / "commands.md")
    lines = [*describe_access("http://127.0.0.1:10566", ["demo"], 30_001)]
    variables = [line.split(": ", 1)[1].strip() for line in lines if line.startswith("For ")]

    assert len(variables) == 3
    assert [it for it in variables if f"`{it}`" not in text] == []
