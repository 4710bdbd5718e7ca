"""Behaviour that needs a real connection: the simulator on uvicorn, on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from uvicorn.config import HTTPProtocolType

from exporter.simulator import Fault, Simulator, World, faults
from tests.support.simulator_client import CREATED, TOKEN, Clock

PROTOCOLS: list[HTTPProtocolType] = ["h11", "httptools"]
HEADERS = {"Authorization": f"Token {TOKEN}"}
V6_HEADERS = {"Authorization": f"Bearer {TOKEN}", "X-Stack-Id": "1"}


@asynccontextmanager
async def serving(simulator: Simulator, protocol: HTTPProtocolType) -> AsyncIterator[httpx.AsyncClient]:
    config = uvicorn.Config(simulator, http=protocol, ws="none", log_level="warning")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        served = asyncio.create_task(server.serve(sockets=[listening]))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=HEADERS) as client:
            yield client
        server.should_exit = True
        await served


def over_tcp(
    fault: Fault,
    exchange: Callable[[httpx.AsyncClient], Awaitable[None]],
    protocol: HTTPProtocolType,
    loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> None:
    async def scenario() -> None:
        simulator = Simulator(World(), tokens={TOKEN}, clock=Clock())
        simulator.faults.add(fault)
        async with serving(simulator, protocol) as client:
            await exchange(client)
            simulator.faults.clear()
            assert (await client.get("/v3/organizations")).status_code == 200

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(scenario())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_reset_resets_the_connection(protocol: HTTPProtocolType, caplog: pytest.LogCaptureFixture) -> None:
    async def exchange(client: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.ReadError):
            await client.get("/v3/organizations")

    over_tcp(faults.reset(), exchange, protocol)
    assert caplog.text == ""


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_truncated_body_is_shorter_than_its_length(
    protocol: HTTPProtocolType, caplog: pytest.LogCaptureFixture
) -> None:
    async def exchange(client: httpx.AsyncClient) -> None:
        received = b""
        with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012  the bytes before the error are checked
            async with client.stream("GET", "/v3/organizations") as response:
                announced = int(response.headers["content-length"])
                async for part in response.aiter_raw():
                    received += part
        assert len(received) == announced // 2

    over_tcp(faults.truncated(), exchange, protocol)
    assert caplog.text == ""


def test_connections_break_on_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def exchange(client: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.ReadError):
            await client.get("/v3/organizations")
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/loadtests/v2/tests")

    both = faults.reset().on("/v3/organizations"), faults.truncated().on("/loadtests/v2/tests")

    async def scenario() -> None:
        simulator = Simulator(World(), tokens={TOKEN}, clock=Clock())
        simulator.faults.add(*both)
        async with serving(simulator, "httptools") as client:
            await exchange(client)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


def test_server_stops_after_a_client_times_out() -> None:
    async def exchange(client: httpx.AsyncClient) -> None:
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/v3/organizations", timeout=0.05)

    over_tcp(faults.hang(), exchange, "h11")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_v6_link_leads_back_to_the_server(protocol: HTTPProtocolType) -> None:
    async def scenario() -> None:
        world = World()
        for name in "abc":
            world.add_test(name)
        async with serving(Simulator(world, tokens={TOKEN}, clock=Clock()), protocol) as client:
            page = await client.get("/cloud/v6/load_tests?$top=2", headers=V6_HEADERS)
            link = page.json()["@nextLink"]
            assert link == f"{client.base_url}/cloud/v6/load_tests?$skip=2&$top=2"
            last = await client.get(link, headers=V6_HEADERS)
            assert [test["name"] for test in last.json()["value"]] == ["c"]

    asyncio.run(scenario())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_204_has_no_length_and_keeps_the_connection(
    protocol: HTTPProtocolType,
) -> None:
    async def scenario() -> None:
        world = World()
        run_id = world.add_run(world.add_test("t"), created=CREATED)
        async with serving(Simulator(world, tokens={TOKEN}, clock=Clock()), protocol) as client:
            for _ in "ab":
                response = await client.post(f"/cloud/v6/test_runs/{run_id}/abort", headers=V6_HEADERS)
                assert (response.status_code, response.content) == (204, b"")
                assert "content-length" not in response.headers

    asyncio.run(scenario())


def test_headers_arrive_before_a_slow_body() -> None:
    async def exchange(client: httpx.AsyncClient) -> None:
        async with client.stream("GET", "/v3/organizations") as response:
            assert response.status_code == 200
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await response.aread()

    over_tcp(faults.slow(between=0.2), exchange, "h11")
