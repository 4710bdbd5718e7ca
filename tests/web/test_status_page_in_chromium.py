"""The page for people as a real browser shows it: on a phone and a desk, in light and in dark."""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import pytest

from exporter.simulator import Phases, World
from exporter.web.style import DARK, LIGHT, SIGNS
from tests.support.chromium import ORIGIN, Chromium
from tests.support.lab import START, TOKEN, Lab
from tests.support.programs import require_program
from tests.web.pictures import site, world

# Each text that is seen, with its colour and what is behind it.
TEXTS = """
(() => {
  const solid = (at) => {
    for (; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)") return colour;
    }
    return "none";
  };
  const found = new Set();
  for (const at of document.body.querySelectorAll("*")) {
    const own = [...at.childNodes].some((it) => it.nodeType === 3 && it.data.trim());
    const sign = getComputedStyle(at, "::before").content !== "none";
    if ((own && at.tagName !== "I") || sign)
      found.add([at.className || at.tagName, getComputedStyle(at).color, solid(at)].join("|"));
  }
  return [...found];
})()
"""
STICKING_OUT = """
[...document.body.querySelectorAll("*")]
  .filter((at) => at.getBoundingClientRect().right > innerWidth + 0.5 && at.tagName !== "I")
  .map((at) => at.outerHTML.slice(0, 80))
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium(require_program("chromium", "chromium")) as started:
        yield started


@pytest.fixture(scope="module")
def shop() -> Iterator[Lab]:
    """Everything at once: each outcome, runs that move, an entry for nothing, and errors."""
    made = world()
    made.rename_test(400_006, "w" * 255)
    with Lab(made, tests=[{"id": 400_001 + i} for i in range(8)] + [{"include": "^" + "n" * 200}]) as lab:
        lab.poll()
        lab.simulator.tokens.clear()
        lab.at(15).poll()
        lab.simulator.tokens.add(TOKEN)
        yield lab.at(20)


def luminance(colour: str) -> float:
    """How bright a colour is, from 0 to 1: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    if colour.startswith("#"):
        parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    else:
        parts = [int(part) for part in re.findall(r"\d+", colour)[:3]]
    linear = [
        part / 255 / 12.92 if part / 255 <= 0.04045 else ((part / 255 + 0.055) / 1.055) ** 2.4
        for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """From 1, the same, to 21, black on white: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    darker, brighter = sorted((luminance(one), luminance(other)))
    return (brighter + 0.05) / (darker + 0.05)


def test_black_on_white_is_the_most_contrast_and_a_known_grey_just_enough() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("rgb(118, 118, 118)", "#ffffff") == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_every_mark_stands_out_from_the_page_and_its_sign_from_the_mark(colours: dict[str, str]) -> None:
    for state in SIGNS.keys() - {"passed"}:
        assert contrast(colours[state], colours["page"]) >= 4.5, state
        assert contrast(colours["on"], colours[state]) >= 4.5, state
    assert contrast(colours["passed"], colours["calm"]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_that_is_seen_can_be_read(browser: Chromium, shop: Lab, scheme: str) -> None:
    browser.look(width=1060, scheme=scheme)
    browser.open(site(shop))
    texts = browser.ask(TEXTS)
    behind = browser.ask("getComputedStyle(document.body).backgroundColor")

    poor = [text for text in texts if contrast(*text.split("|")[1:]) < 4.5]
    assert not poor
    shown = {text.split("|")[0] for text in texts}
    assert shown >= {f"mark {state}" for state in ("passed", "failed", "error", "timed_out", "aborted")}
    assert shown >= {"mark moving", "failed", "timed_out", "moving", "dim", "TIME", "SMALL", "name"}
    assert luminance(behind) > 0.9 if scheme == "light" else luminance(behind) < 0.05


@pytest.mark.parametrize("width", [320, 360, 700, 831, 833, 1060, 1920])
def test_nothing_sticks_out_of_the_screen(browser: Chromium, shop: Lab, width: int) -> None:
    browser.look(width=width)
    browser.open(site(shop))

    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.ask(STICKING_OUT) == []


def test_marks_are_far_enough_apart_for_a_finger(browser: Chromium, shop: Lab) -> None:
    browser.look(width=360)
    browser.open(site(shop))
    strips = browser.ask(
        "[...document.querySelectorAll('.strip')].map((strip) => [...strip.children].map((at) => {"
        "const box = at.getBoundingClientRect(); return [box.left, box.top]}))"
    )

    # WCAG 2.5.8: circles of 24 px around each target do not touch.
    for strip in strips:
        assert all(b[0] - a[0] >= 24 or b[1] - a[1] >= 24 for a, b in pairwise(strip)), strip
    assert max(map(len, strips)) == 11


def test_a_mark_shows_its_sign_and_tells_its_words_to_who_cannot_see_it(browser: Chromium, shop: Lab) -> None:
    browser.look(width=360)
    browser.open(site(shop))
    signs = browser.ask(
        "Object.fromEntries([...document.querySelectorAll('a.mark')].map((at) => "
        "[at.className, getComputedStyle(at, '::before').content]))"
    )
    told = [(node["name"]["value"], described(node)) for node in accessible(browser, "link")]

    assert signs == {f"mark {state}": f'"{sign}" / ""' for state, sign in SIGNS.items() if state != "none"}
    assert ("timed out", f"run {run_of(shop, 400_005)}: timed out, ended 4 h 36 min ago") in told
    assert ("running", f"run {run_of(shop, 400_001)}: running") in told


def run_of(lab: Lab, test: int) -> int:
    """The id of a test's last run."""
    last = lab.exporter.poller.state.tests[test].last_run
    assert last
    return last.id


def accessible(browser: Chromium, role: str) -> list[dict[str, Any]]:
    """What a screen reader is told of everything that has this role."""
    nodes = browser.tell("Accessibility.getFullAXTree")["nodes"]
    return [node for node in nodes if not node["ignored"] and node["role"]["value"] == role]


def described(node: dict[str, Any]) -> str:
    return str(node.get("description", {}).get("value", ""))


def test_a_screen_reader_hears_how_far_a_run_has_come(browser: Chromium, shop: Lab) -> None:
    browser.look(width=360)
    browser.open(site(shop))
    bars = {node["name"]["value"]: node for node in accessible(browser, "progressbar")}

    assert len(bars) == 2
    assert f"run {run_of(shop, 400_001)}" in bars


def test_it_refreshes_itself_and_shows_what_has_become_of_a_run(browser: Chromium) -> None:
    world = World()
    world.add_run(world.add_test("checkout"), created=START - 60, phases=Phases(running=60, processing=5))
    with Lab(world) as lab:
        lab.exporter.next_poll = lambda: lab.now.value
        lab.poll()
        browser.look(width=360)
        browser.open(site(lab))
        assert browser.ask("document.querySelectorAll('.mark.moving').length") == 2  # one in the legend
        lab.at(60).poll()
        browser.wait(lambda: browser.loads == 2)
        assert browser.ask("document.querySelector('.test .mark').className") == "mark passed"
        browser.open(site(lab), "/?refresh=off")
        browser.ask("new Promise((done) => setTimeout(done, 3000))")
        assert browser.loads == 1


def test_it_requests_nothing_but_itself_and_keeps_to_its_own_policy(browser: Chromium, shop: Lab) -> None:
    browser.look(width=1060)
    browser.open(site(shop))
    assert browser.requested == [ORIGIN + "/"]
    assert browser.complaints == []
    assert browser.ask("getComputedStyle(document.querySelector('.test')).display") == "grid"


def test_its_policy_forbids_scripts_other_styles_and_pictures(browser: Chromium, shop: Lab) -> None:
    added = b'<p style="color: red">x</p><script>document.title = "y"</script><img src="/z"></body>'

    def worse(path: str) -> tuple[int, Mapping[str, str], bytes]:
        status, headers, body = site(shop)(path)
        changed = body.replace(b"</body>", added).replace(b"<style>", b"<style> ")
        return status, {name: value for name, value in headers.items() if name != "content-length"}, changed

    browser.open(worse)
    assert browser.ask("getComputedStyle(document.querySelector('.test')).display") == "list-item"
    assert browser.ask("document.title") != "y"
    assert browser.requested == [ORIGIN + "/"]
    assert len(browser.complaints) == 4
