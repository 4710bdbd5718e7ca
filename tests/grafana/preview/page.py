"""A dashboard drawn with Grafana's own components in Chromium, from the data of a Prometheus."""

import json
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import httpx

from tests.support.chromium import Chromium
from tests.support.dashboards import FOLDER
from tests.support.programs import TOOLS

BUILT = TOOLS / "preview"
PACKAGES = BUILT / "node_modules"
# The components request icons and fonts from the Grafana server. Its fonts are in no package of Grafana.
ICONS = "/public/build/"
FONTS = "/public/fonts/inter/"
FONT = PACKAGES / "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2"


@dataclass(frozen=True, slots=True)
class View:
    """What is drawn: a dashboard, its time range up to `end` (Unix seconds), variables, width and theme."""

    dashboard: str
    end: float
    range: str = "24h"
    scrape: str = "60s"
    width: int = 1280
    theme: str = "dark"
    test: str = ""
    is_expanded: bool = False  # whether collapsed rows are opened

    def path(self) -> str:
        """The path of the page with its query."""
        values = {
            "dashboard": self.dashboard,
            "at": self.end,
            "range": self.range,
            "scrape": self.scrape,
            "width": self.width,
            "theme": self.theme,
            "var-test": self.test,
            "expanded": int(self.is_expanded),
        }
        return f"/?{urlencode(values)}"


@dataclass(frozen=True, slots=True)
class Word:
    """A text in a panel with the colours behind it and of it, as rgb(...).

    `row` is the first cell of its row in a table, or its lane in a state timeline. `size` is that of the
    font in pixels.
    """

    text: str
    background: str
    colour: str
    row: str
    size: float


@dataclass(frozen=True, slots=True)
class Panel:
    """What a drawn panel shows.

    failure: why it could not be drawn; empty otherwise.
    values: the number of values in its data.
    cut: the texts of which a part is not visible.
    hiddenWidth: pixels of a table that are visible after scrolling only.
    """

    title: str
    type: str
    failure: str
    values: int
    words: list[Word]
    cut: list[str]
    hiddenWidth: int  # noqa: N815  named by the page

    def texts(self) -> list[str]:
        """All texts but the title."""
        return [word.text for word in self.words if word.text != self.title]


@dataclass(frozen=True, slots=True)
class Preview:
    """A browser and a Prometheus. The page's requests are answered in this process."""

    browser: Chromium
    prometheus: str

    def draw(self, view: View) -> None:
        """Open the dashboard and wait until each panel has its data and is drawn."""
        self.browser.set_screen(width=view.width, height=900, scheme=view.theme)
        self.browser.open(self.respond, view.path())
        self.browser.evaluate(f"({WAIT_UNTIL_DRAWN})({json.dumps(WAITING)})")
        # Tables draw only what is on the screen, so the screen must be as high as the page.
        height = self.browser.evaluate("document.documentElement.scrollHeight")
        self.browser.set_screen(width=view.width, height=height, scheme=view.theme)
        self.browser.evaluate(f"({WAIT_UNTIL_DRAWN})({json.dumps(UNFINISHED)})")

    def respond(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """A query goes to Prometheus; everything else is a file."""
        if path.startswith("/api/v1/"):
            response = httpx.get(self.prometheus + path, timeout=60)
            return 200, {"Content-Type": "application/json"}, response.content
        name = urlsplit(path).path
        file = find_file(name)
        if not file.is_file():
            return 404, {}, b""
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return 200, {"Content-Type": kind}, file.read_bytes()

    def inspect(self) -> list[Panel]:
        """What each panel shows."""
        reports = json.loads(self.browser.evaluate("JSON.stringify(window.preview.inspect())"))
        return [Panel(**report | {"words": [Word(**word) for word in report["words"]]}) for report in reports]

    def find_test(self, name: str, end: float) -> str:
        """The id of the test with this name at a time in Unix seconds."""
        parameters: dict[str, str | float] = {
            "query": f'k6_cloud_test_info{{test_name="{name}"}}',
            "time": end,
        }
        response = httpx.get(f"{self.prometheus}/api/v1/query", params=parameters)
        (series, *_) = response.json()["data"]["result"]
        return str(series["metric"]["test_id"])

    def overflow(self) -> int:
        """Pixels by which the page is wider than the screen."""
        return int(self.browser.evaluate("window.preview.overflow()"))

    def bar_widths(self, title: str) -> list[int]:
        """The widths of the bars of a graph with this title, in pixels, at half of its height."""
        widths = self.browser.evaluate(f"JSON.stringify(window.preview.measureBars({json.dumps(title)}))")
        return list(json.loads(widths))

    def colour(self, name: str) -> str:
        """A colour of Grafana's theme as rgb(...)."""
        return str(self.browser.evaluate(f"window.preview.colour({json.dumps(name)})"))


def find_file(name: str) -> Path:
    """The file that answers a request for this path."""
    if name == "/":
        return BUILT / "index.html"
    if name.startswith("/dashboards/"):
        return FOLDER / Path(name).name
    if name.startswith(ICONS):
        return PACKAGES / "@grafana/ui/dist/public" / name.removeprefix(ICONS)
    if name.startswith(FONTS):
        return FONT
    return BUILT / Path(name).name


WAITING = "[data-state=waiting]"
UNFINISHED = f'{WAITING}, [data-type=table]:not([data-values="0"]):not(:has([role=gridcell]))'

# Until no panel matches a selector, and two frames longer, since charts are drawn in an animation frame.
WAIT_UNTIL_DRAWN = """
(selector) => new Promise((resolve, reject) => {
  const deadline = performance.now() + 25000;
  const check = () => {
    const waiting = document.querySelectorAll(selector).length;
    const panels = document.querySelectorAll("[data-panel]").length;
    if (panels && !waiting) requestAnimationFrame(() => setTimeout(resolve, 300));
    else if (performance.now() > deadline) reject(new Error(`${waiting} of ${panels} panels are waiting`));
    else setTimeout(check, 50);
  };
  check();
})
"""
