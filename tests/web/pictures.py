"""Takes the pictures of the status page for the documents: `make pictures`.

The world in them is made up and its clock stands still, so that each time the pictures show the same.
"""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.simulator import EndStatus, Phases, World
from tests.support.chromium import Chromium, Site
from tests.support.lab import START, Lab

DOCS = Path(__file__).parent.parent.parent / "docs"
HOUR = 3600.0

# How a run ends, by the letters below.
ENDINGS: dict[str, dict[str, Any]] = {
    "p": {},
    "F": {"failed": True},
    "X": {"ending": EndStatus.ABORTED_BY_THRESHOLD},
    "T": {"ending": EndStatus.TIMED_OUT},
    "A": {"ending": EndStatus.ABORTED_BY_USER},
    "E": {"ending": EndStatus.ABORTED_BY_SCRIPT_ERROR},
}


@dataclass(frozen=True, slots=True)
class TestPlan:
    """A test that runs every `interval` hours; each letter of `endings` is a finished run, the last one last.

    Durations are seconds. `active_since` is the age of its active run, which will take `active_duration`.
    """

    name: str
    interval: float
    endings: str
    duration: int
    vus: int
    active_since: float | None = None
    active_duration: int = 0
    project: str = "shop"
    next_start: float | None = None  # seconds from START; before it if the schedule has missed it


PLANS = (
    TestPlan("checkout-soak", 6.0, "pppppppppp", 1200, 200, active_since=500, active_duration=1200),
    TestPlan("login-spike", 1.0, "ppppFppppp", 300, 500, active_since=440, active_duration=900),
    TestPlan("search-load", 2.0, "pppppppFFX", 600, 80, active_since=4, active_duration=600),
    TestPlan("ledger-load", 3.0, "pppAppppTp", 900, 60, project="payments", next_start=2900),
    TestPlan("invoice-export", 4.0, "pppppppppT", 600, 40, project="payments"),
    TestPlan("websocket-fanout", 8.0, "ppEppppp", 600, 25, project="platform"),
    TestPlan("größentabelle-smoke", 0.5, "pppppppppA", 60, 5, next_start=-680),
    TestPlan("draft-script", 1.0, "", 60, 1, project="platform"),
)
SHOP_TESTS = [*({"id": 400_001 + number} for number in range(len(PLANS))), {"include": "^nightly-"}]


def create_shop() -> World:
    """The load tests of a shop: two are failing, two are running, one of them for too long."""
    world = World()
    projects = {name: world.add_project(name) for name in ("shop", "payments", "platform")}
    tests = [world.add_test(plan.name, project_id=projects[plan.project]) for plan in PLANS]
    runs = [run for number, test in enumerate(tests) for run in plan_runs(test, number)]
    for created, test, settings in sorted(runs, key=lambda run: run[0]):  # ids are given in order
        world.add_run(test, created=created, **settings)
    for test, plan in zip(tests, PLANS, strict=True):
        if plan.next_start is not None:
            world.schedule(test, every=7 * HOUR, first=START + plan.next_start, endings=[None])
    return world


def poll_shop(lab: Lab) -> None:
    """Two polls, since only a start that an earlier poll knew of can be missed."""
    for seconds in (-700, 0):
        lab.at(seconds).poll()


def plan_runs(test: int, number: int) -> Iterator[tuple[float, int, dict[str, Any]]]:
    """When each run of a test is created, the test's id, and how the run goes."""
    plan = PLANS[number]
    common = {"duration": plan.duration, "vus": plan.vus}
    for back, letter in enumerate(reversed(plan.endings), start=1):
        created = START - back * plan.interval * HOUR - 700 * number
        yield created, test, {"phases": Phases(running=plan.duration), **common, **ENDINGS[letter]}
    if plan.active_since is not None:
        yield START - plan.active_since, test, {"phases": Phases(running=plan.active_duration), **common}


def create_site(lab: Lab) -> Site:
    """The exporter's web server, called in this process."""

    def respond(path: str) -> tuple[int, dict[str, str], bytes]:
        response = lab.get(path)
        return response.status_code, dict(response.headers), response.content

    return respond


def main() -> None:
    program = shutil.which("chromium") or sys.exit("Chromium is needed (Debian: apt-get install chromium).")
    with Lab(create_shop(), api={"url": "http://k6.test", "stack": 1}, tests=SHOP_TESTS) as lab:
        lab.exporter.next_poll = lambda: START + 15
        poll_shop(lab)
        lab.at(2)
        with Chromium(program) as browser:
            site = create_site(lab)
            take(browser, site, "status-page", width=1060, height=200)
            take(browser, site, "status-page-dark", width=1060, height=200, scheme="dark")
            take(browser, site, "status-page-phone", width=360, height=780, is_whole=False)


def take(
    browser: Chromium,
    site: Site,
    name: str,
    *,
    width: int,
    height: int,
    scheme: str = "light",
    is_whole: bool = True,
) -> None:
    browser.set_screen(width=width, height=height, scheme=scheme)
    browser.open(site)
    (DOCS / f"{name}.png").write_bytes(browser.take_screenshot(is_whole=is_whole))
    print(f"docs/{name}.png")


if __name__ == "__main__":
    main()
