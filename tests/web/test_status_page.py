"""The page for people."""

import asyncio
import re
import time
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from exporter.formatting import describe_run, format_duration
from exporter.model import Run
from exporter.simulator import EndStatus, Phases, World, faults
from tests.support.lab import START, TOKEN, Lab


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


def said(lab: Lab) -> str:
    """The words on the page, those among them that only screen readers tell."""
    return " ".join(" ".join(Text(landing(lab)).words).split())


def test_it_tells_each_test_with_how_its_runs_went_and_go_in_words() -> None:
    world = World()
    checkout = world.add_test("checkout")
    world.add_run(checkout, created=START - 600, ending=EndStatus.ABORTED_BY_THRESHOLD)
    world.add_run(checkout, created=START - 60)
    world.add_test("never started")
    with Lab(world) as lab:
        lab.poll()
        page = said(lab)

    assert "The last poll succeeded 0 s ago . One follows every 15 s." in page
    assert "1 failing 0 passing 1 without verdict 1 run moving" in page
    assert (
        "checkout project 30001, test 400001 failed running "
        "running 43 s of 2 min, 50 VUs before: aborted by threshold 7 min 43 s ago"
    ) in page
    assert "never started project 30001, test 400002 never run" in page


def test_each_run_has_a_mark_that_leads_to_it_and_says_in_words_what_it_is() -> None:
    world = World()
    test = world.add_test("checkout")
    world.add_run(test, created=START - 9000, ending=EndStatus.TIMED_OUT)
    world.add_run(test, created=START - 6000)
    world.add_run(test, created=START - 20)
    with Lab(world, app_url="https://mine.grafana.net/a/k6-app") as lab:
        lab.poll()
        page = landing(lab)

    marks = re.findall(r'<a class="mark (\w+)" href="(.*?)" title="(.*?)"><i>(.*?)</i></a>', page)
    runs = "https://mine.grafana.net/a/k6-app/runs/"
    assert marks == [
        ("timed_out", runs + "5000001", "run 5000001: timed out, ended 2 h 27 min ago", "timed out"),
        ("passed", runs + "5000002", "run 5000002: passed, ended 1 h 37 min ago", "passed"),
        ("moving", runs + "5000003", "run 5000003: running", "running"),
    ]


def test_who_needs_somebody_comes_first_then_what_moves_and_last_what_never_ran() -> None:
    world = World()
    tests: tuple[tuple[str, list[dict[str, Any]]], ...] = (
        ("a never", []),
        ("b passed", [{"created": START - 600}]),
        ("c moves", [{"created": START - 600}, {"created": START - 60}]),
        ("d failed", [{"created": START - 600, "failed": True}]),
        ("e stopped", [{"created": START - 600, "ending": EndStatus.ABORTED_BY_USER}]),
        ("f failed, moves", [{"created": START - 600, "failed": True}, {"created": START - 60}]),
    )
    for name, runs in tests:
        test = world.add_test(name)
        for run in runs:
            world.add_run(test, **run)
    with Lab(world) as lab:
        lab.poll()
        page = landing(lab)

    names = re.findall(r'class="name" href=".*?">(.*?)</a>', page)
    assert names == ["d failed", "f failed, moves", "c moves", "b passed", "e stopped", "a never"]
    assert "<title>2 failing, k6 Cloud exporter</title>" in page


def test_a_run_that_takes_longer_than_planned_says_so_once_it_can_no_longer_be_winding_down() -> None:
    world = World()
    world.add_run(world.add_test("checkout"), created=START - 17, phases=Phases(running=600), duration=60)
    with Lab(world) as lab:
        lab.at(110).poll()
        assert "running 1 min 50 s of 1 min, 50" in said(lab)
        assert "longer" not in said(lab)
        assert '<progress aria-label="run 5000001" max="60" value="60">' in landing(lab)
        lab.at(125)
        assert "running 2 min 5 s of 1 min, 1 min 5 s longer than planned , 50" in said(lab)
        assert '<progress class="late"' in landing(lab)


def test_a_run_that_waits_tells_since_when_and_how_much_it_will_be() -> None:
    world = World()
    world.add_run(world.add_test("checkout"), created=START - 4, phases=Phases(running=600), vus=20_000)
    with Lab(world) as lab:
        lab.poll()
        assert "queued , created 4 s ago , 10 min planned, 20,000 VUs" in said(lab)


def test_a_run_that_was_just_created_says_so_once() -> None:
    world = World()
    world.add_run(world.add_test("checkout"), created=START, phases=Phases(created=5, running=600))
    with Lab(world) as lab:
        lab.at(2).poll()
        assert "created 2 s ago , 10 min planned, 50 VUs" in said(lab)
        assert "created , created" not in said(lab)


def test_it_says_when_the_next_poll_is_due_and_refreshes_itself_then() -> None:
    with Lab(World()) as lab:
        lab.exporter.next_poll = lambda: START + 40
        lab.poll()
        lab.at(10)
        assert "The last poll succeeded 10 s ago . The next is due in 30 s." in said(lab)
        assert '<meta http-equiv="refresh" content="31">' in landing(lab)
        lab.at(100)
        assert "The next is due in 0 s." in said(lab)
        assert '<meta http-equiv="refresh" content="2">' in landing(lab)


def test_whoever_schedules_the_polls_tells_when_the_next_is_due() -> None:
    with Lab(World()) as lab:

        async def polled_once() -> float:
            scheduler = lab.exporter.start_polling()
            try:
                async with asyncio.timeout(10):
                    while (  # noqa: ASYNC110 (nothing tells of a poll that is done)
                        due := lab.exporter.next_poll()
                    ) is None or lab.exporter.poller.last_poll is None:
                        await asyncio.sleep(0.01)
            finally:
                scheduler.shutdown()
            return due - time.time()

        assert 55 < lab.run(polled_once()) < 64  # none moves: a minute, and a twentieth more or less


def test_it_says_that_a_poll_is_under_way() -> None:
    world = World()
    world.add_test("checkout")
    with Lab(world) as lab:
        transport = httpx.ASGITransport(lab.exporter.web)

        async def look_meanwhile() -> str:
            async with httpx.AsyncClient(transport=transport, base_url="http://exporter.test") as client:
                _, answer = await asyncio.gather(lab.exporter.poller.poll(), client.get("/"))
            return answer.text

        page = lab.run(look_meanwhile())
        after = said(lab)

    assert "No poll has ended yet. One has been under way for 0 s." in page
    assert '<meta http-equiv="refresh" content="2">' in page
    assert "under way" not in after


def test_who_wants_to_read_in_peace_can_stop_it_from_refreshing() -> None:
    with Lab(World()) as lab:
        still = lab.get("/?refresh=off").text

    assert 'http-equiv="refresh"' not in still
    assert '<a href="?">Refresh it after each poll</a>' in still


def test_it_is_compressed_for_who_takes_that_and_kept_by_nobody() -> None:
    with Lab(World()) as lab:
        small = lab.get("/", **{"Accept-Encoding": "gzip"})
        plain = lab.get("/", **{"Accept-Encoding": "identity"})

    assert small.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert small.text == plain.text
    assert small.headers["Cache-Control"] == "no-store"
    assert small.headers["Vary"] == "Accept-Encoding"


def test_a_thousand_tests_are_told_and_how_many_are_not() -> None:
    world = World()
    for number in range(1002):
        world.add_test(f"test {number}")
    with Lab(world, api={"url": "http://k6.test", "requests_per_minute": 10_000}) as lab:
        lab.poll()
        page = landing(lab)

    assert page.count('<li class="test">') == 1000
    assert "2 more are only among the metrics." in page


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
        page = landing(lab)
        words = said(lab)
        lab.simulator.tokens.add(TOKEN)
        lab.at(180).poll()
        healed = said(lab)

    assert "<li>test 99</li>" in page
    assert '<section class="poll failure">' in page
    assert "The last poll failed 0 s ago" in words
    assert "Last error 0 s ago : k6 Cloud refuses the token (401 at GET /loadtests/v2/tests" in words
    assert TOKEN not in page
    assert "The last poll succeeded 0 s ago" in healed
    assert "Last error 2 min ago : k6 Cloud refuses the token (401" in healed


def test_an_error_that_comes_again_is_told_once_with_the_moment_of_the_last() -> None:
    world = World()
    world.add_test("checkout")
    with Lab(world) as lab:
        lab.simulator.faults.add(faults.error(500, message="ouch"))
        for moment in (0, 60):
            lab.at(moment).poll()
        lab.simulator.faults.clear()
        lab.simulator.tokens.clear()
        for moment in (120, 180):
            lab.at(moment).poll()
        page = landing(lab)

    top, below = page.split("<h2>Earlier errors</h2>")
    assert top.count("refuses the token") == 1
    assert ">0 s ago</time>: k6 Cloud refuses the token" in top
    assert below.count("<li><time") == 1
    assert re.search(r">1 min \d\d s ago</time> k6 Cloud is in trouble \(500 at .*: ouch\)</li>", below)


def test_what_nobody_has_heard_of_for_long_is_told_as_old_and_nothing_is_guessed() -> None:
    world = World()
    world.add_run(world.add_test("checkout"), created=START - 60, phases=Phases(running=900))
    with Lab(world) as lab:
        lab.poll()
        lab.simulator.tokens.clear()
        lab.at(400).poll()
        page, words = landing(lab), said(lab)

    assert "what stands here is old" in words
    assert "running when last heard of" in words
    assert not {"progress"} & set(Text(page).tags)
    assert "failing" not in words
    assert "<title>stale, k6 Cloud exporter</title>" in page


def test_everything_from_outside_is_escaped() -> None:
    world = World()
    world.add_test('<script>alert("x")</script>')
    with Lab(world, tests=[{"include": "<mark>nothing</mark>"}, {"include": "script"}]) as lab:
        lab.poll()
        lab.simulator.faults.add(faults.error(500, message="<img src=x onerror=alert(1)>"))
        lab.at(60).poll()
        page = landing(lab)

    assert not {"script", "img", "mark"} & set(Text(page).tags)
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
        (3, 2, None, "finished, no result"),
        (3, 3, 0, "finished, processing failed"),
        (4, 2, 0, "timed out"),
        (5, 2, 0, "aborted by user"),
        (7, 2, 0, "aborted by script error"),
        (10, 0, 0, "archived"),
        (42, 0, 0, "unknown status 42"),
        (None, 0, 0, "status not reported"),
    ],
)
def test_a_state_is_told_in_words(status: int | None, processing: int, result: int | None, said: str) -> None:
    assert describe_run(Run(1, 7, status, processing, result)) == said


def test_a_length_is_told_in_its_largest_unit_and_the_next() -> None:
    assert [format_duration(seconds) for seconds in (0, 59.6, 61, 3600, 3725, 86460, 90000, 694861)] == [
        "0 s",
        "1 min",
        "1 min 1 s",
        "1 h",
        "1 h 2 min",
        "1 d",
        "1 d 1 h",
        "8 d 1 h",
    ]
