"""A simulated k6 Cloud in its own process: `python -m bench.fake_cloud '{"tests": 1000, ...}'` (a Plan).

So that its own speed is not measured, `recorded` repeats earlier responses as bytes, after `latency` seconds.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import msgspec
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bench.fleet import HOUR, NOW, RUNS
from exporter.commands.process import run_async
from exporter.simulator import Options, Phases, Simulator, World
from exporter.web.server import Endpoint, base_url, bind, serve_endpoints

TOKEN = "bench"
CLOCK = "/simulator-clock/"  # followed by the new time in Unix seconds
SHORT = Phases(created=1, validated=1, queued=4, initializing=10, running=40, processing=8)


@dataclass(frozen=True, slots=True)
class Plan:
    """The runs of each test start `hours_ago` hours before `now`, `pause` hours apart; with `churn` new runs
    keep starting.
    """

    tests: int
    projects: int = 1
    hours_ago: float = 4.0
    pause: float = 1.0
    churn: bool = False
    latency: float = 0.0
    recorded: bool = False
    options_bytes: int = 0
    now: float = NOW  # Unix seconds

    def to_json(self) -> str:
        """The argument of `python -m bench.fake_cloud`."""
        return json.dumps(asdict(self))


def make_world(plan: Plan) -> World:
    """The tests of the plan, spread evenly over the projects and over the pause between runs."""
    made = World()
    projects = [made.default_project_id, *(made.add_project(f"team {i}") for i in range(1, plan.projects))]
    for i in range(plan.tests):
        project = projects[i % plan.projects]
        test = made.add_test(f"checkout-soak-{i:05d}", project_id=project, created=plan.now - 90 * 24 * HOUR)
        first = plan.now - (plan.hours_ago - i / plan.tests * plan.pause) * HOUR
        if plan.churn:
            made.schedule(test, every=plan.pause * HOUR, first=first, phases=SHORT)
            continue
        for number in range(RUNS):
            made.add_run(test, created=first + number * plan.pause * HOUR, phases=SHORT)
    return made


@dataclass(slots=True)
class Clock:
    """A clock that stands still until it is set."""

    now: float = NOW

    def read(self) -> float:
        return self.now


def make_cloud(plan: Plan) -> ASGIApp:
    """The cloud of this plan, with a path that sets its clock."""
    clock = Clock()
    simulator: ASGIApp = Simulator(make_world(plan), tokens=[TOKEN], clock=clock.read, options=Options())
    cloud = Recording(simulator, plan.latency, plan.options_bytes) if plan.recorded else simulator

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(CLOCK):
            clock.now = float(scope["path"].removeprefix(CLOCK))
            await PlainTextResponse("ok")(scope, receive, send)
        else:
            await cloud(scope, receive, send)

    return app


@dataclass(slots=True)
class Recording:
    """Sends each request to the app once. Each run in a response gets `options` of `options_bytes` bytes."""

    app: ASGIApp
    latency: float
    options_bytes: int
    responses: dict[tuple[str, bytes], Response] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = scope["path"], scope["query_string"]
        if key not in self.responses:
            self.responses[key] = await self._record(scope, receive)
        await asyncio.sleep(self.latency)
        await self.responses[key](scope, receive, send)

    async def _record(self, scope: Scope, receive: Receive) -> Response:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, keep)
        start, *parts = messages
        body = b"".join(part["body"] for part in parts)
        if self.options_bytes and start["status"] == 200:
            body = add_options(body, self.options_bytes)
        return Response(body, start["status"], media_type="application/json")


def add_options(body: bytes, size: int) -> bytes:
    """The response with runs whose `options` have about this size, like those of real scripts."""
    page = msgspec.json.decode(body)
    for item in page["value"]:
        if "options" in item:
            item["options"] = make_scenarios(size)
    return msgspec.json.encode(page)


def make_scenarios(size: int) -> Mapping[str, object]:
    one = {"executor": "ramping-vus", "stages": [{"duration": "30s", "target": 50}] * 5, "exec": "checkout"}
    count = max(1, size // len(json.dumps(one)))
    return {"scenarios": {f"scenario_{i}": one for i in range(count)}, "thresholds": {"checks": ["rate>0.9"]}}


def main() -> None:
    listening = bind("127.0.0.1:0")
    app = make_cloud(Plan(**json.loads(sys.argv[1])))
    print(base_url(listening), flush=True)
    run_async(serve_endpoints(Endpoint(app, [listening])))


if __name__ == "__main__":
    main()
