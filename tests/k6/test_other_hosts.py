"""Wherever an answer points, only the API's own address is asked: two real servers, one of them elsewhere."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
import uvicorn

from exporter.app import create_exporter
from exporter.config import Config
from exporter.credentials import Secret
from exporter.polling.result import PollResult
from exporter.simulator import Fault, NextLink, Options, Simulator, V6Options, World, faults
from tests.support.k6_server import TOKEN

GENERATIONS = {"legacy": None, "v6": 1}  # and the stack id that makes it so
HOSTS = {"another host": "localhost", "another port": "127.0.0.1"}


@dataclass
class Elsewhere:
    """A server that k6 Cloud points to; `got` is what it was sent, by connection."""

    port: int = 0
    got: list[bytes] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.got.append(b"")
        self.got[-1] += await reader.read(65536)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\n" + b'{"value":[]}')
        await writer.drain()
        writer.close()


@asynccontextmanager
async def elsewhere() -> AsyncIterator[Elsewhere]:
    there = Elsewhere()
    server = await asyncio.start_server(there.answer, "127.0.0.1", 0)
    there.port = server.sockets[0].getsockname()[1]
    async with server:
        yield there


@asynccontextmanager
async def k6_cloud(fault: Fault) -> AsyncIterator[str]:
    """The address of a k6 Cloud with three tests, each object on a page of its own."""
    v6 = V6Options(max_top=1, clamp_top=True, next_link=NextLink.EMPTY_AT_END)
    simulator = Simulator(world(), tokens={TOKEN}, options=Options(v6=v6))
    simulator.faults.add(fault)
    server = uvicorn.Server(uvicorn.Config(simulator, ws="none", log_level="warning"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        served = asyncio.create_task(server.serve(sockets=[listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await served


def world() -> World:
    made = World()
    for name in ("checkout", "login", "search"):
        made.add_run(made.add_test(name), created=time.time() - 60)
    return made


async def poll(url: str, stack_id: int | None) -> PollResult:
    config = Config.model_validate({"api": {"url": url, "stack": stack_id}})
    async with create_exporter(config, Secret(TOKEN)) as polling:
        return await polling.poller.poll()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
@pytest.mark.parametrize("stack_id", GENERATIONS.values(), ids=GENERATIONS)
def test_a_redirect_is_told_and_not_followed(stack_id: int | None, host: str, status: int) -> None:
    async def scene() -> None:
        async with elsewhere() as there:
            location = f"http://{host}:{there.port}/"
            async with k6_cloud(faults.redirect(location, status=status)) as url:
                poll_result = await poll(url, stack_id)

                assert there.got == []
                assert poll_result.outcome == "failure"
                assert f"({status} at GET " in poll_result.failures[0].message

                # Whoever does follow arrives there.
                async with httpx.AsyncClient(follow_redirects=True) as follower:
                    await follower.get(f"{url}/")
                assert [request.split(b"\r\n")[0] for request in there.got] == [b"GET / HTTP/1.1"]

    asyncio.run(scene())


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
@pytest.mark.parametrize("path", ["/cloud/v6/load_tests", "/cloud/v6/test_runs"])
def test_of_a_next_link_that_leads_elsewhere_only_the_page_is_heeded(path: str, host: str) -> None:
    async def scene() -> None:
        async with elsewhere() as there:
            link = f"http://{host}:{there.port}{path}?$skip=1&$top=2"
            async with k6_cloud(faults.field("@nextLink", link).on(path, times=1)) as url:
                poll_result = await poll(url, stack_id=1)

                assert there.got == []
                assert poll_result.outcome == "success"
                assert poll_result.members is not None
                assert sorted(test.name for test in poll_result.members.values()) == [
                    "checkout",
                    "login",
                    "search",
                ]

                async with httpx.AsyncClient() as follower:
                    await follower.get(link)
                assert len(there.got) == 1

    asyncio.run(scene())
