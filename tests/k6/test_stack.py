"""A stack that is configured by its name or URL: one request for its ID."""

import asyncio
from typing import Any

import httpx
import pytest

from exporter.k6.errors import ApiError, DecodeError, Forbidden, NetworkError, Unauthorized
from exporter.k6.stack import AUTH, Stack, parse_stack_id
from exporter.k6.write import V6_ABORT
from exporter.simulator import Options, V6Options, World, faults
from tests.support.k6_server import Script, TransportClient, answers, refusal
from tests.support.lab import START, Lab

URL = "https://shop.grafana.net"
OPTIONS = Options(v6=V6Options(stack_id=12_345, stack_url=URL))
RUNS = "/cloud/v6/test_runs"
FOUND = httpx.Response(200, json={"stack_id": 12_345, "default_project_id": 1})


def lab(stack: object, **options: Any) -> Lab:
    world = World()
    world.add_run(world.add_test("checkout"), created=START - 600)
    return Lab(world, options=OPTIONS, api={"url": "http://k6.test", "stack": stack} | options)


def client_of(*responses: httpx.Response | Exception, **options: Any) -> tuple[TransportClient, Script]:
    server = Script(*responses)
    return TransportClient(server, stack=Stack(URL), **options), server


@pytest.mark.parametrize("stack", ["shop", "shop.grafana.net", "https://shop.grafana.net/a/k6-app"])
def test_stack_is_resolved_once(stack: str) -> None:
    with lab(stack) as scene:
        polls = [scene.at(60 * n).poll() for n in range(3)]

        assert [result.outcome for result in polls] == ["success"] * 3
        assert [request.split()[1] for request in scene.take_requests()].count(AUTH) == 1
        endpoint = f'k6_cloud_exporter_api_requests_total{{api="v6",code="200",endpoint="{AUTH}"}}'
        assert scene.value(endpoint) == 1


def test_stack_id_needs_no_request() -> None:
    with lab(12_345) as scene:
        assert scene.poll().outcome == "success"
        assert AUTH not in " ".join(scene.take_requests())


def test_stack_is_resolved_again_after_a_reload() -> None:
    with lab("elsewhere") as scene:
        assert scene.poll().outcome == "failure"
        scene.reload(api={"url": "http://k6.test", "stack": "shop"})
        assert scene.at(60).poll().outcome == "success"


def test_unknown_stack_is_an_error_that_names_it() -> None:
    with lab("elsewhere") as scene:
        failures = scene.poll().failures

    assert {failure.reason for failure in failures} == {"forbidden"}
    assert all("no stack https://elsewhere.grafana.net" in failure.message for failure in failures)


def test_failed_resolution_is_repeated_at_the_next_poll() -> None:
    with lab("shop") as scene:
        scene.simulator.faults.add(faults.error(503).on(AUTH, times=100))
        assert {failure.reason for failure in scene.poll().failures} == {"server"}
        scene.simulator.faults.clear()

        assert scene.at(60).poll().outcome == "success"


@pytest.mark.parametrize(
    ("response", "error", "tries"),
    [
        (refusal(401, "Invalid token"), Unauthorized, 1),
        (refusal(403, "No access"), Forbidden, 1),
        (httpx.ConnectError("refused"), NetworkError, 3),
        (httpx.Response(200, content=b"<html>"), DecodeError, 1),
        (httpx.Response(200, json={"stack_id": "x"}), DecodeError, 1),
    ],
)
def test_resolution_fails_as_any_request(
    response: httpx.Response | Exception, error: type[ApiError], tries: int
) -> None:
    client, server = client_of(response)

    with pytest.raises(error):
        client.get(RUNS)
    assert [request.url.path for request in server.got] == [AUTH] * tries


def test_only_resolution_sends_the_url() -> None:
    client, server = client_of(FOUND, *answers(200))

    client.get(RUNS)
    client.get(RUNS)

    names = ("X-Stack-Url", "X-Stack-Id")
    assert [tuple(request.headers.get(name) for name in names) for request in server.got] == [
        (URL, None),
        (None, "12345"),
        (None, "12345"),
    ]


def test_concurrent_requests_share_one_resolution() -> None:
    client, server = client_of(FOUND, *answers(200), concurrency=1)

    async def scene() -> None:
        await asyncio.gather(*(client.transport.get(RUNS) for _ in range(5)))

    client.run(scene())

    assert [request.url.path for request in server.got] == [AUTH, *[RUNS] * 5]


def test_concurrent_requests_share_one_failure() -> None:
    client, server = client_of(httpx.ConnectError("refused"))

    async def scene() -> list[object]:
        requests = (client.transport.get(RUNS) for _ in range(5))
        return [*await asyncio.gather(*requests, return_exceptions=True)]

    found = client.run(scene())

    assert {type(error) for error in found} == {NetworkError}
    assert len({str(error) for error in found}) == 1
    assert len(server.got) == 3  # the tries of one request


def test_cancelled_resolution_does_not_block_the_next() -> None:
    client, server = client_of(FOUND, *answers(200))

    async def scene() -> None:
        first = asyncio.create_task(client.transport.get(RUNS))
        await asyncio.sleep(0)
        first.cancel()
        await client.transport.get(RUNS)

    client.run(scene())

    assert server.got[-1].headers["X-Stack-Id"] == "12345"


def test_writing_request_resolves_the_stack_first() -> None:
    client, server = client_of(FOUND, *answers(204))

    client.post(V6_ABORT, id=5)

    assert [(request.method, request.url.path) for request in server.got] == [
        ("GET", AUTH),
        ("POST", "/cloud/v6/test_runs/5/abort"),
    ]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"stack_id": null}', b'{"stack_id": true}', b"\xff"])
def test_response_without_a_stack_id_is_a_decode_error(body: bytes) -> None:
    with pytest.raises(DecodeError):
        parse_stack_id(body)
