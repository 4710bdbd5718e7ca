"""How many of our own functions are between a poll and the request that it sends."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import exporter
from exporter.app import Exporter, create_exporter
from exporter.config import Config
from exporter.credentials import Secret
from exporter.simulator import Options, Phases, Simulator, World, faults
from tests.support.lab import START, TOKEN, ManualClock, add_date_header

PACKAGE = str(Path(exporter.__file__).parent)
MAX_DEPTH = 6
LONG = Phases(created=1, validated=1, queued=1, initializing=1, running=100_000, processing=10)

both = pytest.mark.parametrize("stack_id", [None, 1], ids=["legacy", "v6"])


def own_functions() -> list[str]:
    """The exporter's functions on the call stack, outermost first, without the simulator's."""
    names = []
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(PACKAGE) and "simulator" not in file:
            names.append(frame.f_code.co_name)
        frame = frame.f_back  # type: ignore[assignment]
    return names[::-1]


class StackRecorder(httpx.AsyncBaseTransport):
    """A transport to the simulator that records the call stack of each request."""

    def __init__(self, simulator: Simulator) -> None:
        self._inner = httpx.ASGITransport(add_date_header(simulator))
        self.stacks: dict[str, list[str]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        stack = own_functions()
        self.stacks[f"{request.url.path} {' '.join(stack)}"] = stack
        return await self._inner.handle_async_request(request)


class Scene:
    """An exporter that polls the simulator, and the call stacks of its requests."""

    def __init__(self, stack_id: int | None, options: Options | None = None) -> None:
        self.now = ManualClock()
        self.world = World()
        self.simulator = Simulator(
            self.world,
            tokens=[TOKEN],
            clock=self.now.read,
            options=options or Options(),
            sleep=self.now.sleep,
            connection_error=httpx.ReadError,
        )
        self.recorder = StackRecorder(self.simulator)
        self.api = {"url": "http://k6.test", "requests_per_minute": 6000, "stack": stack_id}

    @asynccontextmanager
    async def exporter(self, **settings: Any) -> AsyncIterator[Exporter]:
        config = Config.model_validate({"api": self.api} | settings)
        async with create_exporter(
            config, Secret(TOKEN), clock=self.now.clock, transport=self.recorder
        ) as polling:
            yield polling

    def add_tests(self) -> list[int]:
        tests = []
        for name in ("checkout", "login", "search"):
            test = self.world.add_test(name, project_id=self.world.add_project(name))
            self.world.add_run(test, created=START - 40 * 86400)
            self.world.add_run(test, created=START - 2 * 86400, phases=LONG)
            tests.append(test)
        return tests


def polls(scene: Scene, *, seconds: int = 900, **settings: Any) -> dict[str, list[str]]:
    """The call stacks of polls over some discoveries, while runs start and a test is deleted."""

    async def run() -> None:
        tests = scene.add_tests()
        async with scene.exporter(**settings) as polling:
            for step in range(0, seconds, 60):
                scene.now.value = START + step
                scene.world.start(tests[0], scene.now.value - 1)
                if step == 300:
                    scene.world.delete_test(tests[2])
                await polling.poller.poll()

    asyncio.run(run())
    return scene.recorder.stacks


def assert_shallow(stacks: dict[str, list[str]]) -> None:
    assert stacks
    for stack in stacks.values():
        # A request is sent by the poll itself, or by one of its concurrent workers, or it is one for a page
        # ahead. The latter two have stacks of their own.
        assert stack[0] in {"poll", "work", "get"}, stack
        assert stack[-1] == "_send"
        assert len(stack) <= MAX_DEPTH, stack


@both
@pytest.mark.parametrize(
    "tests", [[], [{"include": "."}], [{"project": 30_001}], [{"id": 400_001}, {"id": 99}]], ids=str
)
def test_a_request_is_at_most_six_calls_deep(stack_id: int | None, tests: list[dict[str, Any]]) -> None:
    assert_shallow(polls(Scene(stack_id), tests=tests))


@both
def test_retries_are_at_most_six_calls_deep(stack_id: int | None) -> None:
    scene = Scene(stack_id)
    scene.simulator.faults.add(faults.error(503).on("*", times=40))

    assert_shallow(polls(scene))


def test_fallback_to_documented_parameters_adds_no_call() -> None:
    options = Options(documented_only=True, reject_unknown_parameters=True)

    assert_shallow(polls(Scene(None, options)))


@both
def test_check_of_an_empty_list_is_at_most_six_calls_deep(stack_id: int | None) -> None:
    scene = Scene(stack_id)
    tests_of = "/loadtests/v2/tests" if stack_id is None else "/cloud/v6/load_tests"
    scene.simulator.faults.add(faults.empty_page().on(f"{tests_of}*", times=200))

    stacks = polls(scene)

    assert_shallow(stacks)


def test_v6_list_of_runs_is_requested_by_the_poll_itself() -> None:
    stacks = polls(Scene(1))

    assert ["poll", "fetch", "list_runs", "_paginate", "get", "_send"] in stacks.values()
