"""Scrapes are cheap: the response is rendered once per change and freed after its last reader."""

import asyncio
import gc
import weakref
from collections.abc import MutableMapping
from typing import Any

from exporter.simulator import World
from exporter.web.app import ChunkedResponse
from tests.support.lab import START, Lab


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


def test_only_changed_families_are_rendered_again() -> None:
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
        reader = lab.exporter.snapshot()
        pages = weakref.ref(reader.text)
        world.start(next(iter(world.tests)), START + 30)
        lab.at(60).poll()

        assert lab.exporter.snapshot() is not reader
        assert pages() is not None
        del reader
        gc.collect()
        assert pages() is None


def test_response_is_sent_in_parts_without_copies() -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("a response reads nothing")

    body = b"k6_cloud_up 1\n" * 1000
    asyncio.run(
        ChunkedResponse((body, b"self metrics\n"), {"Content-Type": "text/plain"})(
            {"method": "GET"}, receive, send
        )
    )

    assert dict(sent[0]["headers"])[b"content-length"] == b"14013"
    assert sent[1]["body"] is body
    assert [message.get("body") for message in sent[2:]] == [b"self metrics\n", b""]
    assert [message.get("more_body", False) for message in sent[1:]] == [True, True, False]


def test_self_metrics_are_at_most_a_second_old() -> None:
    with Lab(create_world()) as lab:
        lab.poll()
        lab.exporter.self_metrics.api_retries.inc()
        assert lab.value("k6_cloud_exporter_api_retries_total") == 1
        lab.exporter.self_metrics.api_retries.inc()
        lab.now.value += 0.9
        assert lab.value("k6_cloud_exporter_api_retries_total") == 1
        lab.now.value += 0.2
        assert lab.value("k6_cloud_exporter_api_retries_total") == 2
