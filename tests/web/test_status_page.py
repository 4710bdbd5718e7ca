"""The status page: its order, links, badges, refresh, escaping and Content-Security-Policy.

Its sentences are in status_page.txt, and one whole page in status_page.html.
"""

import asyncio
import re
import time
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from exporter.simulator import EndStatus, Phases, World, faults
from exporter.web.status_page import MAX_TESTS
from tests.support.golden import assert_golden
from tests.support.lab import START, TOKEN, Lab
from tests.web.pictures import create_shop

FOLDER = Path(__file__).parent


class ParsedPage(HTMLParser):
    """The tags and the text of a page, including text that only screen readers present."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.lines = [""]
        self.feed(page)

    def handle_starttag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag in ("p", "li", "h1", "h2", "div", "small", "title"):
            self.lines.append("")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] != "style":
            self.lines[-1] += data

    def text(self) -> str:
        return "\n".join(" ".join(line.split()) for line in self.lines if line.strip())


def get_page(lab: Lab) -> str:
    response = lab.get("/")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    return response.text


def find_progress_bars(lab: Lab) -> list[str]:
    return re.findall(r"<progress.*?>", get_page(lab))


def get_page_during_poll(lab: Lab) -> str:
    transport = httpx.ASGITransport(lab.exporter.web)

    async def poll_and_get() -> str:
        async with httpx.AsyncClient(transport=transport, base_url="http://exporter.test") as client:
            _, response = await asyncio.gather(lab.exporter.poller.poll(), client.get("/"))
        return response.text

    return lab.run(poll_and_get())


def poll_with_errors(lab: Lab) -> str:
    """Two errors, each twice, the last of them in the last poll."""
    lab.simulator.faults.add(faults.error(400, message="ouch"))  # not retried
    for seconds in (0, 60):
        lab.at(seconds).poll()
    lab.simulator.faults.clear()
    lab.simulator.tokens.clear()
    for seconds in (120, 180):
        lab.at(seconds).poll()
    return get_page(lab)


def poll_after_errors(lab: Lab) -> str:
    poll_with_errors(lab)
    lab.simulator.tokens.add(TOKEN)
    lab.at(300).poll()
    return get_page(lab)


def poll_and_wait(seconds: float) -> Callable[[Lab], str]:
    def scene(lab: Lab) -> str:
        lab.poll()
        return get_page(lab.at(seconds))

    return scene


def poll_until_stale(lab: Lab) -> str:
    lab.poll()
    lab.simulator.tokens.clear()
    lab.at(400).poll()
    return get_page(lab)


def poll_until_next_day(lab: Lab) -> str:
    lab.poll()
    lab.simulator.tokens.clear()
    lab.at(86_400).poll()
    return get_page(lab)


def poll_until_outage(lab: Lab) -> str:
    """The second poll has failed, but the data of the first one is not stale yet."""
    lab.poll()
    lab.simulator.tokens.clear()
    lab.at(240).poll()
    return get_page(lab.at(250))


def poll_with_partial_outage(lab: Lab) -> str:
    """Since the first poll, the runs of the first test cannot be fetched."""
    lab.poll()
    lab.simulator.faults.add(faults.error(400).on("/loadtests/v2/runs?*test_id=400001*"))
    for seconds in (60, 120):
        lab.at(seconds).poll()
    return get_page(lab)


def poll_with_next_due(lab: Lab) -> str:
    lab.exporter.next_poll = lambda: START + 40
    lab.poll()
    return get_page(lab.at(10))


def create_world(*runs: dict[str, Any]) -> World:
    """A world with one test that has these runs."""
    world = World()
    test = world.add_test("checkout")
    for run in runs:
        world.add_run(test, **run)
    return world


def create_two_running_tests() -> World:
    world = create_world({"created": START - 17, "phases": Phases(running=600), "duration": 400})
    second = world.add_test("search")
    world.add_run(second, created=START - 17, phases=Phases(running=600), duration=400)
    return world


def test_golden_sentences() -> None:
    running = {"created": START - 17, "phases": Phases(running=600), "duration": 60}
    queued = {"created": START - 4, "phases": Phases(running=600), "vus": 20_000}
    created = {"created": START, "phases": Phases(created=5, running=600)}
    processing = {"created": START - 60, "phases": Phases(running=30, processing=300)}
    failed = {"created": START - 600, "ending": EndStatus.ABORTED_BY_THRESHOLD}
    scenes: dict[str, tuple[World, Callable[[Lab], str]]] = {
        "no poll yet": (World(), get_page),
        "first poll is running": (create_world(), get_page_during_poll),
        "no tests": (World(), poll_and_wait(0)),
        "test without runs": (create_world(), poll_and_wait(5)),
        "failed test with an active run": (create_world(failed, {"created": START - 60}), poll_and_wait(0)),
        "queued run": (create_world(queued), poll_and_wait(0)),
        "created run": (create_world(created), poll_and_wait(2)),
        "run that processes results": (create_world(processing), poll_and_wait(0)),
        "run that exceeds its planned duration": (create_world(running), poll_and_wait(125)),
        "next poll is scheduled": (create_world(), poll_with_next_due),
        "errors": (create_world(), poll_with_errors),
        "errors before the last poll": (create_world(), poll_after_errors),
        "outage": (create_world(running), poll_until_outage),
        "outage since yesterday": (create_world(), poll_until_next_day),
        "partial outage": (create_two_running_tests(), poll_with_partial_outage),
        "stale data": (create_world(queued), poll_until_stale),
    }
    texts = []
    for name, (world, scene) in scenes.items():
        with Lab(world) as lab:
            main = re.sub(r"(?s).*<main>|</main>.*", "", scene(lab))
        # Errors have sentences of their own, which do not belong to the page.
        text = re.sub(r"(?m)( ago:?) .*\b40[01] at .*", r"\1 (error)", ParsedPage(main).text())
        texts.append(f"# {name}\n{text}\n")

    assert_golden(FOLDER / "status_page.txt", "\n".join(texts))


def test_golden_page() -> None:
    selectors = [{"id": 400_001 + number} for number in range(8)]
    with Lab(create_shop(), tests=[*selectors, {"include": "^nightly-"}]) as lab:
        lab.poll()
        page = get_page(lab.at(2))

    assert_golden(FOLDER / "status_page.html", re.sub(r"(?s)<style>.*</style>", "<style>…</style>", page))


def test_badge_links_to_its_run() -> None:
    world = create_world(
        {"created": START - 9000, "ending": EndStatus.TIMED_OUT},
        {"created": START - 6000},
        {"created": START - 20},
    )
    with Lab(world, app_url="https://mine.grafana.net/a/k6-app") as lab:
        lab.poll()
        page = get_page(lab)

    badges = re.findall(r'<a class="badge (\w+)" href="(.*?)" title="run (\d+): ', page)
    runs = "https://mine.grafana.net/a/k6-app/runs/"
    assert badges == [
        ("timed_out", runs + "5000001", "5000001"),
        ("passed", runs + "5000002", "5000002"),
        ("active", runs + "5000003", "5000003"),
    ]


def test_failing_tests_come_first_then_active_ones() -> None:
    world = World()
    tests: tuple[tuple[str, list[dict[str, Any]]], ...] = (
        ("a never", []),
        ("b passed", [{"created": START - 600}]),
        ("c active", [{"created": START - 600}, {"created": START - 60}]),
        ("d failed", [{"created": START - 600, "failed": True}]),
        ("e stopped", [{"created": START - 600, "ending": EndStatus.ABORTED_BY_USER}]),
        ("f failed, active", [{"created": START - 600, "failed": True}, {"created": START - 60}]),
    )
    for name, runs in tests:
        test = world.add_test(name)
        for run in runs:
            world.add_run(test, **run)
    with Lab(world) as lab:
        lab.poll()
        page = get_page(lab)

    names = re.findall(r'class="name" href=".*?">(.*?)</a>', page)
    assert names == ["d failed", "f failed, active", "c active", "b passed", "e stopped", "a never"]
    assert "<title>2 failing, k6 Cloud exporter</title>" in page


def test_overrun_is_marked_after_a_tolerance() -> None:
    world = create_world({"created": START - 17, "phases": Phases(running=600), "duration": 60})
    with Lab(world) as lab:
        lab.at(110).poll()
        assert find_progress_bars(lab) == ['<progress aria-label="run 5000001" max="60" value="60">']
        lab.at(125)
        assert find_progress_bars(lab) == [
            '<progress class="late" aria-label="run 5000001" max="60" value="60">'
        ]


def test_queued_run_has_no_progress_bar() -> None:
    with Lab(create_world({"created": START - 4, "phases": Phases(running=600)})) as lab:
        lab.poll()
        assert find_progress_bars(lab) == []


def test_refresh_is_due_after_the_next_poll() -> None:
    with Lab(World()) as lab:
        lab.exporter.next_poll = lambda: START + 40
        lab.poll()
        assert '<meta http-equiv="refresh" content="31">' in get_page(lab.at(10))
        assert '<meta http-equiv="refresh" content="2">' in get_page(lab.at(100))


def test_refresh_is_soon_while_a_poll_is_running() -> None:
    with Lab(create_world()) as lab:
        assert '<meta http-equiv="refresh" content="2">' in get_page_during_poll(lab)
        assert '<meta http-equiv="refresh" content="60">' in get_page(lab)


def test_scheduler_reports_when_the_next_poll_is_due() -> None:
    with Lab(World()) as lab:

        async def poll_once() -> float:
            lab.exporter.scheduler.start()
            try:
                async with asyncio.timeout(10):
                    while (  # noqa: ASYNC110 (there is no event for a finished poll)
                        due := lab.exporter.next_poll()
                    ) is None or lab.exporter.poller.last_poll is None:
                        await asyncio.sleep(0.01)
            finally:
                lab.exporter.scheduler.shutdown()
            return due - time.time()

        assert 55 < lab.run(poll_once()) < 64  # the idle interval, a minute, plus or minus 5 %


def test_refresh_can_be_turned_off() -> None:
    with Lab(World()) as lab:
        page = lab.get("/?refresh=off").text

    assert 'http-equiv="refresh"' not in page
    assert '<a href="?">' in page


def test_page_is_compressed_on_request_and_not_cached() -> None:
    with Lab(World()) as lab:
        compressed = lab.get("/", **{"Accept-Encoding": "gzip"})
        plain = lab.get("/", **{"Accept-Encoding": "identity"})

    assert compressed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert compressed.text == plain.text
    assert compressed.headers["Cache-Control"] == "no-store"
    assert compressed.headers["Vary"] == "Accept-Encoding"


def test_at_most_a_thousand_tests_are_listed() -> None:
    world = World()
    for number in range(1002):
        world.add_test(f"test {number}")
    with Lab(world, api={"url": "http://k6.test", "requests_per_minute": 10_000}) as lab:
        lab.poll()
        page = get_page(lab)

    assert page.count('<li class="test">') == 1000
    assert '2 more tests are not listed here; see <a href="metrics">/metrics</a>.' in page


def test_failed_poll_and_missing_tests_are_shown() -> None:
    world = World()
    test = world.add_test("checkout")
    with Lab(world, tests=[{"id": test}, {"id": 99}]) as lab:
        lab.poll()
        lab.simulator.tokens.clear()
        lab.at(60).poll()
        page = get_page(lab)
        lab.simulator.tokens.add(TOKEN)
        lab.at(180).poll()
        recovered = get_page(lab)

    assert "<li>test 99</li>" in page
    assert '<section class="poll failure">' in page
    assert '<b class="failed">Last error</b>' in page
    assert TOKEN not in page
    assert '<section class="poll success">' in recovered
    assert '<b class="failed">Last error</b>' not in recovered


def test_repeated_error_is_listed_once_with_its_last_time() -> None:
    with Lab(create_world()) as lab:
        page = poll_with_errors(lab)

    last, earlier = page.split("<h2>Earlier errors</h2>")
    assert last.count("401 at") == 1
    assert ">0 s ago</time>" in last
    assert earlier.count("<li><time") == 1
    assert re.search(r"<li><time [^>]*>2 min ago</time> .*400 at .*ouch.*</li>", earlier)


def test_stale_page_guesses_nothing() -> None:
    with Lab(create_world({"created": START - 60, "phases": Phases(running=900)})) as lab:
        page = poll_until_stale(lab)

    assert not {"progress"} & set(ParsedPage(page).tags)
    assert 'class="totals"' not in page
    assert "<title>stale, k6 Cloud exporter</title>" in page


def test_progress_stops_in_an_outage() -> None:
    with Lab(create_two_running_tests()) as lab:
        poll_until_outage(lab)
        bars = find_progress_bars(lab.at(250))
        assert bars == find_progress_bars(lab.at(290)) != []
        lab.simulator.tokens.add(TOKEN)
        lab.poll()
        assert find_progress_bars(lab) != bars


def test_progress_stops_in_a_partial_outage() -> None:
    with Lab(create_two_running_tests()) as lab:
        poll_with_partial_outage(lab)
        before, after = find_progress_bars(lab.at(130)), find_progress_bars(lab.at(170))

    assert before[0] == after[0]
    assert before[1] != after[1]


def test_outage_banner_appears_only_without_new_data() -> None:
    banner = '<p class="outage"'
    with Lab(create_world({"created": START - 60})) as lab:
        assert banner not in get_page(lab)
        lab.poll()
        assert banner not in get_page(lab.at(299))
        assert banner in get_page(lab.at(301))  # polls have stopped
        lab.poll()
        assert banner not in get_page(lab)
        lab.simulator.tokens.clear()
        lab.poll()
        assert banner in get_page(lab)


def test_no_data_is_lost_before_the_first_success() -> None:
    with Lab(create_world()) as lab:
        lab.simulator.tokens.clear()
        lab.poll()
        page = get_page(lab)

    assert '<p class="outage"' in page
    assert "dropped" not in page
    assert "stale" not in re.sub(r"(?s)<style>.*</style>", "", page)


@pytest.mark.parametrize("prefix", ["/", "/k6/", "/tools/k6/"])
@pytest.mark.parametrize("telemetry_path", ["/metrics", "/a/b/metrics"])
def test_all_links_work_behind_a_prefix(prefix: str, telemetry_path: str) -> None:
    world = World()
    for number in range(MAX_TESTS + 1):
        world.add_test(f"test {number}")
    api = {"url": "http://k6.test", "requests_per_minute": 10_000}
    with Lab(world, api=api, web={"telemetry_path": telemetry_path}) as lab:
        lab.poll()
        pages = [lab.get(path).text for path in ("/", "/?refresh=off")]
        urls = {
            urljoin(f"http://proxy.test{prefix}", link)
            for page in pages
            for link in re.findall(r'(?:href|src|action)="(.*?)"', page)
        }
        ours = {url.removeprefix(f"http://proxy.test{prefix}") for url in urls if "//proxy.test" in url}

        # A proxy that strips the prefix.
        assert {lab.get(f"/{path}").status_code for path in ours} == {200}
        assert ours == {"", "?refresh=off", telemetry_path[1:], "-/healthy", "-/ready"}


def test_every_value_from_outside_is_escaped() -> None:
    world = World()
    world.add_test('<script>alert("x")</script>')
    with Lab(world, tests=[{"include": "<mark>nothing</mark>"}, {"include": "script"}]) as lab:
        lab.poll()
        lab.simulator.faults.add(faults.error(500, message="<img src=x onerror=alert(1)>"))
        lab.at(60).poll()
        page = get_page(lab)

    assert not {"script", "img", "mark"} & set(ParsedPage(page).tags)
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;" in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "&lt;mark&gt;nothing&lt;/mark&gt;" in page


def test_page_has_no_javascript_and_loads_nothing() -> None:
    with Lab(World()) as lab:
        page = get_page(lab)

    assert not {"script", "link", "img", "iframe"} & set(ParsedPage(page).tags)


def test_policy_allows_the_style_of_the_page_only() -> None:
    with Lab(create_world({"created": START - 600})) as lab:
        lab.poll()
        response = lab.get("/")

    (style,) = re.findall(r"<style>(.*?)</style>", response.text, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert response.headers["Content-Security-Policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert not re.search(r"<[^>]*\sstyle=", response.text)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
