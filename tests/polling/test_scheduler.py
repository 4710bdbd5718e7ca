"""When polls happen: intervals, triggers, clocks that are set, and the end of the process."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, tzinfo

import httpx
import pytest
from apscheduler.schedulers import base as apscheduler

from exporter.app import create_exporter
from exporter.config import Config
from exporter.credentials import Secret
from exporter.simulator import Phases, Simulator, World, faults
from tests.support.k6_server import run_skipping
from tests.support.lab import START, TOKEN, add_date_header
from tests.support.scheduled_polls import ScheduledPolls, SkippingClock

IDLE, ACTIVE, STALE_AFTER = 60.0, 15.0, 300.0  # the default settings in seconds
EARLIEST, LATEST = 0.95 - 1e-6, 1.05 + 1e-6  # parts of the interval
DAY = 86400.0
LEAST_BETWEEN = 5.0  # seconds between the starts of two polls that are triggered
CLOCK_STEPS = [sign * step for step in (3600.0, DAY, 3 * DAY, 10 * 365 * DAY) for sign in (1, -1)]


class Scene:
    """An exporter that its scheduler lets poll a simulated k6 Cloud."""

    def __init__(self, stack: int | None) -> None:
        self.now = SkippingClock()
        self.polls = ScheduledPolls(self.now.clock)
        self.world = World()
        self.test = self.world.add_test("checkout")
        self.world.add_run(self.test, created=START - 4000)
        self.simulator = Simulator(
            self.world, tokens=[TOKEN], clock=self.now.read, connection_error=httpx.ReadError
        )
        self.config = Config.model_validate({"api": {"url": "http://k6.test", "stack": stack}})

    @asynccontextmanager
    async def exporter(self) -> AsyncIterator[None]:
        transport = httpx.ASGITransport(add_date_header(self.simulator))
        async with create_exporter(
            self.config, Secret(TOKEN), clock=self.polls.clock, transport=transport
        ) as self.one:
            yield

    async def first_poll(self) -> None:
        self.polls.start(self.one)
        await self.polls.next()

    async def seconds_to_next_poll(self) -> float:
        """Waits for the end of the next poll, and returns how long that took."""
        began = self.now.read()
        await self.polls.next()
        return self.now.read() - began

    async def get(self, path: str = "/metrics") -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.one.web)) as client:
            return await client.get(f"http://exporter.test{path}")

    async def is_up(self) -> bool:
        return "\nk6_cloud_up 1.0\n" in (await self.get()).text


def play(act: Callable[[Scene], Awaitable[None]], stack: int | None = None) -> None:
    """Run a scene, with an exporter, in a loop that skips idle time."""

    async def run() -> None:
        scene = Scene(stack)
        async with scene.exporter():
            await act(scene)

    run_skipping(run())


@pytest.fixture
def apscheduler_clock(monkeypatch: pytest.MonkeyPatch) -> list[SkippingClock]:
    """A list; the clock that a test puts into it is the wall clock of APScheduler."""
    clocks: list[SkippingClock] = []

    class ReadClock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "ReadClock":
            return cls.fromtimestamp(clocks[0].read_wall(), tz)

    monkeypatch.setattr(apscheduler, "datetime", ReadClock)
    return clocks


def test_idle_polls_follow_each_other_in_the_idle_interval() -> None:
    async def act(scene: Scene) -> None:
        await scene.first_poll()
        waits = [await scene.seconds_to_next_poll() for _ in range(20)]

        assert all(IDLE * EARLIEST < wait < IDLE * LATEST for wait in waits)
        assert len(set(waits)) > 10

    play(act)


def test_active_run_shortens_the_interval() -> None:
    async def act(scene: Scene) -> None:
        scene.world.add_run(scene.test, created=START - 10, phases=Phases(running=10_000))
        await scene.first_poll()

        assert await scene.seconds_to_next_poll() < ACTIVE * LATEST

    play(act)


@pytest.mark.parametrize("step", CLOCK_STEPS)
@pytest.mark.parametrize("stack", [None, 1], ids=["legacy", "v6"])
def test_clock_step_does_not_change_the_interval(
    stack: int | None, step: float, apscheduler_clock: list[SkippingClock]
) -> None:
    async def act(scene: Scene) -> None:
        apscheduler_clock.append(scene.now)
        await scene.first_poll()

        scene.now.wall_error = step

        for _ in range(3):
            assert IDLE * EARLIEST < await scene.seconds_to_next_poll() < IDLE * LATEST
            assert await scene.is_up()
        scene.now.wall_error = 0.0
        assert IDLE * EARLIEST < await scene.seconds_to_next_poll() < IDLE * LATEST
        assert await scene.is_up()

    play(act, stack)


@pytest.mark.parametrize("error", [-3 * DAY, 3 * DAY])
def test_wrong_clock_at_the_start_does_not_stop_polling(
    error: float, apscheduler_clock: list[SkippingClock]
) -> None:
    async def act(scene: Scene) -> None:
        apscheduler_clock.append(scene.now)
        scene.now.wall_error = error
        await scene.first_poll()

        assert await scene.is_up()
        assert await scene.seconds_to_next_poll() < IDLE * LATEST
        assert await scene.is_up()

    play(act)


def test_next_poll_follows_the_wall_clock_as_it_is_now() -> None:
    async def act(scene: Scene) -> None:
        await scene.first_poll()
        due = scene.one.next_poll()
        assert due is not None
        assert IDLE * EARLIEST < due - scene.now.read() < IDLE * LATEST

        scene.now.wall_error = -3600.0

        assert scene.one.next_poll() == pytest.approx(due - 3600.0)

    play(act)


def test_after_a_stop_of_the_process_data_is_stale_until_a_poll() -> None:
    async def act(scene: Scene) -> None:
        await scene.first_poll()
        assert await scene.is_up()

        # Monotonic time passes while no code runs. The loop's timer still has its time to wait.
        scene.now.boot -= STALE_AFTER + 1

        assert not await scene.is_up()
        assert "k6_cloud_test_info{" not in (await scene.get()).text
        assert (await scene.get("/-/ready")).status_code == 503
        assert await scene.seconds_to_next_poll() < IDLE * LATEST
        assert await scene.is_up()
        assert (await scene.get("/-/ready")).status_code == 200

    play(act)


def test_trigger_brings_the_next_poll_forward() -> None:
    async def act(scene: Scene) -> None:
        await scene.first_poll()

        scene.one.wake(LEAST_BETWEEN)
        assert await scene.seconds_to_next_poll() == pytest.approx(LEAST_BETWEEN)

        await asyncio.sleep(30)
        scene.one.wake(LEAST_BETWEEN)
        assert await scene.seconds_to_next_poll() == pytest.approx(0)
        assert await scene.seconds_to_next_poll() > IDLE * EARLIEST

    play(act)


def test_trigger_never_delays_a_poll() -> None:
    async def act(scene: Scene) -> None:
        await scene.first_poll()

        scene.one.wake(3600)

        assert await scene.seconds_to_next_poll() < IDLE * LATEST

    play(act)


def test_trigger_during_a_poll_is_followed_by_another() -> None:
    async def act(scene: Scene) -> None:
        scene.simulator.faults.add(faults.slow(before=4, between=0))
        scene.polls.start(scene.one)
        await asyncio.sleep(2)
        assert scene.one.next_poll() is None
        scene.one.wake(LEAST_BETWEEN)
        await scene.polls.next()
        scene.simulator.faults.clear()

        assert await scene.seconds_to_next_poll() < LEAST_BETWEEN

    play(act)


def test_shutdown_waits_for_the_end_of_a_poll(caplog: pytest.LogCaptureFixture) -> None:
    """At each of many steps of a poll. A request of the ended poll would raise in the closed client."""

    async def act(scene: Scene) -> None:
        steps = 0
        while scene.one.poller.last_poll is None:
            async with scene.exporter():
                scene.one.scheduler.start()
                for _ in range(steps):
                    await asyncio.sleep(0)
            requests = len(scene.simulator.requests)
            for _ in range(50):
                await asyncio.sleep(0)
            assert scene.one.poller.poll_in_progress is None
            assert len(scene.simulator.requests) == requests
            steps += 1
        assert steps > 10

    with caplog.at_level(logging.WARNING):
        play(act)
    assert caplog.records == []


def test_shutdown_before_the_start_returns() -> None:
    async def act(scene: Scene) -> None:
        await scene.one.scheduler.shutdown()
        assert scene.one.next_poll() is None

    play(act)


def test_trigger_after_shutdown_does_nothing() -> None:
    async def act(scene: Scene) -> None:
        await scene.first_poll()
        await scene.one.scheduler.shutdown()
        requests = len(scene.simulator.requests)

        scene.one.wake(0)
        await asyncio.sleep(10 * IDLE)

        assert scene.one.next_poll() is None
        assert len(scene.simulator.requests) == requests

    play(act)
