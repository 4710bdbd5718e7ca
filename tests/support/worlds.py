"""A world that has every kind of run."""

from exporter.simulator import REJECTED, EndStatus, Phases, World
from tests.support.simulator_client import CREATED

PHASES = Phases(created=2, validated=2, queued=2, initializing=2, running=10, processing=4)


def world_of_all_endings() -> tuple[World, int]:
    """One test with twelve runs: each ending, and the special cases. One of them is an archive."""
    world = World()
    test_id = world.add_test("everything", created=CREATED - 100)
    for ending in EndStatus:
        world.add_run(test_id, created=CREATED, ending=ending, phases=PHASES)
    world.add_run(test_id, created=CREATED, failed=True, phases=PHASES, note="by hand", public_id="abc")
    world.add_run(test_id, created=CREATED, processing_fails=True, phases=PHASES)
    world.add_run(test_id, created=CREATED, ending=EndStatus.ABORTED_BY_SYSTEM, phases=REJECTED)
    world.stop(world.add_run(test_id, created=CREATED, phases=PHASES), CREATED + 4)
    return world, test_id
