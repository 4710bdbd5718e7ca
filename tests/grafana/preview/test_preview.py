"""The dashboards as Grafana's components draw them in Chromium: `make test-preview`."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from grafana.builder import text
from tests.grafana.conftest import Prometheus
from tests.grafana.preview import scenes
from tests.grafana.preview.conftest import Draw
from tests.grafana.preview.page import Panel, Preview, View
from tests.grafana.preview.recording import HOUR
from tests.support.chromium import Chromium
from tests.support.dashboards import DASHBOARDS
from tests.support.lab import START

WIDTHS = (1280, 390)
THEMES = ("dark", "light")
PANEL_BACKGROUND = "rgb(24, 27, 31)"  # of the dark theme
# These show that nothing went wrong when they are empty.
MAY_BE_EMPTY = {"k6-cloud-exporter"}


def check_panels(dashboard: str, drawn: list[Panel]) -> None:
    """All panels are drawn, show something, and show the whole of their text."""
    assert [panel.title for panel in drawn] == [panel["title"] for panel in list_panels(dashboard)]
    assert {panel.title: panel.failure for panel in drawn if panel.failure} == {}
    assert {panel.title: panel.cut for panel in drawn if panel.cut} == {}
    assert [panel.title for panel in drawn if not panel.texts() or "No data" in panel.texts()] == []
    if dashboard not in MAY_BE_EMPTY:
        large = [panel for panel in drawn if panel.type not in {"stat", "text"}]
        assert [panel.title for panel in large if not panel.values] == []


def list_panels(dashboard: str) -> list[dict[str, Any]]:
    """The panels of a dashboard as JSON, those of collapsed rows included."""
    top = DASHBOARDS[dashboard]["panels"]
    return [one for panel in top for one in (panel.get("panels", []) if panel["type"] == "row" else [panel])]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dashboard", ["k6-cloud-overview", "k6-cloud-test"])
def test_no_panel_is_empty_or_overflows(dashboard: str, width: int, theme: str, preview_of: Draw) -> None:
    preview = preview_of(scenes.shop)

    preview.draw(
        View(
            dashboard,
            START,
            width=width,
            theme=theme,
            test=preview.find_test("search-load", START),
            is_expanded=True,
        )
    )

    check_panels(dashboard, preview.inspect())
    assert preview.overflow() <= 0


@pytest.mark.parametrize("width", WIDTHS)
def test_no_exporter_panel_is_empty_or_overflows(
    width: int, prometheus: Prometheus, browser: Chromium
) -> None:
    preview = Preview(browser, prometheus.url)

    preview.draw(
        View("k6-cloud-exporter", time.time() - 1, range="1m", scrape="1s", width=width, is_expanded=True)
    )

    check_panels("k6-cloud-exporter", preview.inspect())
    assert preview.overflow() <= 0


@pytest.mark.parametrize("dashboard", ["k6-cloud-overview", "k6-cloud-test"])
def test_texts_of_tiles_are_large(dashboard: str, preview_of: Draw) -> None:
    preview = preview_of(scenes.shop)
    preview.draw(View(dashboard, START, test=preview.find_test("search-load", START)))
    tiles = [panel for panel in preview.inspect() if panel.type == "stat"]

    assert {panel.title: word for panel in tiles for word in panel.words if word.size < 14} == {}


def test_runs_are_newest_first_and_bars_equally_wide(preview_of: Draw) -> None:
    preview = preview_of(scenes.shop)
    preview.draw(View("k6-cloud-test", START, test=preview.find_test("search-load", START)))
    (history,) = (panel for panel in preview.inspect() if panel.title == "Run history")
    lanes = [int(row) for row in dict.fromkeys(word.row for word in history.words if word.row)]
    widths = preview.bar_widths("Runs by outcome")

    assert len(lanes) == 12
    assert lanes == sorted(lanes, reverse=True)
    assert len(widths) == 12
    assert max(widths) - min(widths) <= 1  # pixel


@pytest.mark.parametrize("dashboard", ["k6-cloud-overview", "k6-cloud-test"])
def test_tables_fit_a_laptop(dashboard: str, preview_of: Draw) -> None:
    preview = preview_of(scenes.shop)

    preview.draw(View(dashboard, START, test=preview.find_test("search-load", START)))

    assert {panel.title: panel.hiddenWidth for panel in preview.inspect() if panel.hiddenWidth > 0} == {}


@pytest.mark.parametrize("theme", THEMES)
def test_failed_test_is_not_green_on_its_dashboard(theme: str, preview_of: Draw) -> None:
    """All of its runs finished, and all of them failed."""
    preview = preview_of(scenes.six_of_six)
    preview.draw(View("k6-cloud-test", START, theme=theme, test=preview.find_test("search-load", START)))
    green = find_greens(preview)

    shown = {
        panel.title: word.text
        for panel in preview.inspect()
        for word in panel.words
        if word.background in green
    }

    assert set(shown) == {"Data age"}


@pytest.mark.parametrize("theme", THEMES)
def test_failed_test_is_not_green_on_the_overview(theme: str, preview_of: Draw) -> None:
    preview = preview_of(scenes.six_of_six)
    preview.draw(View("k6-cloud-overview", START, theme=theme))
    green = find_greens(preview)

    words = [word for panel in preview.inspect() for word in panel.words]

    assert [one for one in words if "search-load" in one.row and one.background in green] == []
    assert [one for one in words if "login-spike" in one.row and one.background in green]


def find_greens(preview: Preview) -> set[str]:
    """Every shade of green in Grafana's palette."""
    return {
        preview.colour(f"{shade}green") for shade in ("", "dark-", "semi-dark-", "light-", "super-light-")
    }


@pytest.mark.parametrize("theme", THEMES)
def test_each_outcome_has_its_word_and_colour(theme: str, preview_of: Draw) -> None:
    preview = preview_of(scenes.all_endings)
    preview.draw(View("k6-cloud-overview", START, range="6h", theme=theme))
    (table,) = (panel for panel in preview.inspect() if panel.type == "table")
    colours = {word: preview.colour(name) for word, name in text.OUTCOME.values()}

    for name, outcome in scenes.OUTCOMES.values():
        assert (outcome, colours[outcome]) in {
            (word.text, word.background) for word in table.words if word.row == name
        }


@pytest.mark.parametrize("letter", scenes.OUTCOMES)
def test_each_word_has_the_colour_of_its_mapping(letter: str, preview_of: Draw) -> None:
    """On the dashboard of a test, wherever a mapped code is shown; its outcome has the right word."""
    name, outcome = scenes.OUTCOMES[letter]
    preview = preview_of(scenes.all_endings)
    preview.draw(View("k6-cloud-test", START, range="6h", test=preview.find_test(name, START)))
    shown = preview.inspect()
    by_title = {panel.title: panel for panel in shown}

    assert outcome in by_title["Outcome"].texts()
    for panel, source in zip(shown, list_panels("k6-cloud-test"), strict=False):
        known = {word: preview.colour(colour) for word, colour in find_mapped(source)}
        coloured = [one for one in panel.words if one.text in known and one.background != PANEL_BACKGROUND]
        assert [one for one in coloured if one.background != known[one.text]] == []


def find_mapped(source: Any) -> Iterator[tuple[str, str]]:
    """The texts of value mappings in the JSON of a panel, each with the name of its colour."""
    if isinstance(source, dict):
        if "text" in source and "color" in source:
            yield source["text"], source["color"]
        source = list(source.values())
    if isinstance(source, list):
        for one in source:
            yield from find_mapped(one)


def test_outage_shows_old_data_and_no_numbers(preview_of: Draw) -> None:
    preview = preview_of(scenes.outage)
    preview.draw(View("k6-cloud-overview", START, range="6h"))
    shown = preview.inspect()
    tiles = {panel.title: panel for panel in shown if panel.type == "stat"}
    (timeline,) = (panel for panel in shown if panel.type == "state-timeline")
    red = preview.colour("red")

    age = [one for one in tiles.pop("Data age").words if one.text in {"51", "50"}]

    assert [word.background for word in age] == [red]
    assert [panel.title for panel in tiles.values() if not set(panel.texts()) <= NO_CLAIM] == []
    lanes = list(dict.fromkeys(word.row.split(" ")[0] for word in timeline.words if word.row))
    assert set(lanes[:3]) == {"search-load", "invoice-export", "metrics-flood"}


NO_CLAIM = {text.NO_DATA, text.NOT_KNOWN, text.NONE_RECORDED, text.DASH, "no exporter", "not scraped"}


@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_no_data_shows_no_numbers_and_no_claims(dashboard: str, preview_of: Draw) -> None:
    preview = preview_of(scenes.no_data)
    preview.draw(View(dashboard, START))
    shown = preview.inspect()
    green = find_greens(preview)
    texts = {panel.title: panel.texts() for panel in shown if panel.type != "table"}

    assert "no exporter" in shown[0].texts()
    assert {title: words for title, words in texts.items() if not set(words) <= NO_CLAIM} == {}
    assert all(
        "data" in one or "recorded" in one
        for panel in shown
        if panel.type == "table"
        for one in panel.texts()
    )
    assert [word.text for panel in shown for word in panel.words if word.background in green] == []


def test_outage_shows_the_last_states_of_a_test(preview_of: Draw) -> None:
    preview = preview_of(scenes.outage)
    test = preview.find_test("search-load", START - HOUR)
    preview.draw(View("k6-cloud-test", START, range="6h", test=test))
    shown = {panel.title: panel for panel in preview.inspect()}
    green = find_greens(preview)
    tiles = [panel for panel in shown.values() if panel.type == "stat"]

    assert [word.text for panel in tiles for word in panel.words if word.background in green] == []
    assert {one for panel in tiles for one in panel.texts()} - NO_CLAIM == {"51", "mins", "0", "%"}
    assert {"running", "failed"} <= {word.text for word in shown["Run history"].words}


def test_overview_of_200_tests_starts_with_failing_ones(preview_of: Draw) -> None:
    preview = preview_of(scenes.many_tests)
    preview.draw(View("k6-cloud-overview", START, range="6h"))
    by_type = {panel.type: panel for panel in preview.inspect()}
    rows = dict.fromkeys(word.row for word in by_type["table"].words if word.row)
    lanes = {word.row for word in by_type["state-timeline"].words if word.row}

    assert rows
    assert all(int(name.split("-")[1]) % 10 == 0 for name in rows)
    assert len(lanes) == 20
    assert {panel.title: panel.cut for panel in preview.inspect() if panel.cut} == {}
