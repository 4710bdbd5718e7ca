"""Scrapes are cheap: the response is rendered once per change and freed after its last reader."""

import asyncio
import gc
import math
import weakref
from collections.abc import Iterator

import pytest
from prometheus_client import Metric
from prometheus_client.registry import Collector

from exporter.simulator import World
from exporter.web.app import MAX_CHUNK, MAX_CHUNK_TLS, ChunkedResponse, join_small
from tests.support.lab import START, Lab, Message


def create_world() -> World:
    world = World()
    for name in ("one", "two"):
        world.add_run(world.add_test(name), created=START - 600)
    return world


def test_unchanged_data_is_not_rendered_again() -> None:
    with Lab(create_world()) as lab:
        lab.poll()
        page = lab.exporter.snapshot()
        lab.at(60).poll()

        assert lab.exporter.snapshot() is page


def test_only_changed_families_are_joined_again() -> None:
    world = create_world()
    with Lab(world) as lab:
        lab.poll()
        before = lab.exporter.snapshot().text.body
        world.start(next(iter(world.tests)), START + 30)
        lab.at(60).poll()
        after = lab.exporter.snapshot().text.body

        changed = [new.split(b"{")[0] for old, new in zip(before, after, strict=True) if old is not new]
        assert b"k6_cloud_run_status" in changed
        assert b"k6_cloud_test_info" not in changed


def test_test_that_is_no_longer_stale_is_rendered() -> None:
    with Lab(create_world(), poll={"stale_after": "2m"}) as lab:
        lab.poll()
        page = lab.page()
        state = lab.exporter.poller.state
        first = min(state.tests)
        without = lab.exporter._exposition.update(
            type(state)(retention=state.retention, tests=state.tests, stale_tests=frozenset({first}))
        )

        assert str(first).encode() not in b"".join(without.text())
        assert b"".join(without.update(state).text()).decode().count(f'test_id="{first}"') == page.count(
            f'test_id="{first}"'
        )


def test_old_response_is_freed_after_its_last_reader() -> None:
    world = create_world()
    with Lab(world) as lab:
        lab.poll()
        for is_openmetrics in (False, True):
            lab.exporter.latest_page(is_openmetrics)
        reader = lab.exporter.snapshot()
        pages = weakref.ref(reader.text)
        old = {id(body._head) for body in (reader.text, reader.openmetrics)}
        world.start(next(iter(world.tests)), START + 30)
        lab.at(60).poll()

        assert lab.exporter.snapshot() is not reader
        assert pages() is not None
        # While the old head exists, no other object can have its id.
        sent = [lab.exporter.latest_page(is_openmetrics).gzip[0] for is_openmetrics in (False, True)]
        assert not old & set(map(id, sent))
        del reader
        gc.collect()
        assert pages() is None


class CollectionCounter(Collector):
    """Counts how often the self metrics are rendered."""

    count = 0

    def collect(self) -> Iterator[Metric]:
        self.count += 1
        return iter(())


def count_renders(lab: Lab) -> CollectionCounter:
    counter = CollectionCounter()
    lab.exporter.self_metrics.registry.register(counter)
    counter.count = 0
    return counter


async def send_chunks(response: ChunkedResponse, scheme: str = "http") -> list[Message]:
    """The ASGI messages of a response."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("a response reads nothing")

    await response({"method": "GET", "scheme": scheme}, receive, send)
    return sent


def test_large_part_is_sent_without_copies() -> None:
    body = b"k6_cloud_up 1\n" * 100_000
    start, *messages = asyncio.run(send_chunks(ChunkedResponse((body, b"self metrics\n"), {})))

    assert dict(start["headers"])[b"content-length"] == b"1400013"
    assert [getattr(message["body"], "obj", None) is body for message in messages] == [
        True,
        True,
        False,
        False,
    ]
    assert b"".join(message["body"] for message in messages) == body + b"self metrics\n"
    assert [message.get("more_body", False) for message in messages] == [True, True, True, False]


@pytest.mark.parametrize(("scheme", "limit"), [("http", MAX_CHUNK), ("https", MAX_CHUNK_TLS)])
def test_parts_are_sent_in_limited_chunks(scheme: str, limit: int) -> None:
    parts = [bytes([i]) * size for i, size in enumerate([10, 200_000, 5_000_000, 0, limit])]
    _, *messages = asyncio.run(send_chunks(ChunkedResponse(parts, {}), scheme))

    assert b"".join(message["body"] for message in messages) == b"".join(parts)
    assert max(len(message["body"]) for message in messages) == limit
    assert len(messages) == sum(math.ceil(len(part) / limit) for part in parts) + 1


def test_small_parts_are_joined() -> None:
    sizes = [10, 3000, 0, 200_000, 1, 90_000, 60_000, 5_000_000, 7]
    parts = [bytes([i]) * size for i, size in enumerate(sizes)]
    joined = list(join_small(parts))

    assert b"".join(joined) == b"".join(parts)
    assert [len(part) for part in joined] == [3010, 200_000, 90_001, 60_000, 5_000_000, 7]
    assert joined[1] is parts[3]


def test_empty_response_is_sent() -> None:
    _, *messages = asyncio.run(send_chunks(ChunkedResponse((), {})))

    assert [message["body"] for message in messages] == [b""]


def test_scrapes_do_not_render_self_metrics() -> None:
    with Lab(create_world()) as lab:
        lab.poll()
        lab.get()
        renders = count_renders(lab)
        lab.now.value += 1.9
        lab.get()
        lab.get()

        assert renders.count == 0


def test_self_metrics_are_rendered_once_after_a_poll() -> None:
    with Lab(create_world()) as lab:
        lab.poll()
        lab.get()
        renders = count_renders(lab)
        lab.at(60).poll()

        assert renders.count == 1
        assert lab.value('k6_cloud_exporter_polls_total{outcome="success"}') == 2
        assert renders.count == 1


class SlowCollector(Collector):
    """Takes until `ready_at`, in seconds of the lab, if that is set."""

    ready_at: float | None = None

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def collect(self) -> Iterator[Metric]:
        if self.ready_at is not None:
            self._lab.at(self.ready_at)
        return iter(())


def test_scrape_after_data_became_stale_during_rendering_has_no_old_series() -> None:
    with Lab(create_world(), poll={"stale_after": "2m"}) as lab:
        lab.poll()
        slow = SlowCollector(lab)
        lab.exporter.self_metrics.registry.register(slow)
        lab.at(119.5)
        slow.ready_at = 120.5
        assert "k6_cloud_run_status{" in lab.get().text

        page = lab.get().text
        assert "k6_cloud_run_status{" not in page
        assert "\nk6_cloud_up 0.0\n" in page


def test_self_metrics_are_refreshed_while_serving() -> None:
    with Lab(create_world()) as lab:
        renders = count_renders(lab)

        async def serve() -> None:
            async with lab.exporter.keep_pages_fresh():
                for _ in range(10):
                    await asyncio.sleep(0)

        lab.run(serve())
        assert renders.count == 0  # no one has scraped
        lab.get()
        lab.exporter.self_metrics.api_retries.inc()
        lab.run(serve())
        assert renders.count > 0
        before = renders.count
        assert lab.value("k6_cloud_exporter_api_retries_total") == 1
        assert renders.count == before


def test_self_metrics_are_at_most_two_seconds_old() -> None:
    with Lab(create_world()) as lab:
        lab.poll()
        lab.exporter.self_metrics.api_retries.inc()
        assert lab.value("k6_cloud_exporter_api_retries_total") == 1
        lab.exporter.self_metrics.api_retries.inc()
        lab.now.value += 1.9
        assert lab.value("k6_cloud_exporter_api_retries_total") == 1
        lab.now.value += 0.2
        assert lab.value("k6_cloud_exporter_api_retries_total") == 2


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text"])
def test_compressed_page_equals_plain_page(accept: str) -> None:
    with Lab(create_world()) as lab:
        lab.poll()
        compressed = lab.get(Accept=accept, **{"Accept-Encoding": "gzip"})
        plain = lab.get(Accept=accept, **{"Accept-Encoding": "identity"})

        assert compressed.headers["Content-Encoding"] == "gzip"
        assert compressed.content == plain.content
