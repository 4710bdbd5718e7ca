"""Takes the README's pictures of the landing page anew: `make pictures`.

The world in them is made up, and its clock is a number, so that each time shows the same.
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

# What the letters below mean: how a run ended.
ENDINGS: dict[str, dict[str, Any]] = {
    "p": {},
    "F": {"failed": True},
    "X": {"ending": EndStatus.ABORTED_BY_THRESHOLD},
    "T": {"ending": EndStatus.TIMED_OUT},
    "A": {"ending": EndStatus.ABORTED_BY_USER},
    "E": {"ending": EndStatus.ABORTED_BY_SCRIPT_ERROR},
}


@dataclass(frozen=True, slots=True)
class Habit:
    """A test that runs every so many hours, with its `ends`, the last one last.

    `lasts` are seconds. `began` is how many seconds ago a run began that is not over; it will take `takes`.
    """

    name: str
    every: float
    ends: str
    lasts: int
    vus: int
    began: float | None = None
    takes: int = 0


HABITS = (
    Habit("checkout-soak", 6.0, "pppppppppp", 1200, 200, began=500, takes=1200),
    Habit("login-spike", 1.0, "ppppFppppp", 300, 500, began=440, takes=900),
    Habit("search-load", 2.0, "pppppppFFX", 600, 80, began=4, takes=600),
    Habit("ledger-load", 3.0, "pppAppppTp", 900, 60),
    Habit("invoice-export", 4.0, "pppppppppT", 600, 40),
    Habit("websocket-fanout", 8.0, "ppEppppp", 600, 25),
    Habit("größentabelle-smoke", 0.5, "pppppppppA", 60, 5),
    Habit("draft-script", 1.0, "", 60, 1),
)


def world() -> World:
    """A shop's load tests: two that fail, two that run, one of them for too long."""
    made = World()
    runs = [run for number, habit in enumerate(HABITS) for run in runs_of(made.add_test(habit.name), number)]
    for created, test, plan in sorted(runs, key=lambda run: run[0]):  # ids are given in order
        made.add_run(test, created=created, **plan)
    return made


def runs_of(test: int, number: int) -> Iterator[tuple[float, int, dict[str, Any]]]:
    """When each run of a test begins, and how it goes."""
    habit = HABITS[number]
    common = {"duration": habit.lasts, "vus": habit.vus}
    for back, end in enumerate(reversed(habit.ends), start=1):
        created = START - back * habit.every * HOUR - 700 * number
        yield created, test, {"phases": Phases(running=habit.lasts), **common, **ENDINGS[end]}
    if habit.began is not None:
        yield START - habit.began, test, {"phases": Phases(running=habit.takes), **common}


def site(lab: Lab) -> Site:
    """The exporter's own web server, asked in process."""

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        given = lab.get(path)
        return given.status_code, dict(given.headers), given.content

    return answer


def main() -> None:
    program = shutil.which("chromium") or sys.exit("Chromium is needed (Debian: apt-get install chromium).")
    wanted = [{"id": 400_001 + number} for number in range(len(HABITS))]
    with Lab(world(), tests=[*wanted, {"include": "^nightly-"}]) as lab:
        lab.exporter.next_poll = lambda: START + 15
        lab.poll()
        lab.at(2)
        with Chromium(program) as browser:
            take(browser, site(lab), "landing", width=1060, height=200)
            take(browser, site(lab), "landing-dark", width=1060, height=200, scheme="dark")
            take(browser, site(lab), "landing-phone", width=360, height=780, whole=False)


def take(
    browser: Chromium,
    of: Site,
    name: str,
    *,
    width: int,
    height: int,
    scheme: str = "light",
    whole: bool = True,
) -> None:
    browser.look(width=width, height=height, scheme=scheme)
    browser.open(of)
    (DOCS / f"{name}.png").write_bytes(browser.picture(whole=whole))
    print(f"docs/{name}.png")


if __name__ == "__main__":
    main()
