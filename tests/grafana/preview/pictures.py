"""Draws the dashboards for the documents: `make pictures`.

Overview and Test show a recorded day, so that each time the pictures show the same. Exporter shows some
minutes of the demo, since it is about the process itself. All pictures go to .tools/preview/pictures, and
those that the documents show to docs.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tests.grafana.preview import live, scenes
from tests.grafana.preview.page import BUILT, Preview, View
from tests.grafana.preview.recording import serve_recording
from tests.support.chromium import Chromium
from tests.support.dashboards import DASHBOARDS
from tests.support.lab import START

DOCS = Path(__file__).parent.parent.parent.parent / "docs"
PICTURES = BUILT / "pictures"
LIVE_MINUTES = 5
TEST = "search-load"  # the one that the dashboard of one test shows
WIDTHS = {1280: "", 390: "-phone"}
THEMES = {"dark": "-dark", "light": ""}
# The ones that the documents show.
SHOWN = (
    "dashboard-overview",
    "dashboard-overview-dark",
    "dashboard-overview-phone",
    "dashboard-test",
    "dashboard-test-dark",
    "dashboard-exporter-dark",
)


def list_views(view: View) -> Iterator[tuple[str, View]]:
    """The view in each width and theme, with the name of its picture."""
    short = view.dashboard.removeprefix("k6-cloud-")
    for width, size in WIDTHS.items():
        for theme, suffix in THEMES.items():
            yield f"dashboard-{short}{size}{suffix}", replace(view, width=width, theme=theme)


def draw(preview: Preview, views: Iterable[tuple[str, View]]) -> None:
    """Write the pictures. A panel that cannot be drawn ends the program."""
    for name, view in views:
        preview.draw(view)
        for panel in preview.inspect():
            if panel.failure:
                sys.exit(f"{name}: {panel.title}: {panel.failure}")
        (PICTURES / f"{name}.png").write_bytes(preview.browser.take_screenshot())


def find_program(name: str) -> str:
    """The path of a program. Ends this one if it is not installed."""
    return shutil.which(name) or sys.exit(f"{name} is needed (Debian: apt-get install {name}).")


def main() -> None:
    prometheus, promtool = find_program("prometheus"), find_program("promtool")
    PICTURES.mkdir(exist_ok=True)
    with ExitStack() as stack:
        demo, day = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
        # First, since its minutes pass while the others are drawn.
        live_url = stack.enter_context(live.serve_demo(demo, prometheus=prometheus))
        url = stack.enter_context(
            serve_recording(scenes.shop(), day, prometheus=prometheus, promtool=promtool)
        )
        browser = stack.enter_context(Chromium(find_program("chromium")))
        preview = Preview(browser, url)
        test = preview.find_test(TEST, START)
        draw(preview, list_views(View("k6-cloud-overview", START)))
        draw(preview, list_views(View("k6-cloud-test", START, test=test)))
        end = live.wait_for_data(live_url, LIVE_MINUTES * 60)
        minutes, scrape = f"{LIVE_MINUTES}m", f"{live.SCRAPE_INTERVAL}s"
        exporter = View("k6-cloud-exporter", end, range=minutes, scrape=scrape)
        draw(Preview(browser, live_url), list_views(exporter))
    publish()


def publish() -> None:
    """Make the pictures smaller, and copy those that the documents show."""
    optimise = Path(__file__).parent / "page" / "optimise.mjs"
    files = [
        PICTURES / f"dashboard-{uid.removeprefix('k6-cloud-')}{size}{suffix}.png"
        for uid in DASHBOARDS
        for size in WIDTHS.values()
        for suffix in THEMES.values()
    ]
    subprocess.run([find_program("node"), optimise, *files], check=True)
    for name in SHOWN:
        shutil.copyfile(PICTURES / f"{name}.png", DOCS / f"{name}.png")
        print(f"docs/{name}.png")


if __name__ == "__main__":
    main()
