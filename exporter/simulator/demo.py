"""A lively world to look at: within a minute every state of a run that the vendor documents passes by."""

from dataclasses import dataclass, replace

from exporter.simulator.runs import REJECTED, EndStatus, Phases, RunScript
from exporter.simulator.world import World

_DAY = 86_400.0

# Each phase lasts long enough for somebody who looks every two seconds.
_BRISK = Phases(created=3, validated=3, queued=4, initializing=4, running=18, processing=5)
_SOAK = Phases(created=3, validated=3, queued=15, initializing=20, running=600, processing=12)
_HIGH_NOON = Phases(created=3, validated=3, queued=8, initializing=10, running=180, processing=8)


@dataclass(frozen=True, slots=True)
class DemoTest:
    """A test of the demo: it starts a run every so many seconds, the last `lead` seconds before we look."""

    project: str
    name: str
    every: float
    lead: float
    plans: tuple[RunScript, ...]


def _brisk(ending: EndStatus = EndStatus.FINISHED, *, failed: bool = False, vus: int = 50) -> RunScript:
    return RunScript(ending, failed=failed, phases=_BRISK, vus=vus)


def _cut_short(ending: EndStatus, *, vus: int) -> RunScript:
    """Ends in the middle of what was planned."""
    return RunScript(ending, phases=replace(_BRISK, running=12, processing=None), vus=vus, duration=18)


_HABITS = (
    DemoTest("shop", "checkout-soak", 690, 600, (RunScript(phases=_SOAK, vus=200, note="the long one"),)),
    DemoTest("shop", "login-spike", 50, 6, (_brisk(vus=500),)),
    DemoTest("shop", "search-load", 55, 13, (_brisk(failed=True, vus=80),)),
    DemoTest(
        "shop", "größentabelle-smoke", 60, 21, (_brisk(vus=5), _brisk(vus=5), _brisk(failed=True, vus=5))
    ),
    DemoTest("payments", "login-spike", 52, 2, (_cut_short(EndStatus.ABORTED_BY_USER, vus=300),)),
    DemoTest("payments", "refund-stress", 56, 17, (_cut_short(EndStatus.ABORTED_BY_THRESHOLD, vus=120),)),
    DemoTest(
        "payments",
        "ledger-load",
        240,
        150,
        (RunScript(failed=True, phases=_HIGH_NOON, vus=60), _brisk(vus=60)),
    ),
    DemoTest("payments", "invoice-export", 58, 28, (_cut_short(EndStatus.TIMED_OUT, vus=40),)),
    DemoTest("platform", "websocket-fanout", 54, 9, (_cut_short(EndStatus.ABORTED_BY_SCRIPT_ERROR, vus=25),)),
    DemoTest("platform", "node-failover", 57, 31, (_cut_short(EndStatus.ABORTED_BY_SYSTEM, vus=90),)),
    DemoTest("platform", "ingest-breakpoint", 59, 24, (_cut_short(EndStatus.ABORTED_BY_LIMIT, vus=20_000),)),
    DemoTest(
        "platform", "metrics-flood", 53, 11, (RunScript(phases=_BRISK, processing_fails=True, vus=150),)
    ),
    DemoTest(
        "platform",
        "draft-script",
        60,
        4,
        (RunScript(EndStatus.ABORTED_BY_SYSTEM, phases=replace(REJECTED, created=4), vus=1),),
    ),
)
_RUNS_BEFORE = 4


def demo_world(start: float, seed: int = 0, speed: float = 1.0) -> World:
    """A dozen tests in three projects, with a few runs behind them at `start`, in Unix seconds.

    Its time is real time: a `speed` of 20 makes runs and the pauses between them a twentieth as long, and
    changes nothing else.
    """
    world = World(seed, stop_delay=4.0 / speed)
    projects: dict[str, int] = {}
    for habit in _HABITS:
        if habit.project not in projects:
            projects[habit.project] = world.add_project(habit.project, created=start - 90 * _DAY)
        test_id = world.add_test(habit.name, project_id=projects[habit.project], created=start - 30 * _DAY)
        world.schedule(
            test_id,
            every=habit.every / speed,
            first=start - (habit.lead + _RUNS_BEFORE * habit.every) / speed,
            endings=[_faster(plan, speed) for plan in habit.plans],
        )
    return world


def _faster(plan: RunScript, speed: float) -> RunScript:
    return replace(
        plan,
        phases=plan.phases.faster(speed),
        duration=None if plan.duration is None else round(plan.duration / speed),
    )
