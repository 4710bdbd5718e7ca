"""The worlds that are drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from exporter.simulator import EndStatus, Phases, RunScript, World, faults
from exporter.simulator.world import Limits
from tests.grafana.preview.recording import HOUR, Scene
from tests.support.lab import START

MINUTE = 60.0
DAY = 24 * HOUR

# How a run goes, by the letters below.
ENDINGS = {
    "p": RunScript(),
    "F": RunScript(failed=True),
    "X": RunScript(EndStatus.ABORTED_BY_THRESHOLD),
    "T": RunScript(EndStatus.TIMED_OUT),
    "A": RunScript(EndStatus.ABORTED_BY_USER),
    "S": RunScript(EndStatus.ABORTED_BY_SCRIPT_ERROR),
    "L": RunScript(EndStatus.ABORTED_BY_LIMIT),
    "Y": RunScript(EndStatus.ABORTED_BY_SYSTEM),
    "P": RunScript(processing_fails=True),
}

# The tests of `all_endings`: by their letter, the name and the outcome.
OUTCOMES = {
    "p": ("passes", "passed"),
    "F": ("fails", "failed"),
    "X": ("crosses-threshold", "failed"),
    "T": ("times-out", "timed out"),
    "A": ("stopped-by-user", "aborted"),
    "S": ("script-error", "error"),
    "L": ("over-limit", "error"),
    "Y": ("system-error", "error"),
    "P": ("processing-error", "error"),
}


@dataclass(frozen=True, slots=True)
class TestPlan:
    """A test whose runs start every `interval` hours and go by the letters of `endings`, again and again.

    "-": the schedule misses the start. The newest run starts `newest` minutes before the end of the scene.
    """

    name: str
    project: str
    interval: float
    endings: str
    minutes: float
    vus: int
    newest: float


SHOP = (
    TestPlan("checkout-soak", "shop", 6, "ppppp", 45, 200, 20),
    TestPlan("login-spike", "shop", 1, "ppppppppppFppppppppppppppp", 5, 500, 24),
    TestPlan("search-load", "shop", 2, "pppppppppppFFX", 20, 80, 63),
    TestPlan("cart-smoke", "shop", 0.5, "p" * 60, 2, 5, 11),
    TestPlan("ledger-load", "payments", 3, "pppppppAp", 30, 60, 95),
    TestPlan("invoice-export", "payments", 4, "ppppppT", 25, 40, 130),
    TestPlan("refund-stress", "payments", 8, "pppp", 40, 120, 2),
    TestPlan("websocket-fanout", "platform", 6, "ppSp", 15, 25, 250),
    TestPlan("metrics-flood", "platform", 12, "pppP", 10, 150, 200),
    TestPlan("nightly-report", "platform", 8, "ppp-", 20, 10, 70),
)

SIX_OF_SIX = (
    TestPlan("search-load", "shop", 4, "F", 20, 80, 60),
    TestPlan("login-spike", "shop", 1, "p", 5, 500, 24),
)


def build_scene(plans: Sequence[TestPlan], **more: object) -> Scene:
    """The last day of a world with these tests."""
    world = World()
    projects = {
        name: world.add_project(name, created=START - 90 * DAY, limits=Limits(20_000, 500, 20, HOUR))
        for name in dict.fromkeys(plan.project for plan in plans)
    }
    for plan in plans:
        add_test(world, plan, projects[plan.project])
    return Scene(world, **more)  # type: ignore[arg-type]


def add_test(world: World, plan: TestPlan, project: int) -> None:
    """A scheduled test whose newest run is the last one of `endings`."""
    test = world.add_test(plan.name, project_id=project, created=START - 30 * DAY)
    every = plan.interval * HOUR
    # Enough rounds for the day, and so many that the last letter is the newest run's.
    rounds = int(DAY / every / len(plan.endings)) + 1
    first = START - plan.newest * MINUTE - (rounds * len(plan.endings) - 1) * every
    phases = Phases(
        created=10, validated=10, queued=60, initializing=60, running=plan.minutes * 60, processing=60
    )
    scripts = [
        None if letter == "-" else replace(ENDINGS[letter], phases=fit_phases(letter, phases), vus=plan.vus)
        for letter in plan.endings
    ]
    world.schedule(test, every=every, first=first, endings=scripts)


def fit_phases(letter: str, phases: Phases) -> Phases:
    """Aborted runs end early and are not processed."""
    running = phases.running or 0
    return phases if letter in "pFP" else replace(phases, running=running * 0.6, processing=None)


def shop() -> Scene:
    """A day of a shop: most tests pass, some fail."""
    return build_scene(SHOP)


def six_of_six() -> Scene:
    """A test that failed each time, beside one that passes."""
    return build_scene(SIX_OF_SIX)


def outage() -> Scene:
    """k6 Cloud answers every request with 503 from 50 minutes before the end."""
    return build_scene(
        SHOP,
        seconds=6 * HOUR,
        events=((50 * MINUTE, lambda lab: lab.simulator.faults.add(faults.error(503))),),
    )


def many_tests() -> Scene:
    """200 tests, every tenth of which fails."""
    plans = [
        TestPlan(
            f"service-{number:03}-load",
            ("shop", "payments", "platform")[number % 3],
            2,
            "F" if number % 10 == 0 else "p",
            10,
            20,
            20 + number % 90,
        )
        for number in range(200)
    ]
    return build_scene(plans, seconds=6 * HOUR)


def no_data() -> Scene:
    """There is no exporter."""
    return build_scene((), has_exporter=False)


def all_endings() -> Scene:
    """A test for each ending of a run, with runs that all end so. The legacy API has a status for each."""
    plans = [TestPlan(name, "shop", 2, letter, 10, 20, 40) for letter, (name, _) in OUTCOMES.items()]
    return build_scene(plans, seconds=6 * HOUR, api="legacy")
