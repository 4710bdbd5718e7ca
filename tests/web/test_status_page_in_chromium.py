"""The status page in a real browser: on a phone and a desktop, in light and dark."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from exporter.simulator import EndStatus, Phases, World
from exporter.simulator.runs import RunError
from exporter.web.status_page import LEGEND
from tests.support.chromium import ORIGIN, Chromium
from tests.support.lab import START, TOKEN, Lab
from tests.support.programs import require_program
from tests.web.pictures import SHOP_TESTS, create_shop, create_site

# Each visible text, with its colour and its background.
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
BADGE_COLOURS = """
Object.fromEntries([...document.querySelectorAll(".badge")].map((at) =>
  [at.className, [getComputedStyle(at).color, getComputedStyle(at).backgroundColor]]))
"""
OVERFLOWING = """
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
    """Everything at once: each outcome, active runs, a selector without a match, and errors."""
    world = create_shop()
    world.rename_test(400_006, "w" * 255)
    with Lab(world, tests=[*SHOP_TESTS[:-1], {"include": "^" + "n" * 200}]) as lab:
        lab.poll()
        lab.simulator.tokens.clear()
        lab.at(15).poll()
        lab.simulator.tokens.add(TOKEN)
        yield lab.at(20)


def luminance(colour: str) -> float:
    """The brightness of a colour, from 0 to 1: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
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
    """From 1 for equal colours to 21 for black on white: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    darker, brighter = sorted((luminance(one), luminance(other)))
    return (brighter + 0.05) / (darker + 0.05)


def test_contrast_of_known_colours() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("rgb(118, 118, 118)", "#ffffff") == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_badges_have_enough_contrast(browser: Chromium, shop: Lab, scheme: str) -> None:
    browser.set_screen(width=1060, scheme=scheme)
    browser.open(create_site(shop))
    badges = browser.evaluate(BADGE_COLOURS)
    page = browser.evaluate("getComputedStyle(document.body).backgroundColor")

    assert badges.keys() == {f"badge {css_class}" for css_class, _ in LEGEND}
    for name, (sign, background) in badges.items():
        assert contrast(sign, background) >= 4.5, name
        # The pale badge of a pass need not stand out from the page.
        assert contrast(background, page) >= 4.5 or name == "badge passed", name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_visible_text_has_enough_contrast(browser: Chromium, shop: Lab, scheme: str) -> None:
    browser.set_screen(width=1060, scheme=scheme)
    browser.open(create_site(shop))
    texts = browser.evaluate(TEXTS)
    background = browser.evaluate("getComputedStyle(document.body).backgroundColor")

    poor = [text for text in texts if contrast(*text.split("|")[1:]) < 4.5]
    assert not poor
    shown = {text.split("|")[0] for text in texts}
    assert shown >= {f"badge {state}" for state in ("passed", "failed", "error", "timed_out", "aborted")}
    assert shown >= {"badge active", "failed", "timed_out", "active", "dim", "TIME", "SMALL", "name"}
    assert luminance(background) > 0.9 if scheme == "light" else luminance(background) < 0.05


@pytest.mark.parametrize("width", [320, 390, 700, 831, 833, 1060, 1920])
def test_nothing_overflows_the_screen(browser: Chromium, shop: Lab, width: int) -> None:
    browser.set_screen(width=width)
    browser.open(create_site(shop))

    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(OVERFLOWING) == []


@pytest.fixture(scope="module")
def large_shop() -> Iterator[Lab]:
    """300 tests in six projects, with long names and long reasons among them."""
    world = World()
    projects = [world.add_project("team " + "w" * 60 * (number % 2)) for number in range(6)]
    for number in range(300):
        name = f"service-{number} " + "long" * (number % 17)
        test = world.add_test(name, project_id=projects[number % 6])
        world.add_run(test, created=START - 600, failed=number % 25 == 3)
        if number % 30 == 4:
            world.add_run(test, created=START - 60)
    broken = world.add_run(400_001, created=START - 300, ending=EndStatus.ABORTED_BY_SCRIPT_ERROR)
    plan = world.runs[broken].plan
    world.update_run(broken, plan=replace(plan, error=RunError(8035, "TypeError: " + "x" * 450)))
    with Lab(world, api={"url": "http://k6.test", "requests_per_minute": 10_000, "stack": 1}) as lab:
        lab.poll()
        yield lab


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/?q=service"])
def test_300_tests_are_readable_on_a_phone(
    browser: Chromium, large_shop: Lab, path: str, scheme: str
) -> None:
    browser.set_screen(width=390, scheme=scheme)
    browser.open(create_site(large_shop), path)
    texts = browser.evaluate(TEXTS)

    assert browser.evaluate("document.documentElement.scrollWidth") <= 390
    assert browser.evaluate(OVERFLOWING) == []
    assert not [text for text in texts if contrast(*text.split("|")[1:]) < 4.5]
    visible = "[...document.querySelectorAll('.test')].filter((at) => at.checkVisibility()).length"
    assert browser.evaluate(visible) == (23 if path == "/" else 300)


def test_long_reason_is_clamped_until_it_is_focused(browser: Chromium, large_shop: Lab) -> None:
    browser.set_screen(width=390)
    browser.open(create_site(large_shop), "/?state=failing")
    longest = "document.querySelector('.reason[tabindex]')"
    height = f"{longest}.clientHeight / parseFloat(getComputedStyle({longest}).lineHeight)"

    assert round(browser.evaluate(height)) == 3
    browser.evaluate(f"{longest}.focus()")
    assert browser.evaluate(f"{longest}.scrollHeight <= {longest}.clientHeight + 1")


def test_filter_form_works_without_javascript(browser: Chromium, shop: Lab) -> None:
    site = create_site(shop)

    def strip_prefix(path: str) -> tuple[int, Mapping[str, str], bytes]:
        return site(path.removeprefix("/k6"))

    browser.set_screen(width=390)
    browser.open(strip_prefix, "/k6/?state=failing&refresh=off")
    browser.evaluate("document.querySelector('input[name=q]').value = 'search'; document.forms[0].submit()")
    browser.wait(lambda: browser.loads == 2)

    assert browser.evaluate("location.href") == f"{ORIGIN}/k6/?state=failing&refresh=off&q=search"
    names = "[...document.querySelectorAll('.name')].map((at) => at.textContent)"
    assert browser.evaluate(names) == ["search-load"]
    assert browser.console_messages == []


def test_links_do_not_differ_by_colour_alone(browser: Chromium, shop: Lab) -> None:
    browser.open(create_site(shop))
    plain = browser.evaluate(
        "[...document.links].filter((at) => getComputedStyle(at).textDecorationLine !== 'underline')"
        ".map((at) => at.className || at.getAttribute('aria-current'))"
    )

    # Badges have a sign, and the current filter has a border.
    assert {name.split()[0] for name in plain} == {"badge", "true"}


def test_badges_are_far_enough_apart_to_touch(browser: Chromium, shop: Lab) -> None:
    browser.set_screen(width=360)
    browser.open(create_site(shop))
    groups = browser.evaluate(
        "[...document.querySelectorAll('.outcomes')].map((group) => [...group.children].map((at) => {"
        "const box = at.getBoundingClientRect(); return [box.left, box.top]}))"
    )

    # WCAG 2.5.8: circles of 24 px around each target do not touch.
    for group in groups:
        assert all(b[0] - a[0] >= 24 or b[1] - a[1] >= 24 for a, b in pairwise(group)), group
    assert max(map(len, groups)) == 11


def test_badge_has_a_sign_and_an_accessible_name(browser: Chromium, shop: Lab) -> None:
    browser.set_screen(width=360)
    browser.open(create_site(shop))
    signs = browser.evaluate(
        "Object.fromEntries([...document.querySelectorAll('a.badge')].map((at) => "
        "[at.className, getComputedStyle(at, '::before').content]))"
    )
    links = [(node["name"]["value"], get_description(node)) for node in find_accessible(browser, "link")]

    assert signs == {
        f"badge {css_class}": f'"{sign}" / ""'
        for css_class, sign in zip(
            ("passed", "failed", "error", "timed_out", "aborted", "active"), "✓✗!T■▸", strict=True
        )
    }
    assert ("timed out", f"run {get_last_run_id(shop, 400_005)}: timed out, ended 4 h 36 min ago") in links
    assert ("running", f"run {get_last_run_id(shop, 400_001)}: running") in links


def get_last_run_id(lab: Lab, test: int) -> int:
    last = lab.exporter.poller.state.tests[test].last_run
    assert last
    return last.id


def find_accessible(browser: Chromium, role: str) -> list[dict[str, Any]]:
    """The elements of a role in the accessibility tree, which screen readers use."""
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    return [node for node in nodes if not node["ignored"] and node["role"]["value"] == role]


def get_description(node: dict[str, Any]) -> str:
    return str(node.get("description", {}).get("value", ""))


def test_progress_bar_is_accessible(browser: Chromium, shop: Lab) -> None:
    browser.set_screen(width=360)
    browser.open(create_site(shop))
    bars = {node["name"]["value"]: node for node in find_accessible(browser, "progressbar")}

    assert len(bars) == 2
    assert f"run {get_last_run_id(shop, 400_001)}" in bars


def test_refresh_shows_the_outcome_of_a_run(browser: Chromium) -> None:
    world = World()
    world.add_run(world.add_test("checkout"), created=START - 60, phases=Phases(running=60, processing=5))
    with Lab(world) as lab:
        lab.exporter.next_poll = lambda: lab.now.value
        lab.poll()
        browser.set_screen(width=360)
        browser.open(create_site(lab))
        assert browser.evaluate("document.querySelectorAll('.badge.active').length") == 2  # one in the legend
        lab.at(60).poll()
        browser.wait(lambda: browser.loads == 2)
        assert browser.evaluate("document.querySelector('.test .badge').className") == "badge passed"
        browser.open(create_site(lab), "/?refresh=off")
        browser.evaluate("new Promise((done) => setTimeout(done, 3000))")
        assert browser.loads == 1


def test_page_loads_only_itself_within_its_policy(browser: Chromium, shop: Lab) -> None:
    browser.set_screen(width=1060)
    browser.open(create_site(shop))
    assert browser.requested == [ORIGIN + "/"]
    assert browser.console_messages == []
    assert browser.evaluate("getComputedStyle(document.querySelector('.test')).display") == "grid"


def test_links_work_behind_a_proxy_with_a_prefix(browser: Chromium, shop: Lab) -> None:
    def strip_prefix(path: str) -> tuple[int, Mapping[str, str], bytes]:
        return create_site(shop)(path.removeprefix("/k6")) if path.startswith("/k6/") else (404, {}, b"")

    browser.open(strip_prefix, "/k6/")
    links = browser.evaluate("[...document.links].map((at) => at.href)")
    ours = {link.removeprefix(ORIGIN) for link in links if link.startswith(ORIGIN)}

    assert ours >= {"/k6/metrics", "/k6/-/healthy", "/k6/-/ready", "/k6/?refresh=off"}
    for number, link in enumerate(ours):
        shop.at(20 + number)  # since few filters are rendered in a second
        assert strip_prefix(link)[0] == 200
    shop.at(20)


@pytest.mark.parametrize("width", [360, 1060])
def test_long_name_is_clamped_until_it_is_focused(browser: Chromium, shop: Lab, width: int) -> None:
    browser.set_screen(width=width)
    browser.open(create_site(shop))
    longest = "[...document.querySelectorAll('.name')].find((at) => at.textContent.length === 255)"
    height = f"{longest}.getBoundingClientRect().height / parseFloat(getComputedStyle({longest}).lineHeight)"

    assert round(browser.evaluate(height)) == 2
    assert browser.evaluate(f"{longest}.title") == "w" * 255
    browser.evaluate(f"{longest}.focus()")
    assert browser.evaluate(height) > 3
    assert browser.evaluate(f"{longest}.scrollHeight <= {longest}.clientHeight + 1")


def test_policy_forbids_scripts_styles_and_images(browser: Chromium, shop: Lab) -> None:
    added = b'<p style="color: red">x</p><script>document.title = "y"</script><img src="/z"></body>'

    def serve_changed_page(path: str) -> tuple[int, Mapping[str, str], bytes]:
        status, headers, body = create_site(shop)(path)
        changed = body.replace(b"</body>", added).replace(b"<style>", b"<style> ")
        return status, {name: value for name, value in headers.items() if name != "content-length"}, changed

    browser.open(serve_changed_page)
    assert browser.evaluate("getComputedStyle(document.querySelector('.test')).display") == "list-item"
    assert browser.evaluate("document.title") != "y"
    assert browser.requested == [ORIGIN + "/"]
    assert len(browser.console_messages) == 4
