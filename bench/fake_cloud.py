"""k6 Cloud in a process of its own: `python -m bench.cloud '{"tests": 1000, ...}'`; the keys are Plan's.

What is told comes from the simulator. What is measured should not be its speed: with `recorded` an answer
that was given once is given again as bytes, after `latency` seconds.
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
from exporter.web.server import Endpoint, base_url, bind, serve

TOKEN = "bench"
CLOCK = "/simulator-clock/"  # followed by a moment: it is then that from now on
BRISK = Phases(created=1, validated=1, queued=4, initializing=10, running=40, processing=8)


@dataclass(frozen=True, slots=True)
class Plan:
    """The runs of its tests began so many hours ago, `pause` hours apart; with `churn` they go on."""

    tests: int
    projects: int = 1
    hours_ago: float = 4.0
    pause: float = 1.0
    churn: bool = False
    latency: float = 0.0
    recorded: bool = False
    options_bytes: int = 0

    def told(self) -> str:
        """As `python -m bench.cloud` takes it."""
        return json.dumps(asdict(self))


def world(plan: Plan) -> World:
    """So many tests, spread evenly over the projects, and over the pause between their runs."""
    made = World()
    projects = [made.default_project_id, *(made.add_project(f"team {i}") for i in range(1, plan.projects))]
    for i in range(plan.tests):
        project = projects[i % plan.projects]
        test = made.add_test(f"checkout-soak-{i:05d}", project_id=project, created=NOW - 90 * 24 * HOUR)
        first = NOW - (plan.hours_ago - i / plan.tests * plan.pause) * HOUR
        if plan.churn:
            made.schedule(test, every=plan.pause * HOUR, first=first, phases=BRISK)
            continue
        for number in range(RUNS):
            made.add_run(test, created=first + number * plan.pause * HOUR, phases=BRISK)
    return made


@dataclass(slots=True)
class Clock:
    """A moment that stays until it is told otherwise."""

    now: float = NOW

    def read(self) -> float:
        return self.now


def cloud(plan: Plan) -> ASGIApp:
    """The cloud of this plan, which can be told what time it is."""
    clock = Clock()
    simulator: ASGIApp = Simulator(world(plan), tokens=[TOKEN], clock=clock.read, options=Options())
    told = Recording(simulator, plan.latency, plan.options_bytes) if plan.recorded else simulator

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(CLOCK):
            clock.now = float(scope["path"].removeprefix(CLOCK))
            await PlainTextResponse("ok")(scope, receive, send)
        else:
            await told(scope, receive, send)

    return app


@dataclass(slots=True)
class Recording:
    """Asks the app behind it each question once; each run in an answer gets `options` of so many bytes."""

    app: ASGIApp
    latency: float
    options_bytes: int
    answers: dict[tuple[str, bytes], Response] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        question = scope["path"], scope["query_string"]
        if question not in self.answers:
            self.answers[question] = await self._asked(scope, receive)
        await asyncio.sleep(self.latency)
        await self.answers[question](scope, receive, send)

    async def _asked(self, scope: Scope, receive: Receive) -> Response:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, keep)
        start, *parts = messages
        body = b"".join(part["body"] for part in parts)
        if self.options_bytes and start["status"] == 200:
            body = with_options(body, self.options_bytes)
        return Response(body, start["status"], media_type="application/json")


def with_options(body: bytes, size: int) -> bytes:
    """The answer with runs whose `options` are about so large, as those of real scripts are."""
    told = msgspec.json.decode(body)
    for item in told["value"]:
        if "options" in item:
            item["options"] = scenarios(size)
    return msgspec.json.encode(told)


def scenarios(size: int) -> Mapping[str, object]:
    one = {"executor": "ramping-vus", "stages": [{"duration": "30s", "target": 50}] * 5, "exec": "checkout"}
    count = max(1, size // len(json.dumps(one)))
    return {"scenarios": {f"scenario_{i}": one for i in range(count)}, "thresholds": {"checks": ["rate>0.9"]}}


def main() -> None:
    listening = bind("127.0.0.1:0")
    app = cloud(Plan(**json.loads(sys.argv[1])))
    print(base_url(listening), flush=True)
    run_async(serve(Endpoint(app, listening)))


if __name__ == "__main__":
    main()
