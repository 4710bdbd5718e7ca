"""The page for people."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from exporter.landing import length, words
from exporter.model import Run
from exporter.simulator import Ending, World, faults
from tests.lab import START, TOKEN, Lab


class Text(HTMLParser):
    """The words on a page, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def landing(lab: Lab) -> str:
    answer = lab.get("/")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return answer.text


def test_it_tells_each_test_with_the_state_of_its_last_run_in_words() -> None:
    world = World()
    checkout = world.add_test("checkout")
    world.add_run(checkout, created=START - 600, ending=Ending.ABORTED_BY_THRESHOLD)
    world.add_run(checkout, created=START - 60)
    world.add_test("never started")
    with Lab(world) as lab:
        lab.poll()
        said = " ".join(" ".join(Text(landing(lab)).words).split())

    assert "checkout project 30001, test 400001 running run 5000002" in said
    assert "aborted by threshold run 5000001" in said
    assert "never started project 30001, test 400002 never run" in said
    assert "The last poll succeeded 0 s ago ; one follows every 15 s." in said


def test_it_says_that_it_has_not_polled_yet() -> None:
    with Lab(World()) as lab:
        assert "No poll has ended yet." in landing(lab)


def test_it_tells_the_last_errors_and_what_is_not_found() -> None:
    world = World()
    test = world.add_test("checkout")
    with Lab(world, tests=[{"id": test}, {"id": 99}]) as lab:
        lab.poll()
        lab.simulator.tokens.clear()
        lab.at(60).poll()
        said = landing(lab)

    assert "<li>test 99</li>" in said
    assert "k6 Cloud refuses the token (401 at GET /loadtests/v2/tests" in said
    assert "The last poll failed" in said
    assert TOKEN not in said


def test_everything_from_outside_is_escaped() -> None:
    world = World()
    world.add_test('<script>alert("x")</script>')
    with Lab(world, tests=[{"include": "<b>nothing</b>"}, {"include": "script"}]) as lab:
        lab.poll()
        lab.simulator.faults.add(faults.error(500, message="<img src=x onerror=alert(1)>"))
        lab.at(60).poll()
        page = landing(lab)

    assert not {"script", "img", "b"} & set(Text(page).tags)
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;" in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_it_needs_no_javascript_and_nothing_from_elsewhere() -> None:
    with Lab(World()) as lab:
        page = landing(lab)

    assert not {"script", "link", "img", "iframe"} & set(Text(page).tags)


def test_a_browser_may_use_its_style_and_nothing_else() -> None:
    world = World()
    world.add_run(world.add_test("checkout"), created=START - 600)
    with Lab(world) as lab:
        lab.poll()
        answer = lab.get("/")

    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert answer.headers["Content-Security-Policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert not re.search(r"<[^>]*\sstyle=", answer.text)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("status", "processing", "result", "said"),
    [
        (-2, 0, 0, "created"),
        (-1, 0, 0, "validated"),
        (0, 0, 0, "queued"),
        (1, 0, 0, "initializing"),
        (2, 0, 0, "running"),
        (3, 1, 0, "finished, processing results"),
        (3, 2, 0, "finished, passed"),
        (3, 2, 1, "finished, failed"),
        (3, 2, None, "finished, no verdict"),
        (3, 3, 0, "finished, results could not be processed"),
        (4, 2, 0, "timed out"),
        (5, 2, 0, "aborted by user"),
        (7, 2, 0, "aborted by script error"),
        (10, 0, 0, "archived"),
        (42, 0, 0, "unknown status 42"),
        (None, 0, 0, "status not told"),
    ],
)
def test_a_state_is_told_in_words(status: int | None, processing: int, result: int | None, said: str) -> None:
    assert words(Run(1, 7, status, processing, result)) == said


def test_a_length_is_told_in_its_two_largest_units() -> None:
    assert [length(seconds) for seconds in (0, 59.6, 61, 3600, 3725, 90000, 694861)] == [
        "0 s",
        "1 min",
        "1 min 1 s",
        "1 h",
        "1 h 2 min",
        "1 d 1 h",
        "8 d 1 h",
    ]
