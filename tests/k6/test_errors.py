"""The exact sentences of errors and skipped items, all in errors.txt; elsewhere tests assert types."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from exporter.k6.coerce import to_float, to_int, to_timestamp
from exporter.k6.decoding import MAX_BYTES, MAX_VALUES
from exporter.k6.errors import ApiError
from exporter.k6.legacy.client import LegacyClient
from exporter.k6.pagination import MAX_ITEMS
from exporter.k6.stack import Stack
from exporter.k6.v6.client import V6Client
from exporter.k6.v6.schema import ScheduleBody, parse_schedule
from exporter.model import RunList, TestList
from exporter.nesting import MAX_NESTING
from tests.support.golden import assert_golden
from tests.support.k6_server import Script, TransportClient, answers, refusal

GOLDEN = Path(__file__).parent / "errors.txt"
RUN = {"id": 8, "test_id": 7}

FAILURES: dict[str, httpx.Response | Exception] = {
    "400": refusal(400, "Validation error"),
    "401": refusal(401, "Invalid token"),
    "403": refusal(403, "Not allowed"),
    "404": refusal(404, "Not found"),
    "409": refusal(409, "Cannot abort a test run that has ended"),
    "418": refusal(418, "I am a teapot"),
    "429": refusal(429, "Slow down"),
    "502": refusal(502, "Bad gateway"),
    "502 without a body": httpx.Response(502),
    "redirect": httpx.Response(302, headers={"Location": "https://evil.test/"}),
    "304": httpx.Response(304),
    "refused": httpx.ConnectError("Connection refused"),
    "proxy": httpx.ProxyError("403 Forbidden"),
    "reset": httpx.ReadError("Connection reset by peer"),
    "error without a message": httpx.ReadError(""),
    "timeout": httpx.ReadTimeout("slow"),
    "connect timeout": httpx.ConnectTimeout("slow"),
    "not gzip": httpx.Response(200, headers={"Content-Encoding": "br"}, stream=httpx.ByteStream(b"not so")),
    "invalid gzip": httpx.Response(
        200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"not so")
    ),
    "HTML": httpx.Response(200, text="<!doctype html>"),
    "too large": httpx.Response(200, content=b" " * (MAX_BYTES + 1)),
}
BODIES: dict[str, bytes] = {
    "not a list": b'{"k6-runs": {}, "value": {}}',
    "nested": b'{"k6-runs": ' + b"[" * (MAX_NESTING + 1),
    "values": b'{"value": [' + b"1," * MAX_VALUES + b"1]}",
    "items": b'{"k6-runs": [%s], "value": [%s]}' % ((b"1," * MAX_ITEMS + b"1",) * 2),
}
ITEMS: dict[str, object] = {
    "string": "run",
    "null": None,
    "no id": {"test_id": 7},
    "no test": {"id": 8},
    "odd id": {"id": "x", "test_id": 7},
    "fraction": {"id": 1.5, "test_id": 7},
    "huge": {"id": 1e300, "test_id": 7},
    "another test": {"id": 8, "test_id": 9},
}


def served(body: bytes) -> TransportClient:
    async def serve(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=httpx.ByteStream(body))

    return TransportClient(httpx.MockTransport(serve))


def error_of(call: Coroutine[Any, Any, object]) -> str:
    with pytest.raises(ApiError) as raised:
        asyncio.run(call)
    return f"{type(raised.value).__name__}: {raised.value}"


def transport_errors() -> Iterator[str]:
    for name, failure in FAILURES.items():
        if isinstance(failure, httpx.Response) and not failure.is_stream_consumed:
            client = TransportClient(httpx.MockTransport(lambda _, response=failure: response))
        else:
            client = TransportClient(Script(failure))
        yield f"{name}: {error_of(client.transport.get('/loadtests/v2/runs'))}"
    stack = Stack("https://mystack.grafana.net")
    for name, failure in (
        ("unknown stack", refusal(403, "No access")),
        ("no stack_id", httpx.Response(200, json={})),
    ):
        client = TransportClient(Script(failure), stack=stack)
        yield f"{name}: {error_of(client.transport.get('/cloud/v6/test_runs'))}"
    client = TransportClient(Script(*answers(429, retry_after="100")))
    error_of(client.transport.get("/loadtests/v2/runs"))
    yield f"Retry-After: {error_of(client.transport.get('/loadtests/v2/runs'))}"


def body_errors() -> Iterator[str]:
    for name, body in BODIES.items():
        yield f"{name}, legacy: {error_of(LegacyClient(served(body).transport).list_runs(7))}"
        yield f"{name}, v6: {error_of(V6Client(served(body).transport).list_runs(0.0))}"
    for name, run in (("no test", {"id": 8}), ("no id", {}), ("another id", {"id": 9, "test_id": 7})):
        legacy, v6 = json.dumps({"k6-run": run}).encode(), json.dumps(run).encode()
        yield f"run with {name}, legacy: {error_of(LegacyClient(served(legacy).transport).read_run(8))}"
        yield f"run with {name}, v6: {error_of(V6Client(served(v6).transport).read_run(8))}"
    projects = b'{"organizations": [{}]}'
    yield f"project without id: {error_of(LegacyClient(served(projects).transport).list_projects())}"


def list_errors() -> Iterator[str]:
    """Lists whose pages go on forever, or repeat."""
    number = 0

    async def endless(_: httpx.Request) -> httpx.Response:
        nonlocal number
        number += 1
        item = {"id": number, "test_id": 7}
        return httpx.Response(200, json={"k6-runs": [item], "value": [item], "@nextLink": "?$skip=1"})

    async def repeated(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"value": [{"id": 7}], "@nextLink": "?$skip=1"})

    transport = TransportClient(httpx.MockTransport(endless), requests_per_minute=10_000).transport
    yield f"endless, legacy: {error_of(LegacyClient(transport).list_runs(7))}"
    yield f"endless, v6: {error_of(V6Client(transport).list_runs(0.0))}"
    transport = TransportClient(httpx.MockTransport(repeated)).transport
    yield f"repeated, v6: {error_of(V6Client(transport).list_tests())}"


def skipped_items() -> Iterator[str]:
    runs = [RUN, *ITEMS.values()]
    legacy, v6 = json.dumps({"k6-runs": runs}).encode(), json.dumps({"value": runs}).encode()
    lists: dict[str, RunList | TestList] = {
        "legacy": asyncio.run(LegacyClient(served(legacy).transport).list_runs(7)),
        "legacy tests": asyncio.run(LegacyClient(served(b'{"k6-tests": [{}]}').transport).list_tests()),
        "v6": asyncio.run(V6Client(served(v6).transport).list_newest_runs(7, 3)),
        "v6 tests": asyncio.run(V6Client(served(b'{"value": [{}]}').transport).list_tests()),
    }
    for name, listing in lists.items():
        for skipped in listing.skipped:
            yield f"{name}: {skipped.reason}: {skipped.description}"


def value_errors() -> Iterator[str]:
    cases: list[tuple[Callable[[Any], object], Any]] = [
        (to_int, "x"),
        (to_int, 1.5),
        (to_int, []),
        (to_int, True),
        (to_float, "x"),
        (to_float, "inf"),
        (to_float, 10**400),
        (to_timestamp, 5),
        (to_timestamp, "noon"),
        (to_timestamp, "0001-01-01T00:00:00"),
        (parse_schedule, ScheduleBody(load_test_id=1)),
        (parse_schedule, ScheduleBody(id=1)),
    ]
    for function, value in cases:
        with pytest.raises(ValueError, match=r".") as raised:
            function(value)
        yield f"{function.__name__}: {raised.value}"


def test_golden_errors() -> None:
    sections = (transport_errors, body_errors, list_errors, skipped_items, value_errors)
    text = "\n".join(
        f"# {section.__name__}\n" + "".join(f"{line}\n" for line in section()) for section in sections
    )

    assert_golden(GOLDEN, text)
