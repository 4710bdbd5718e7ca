"""A world for the demo: within a minute it shows every documented state of a run."""

from dataclasses import replace

from exporter.simulator.past import add_past
from exporter.simulator.runs import INTERRUPTED, REJECTED, EndStatus, Phases, RunScript
from exporter.simulator.scripts import speed_up
from exporter.simulator.world import Limits, World

_DAY = 86_400.0

# Each phase lasts at least 3 s, so that a page that is refreshed every 2 s shows it.
_SHORT = Phases(created=3, validated=3, queued=4, initializing=4, running=18, processing=5)
_MEDIUM = Phases(created=3, validated=3, queued=8, initializing=10, running=180, processing=8)
_LONG = Phases(created=3, validated=3, queued=15, initializing=20, running=600, processing=12)


def _short_run(*, failed: bool = False, vus: int = 50) -> RunScript:
    return RunScript(failed=failed, phases=_SHORT, vus=vus)


def _aborted_run(ending: EndStatus, *, vus: int) -> RunScript:
    """Ends after 12 of 18 planned seconds."""
    return RunScript(ending, phases=replace(_SHORT, running=12, processing=None), vus=vus, duration=18)


_SOAK = RunScript(phases=_LONG, vus=200, note="the long one")
_LEDGER = RunScript(failed=True, phases=_MEDIUM, vus=60)
_LOST_METRICS = RunScript(phases=_SHORT, processing_fails=True, vus=150)
_REJECTED = RunScript(EndStatus.ABORTED_BY_SYSTEM, phases=replace(REJECTED, created=4), vus=1)
_SMOKE, _FAILED_SMOKE = _short_run(vus=5), _short_run(failed=True, vus=5)
# Ctrl-C in the terminal of k6: an abort by the user that names no user.
_INTERRUPTED = replace(_aborted_run(EndStatus.ABORTED_BY_USER, vus=10), error=INTERRUPTED)
# Name, labels, folder and limits.
_PROJECTS = (
    ("shop", {"team": "checkout"}, "shop-load-tests", Limits(20_000, 500, 20, 3600)),
    ("payments", {"team": "payments", "tier": "1"}, "payments-load-tests", Limits(15_000, 300, None, 1800)),
    ("platform", {"team": "platform"}, None, Limits(None, 1000, None, None)),
)
# Project, name, seconds between the starts of two runs, seconds from one of these to the start of the demo,
# and the runs in turn. None: the schedule misses this slot.
_TESTS: tuple[tuple[str, str, float, float, tuple[RunScript | None, ...]], ...] = (
    ("shop", "checkout-soak", 690, 600, (_SOAK,)),
    ("shop", "login-spike", 50, 6, (_short_run(vus=500),)),
    ("shop", "search-load", 55, 13, (_short_run(failed=True, vus=80),)),
    ("shop", "größentabelle-smoke", 60, 21, (_SMOKE, _SMOKE, _FAILED_SMOKE)),
    ("payments", "login-spike", 52, 2, (_aborted_run(EndStatus.ABORTED_BY_USER, vus=300),)),
    ("payments", "refund-stress", 56, 17, (_aborted_run(EndStatus.ABORTED_BY_THRESHOLD, vus=120),)),
    ("payments", "ledger-load", 240, 150, (_LEDGER, _short_run(vus=60))),
    ("payments", "invoice-export", 58, 28, (_aborted_run(EndStatus.TIMED_OUT, vus=40),)),
    ("platform", "websocket-fanout", 54, 9, (_aborted_run(EndStatus.ABORTED_BY_SCRIPT_ERROR, vus=25),)),
    ("platform", "node-failover", 57, 31, (_aborted_run(EndStatus.ABORTED_BY_SYSTEM, vus=90),)),
    ("platform", "ingest-breakpoint", 59, 24, (_aborted_run(EndStatus.ABORTED_BY_LIMIT, vus=20_000),)),
    ("platform", "metrics-flood", 53, 11, (_LOST_METRICS,)),
    ("platform", "draft-script", 60, 4, (_REJECTED,)),
    ("payments", "chargeback-load", 51, 14, (_FAILED_SMOKE, _FAILED_SMOKE, _FAILED_SMOKE, _SMOKE)),
    ("shop", "cart-smoke", 61, 26, (_INTERRUPTED,)),
    ("platform", "nightly-report", 63, 19, (_SMOKE, _SMOKE, None)),
    ("platform", "old-gateway", 62, 33, (_SMOKE,)),
)
_DEACTIVATED = {"old-gateway"}
_EARLIER_RUNS = 4


def demo_world(start: float, seed: int = 0, speed: float = 1.0, history: float = 0.0) -> World:
    """Some tests in three projects, with a few earlier runs each at `start`, in Unix seconds.

    A `speed` of 20 makes runs and the pauses between them 20 times as short, and changes nothing else.
    history: for how many seconds before the start there are further runs.
    """
    world = World(seed, stop_delay=4.0 / speed, speed=speed)
    # The earlier runs begin here; the longer history ends.
    recent = start - max(lead + _EARLIER_RUNS * every for _, _, every, lead, _ in _TESTS) / speed
    oldest = min(recent, start - history) - 30 * _DAY
    projects = {
        name: world.add_project(
            name, created=oldest - 60 * _DAY, labels=labels, folder_uid=folder, limits=limits
        )
        for name, labels, folder, limits in _PROJECTS
    }
    tests = {
        world.add_test(name, project_id=projects[project], created=oldest): (name, every, lead, plans)
        for project, name, every, lead, plans in _TESTS
    }
    plans_of = {test_id: [plan for plan in plans if plan] for test_id, (*_, plans) in tests.items()}
    add_past(world, start - history, recent, plans_of)
    schedules = {}
    for test_id, (name, every, lead, plans) in tests.items():
        first = start - (lead + _EARLIER_RUNS * every) / speed
        endings = [plan and speed_up(plan, speed) for plan in plans]
        schedules[name] = world.schedule(test_id, every=every / speed, first=first, endings=endings)
    # After every schedule is there, since this creates the runs until the start.
    for name in _DEACTIVATED:
        world.deactivate_schedule(schedules[name], start)
    return world
