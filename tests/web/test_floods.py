"""Floods of requests from clients that hang up: how much work they cause. No time is measured."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from exporter.config import Config
from exporter.credentials import Secret
from exporter.simulator import World
from exporter.store import State
from exporter.web import page_cache
from exporter.web.page_cache import MAX_FILTERED, RenderedPage, StatusPages
from exporter.web.page_view import PageView
from exporter.web.status_page import Status
from tests.support.lab import START, Lab
from tests.support.tcp_client import RunningServer, build_request, run_server, wait_until

CLIENTS = 200
STATE = State(updated_at=0.0)
RELOAD = b"POST /-/reload HTTP/1.1\r\nHost: x\r\n\r\n"


class CountedWork:
    """Counts calls, each of which waits in its thread until it may end."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = threading.Event()

    def do(self) -> None:
        self.begun += 1
        assert self.may_end.wait(30)


@contextmanager
def count_rendering(monkeypatch: pytest.MonkeyPatch) -> Iterator[CountedWork]:
    """Counts how often the status page is rendered."""
    render, rendering = page_cache.render_status_page, CountedWork()

    def render_and_count(status: Status, view: PageView) -> RenderedPage:
        rendering.do()
        return render(status, view)

    monkeypatch.setattr(page_cache, "render_status_page", render_and_count)
    yield rendering


async def flood(server: RunningServer, request: bytes, work: CountedWork) -> None:
    """Sends the request from many clients, the first of which waits for its work to begin; all hang up."""
    for number in range(CLIENTS):
        client = await server.connect()
        client.send(request)
        if number == 0:
            await wait_until(lambda: work.begun == 1)
        if number % 2:
            client.writer.close()
        else:
            client.writer.transport.abort()
    await wait_until(lambda: not server.server.server_state.connections)


def run_flood(lab: Lab, request: bytes, work: CountedWork, path: str, is_done: Callable[[], bool]) -> None:
    """A flood during the work, then a scrape while the flood waits, and then the end of the work."""

    async def scenario() -> None:
        async with run_server(lab.exporter.web) as server:
            await flood(server, request, work)
            assert work.begun == 1
            scraper = await server.connect()
            scraper.send(build_request("/metrics"))
            assert (await scraper.read_response())[0] == b"http/1.1 200 ok"
            work.may_end.set()
            await wait_until(is_done)
            scraper.send(build_request(path))
            assert (await scraper.read_response())[0] == b"http/1.1 200 ok"
            # Nothing is left to do: the loop has only the tasks of the server and of this test.
            await wait_until(lambda: not server.server.server_state.tasks)

    lab.run(scenario())


def test_flood_of_reloads_causes_two_reloads() -> None:
    with Lab(World()) as lab:
        work, woken = CountedWork(), list[float]()
        lab.exporter.wake = woken.append

        def read() -> tuple[Config, Secret]:
            work.do()
            return lab.config, lab.token

        lab.read = read
        run_flood(lab, RELOAD, work, "/-/healthy", lambda: len(woken) == 2)

        assert work.begun == 2
        assert len(woken) == 2


def test_flood_of_page_views_renders_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with Lab(World()) as lab, count_rendering(monkeypatch) as rendering:
        run_flood(lab, build_request("/"), rendering, "/", lambda: True)

        # The clock stands still, and no poll changes anything.
        assert rendering.begun == 1


def test_page_is_rendered_once_for_each_second_and_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.add_test("checkout")
    with Lab(world) as lab, count_rendering(monkeypatch) as rendering:
        rendering.may_end.set()
        steps: list[tuple[int, Callable[[], object]]] = [
            (1, lambda: None),
            (1, lambda: lab.at(0.9)),
            (2, lambda: lab.at(1.1)),
            (3, lab.poll),
            (4, lambda: lab.at(2)),
        ]
        for expected, step in steps:
            step()
            pages = {lab.get("/").content for _ in range(3)}
            assert (rendering.begun, len(pages)) == (expected, 1)


def test_flood_of_different_filters_renders_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    with Lab(World()) as lab, count_rendering(monkeypatch) as rendering:

        async def scenario() -> None:
            async with run_server(lab.exporter.web) as server:
                rejected = 0
                for number in range(CLIENTS):
                    client = await server.connect()
                    client.send(build_request(f"/?q={number}"))
                    if number >= MAX_FILTERED:
                        status, _ = await client.read_response()
                        rejected += status == b"http/1.1 503 service unavailable"
                        client.writer.transport.abort()
                assert rejected == CLIENTS - MAX_FILTERED
                # One page at a time, and neither scrapes nor the whole page are rejected.
                assert rendering.begun == 1
                scraper, viewer = await server.connect(), await server.connect()
                viewer.send(build_request("/"))
                scraper.send(build_request("/metrics"))
                assert (await scraper.read_response())[0] == b"http/1.1 200 ok"
                rendering.may_end.set()
                assert (await viewer.read_response())[0] == b"http/1.1 200 ok"

        lab.run(scenario())
        assert rendering.begun == MAX_FILTERED + 1


def test_few_filters_are_rendered_and_kept_each_second(monkeypatch: pytest.MonkeyPatch) -> None:
    with Lab(World()) as lab, count_rendering(monkeypatch) as rendering:
        rendering.may_end.set()
        for second in range(3):
            lab.at(second)
            responses = [lab.get(f"/?q={second}x{number}") for number in range(2 * MAX_FILTERED)]
            codes = [response.status_code for response in responses]
            assert codes == [200] * MAX_FILTERED + [503] * MAX_FILTERED
            # The same views again are not rendered again.
            assert lab.get(f"/?q={second}x0").status_code == 200
            assert rendering.begun == MAX_FILTERED * (second + 1)

        # An open page tries again by itself.
        assert responses[-1].headers["Refresh"] == "2"
        assert responses[-1].headers["Retry-After"] == "1"


def test_reloads_are_a_second_apart() -> None:
    with Lab(World()) as lab:
        reads = list[float]()

        def read() -> tuple[Config, Secret]:
            reads.append(lab.now.value)
            return lab.config, lab.token

        lab.read = read

        async def reload_at_once() -> None:
            assert lab.exporter.reload
            for _ in range(3):
                await asyncio.gather(*(lab.exporter.reload() for _ in range(10)))

        lab.run(reload_at_once())
        assert [later - reads[0] for later in reads] == [0, 1, 2]


def test_jitter_of_computed_times_renders_no_page() -> None:
    """Times are computed from two clocks, so they differ by microseconds each time."""
    calls = count()

    def read_status() -> Status:
        jitter = next(calls) / 1e6
        return Status(
            version="1",
            state=STATE,
            is_stale=False,
            now=START + jitter,
            last_poll=START - 5 + jitter,
            last_poll_outcome="success",
            polling_since=None,
            next_poll=START + 10 + jitter,
            interval=15.0,
            errors=[(START - 60 + jitter, "k6 Cloud server error")],
            app_url="https://app.k6.io",
            telemetry_path="/metrics",
            data_age=5 + jitter,
        )

    async def scene() -> None:
        pages = StatusPages(read_status)
        rendered = [await pages.latest(PageView()) for _ in range(3)]
        assert rendered[0] is rendered[1] is rendered[2]

    asyncio.run(scene())
