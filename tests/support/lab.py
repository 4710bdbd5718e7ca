"""The simulator, an exporter that polls it in the same process, and a clock set by hand."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from contextlib import AsyncExitStack
from email.utils import formatdate
from typing import Any, Self, TypeVar

import httpx

from exporter.app import Exporter, create_exporter
from exporter.clock import Clock
from exporter.config import Config
from exporter.config.reload import Read
from exporter.credentials import Secret
from exporter.polling.result import PollResult
from exporter.simulator import Options, Simulator, World

T = TypeVar("T")

START = 1_790_000_000.0  # 2026-09-21T14:13:20Z
TOKEN = "canary-9f3c1e77"

Series = dict[str, float]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class ManualClock:
    """A clock that stands still until it is set; sleeping advances it at once."""

    def __init__(self, value: float = START) -> None:
        self.value = value
        self.clock = Clock(time=self.read, monotonic=self.read, sleep=self.sleep)

    def read(self) -> float:
        return self.value

    async def sleep(self, seconds: float) -> None:
        self.value += seconds
        await asyncio.sleep(0)


def add_date_header(simulator: Simulator) -> App:
    """The simulator with a Date header in each response that has none, as a web server adds it."""

    async def respond(scope: Message, receive: Receive, send: Send) -> None:
        async def send_with_date(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = formatdate(simulator.clock(), usegmt=True).encode()
                has_date = any(name == b"date" for name, _ in message["headers"])
                message["headers"] = [*message["headers"], *([] if has_date else [(b"date", date)])]
            await send(message)

        await simulator(scope, receive, send_with_date)

    return respond


class Lab:
    """An exporter that polls a world and is scraped step by step.

    `with Lab(world) as lab: lab.at(60).poll(); lab.series()`. `settings` are those of the configuration.
    """

    def __init__(self, world: World, *, options: Options | None = None, **settings: Any) -> None:
        self.now = ManualClock()
        self.simulator = Simulator(
            world,
            tokens=[TOKEN],
            clock=self.now.read,
            options=options or Options(),
            sleep=self.now.sleep,
            connection_error=httpx.ReadError,
        )
        self.config = Config.model_validate({"api": {"url": "http://k6.test"}} | settings)
        self.token = Secret(TOKEN)
        self.read: Read = lambda: (self.config, self.token)
        self._stack = AsyncExitStack()
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self.exporter: Exporter = self.run(
            self._stack.enter_async_context(
                create_exporter(
                    self.config,
                    self.token,
                    clock=self.now.clock,
                    transport=httpx.ASGITransport(add_date_header(self.simulator)),
                    read=self._read_config,
                )
            )
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._stack.aclose())
        self._runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def at(self, seconds: float) -> Self:
        """Set the clock to a number of seconds after START."""
        self.now.value = START + seconds
        return self

    def poll(self) -> PollResult:
        return self.run(self.exporter.poller.poll())

    def take_requests(self) -> list[str]:
        """The requests to k6 Cloud since the last call, each as "METHOD path name=value"."""
        requests = [
            f"{request.method} {request.path}" + "".join(f" {name}={value}" for name, value in request.query)
            for request in self.simulator.requests
        ]
        self.simulator.requests.clear()
        return requests

    def reload(self, **settings: Any) -> httpx.Response:
        """Reload with other settings; the URL of k6 Cloud stays. Returns the response to the reload."""
        config = Config.model_validate({"api": {"url": "http://k6.test"}} | settings)
        self.read = lambda: (config, self.token)
        return self.get("/-/reload", "POST")

    def _read_config(self) -> tuple[Config, Secret]:
        return self.read()

    def get(self, path: str = "/metrics", method: str = "GET", **headers: str) -> httpx.Response:
        """The response of the exporter to a request."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.exporter.web)
            async with httpx.AsyncClient(transport=transport, base_url="http://exporter.test") as client:
                return await client.request(method, path, headers=headers)

        return self.run(send())

    def page(self) -> str:
        """The exposed samples about tests and runs, without self-metrics."""
        lines = self.get().text.split("\n")
        return "\n".join(line for line in lines if re.match("k6_cloud_(run|test)_", line))

    def series(self, prefix: str = "k6_cloud_") -> Series:
        """The values of all series whose name starts with the prefix."""
        lines = (line.rsplit(" ", 1) for line in self.get().text.split("\n") if line.startswith(prefix))
        return {series: float(value) for series, value in lines}

    def value(self, series: str) -> float | None:
        """The value of one series, None if it is not exposed."""
        return self.series(series.split("{", maxsplit=1)[0]).get(series)
