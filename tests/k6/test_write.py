"""Starts and stops are sent once; a start with an idempotency key is repeated with the same key."""

import re
from collections.abc import Callable

import httpx
import pytest

from exporter.k6.errors import ApiError, NetworkError, ServerError
from exporter.k6.write import LegacyWriter, V6Writer
from exporter.simulator import Fault, Simulator, World, faults
from tests.support.k6_server import Script, TransportClient, answers
from tests.support.lab import TOKEN

LOST = [*answers(500, 503, 429), httpx.ReadTimeout("slow"), httpx.ReadError("reset")]
STARTED = httpx.Response(200, json={"id": 5000001, "test_id": 7, "status": "created"})


def sent_keys(server: Script) -> list[str | None]:
    return [request.headers.get("K6-Idempotency-Key") for request in server.got]


@pytest.mark.parametrize("answer", LOST)
@pytest.mark.parametrize(
    "send",
    [
        lambda client: LegacyWriter(client.transport).start_run(7),
        lambda client: LegacyWriter(client.transport).stop_run(7),
        lambda client: V6Writer(client.transport).stop_run(7),
    ],
    ids=["legacy start", "legacy stop", "v6 stop"],
)
def test_post_without_a_key_is_sent_once(
    send: Callable[[TransportClient], object], answer: httpx.Response | Exception
) -> None:
    server = Script(answer)
    client = TransportClient(server)

    with pytest.raises(ApiError):
        client.run(send(client))  # type: ignore[arg-type]
    assert [request.method for request in server.got] == ["POST"]
    assert sent_keys(server) == [None]
    assert client.pauses == []


@pytest.mark.parametrize("answer", LOST)
def test_v6_start_is_repeated_with_the_same_key(answer: httpx.Response | Exception) -> None:
    server = Script(answer, answer, STARTED)
    client = TransportClient(server)

    assert client.run(V6Writer(client.transport).start_run(7)).id == 5000001
    (key,) = set(sent_keys(server))
    assert re.fullmatch(r"[0-9a-f-]{36}", key or "")
    assert len(server.got) == 3


def test_each_v6_start_has_its_own_key() -> None:
    server = Script(STARTED)
    client = TransportClient(server)

    for _ in range(2):
        client.run(V6Writer(client.transport).start_run(7))
    assert len(set(sent_keys(server))) == 2


def test_v6_start_is_repeated_at_most_twice() -> None:
    server = Script(httpx.ReadError("reset"))
    client = TransportClient(server)

    with pytest.raises(NetworkError):
        client.run(V6Writer(client.transport).start_run(7))
    assert (len(server.got), client.log.retries) == (3, 2)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409])
def test_rejected_v6_start_is_not_repeated(code: int) -> None:
    server = Script(*answers(code))
    client = TransportClient(server)

    with pytest.raises(ApiError):
        client.run(V6Writer(client.transport).start_run(7))
    assert len(server.got) == 1


def test_v6_start_is_not_repeated_once_its_key_is_old() -> None:
    client = TransportClient(server := Script())

    async def respond_late(request: httpx.Request) -> httpx.Response:
        server.got.append(request)
        client.now.value += 301
        return httpx.Response(503)

    server.handle_async_request = respond_late  # type: ignore[method-assign]
    with pytest.raises(ServerError):
        client.run(V6Writer(client.transport).start_run(7))
    assert len(server.got) == 1


@pytest.mark.parametrize("fault", [faults.truncated(), faults.reset()], ids=["lost response", "lost request"])
def test_repeated_v6_start_creates_one_run(fault: Fault) -> None:
    world = World()
    test = world.add_test("soak")
    simulator = Simulator(world, tokens=[TOKEN], connection_error=httpx.ReadError)
    simulator.faults.add(fault.on(method="POST", times=2))
    client = TransportClient(
        httpx.ASGITransport(simulator),
        authorize=lambda: {"Authorization": f"Bearer {TOKEN}", "X-Stack-Id": "1"},
    )

    run = client.run(V6Writer(client.transport).start_run(test))
    assert list(world.runs) == [run.id]
    assert len(simulator.requests) == 3
