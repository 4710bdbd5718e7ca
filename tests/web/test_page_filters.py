"""Filters of the status page: by state, project and name; links, form, folding and refreshing."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from exporter.simulator import EndStatus, World
from exporter.web.page_view import MAX_VALUE, PageView, parse_view
from exporter.web.status_page import MAX_UNFOLDED
from tests.support.lab import START, Lab

V6 = {"url": "http://k6.test", "requests_per_minute": 10_000, "stack": 1}
PASSED: dict[str, Any] = {"created": START - 600}
FAILED, ACTIVE = PASSED | {"failed": True}, START - 60
STOPPED = {"created": START - 600, "ending": EndStatus.ABORTED_BY_USER}
# The project and the runs of each test.
TESTS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "Checkout soak": ("shop", [FAILED]),
    "checkout spike": ("shop", [PASSED, {"created": ACTIVE}]),
    "refund 100%": ("Payments", [FAILED, {"created": ACTIVE}]),
    "ledger": ("Payments", [PASSED]),
    "stopped": ("Payments", [STOPPED]),
    "never run": ("shop", []),
}


def create_world() -> World:
    world = World()
    projects = {name: world.add_project(name) for name in ("shop", "Payments")}
    for name, (project, runs) in TESTS.items():
        test = world.add_test(name, project_id=projects[project])
        for run in runs:
            world.add_run(test, **run)
    return world


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(create_world(), api=V6) as lab:
        lab.poll()
        yield lab


def get_page(lab: Lab, path: str) -> str:
    """The page a second later, since few different ones are rendered in a second."""
    lab.now.value += 1
    return lab.get(path).text


def list_names(page: str) -> list[str]:
    return [unescape(name) for name in re.findall(r'class="name" href=".*?">(.*?)</a>', page)]


def list_totals(page: str) -> list[tuple[str, int]]:
    """The link and the number of each total."""
    found = re.findall(r'<li><a href="([^"]*)"[^>]*><b[^>]*>([\d,]+)</b>', page)
    return [(unescape(url), int(number)) for url, number in found]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", list(TESTS)),
        ("state=failing", ["Checkout soak", "refund 100%"]),
        ("state=passing", ["checkout spike", "ledger"]),
        ("state=active", ["checkout spike", "refund 100%"]),
        ("state=none", ["stopped", "never run"]),
        ("state=FAILING", ["Checkout soak", "refund 100%"]),
        ("project=payments", ["refund 100%", "ledger", "stopped"]),
        ("project=30003", ["refund 100%", "ledger", "stopped"]),
        ("project=payments&state=failing", ["refund 100%"]),
        ("q=CHECKOUT", ["Checkout soak", "checkout spike"]),
        ("q=0%25", ["refund 100%"]),
        ("q=.", []),  # no regular expression
        ("q=checkout&state=active&project=shop", ["checkout spike"]),
        ("q=&state=&project=", list(TESTS)),
        ("page=2&sort=name", list(TESTS)),
        ("state=broken", []),
        ("project=pay", []),
        ("project=3000", []),
    ],
)
def test_filter_selects_tests(lab: Lab, query: str, expected: list[str]) -> None:
    assert sorted(list_names(get_page(lab, f"/?{query}"))) == sorted(expected)


@pytest.mark.parametrize("query", ["", "project=payments", "q=checkout", "state=failing&q=e&refresh=off"])
def test_each_total_links_to_its_tests(lab: Lab, query: str) -> None:
    totals = list_totals(get_page(lab, f"/?{query}"))

    assert len(totals) == 5
    assert [(url, len(list_names(get_page(lab, f"/{url}")))) for url, _ in totals] == totals


def test_total_of_the_shown_state_is_marked(lab: Lab) -> None:
    page = get_page(lab, "/?state=failing")

    assert re.findall(r'<a href="([^"]*)" aria-current="true">', page) == ["?state=failing"]


def test_project_of_a_test_links_to_its_tests(lab: Lab) -> None:
    page = get_page(lab, "/?q=ledger")

    assert 'project <a href="?project=30003&amp;q=ledger">Payments</a>' in page


@pytest.mark.parametrize(
    "query", ["state=broken", "project=99", "q=nothing", "state=%3Cb%3E&q=%22%3E%3Ci%3E"]
)
def test_unknown_value_leads_back_to_all_tests(lab: Lab, query: str) -> None:
    page = get_page(lab, f"/?{query}")

    assert "<b>No test matches:</b>" in page
    (link,) = re.findall(r'<a href="([^"]*)">Show all tests</a>', page)
    assert len(list_names(get_page(lab, f"/{link}"))) == len(TESTS)


def test_values_of_filters_are_escaped(lab: Lab) -> None:
    value = '"><mark>\x00&\u202e'
    page = get_page(lab, "/?" + urlencode(dict.fromkeys(("state", "project", "q"), value)))

    assert "<mark>" not in page
    assert 'value="&#34;&gt;&lt;mark&gt;' in page


def test_long_value_is_cut(lab: Lab) -> None:
    view = parse_view({"state": "s" * 5000, "project": "p" * 5000, "q": "q" * 5000})
    page = get_page(lab, "/?" + urlencode({"q": "q" * 5000}))

    assert {len(value) for value in (view.state, view.project, view.text)} == {MAX_VALUE}
    assert "q" * (MAX_VALUE + 1) not in page


def test_unprintable_characters_of_a_filter_are_ignored() -> None:
    view = parse_view({"q": "\0so\x1b[1mak\u202e\n", "project": "\r"})

    assert (view.text, view.project) == ("so[1mak", "")


def test_form_and_links_keep_the_other_filters(lab: Lab) -> None:
    page = get_page(lab, "/?state=failing&project=payments&q=refund&refresh=off")
    form = page[page.index("<form") : page.index("</form>")]
    inputs = dict(re.findall(r'name="(\w+)" value="(.*?)"', form))

    # A GET form without an action leads to this page, also behind a proxy that strips a prefix.
    assert re.match(r'<form role="search">', form)
    assert inputs == {"state": "failing", "project": "payments", "refresh": "off", "q": "refund"}
    urls = [unescape(url) for url in re.findall(r'href="(\?.*?)"', page)]
    assert "?project=payments&q=refund&refresh=off" in urls  # all states
    assert "?state=failing&project=payments&q=refund" in urls  # refresh again
    assert "?refresh=off" in urls  # all tests


def test_refresh_keeps_the_filters(lab: Lab) -> None:
    page = get_page(lab, "/?state=failing")

    # Without a URL, browsers load the same one again.
    assert re.search(r'<meta http-equiv="refresh" content="\d+">', page)


def test_view_survives_its_own_url() -> None:
    view = PageView("failing", "a&b=c", "größe +%", is_refreshing=False)

    assert view.url() == "?state=failing&project=a%26b%3Dc&q=gr%C3%B6%C3%9Fe+%2B%25&refresh=off"
    assert parse_view(dict(parse_qsl(view.url()[1:]))) == view
    assert view.url(state="", project="", text="", is_refreshing=True) == "?"


@pytest.mark.parametrize(
    ("extra", "query", "is_folded"),
    [(0, "", False), (1, "", True), (1, "?refresh=off", True), (1, "?state=passing", False)],
)
def test_many_passing_tests_are_folded(extra: int, query: str, is_folded: bool) -> None:
    world = create_world()
    for number in range(MAX_UNFOLDED - 1 + extra):  # ledger passes, too
        world.add_run(world.add_test(f"test {number}"), **PASSED)
    with Lab(world, api=V6) as lab:
        lab.poll()
        page = get_page(lab, f"/{query}")

    assert ("<details>" in page) is is_folded
    if is_folded:
        folded = page[page.index("<details>") : page.index("</details>")]
        shown = list_names(page.replace(folded, ""))
        assert len(list_names(folded)) == MAX_UNFOLDED - 1 + extra + 1
        assert shown == ["Checkout soak", "refund 100%", "checkout spike", "stopped", "never run"]
