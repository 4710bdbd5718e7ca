"""A stage on which one thing goes wrong: a world that goes on meanwhile, the exporter that is told of it with
the fault, a twin that is told without, and what every scrape shows beside the truth of the world."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import httpx

from exporter.app import Exporter, create_exporter
from exporter.clock import Clock
from exporter.config import Config
from exporter.credentials import Secret
from exporter.simulator import EndStatus, Options, Phases, Simulator, World
from tests.faults.truth import FINISHED, OUTCOMES, Fact, counts, told, truth
from tests.support.lab import START, TOKEN, Now, dated

STALE_AFTER = 300.0
INTERVAL = 15.0
STACK = {"legacy": None, "v6": 1}
# Wrong words, not a wrong world: the default is to tell the truth or nothing.
NOTHING: frozenset[str] = frozenset()


class Passing(Now):
    """The time of an event loop that skips what nothing happens in; to wait is to let it pass."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self.clock = Clock(time=self.read, monotonic=self.read, sleep=asyncio.sleep)

    def read(self) -> float:
        return START + self._loop.time()

    async def until(self, moment: float) -> None:
        await asyncio.sleep(moment - self.read())


class Numbered(Now):
    """A number, where the loop has a real network to wait for."""

    async def until(self, moment: float) -> None:
        self.value = max(self.value, moment)


@dataclass(frozen=True)
class Look:
    """What one scrape shows: facts as they are, facts of an earlier time, facts left out, and wrong ones.

    `age` is how long ago the oldest of the facts was true, in seconds. `reasons` are the failures counted in
    the last poll, `is_same` whether the twin shows just the same.
    """

    up: bool
    reasons: tuple[str, ...]
    fresh: int
    old: int
    age: float
    hidden: int
    wrong: tuple[Fact, ...]
    is_same: bool

    @property
    def is_true(self) -> bool:
        return self.up and not (self.old or self.hidden or self.wrong) and self.is_same

    def __str__(self) -> str:
        total = self.fresh + self.old + len(self.wrong)
        parts = [f"up {int(self.up)}" + (f" ({', '.join(self.reasons)})" if self.reasons else "")]
        if not total:
            return f"{parts[0]}, nothing shown"
        parts.append(f"{total} facts")
        if self.old:
            parts.append(f"{self.old} of up to {self.age:.0f} s ago")
        if self.hidden:
            parts.append(f"{self.hidden} not shown")
        if self.wrong:
            parts.append(f"**{len(self.wrong)} wrong**")
        return ", ".join(parts)


@dataclass(frozen=True)
class Trouble:
    """What goes wrong, for how many seconds, and how long k6 Cloud asked for silence beyond that.

    `spoils` are the metrics for which what k6 Cloud says is itself not the truth: they are shown as told.
    All is well again `within` so many polls, but for the metrics `for_good`: a run that ended in a word that
    nobody knows is counted once, and as such.
    """

    name: str
    strike: Callable[["Stage"], Awaitable[object] | None]
    heal: Callable[["Stage"], Awaitable[object] | None] = lambda stage: stage.heal()
    lasts: float = 60.0
    silence: float = 0.0
    spoils: frozenset[str] = NOTHING
    within: int = 1
    for_good: frozenset[str] = NOTHING
    generations: tuple[str, ...] = ("legacy", "v6")


@dataclass
class Performance:
    """What was seen while a trouble lasted and after it, and which promises were broken."""

    trouble: str
    api_version: str
    during: list[Look] = field(default_factory=list)
    after: list[Look] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def worst(self) -> Look:
        """The scrape during the trouble that is furthest from the truth."""
        return max(self.during, key=lambda look: (len(look.wrong), not look.up, look.old, look.hidden))

    @property
    def polls(self) -> int:
        """After so many polls all is as it should be again."""
        return next((n for n, look in enumerate(self.after, 1) if look.is_true), 0)


def a_world() -> World:
    """Tests that run often and end in every way, one that goes on and on, and one that rests."""
    world = World()
    shop = world.add_project("shop")
    endings = [ending for ending in EndStatus if ending is not EndStatus.ARCHIVED]
    brisk = Phases(created=0.5, validated=0.5, queued=1, initializing=1, running=14, processing=2)
    often, other = world.add_test("often"), world.add_test("checkout", project_id=shop)
    world.schedule(often, every=37, first=START - 400, endings=endings, phases=brisk)
    world.schedule(other, every=53, first=START - 400, endings=endings[::-1], phases=brisk)
    long = world.add_test("soak", project_id=shop)
    world.add_run(long, created=START - 3000, failed=True)
    world.add_run(long, created=START - 600, phases=Phases(running=1e6))
    for age in (9000, 5000, 2000):
        world.add_run(world.add_test(f"rests since {age}"), created=START - age, failed=age == 5000)
    return world


class Stage:
    """One exporter and its twin, in the loop that runs now; `async with` it."""

    def __init__(self, api_version: str, now: Passing | Numbered, **api: Any) -> None:
        self.api_version = api_version
        self.now = now
        self.for_good = NOTHING
        self.skew = 0.0  # seconds by which the exporter's clock is ahead of that of the world
        self.began = now.read()
        self.world = a_world()
        self.folder = TemporaryDirectory()
        self.token_file = Path(self.folder.name, "token")
        self.write_token(TOKEN)
        self.token = Secret(path=self.token_file)
        self.simulator = self._simulator()
        self.network: httpx.AsyncBaseTransport = httpx.ASGITransport(dated(self.simulator))
        self._api = {
            "url": "http://k6.test",
            "requests_per_minute": 100_000,
            "stack_id": STACK[api_version],
        } | api
        self._stack = AsyncExitStack()
        self._truths: dict[float, dict[Fact, float]] = {}
        self._failures: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        clock = Clock(lambda: self.now.read() + self.skew, self.now.read, self.now.clock.sleep)
        self.exporter = await self._enter(self.token, clock, self.network)
        clean = httpx.ASGITransport(dated(self._simulator()))
        self.twin = await self._enter(Secret(TOKEN), self.now.clock, clean)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        self.folder.cleanup()

    def _simulator(self) -> Simulator:
        return Simulator(
            self.world,
            tokens=[TOKEN],
            clock=self.now.read,
            sleep=self.now.clock.sleep,
            connection_error=httpx.ReadError,
        )

    async def _enter(self, token: Secret, clock: Clock, network: httpx.AsyncBaseTransport) -> Exporter:
        config = Config.model_validate(
            {
                "api": self._api,
                "poll": {"discovery_interval": "30s", "stale_after": f"{STALE_AFTER:.0f}s"},
            }
        )
        return await self._stack.enter_async_context(
            create_exporter(config, token, clock=clock, transport=network)
        )

    def heal(self) -> None:
        self.simulator.faults.clear()
        self.simulator.tokens = {TOKEN}
        self.simulator.options = Options()
        self.write_token(TOKEN)
        self.skew = 0.0

    def write_token(self, content: str) -> None:
        self.token_file.write_text(content, encoding="utf-8")

    async def poll(self) -> Look:
        """Both poll; what the exporter shows then."""
        began = self.now.read()
        await self.exporter.poller.poll()
        self._remember(began, self.now.read())
        return await self._look(began)

    async def scrape(self, of: Exporter) -> str:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(of.web)) as client:
            answer = await client.get("http://exporter.test/metrics")
        assert answer.status_code == 200
        return answer.text

    def _remember(self, began: float, ended: float) -> None:
        """The truth at each second of a poll, for it may have been told at any."""
        moments = [began + second for second in range(int(ended - began) + 1)]
        self._truths |= {moment: self._truth(moment) for moment in (*moments, ended)}

    def _truth(self, moment: float) -> dict[Fact, float]:
        self.world.advance(moment)
        runs = [run.at(moment) for run in self.world.runs.values() if run.created <= moment]
        counted = counts(runs, self.api_version, self.began)
        facts: dict[Fact, float] = {
            (FINISHED, str(test), outcome): 0.0 for test in self.world.tests for outcome in OUTCOMES
        }
        for test in self.world.tests:
            facts |= truth(runs, test, self.api_version)
        return facts | {fact: float(count) for fact, count in counted.items()}

    async def _look(self, began: float) -> Look:
        page = await self.scrape(self.exporter)
        shown = {fact: value for fact, value in told(page).items() if fact[0] not in self.for_good}
        now = [facts for moment, facts in self._truths.items() if moment >= began]
        fresh = {fact for fact, value in shown.items() if any(facts.get(fact) == value for facts in now)}
        ages = {fact: self._age(fact, shown[fact]) for fact in shown.keys() - fresh}
        old = [age for age in ages.values() if age is not None]
        due = set.intersection(*(set(facts) for facts in now)) - shown.keys()
        hidden = {fact for fact in due if fact[0] not in self.for_good}
        return Look(
            up="\nk6_cloud_up 1.0\n" in page,
            reasons=self._new_failures(page),
            fresh=len(fresh),
            old=len(old),
            age=max(old, default=0.0),
            hidden=len(hidden),
            wrong=tuple(sorted(fact for fact, age in ages.items() if age is None)),
            is_same=await self._is_as_the_twin_says(page),
        )

    def _age(self, fact: Fact, value: float) -> float | None:
        """How long ago this was last true, in seconds; None if it never was since we look."""
        moments = [moment for moment, facts in self._truths.items() if facts.get(fact) == value]
        return self.now.read() - max(moments) if moments else None

    def _new_failures(self, page: str) -> tuple[str, ...]:
        counter = "k6_cloud_exporter_poll_failures_total{"
        lines = (line.rsplit(" ", 1) for line in page.split("\n") if line.startswith(counter))
        before, self._failures = self._failures, {series: float(value) for series, value in lines}
        grown = (series for series, value in self._failures.items() if value > before.get(series, 0.0))
        return tuple(series.split('"')[1] for series in grown)

    async def _is_as_the_twin_says(self, page: str) -> bool:
        await self.twin.poller.poll()
        other = await self.scrape(self.twin)
        return self._compared(page) == self._compared(other)

    def _compared(self, page: str) -> tuple[float, list[str]]:
        """How many runs are said to have finished, and each line that can be as the twin says."""
        lines = facts_in(page)
        finished = sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(FINISHED))
        return finished, [line for line in lines if line.partition("{")[0] not in self.for_good]


def facts_in(page: str) -> list[str]:
    """Every line about tests and runs, but for the schedules, which are looked at now and then."""
    lines = (line for line in page.split("\n") if line.startswith(("k6_cloud_run_", "k6_cloud_test_")))
    return [line for line in lines if "_schedule_" not in line]


def promises(trouble: Trouble, seen: Performance) -> Iterable[str]:
    """Each promise that was broken, in words."""
    for look in seen.during:
        wrong = [fact for fact in look.wrong if fact[0] not in trouble.spoils]
        if wrong:
            yield f"a value that never was: {wrong[0]}"
        if look.up and not trouble.spoils and (look.old or look.hidden):
            yield f"{look.old} old and {look.hidden} missing facts, and up is 1"
        if look.old and look.age > STALE_AFTER + 2 * INTERVAL:
            yield f"a value of {look.age:.0f} s ago is still shown"
        if "internal" in look.reasons:
            yield "a bug of the exporter"
    if not 0 < seen.polls <= trouble.within:
        yield f"not well {trouble.within} polls after it, but after {seen.polls or 'more'}: {seen.after[-1]}"


async def done(act: Awaitable[object] | None) -> None:
    """What is done to a stage is done at once, or takes its time."""
    if act is not None:
        await act


async def play(trouble: Trouble, stage: Stage) -> Performance:
    """Three good polls, the trouble, and polls until all is well again."""
    seen = Performance(trouble.name, stage.api_version)
    async with stage:
        for beat in range(3):
            await stage.now.until(stage.began + beat * INTERVAL)
            look = await stage.poll()
            assert look.is_true, look
        stage.for_good = trouble.for_good
        await done(trouble.strike(stage))
        end = stage.now.read() + trouble.lasts
        while stage.now.read() < end:
            await stage.now.until(stage.now.read() + INTERVAL)
            seen.during.append(await stage.poll())
        await done(trouble.heal(stage))
        await stage.now.until(stage.now.read() + trouble.silence)
        for _ in range(5):
            await stage.now.until(stage.now.read() + INTERVAL)
            seen.after.append(await stage.poll())
            if seen.after[-1].is_true:
                break
    seen.broken = list(dict.fromkeys(promises(trouble, seen)))
    return seen
