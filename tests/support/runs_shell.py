"""A terminal in a small world: commands are carried out against the simulator, and a number is the clock."""

import asyncio
import io
import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

import httpx
from rich.console import Console

from exporter.commands.runs.actions import RunsCommand, Streams
from exporter.commands.runs.opening import WIDE
from exporter.commands.runs.opening import console as terminal
from exporter.config import Config
from exporter.credentials import Secret
from exporter.k6.write import WriteTransport
from exporter.polling.factory import open_transport
from exporter.simulator import Options, Simulator, World
from tests.support.lab import START, TOKEN, App, Now, dated

GENERATIONS: tuple[Literal["legacy", "v6"], ...] = ("legacy", "v6")
Message = MutableMapping[str, Any]


class Shell:
    """`Shell(world, "v6").desk().list(most=20, active=False)`; `out` and `err` are what was said since.

    `meanwhile` holds what happens in the world, each before the first request at or after its moment (seconds
    since the start).
    """

    def __init__(
        self,
        world: World,
        api_version: str = "legacy",
        *,
        options: Options | None = None,
        token: str = TOKEN,
        **settings: Any,
    ) -> None:
        self.now = Now()
        self.world = world
        self.simulator = Simulator(
            world,
            tokens=[TOKEN],
            clock=self.now.read,
            options=options or Options(),
            sleep=self.now.sleep,
            connection_error=httpx.ReadError,
        )
        api = {"url": "http://k6.test", "requests_per_minute": 6000} | settings.pop("api", {})
        api |= {"stack_id": 1} if api_version == "v6" else {}
        self.config = Config.model_validate({"api": api} | settings)
        self.token = Secret(token)
        self.meanwhile: dict[float, Callable[[], object]] = {}
        self._out, self._err = io.StringIO(), io.StringIO()

    def desk(
        self,
        answer: str = "",
        *,
        is_json: bool = False,
        is_terminal: bool = False,
        width: int = WIDE,
        console: Console | None = None,
    ) -> RunsCommand:
        """A desk whose user types this answer."""
        out = console or terminal(
            self._out, width, force_terminal=is_terminal, color_system=None, _environ={}
        )
        return RunsCommand(
            self.config,
            self._connect,
            clock=self.now.clock,
            streams=Streams(io.StringIO(answer), out, self._err),
            work=asyncio.run,
            redact=self.token.redact,
            is_json=is_json,
        )

    def _connect(self) -> AbstractAsyncContextManager[WriteTransport]:
        return open_transport(
            self.config,
            self.token,
            WriteTransport,
            clock=self.now.clock,
            transport=httpx.ASGITransport(self._eventful(dated(self.simulator))),
        )

    def _eventful(self, app: App) -> App:
        async def answer(
            scope: Message,
            receive: Callable[[], Awaitable[Message]],
            send: Callable[[Message], Awaitable[None]],
        ) -> None:
            for moment in sorted(self.meanwhile):
                if self.now.value >= START + moment:
                    self.meanwhile.pop(moment)()
            await app(scope, receive, send)

        return answer

    @property
    def out(self) -> str:
        """What was asked for, without the spaces that fill lines."""
        return taken(self._out)

    @property
    def err(self) -> str:
        return taken(self._err)

    def json(self) -> Any:
        return json.loads(self.out)

    def asked(self) -> list[str]:
        """The requests since this was last called, each as METHOD path."""
        requests = [f"{asked.method} {asked.path}" for asked in self.simulator.requests]
        self.simulator.requests.clear()
        return requests


def taken(stream: io.StringIO) -> str:
    """What is in a stream, which is empty then."""
    text = stream.getvalue()
    stream.seek(0)
    stream.truncate()
    return "\n".join(line.rstrip() for line in text.split("\n"))
