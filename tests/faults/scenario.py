"""A fault scenario: a world, an exporter that meets the fault, and a reference exporter that does not.

The scheduler of the exporter starts its polls. Every scrape is compared with the world and with the reference
exporter.
"""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import httpx

from exporter.app import Exporter, create_exporter
from exporter.clock import Clock
from exporter.config import Config
from exporter.credentials import Secret
from exporter.simulator import EndStatus, Options, Phases, Simulator, World
from tests.faults.expected import (
    FINISHED,
    OUTCOMES,
    SeriesKey,
    count_finished,
    expected_series,
    parse_series,
)
from tests.support.lab import START, TOKEN, ManualClock, add_date_header
from tests.support.scheduled_polls import PATIENCE, ScheduledPolls

STALE_AFTER = 300.0
INTERVAL = 15.0
STACK_IDS = {"legacy": None, "v6": 1}
NO_METRICS: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Observation:
    """How one scrape compares with the world: numbers of fresh, stale and missing series, and the wrong ones.

    `age` is the time since the oldest stale value was right, in seconds. `reasons` are the failures in the
    last poll; `is_same` is whether the reference exporter shows the same page.
    """

    up: bool
    reasons: tuple[str, ...]
    fresh: int
    stale: int
    age: float
    missing: int
    wrong: tuple[SeriesKey, ...]
    is_same: bool

    @property
    def is_correct(self) -> bool:
        return self.up and not (self.stale or self.missing or self.wrong) and self.is_same

    def __str__(self) -> str:
        total = self.fresh + self.stale + len(self.wrong)
        parts = [f"up {int(self.up)}" + (f" ({', '.join(self.reasons)})" if self.reasons else "")]
        if not total:
            return f"{parts[0]}, no series"
        parts.append(f"{total} series")
        if self.stale:
            parts.append(f"{self.stale} stale (up to {self.age:.0f} s)")
        if self.missing:
            parts.append(f"{self.missing} missing")
        if self.wrong:
            parts.append(f"**{len(self.wrong)} wrong**")
        return ", ".join(parts)


@dataclass(frozen=True)
class Scenario:
    """A fault, how to inject it and recover from it, and what is allowed meanwhile.

    from_start: whether the fault is there at the first poll, and not only after three polls without it.
    duration: of the fault, in seconds. extra_wait: how long a Retry-After demands to wait beyond that.
    false_metrics: those for which k6 Cloud itself reports wrong values, which are exposed as received.
    recovery_polls: polls after the fault until everything is correct again, except for the
    permanent_metrics: a run that ended with an unknown status stays counted as such.
    """

    name: str
    inject: Callable[["FaultLab"], Awaitable[object] | None]
    recover: Callable[["FaultLab"], Awaitable[object] | None] = lambda lab: lab.recover()
    from_start: bool = False
    duration: float = 60.0
    extra_wait: float = 0.0
    false_metrics: frozenset[str] = NO_METRICS
    recovery_polls: int = 1
    permanent_metrics: frozenset[str] = NO_METRICS
    api_versions: tuple[str, ...] = ("legacy", "v6")


@dataclass
class ScenarioResult:
    """The observations during and after the fault, and the violated invariants."""

    scenario: str
    api_version: str
    during: list[Observation] = field(default_factory=list)
    after: list[Observation] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    @property
    def worst(self) -> Observation:
        """The scrape during the fault that differs most from the world."""
        return max(self.during, key=lambda it: (len(it.wrong), not it.up, it.stale, it.missing))

    @property
    def polls(self) -> int:
        """Polls after the fault until a scrape is correct; 0 if none is."""
        return next((n for n, it in enumerate(self.after, 1) if it.is_correct), 0)


def make_world() -> World:
    """Two tests that run often and end in every way, one with a long run, and three without new runs."""
    world = World()
    shop = world.add_project("shop")
    endings = [ending for ending in EndStatus if ending is not EndStatus.ARCHIVED]
    short = Phases(created=0.5, validated=0.5, queued=1, initializing=1, running=14, processing=2)
    often, other = world.add_test("often"), world.add_test("checkout", project_id=shop)
    world.schedule(often, every=37, first=START - 400, endings=endings, phases=short)
    world.schedule(other, every=53, first=START - 400, endings=endings[::-1], phases=short)
    long = world.add_test("soak", project_id=shop)
    world.add_run(long, created=START - 3000, failed=True)
    world.add_run(long, created=START - 600, phases=Phases(running=1e6))
    for age in (9000, 5000, 2000):
        world.add_run(world.add_test(f"rests since {age}"), created=START - age, failed=age == 5000)
    return world


class FaultLab:
    """The exporter under test and the reference exporter, in the running loop; use with `async with`."""

    is_held, patience = False, PATIENCE  # see ScheduledPolls

    def __init__(self, api_version: str, now: ManualClock, **api: Any) -> None:
        self.api_version = api_version
        self.now = now
        self._polls = ScheduledPolls(now.clock, is_held=self.is_held, patience=self.patience)
        self._due: float | None = None  # the Unix time of the next poll; None before the first one
        self.permanent_metrics = NO_METRICS
        self.began = now.read()
        self.world = make_world()
        self.folder = TemporaryDirectory()
        self.token_file = Path(self.folder.name, "token")
        self.write_token(TOKEN)
        self.token = Secret(path=self.token_file)
        self.simulator = self._create_simulator()
        self.network: httpx.AsyncBaseTransport = httpx.ASGITransport(add_date_header(self.simulator))
        self._api = {
            "url": "http://k6.test",
            "requests_per_minute": 100_000,
            "stack": STACK_IDS[api_version],
        } | api
        self._stack = AsyncExitStack()
        self._expected: dict[float, dict[SeriesKey, float]] = {}
        self._failures: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        self.exporter = await self._create_exporter(self.token, self._polls.clock, self.network)
        clean = httpx.ASGITransport(add_date_header(self._create_simulator()))
        clock = replace(self.now.clock, time=self.now.read)
        self.reference = await self._create_exporter(Secret(TOKEN), clock, clean)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        self.folder.cleanup()

    def _create_simulator(self) -> Simulator:
        return Simulator(
            self.world,
            tokens=[TOKEN],
            clock=self.now.read,
            sleep=self.now.clock.sleep,
            connection_error=httpx.ReadError,
        )

    async def _create_exporter(
        self, token: Secret, clock: Clock, network: httpx.AsyncBaseTransport
    ) -> Exporter:
        config = Config.model_validate(
            {
                "api": self._api,
                "poll": {"discovery_interval": "30s", "stale_after": f"{STALE_AFTER:.0f}s"},
            }
        )
        return await self._stack.enter_async_context(
            create_exporter(config, token, clock=clock, transport=network)
        )

    def recover(self) -> None:
        self.simulator.faults.clear()
        self.simulator.tokens = {TOKEN}
        self.simulator.options = Options()
        self.write_token(TOKEN)
        self.now.wall_error = 0.0

    def write_token(self, content: str) -> None:
        self.token_file.write_text(content, encoding="utf-8")

    async def poll(self) -> Observation:
        """Wait for the next poll of the exporter, poll with the reference, and compare their scrapes."""
        return await self._observe(await self.wait_for_poll())

    async def wait_for_poll(self) -> float:
        """Wait for the end of the next poll, and return when it was due. Raises TimeoutError if none ends."""
        if self._due is None:
            self._due = self.now.read()
            self._polls.start(self.exporter)
        await self._polls.next()
        began = min(self._due, self.now.read())
        self._record_expected(began, self.now.read())
        next_poll = self.exporter.scheduler.next_poll()
        assert next_poll is not None
        self._due = next_poll - self.now.wall_error
        return began

    async def observe(self) -> Observation:
        """Compare a scrape between two polls."""
        now = self.now.read()
        self._record_expected(now, now)
        return await self._observe(now)

    async def scrape(self, exporter: Exporter) -> str:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(exporter.web)) as client:
            response = await client.get("http://exporter.test/metrics")
        assert response.status_code == 200
        return response.text

    def _record_expected(self, began: float, ended: float) -> None:
        """The expected series at each second of a poll, since a response may show any of them."""
        times = [began + second for second in range(int(ended - began) + 1)]
        self._expected |= {time: self._expect(time) for time in (*times, ended)}

    def _expect(self, time: float) -> dict[SeriesKey, float]:
        self.world.advance(time)
        runs = [run.at(time) for run in self.world.runs.values() if run.created <= time]
        series: dict[SeriesKey, float] = {
            (FINISHED, str(test), outcome): 0.0 for test in self.world.tests for outcome in OUTCOMES
        }
        for test in self.world.tests:
            series |= expected_series(runs, test, self.api_version)
        counters = count_finished(runs, self.api_version, self.began)
        return series | {key: float(count) for key, count in counters.items()}

    async def _observe(self, began: float) -> Observation:
        page = await self.scrape(self.exporter)
        shown = {
            key: value for key, value in parse_series(page).items() if key[0] not in self.permanent_metrics
        }
        current = [series for time, series in self._expected.items() if time >= began]
        fresh = {key for key, value in shown.items() if any(series.get(key) == value for series in current)}
        ages = {key: self._age(key, shown[key]) for key in shown.keys() - fresh}
        stale = [age for age in ages.values() if age is not None]
        absent = set.intersection(*(set(series) for series in current)) - shown.keys()
        return Observation(
            up="\nk6_cloud_up 1.0\n" in page,
            reasons=self._new_failures(page),
            fresh=len(fresh),
            stale=len(stale),
            age=max(stale, default=0.0),
            missing=len({key for key in absent if key[0] not in self.permanent_metrics}),
            wrong=tuple(sorted(key for key, age in ages.items() if age is None)),
            is_same=await self._equals_reference(page),
        )

    def _age(self, key: SeriesKey, value: float) -> float | None:
        """Seconds since the value was last right; None if it never was."""
        times = [time for time, series in self._expected.items() if series.get(key) == value]
        return self.now.read() - max(times) if times else None

    def _new_failures(self, page: str) -> tuple[str, ...]:
        counter = "k6_cloud_exporter_poll_failures_total{"
        lines = (line.rsplit(" ", 1) for line in page.split("\n") if line.startswith(counter))
        before, self._failures = self._failures, {series: float(value) for series, value in lines}
        increased = (series for series, value in self._failures.items() if value > before.get(series, 0.0))
        return tuple(series.split('"')[1] for series in increased)

    async def _equals_reference(self, page: str) -> bool:
        await self.reference.poller.poll()
        other = await self.scrape(self.reference)
        return self._comparable(page) == self._comparable(other)

    def _comparable(self, page: str) -> tuple[float, list[str]]:
        """The number of finished runs, and each line without the permanent metrics."""
        lines = list_test_lines(page)
        finished = sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(FINISHED))
        return finished, [line for line in lines if line.partition("{")[0] not in self.permanent_metrics]


def list_test_lines(page: str) -> list[str]:
    """Every line about tests and runs, except schedules, which only some polls fetch."""
    lines = (line for line in page.split("\n") if line.startswith(("k6_cloud_run_", "k6_cloud_test_")))
    return [line for line in lines if "_schedule_" not in line]


def find_violations(scenario: Scenario, result: ScenarioResult) -> Iterable[str]:
    """A sentence for each violated invariant."""
    for it in result.during:
        wrong = [key for key in it.wrong if key[0] not in scenario.false_metrics]
        if wrong:
            yield f"a value that was never right: {wrong[0]}"
        if it.up and not scenario.false_metrics and (it.stale or it.missing):
            yield f"{it.stale} stale and {it.missing} missing series with up 1"
        if it.stale and it.age > STALE_AFTER + 2 * INTERVAL:
            yield f"a value of {it.age:.0f} s ago is still exposed"
        if "internal" in it.reasons:
            yield "an internal error of the exporter"
    if not 0 < result.polls <= scenario.recovery_polls:
        polls = result.polls or "more"
        yield f"recovered after {polls} polls, not after {scenario.recovery_polls}: {result.after[-1]}"


async def finish(step: Awaitable[object] | None) -> None:
    """Wait for a step of a scenario if it is asynchronous."""
    if step is not None:
        await step


async def execute(scenario: Scenario, lab: FaultLab) -> ScenarioResult:
    """Three polls without the fault, the fault, and polls until everything is correct again, at most five."""
    result = ScenarioResult(scenario.name, lab.api_version)
    async with lab:
        for _ in range(0 if scenario.from_start else 3):
            observation = await lab.poll()
            assert observation.is_correct, observation
        lab.permanent_metrics = scenario.permanent_metrics
        await finish(scenario.inject(lab))
        end = lab.now.read() + scenario.duration
        result.during.append(await lab.observe())
        while lab.now.read() < end:
            result.during.append(await lab.poll())
        await finish(scenario.recover(lab))
        end = lab.now.read() + scenario.extra_wait
        while lab.now.read() < end:
            await lab.wait_for_poll()
        for _ in range(5):
            result.after.append(await lab.poll())
            if result.after[-1].is_correct:
                break
    result.violations = list(dict.fromkeys(find_violations(scenario, result)))
    return result
