"""The status page: its order, links, badges, refresh, escaping and Content-Security-Policy.

Its sentences are in status_page.txt, and one whole page in status_page.html.
"""

import asyncio
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from exporter.formatting import format_timestamp
from exporter.model import LoadTest, Run, RunStatus
from exporter.simulator import EndStatus, Phases, World, faults
from exporter.simulator.runs import RunError
from exporter.store import State, TestState
from exporter.web.page_view import PageView
from exporter.web.status_page import MAX_TESTS, Status, render
from tests.support.golden import assert_golden
from tests.support.lab import START, TOKEN, Lab
from tests.web.pictures import SHOP_TESTS, create_shop, poll_shop

FOLDER = Path(__file__).parent
LEGACY = {"url": "http://k6.test"}
V6 = LEGACY | {"stack": 1}


class ParsedPage(HTMLParser):
    """The tags and the text of a page, including text that only screen readers present."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.lines = [""]
        self.feed(page)

    def handle_starttag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag in ("p", "li", "h1", "h2", "div", "form", "small", "title"):
            self.lines.append("")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] != "style":
            self.lines[-1] += data

    def text(self) -> str:
        return "\n".join(" ".join(line.split()) for line in self.lines if line.strip())


def get_page(lab: Lab, path: str = "/") -> str:
    response = lab.get(path)
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


def poll_and_filter(query: str) -> Callable[[Lab], str]:
    def scene(lab: Lab) -> str:
        lab.poll()
        return get_page(lab, f"/?{query}")

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


def poll_before_and_after_start(lab: Lab) -> str:
    """The first poll knows of a scheduled start, and the second comes later than that."""
    lab.at(-1000).poll()
    lab.at(0).poll()
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


def create_schedule(**schedule: Any) -> World:
    """A world with one test that has this schedule, and a run that passed."""
    world = create_world({"created": START - 1200})
    world.schedule(400_001, **{"every": 3600.0, "first": START + 3000} | schedule)
    return world


def create_inactive_schedule() -> World:
    world = create_schedule()
    world.deactivate_schedule(60_001, START - 200)
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
    stopped = {"created": START - 300, "ending": EndStatus.ABORTED_BY_USER}
    broken = {"created": START - 900, "ending": EndStatus.ABORTED_BY_SCRIPT_ERROR}
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
        "failing for several runs": (create_world(broken, failed), poll_and_wait(0)),
        "failing and then stopped": (create_world(failed, stopped), poll_and_wait(0)),
        "next start": (create_schedule(), poll_and_wait(0)),
        "deactivated schedule": (create_inactive_schedule(), poll_and_wait(0)),
        "missed start": (create_schedule(first=START - 700, endings=[None]), poll_before_and_after_start),
        "filters": (create_two_running_tests(), poll_and_filter("state=active&q=SEARCH&project=30001")),
        "filters without a match": (create_two_running_tests(), poll_and_filter("state=<b>&q=x")),
    }
    texts = []
    for name, (world, scene) in scenes.items():
        with Lab(world, api=V6 if "start" in name or "schedule" in name else LEGACY) as lab:
            main = re.sub(r"(?s).*<main>|</main>.*", "", scene(lab))
        # Errors have sentences of their own, which do not belong to the page.
        text = re.sub(r"(?m)( ago:?) .*\b40[01] at .*", r"\1 (error)", ParsedPage(main).text())
        texts.append(f"# {name}\n{text}\n")

    assert_golden(FOLDER / "status_page.txt", "\n".join(texts))


def test_golden_page() -> None:
    with Lab(create_shop(), api=V6, tests=SHOP_TESTS) as lab:
        poll_shop(lab)
        page = get_page(lab.at(2))

    page = re.sub(r"(?s)<style>.*</style>", "<style>…</style>", page)
    assert_golden(FOLDER / "status_page.html", re.sub(r"data:image[^\"]*", "data:…", page))


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


def test_newest_failure_comes_first() -> None:
    world = World()
    for name, age in (("a", 900), ("b", 300), ("c", 600)):
        world.add_run(world.add_test(name), created=START - age, failed=True)
    with Lab(world) as lab:
        lab.poll()
        page = get_page(lab)

    assert re.findall(r'class="name" href=".*?">(.*?)</a>', page) == ["b", "c", "a"]


@pytest.mark.parametrize("api", [LEGACY, V6], ids=["legacy", "v6"])
def test_reason_and_streak_agree_with_both_apis(api: dict[str, Any]) -> None:
    passed = [{"created": START - 9000}]
    failed = [{"created": START - age, "failed": True} for age in (3000, 2000)]
    rejected = {"created": START - 1000, "ending": EndStatus.ABORTED_BY_SCRIPT_ERROR}
    with Lab(create_world(*passed, *failed, rejected), api=api) as lab:
        lab.poll()
        page = get_page(lab)
        streak = lab.exporter.poller.state.tests[400_001].streak

    assert streak
    assert streak.since
    since = f'<time title="{format_timestamp(streak.since)}">13:25 UTC</time>'
    assert f'<b class="failed">failing for 3 runs</b>, since {since}' in page
    assert re.findall(r'<p class="reason">(.*?)</p>', page) == [
        "script exception: TypeError: Cannot read property &#39;id&#39; of undefined (code 8035)"
    ]


def test_single_failure_is_not_repeated() -> None:
    with Lab(create_world({"created": START - 600, "failed": True})) as lab:
        lab.poll()
        assert "failing for" not in get_page(lab)


def test_message_of_a_run_is_escaped_and_bounded() -> None:
    world = create_world({"created": START - 600, "ending": EndStatus.ABORTED_BY_SCRIPT_ERROR})
    run = world.runs[5_000_001]
    error = RunError(8035, "<img src=x onerror=alert(1)>\n\x1b[31m" + "x" * 10_000)
    world.update_run(run.id, plan=replace(run.plan, error=error))
    with Lab(world, api=V6) as lab:
        lab.poll()
        page = get_page(lab)

    assert "img" not in ParsedPage(page).tags
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "\x1b" not in page
    assert "x" * 400 in page
    assert "x" * 500 not in page


def test_run_links_to_the_page_that_k6_cloud_names() -> None:
    url = "https://my.grafana.net/a/k6-app/runs/1?a=1&b=2"
    runs = tuple(
        Run(id_, 1, status, url=url) for id_, status in ((2, RunStatus.RUNNING), (1, RunStatus.TIMED_OUT))
    )
    test_state = TestState(LoadTest(1, "checkout"), runs=runs, active_runs=runs[:1])
    status = Status(
        version="1",
        state=State(tests={1: test_state}, updated_at=0.0),
        is_stale=False,
        now=START,
        last_poll=START,
        last_poll_outcome="success",
        polling_since=None,
        next_poll=None,
        interval=15.0,
        errors=(),
        app_url="https://app.k6.io",
        telemetry_path="/metrics",
        data_age=0.0,
    )

    links = re.findall(r'<a class="badge \w+" href="(.*?)"', render(status, PageView()))
    assert [unescape(link) for link in links] == [url, url]


@pytest.mark.parametrize(
    ("schedule", "runs", "is_missed"),
    [
        ({"first": START - 700, "endings": [None]}, [], True),
        ({"first": START - 700}, [], False),
        ({"first": START - 700, "endings": [None]}, [START - 400], False),  # started by hand
        ({"first": START - 700, "endings": [None]}, [START - 750], False),  # k6 Cloud may be a little early
        ({"first": START - 700, "endings": [None]}, [START - 770], True),
        ({"first": START - 500, "endings": [None]}, [], False),  # or late
        ({"first": START + 50, "endings": [None]}, [], False),
    ],
)
def test_missed_start_is_shown(schedule: dict[str, Any], runs: list[float], is_missed: bool) -> None:
    world = create_schedule(**schedule)
    for created in runs:
        world.add_run(400_001, created=created)
    with Lab(world, api=V6) as lab:
        page = poll_before_and_after_start(lab)

    assert ("missed start" in page) is is_missed


def test_no_start_is_missed_in_an_outage() -> None:
    with Lab(create_schedule(first=START - 700), api=V6) as lab:
        lab.at(-1000).poll()
        lab.simulator.tokens.clear()
        lab.at(0).poll()
        assert "missed start" not in get_page(lab)


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
            urljoin(f"http://proxy.test{prefix}", unescape(link))
            for page in pages
            for link in re.findall(r'(?:href|src|action)="(.*?)"', page)
        }
        ours = {url.removeprefix(f"http://proxy.test{prefix}") for url in urls if "//proxy.test" in url}

        # A proxy that strips the prefix. The clock goes on, since few filters are rendered in a second.
        assert {lab.at(number).get(f"/{path}").status_code for number, path in enumerate(ours)} == {200}
        assert ours >= {"", "?refresh=off", telemetry_path[1:], "-/healthy", "-/ready"}
        assert ours >= {"?state=failing", "?state=active&refresh=off", "?project=30001"}


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

    assert not {"script", "img", "iframe"} & set(ParsedPage(page).tags)
    assert re.findall(r'<link rel="(\w+)" href="(.*?):', page) == [("icon", "data")]


def test_policy_allows_the_style_of_the_page_only() -> None:
    with Lab(create_world({"created": START - 600})) as lab:
        lab.poll()
        response = lab.get("/")

    (style,) = re.findall(r"<style>(.*?)</style>", response.text, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert response.headers["Content-Security-Policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; "
        "img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    assert not re.search(r"<[^>]*\sstyle=", response.text)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
