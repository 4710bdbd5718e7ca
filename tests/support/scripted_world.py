"""A small scripted world, whose complete exposition is readable in the golden files."""

from exporter.simulator import EndStatus, Phases, World
from tests.support.lab import START

SHORT = Phases(created=1, validated=1, queued=3, initializing=5, running=60, processing=10)
LONG = Phases(created=1, validated=1, queued=3, initializing=5, running=3600, processing=10)
UNUSUAL_NAME = 'a|b "quoted" back\\slash\nnew line größe 試験'


def build_scripted_world() -> World:
    """Two tests of one name, concurrent runs, a finished run, runs without a result yet, a test never run."""
    world = World()
    shop = world.add_project("shop")
    payments = world.add_project("payments")

    checkout = world.add_test("checkout", project_id=shop)
    world.add_run(checkout, created=START - 600, phases=SHORT, vus=20)
    world.add_run(checkout, created=START - 300, phases=LONG, vus=50)
    world.add_run(checkout, created=START - 30, phases=SHORT, ending=EndStatus.ABORTED_BY_THRESHOLD, vus=50)

    same_name = world.add_test("checkout", project_id=payments)
    world.add_run(same_name, created=START - 50, phases=SHORT, failed=True, vus=5)

    weird = world.add_test(UNUSUAL_NAME, project_id=payments)
    world.add_run(weird, created=START + 20, phases=SHORT, ending=EndStatus.ABORTED_BY_USER, vus=1)

    world.add_test("never run", project_id=payments)
    return world
