"""A scripted world, small enough to be read whole in the golden file."""

from exporter.simulator import EndStatus, Phases, World
from tests.support.lab import START

SHORT = Phases(created=1, validated=1, queued=3, initializing=5, running=60, processing=10)
LONG = Phases(created=1, validated=1, queued=3, initializing=5, running=3600, processing=10)
UNUSUAL_NAME = 'a|b "quoted" back\\slash\nnew line größe 試験'


def build_scripted_world() -> World:
    """Two tests of one name, concurrent runs, a run that is counted, a verdict to come, a test never run."""
    made = World()
    shop = made.add_project("shop")
    payments = made.add_project("payments")

    checkout = made.add_test("checkout", project_id=shop)
    made.add_run(checkout, created=START - 600, phases=SHORT, vus=20)
    made.add_run(checkout, created=START - 300, phases=LONG, vus=50)
    made.add_run(checkout, created=START - 30, phases=SHORT, ending=EndStatus.ABORTED_BY_THRESHOLD, vus=50)

    same_name = made.add_test("checkout", project_id=payments)
    made.add_run(same_name, created=START - 50, phases=SHORT, failed=True, vus=5)

    weird = made.add_test(UNUSUAL_NAME, project_id=payments)
    made.add_run(weird, created=START + 20, phases=SHORT, ending=EndStatus.ABORTED_BY_USER, vus=1)

    made.add_test("never run", project_id=payments)
    return made
