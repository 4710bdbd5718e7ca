"""The demo shows every state of a run within a minute."""

from collections import Counter
from itertools import pairwise

from exporter.simulator import Result, Simulator, World, demo_world
from tests.support.simulator_client import CREATED, TOKEN, send


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

    assert len(names) == 13
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
    assert names == ["checkout-soak", "login-spike", "search-load", "größentabelle-smoke"]
