"""Small worlds for the tests of `runs`."""

from dataclasses import replace

from exporter.simulator import EndStatus, Phases, RunScript, World
from exporter.simulator.world import Limits
from tests.support.lab import START

SHORT = Phases(created=1, validated=1, queued=2, initializing=6, running=60, processing=5)
SLOW = Phases(created=4, validated=4, queued=8, initializing=12, running=60, processing=20)
LONG = Phases(created=1, validated=1, queued=2, initializing=6, running=7200, processing=5)


def one_test(plan: RunScript | None = None) -> World:
    """A test without runs: 400001."""
    world = World(stop_delay=5)
    world.add_test("soak", plan=plan or RunScript(phases=SLOW))
    return world


def one_run(ending: EndStatus = EndStatus.FINISHED, *, failed: bool = False, phases: Phases = SLOW) -> World:
    """A test with one run, 5000001, which is created a second before the start."""
    world = one_test()
    world.add_run(400001, created=START - 1, ending=ending, failed=failed, phases=phases)
    return world


def big_test(*, vus: int = 600, vus_limit: int = 500, seconds: int = 60) -> World:
    """A test with a finished run, 5000001, in a project with limits: by default, of fewer virtual users."""
    world = World()
    limits = Limits(vuh_max_per_month=20, vu_max_per_test=vus_limit, duration_max_per_test=3600)
    test = world.add_test("big", project_id=world.add_project("shop", limits=limits))
    world.add_run(test, created=START - 86400, phases=replace(SHORT, running=seconds), vus=vus)
    return world


def several_tests() -> World:
    """Two tests with two runs each; 5000001 is active."""
    world = World()
    soak, smoke = world.add_test("soak"), world.add_test("smoke")
    world.add_run(soak, created=START - 3600, phases=LONG, vus=200)
    world.add_run(soak, created=START - 600, phases=SHORT, ending=EndStatus.ABORTED_BY_USER)
    world.add_run(smoke, created=START - 1200, phases=SHORT, failed=True)
    world.add_run(smoke, created=START - 300, phases=SHORT, vus=5)
    return world


def many_tests(count: int, *, every: float) -> World:
    """Tests with a finished run each; the newest run is that of the first test."""
    world = World()
    for number in range(count):
        world.add_test(f"test {number}")
    for number in reversed(range(count)):
        world.add_run(400_001 + number, created=START - 600 - number * every, phases=SHORT)
    return world


def same_names() -> World:
    """Two projects with a test of the same name."""
    world = World()
    for name in ("shop", "payments"):
        world.add_test("login", project_id=world.add_project(name))
    return world
