"""Runs the actions of `runs` in process, against the simulator and with a number as the clock."""

import io
import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

import httpx
from rich.console import Console

from exporter.commands.runs.actions import PIPE_WIDTH, RunsCommand, create_console
from exporter.config import Config
from exporter.credentials import Secret
from exporter.k6.factory import open_transport
from exporter.k6.write import WriteTransport
from exporter.simulator import Options, Simulator, World
from tests.support.lab import START, TOKEN, App, ManualClock, add_date_header

API_VERSIONS: tuple[Literal["legacy", "v6"], ...] = ("legacy", "v6")
Message = MutableMapping[str, Any]


class Shell:
    """`Shell(world, "v6").command().list(limit=20, active=False)`; `out` and `err` have the new output.

    `events` are calls that change the world, each before the first request at or after its time (seconds
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
        self.now = ManualClock()
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
        api |= {"stack": 1} if api_version == "v6" else {}
        self.config = Config.model_validate({"api": api} | settings)
        self.token = Secret(token)
        self.events: dict[float, Callable[[], object]] = {}
        self._out, self._err = io.StringIO(), io.StringIO()

    def command(
        self,
        answer: str = "",
        *,
        is_json: bool = False,
        is_terminal: bool = False,
        width: int = PIPE_WIDTH,
        console: Console | None = None,
    ) -> RunsCommand:
        """A command whose standard input is `answer`."""
        out = console or create_console(
            self._out, width, force_terminal=is_terminal, color_system=None, _environ={}
        )
        return RunsCommand(
            self.config,
            self._connect,
            clock=self.now.clock,
            stdin=io.StringIO(answer),
            out=out,
            stderr=self._err,
            redact=self.token.redact,
            is_json=is_json,
        )

    def _connect(self) -> AbstractAsyncContextManager[WriteTransport]:
        return open_transport(
            self.config,
            self.token,
            WriteTransport,
            clock=self.now.clock,
            transport=httpx.ASGITransport(self._with_events(add_date_header(self.simulator))),
        )

    def _with_events(self, app: App) -> App:
        async def respond(
            scope: Message,
            receive: Callable[[], Awaitable[Message]],
            send: Callable[[Message], Awaitable[None]],
        ) -> None:
            for timestamp in sorted(self.events):
                if self.now.value >= START + timestamp:
                    self.events.pop(timestamp)()
            await app(scope, receive, send)

        return respond

    @property
    def out(self) -> str:
        """The new standard output, without the spaces that fill lines."""
        return drain(self._out)

    @property
    def err(self) -> str:
        """The new standard error."""
        return drain(self._err)

    def json(self) -> Any:
        return json.loads(self.out)

    def take_requests(self) -> list[str]:
        """The requests since the last call, each as METHOD path."""
        requests = [f"{request.method} {request.path}" for request in self.simulator.requests]
        self.simulator.requests.clear()
        return requests


def drain(stream: io.StringIO) -> str:
    """The content of a stream, which is empty afterwards."""
    text = stream.getvalue()
    stream.seek(0)
    stream.truncate()
    return "\n".join(line.rstrip() for line in text.split("\n"))
