"""Worlds made by chance, in which everything happens at once: in the end what is told is the truth."""

import random
from collections import ChainMap, Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

import pytest

from exporter.simulator import (
    EndStatus,
    Fault,
    NextLink,
    Options,
    Phases,
    RunState,
    Timestamps,
    World,
    faults,
)
from exporter.simulator.http import Response
from exporter.simulator.options import V6Options
from tests.faults.truth import FINISHED, counts, told, truth
from tests.support.lab import START, Lab

APIS = {"legacy": {"url": "http://k6.test"}, "v6": {"url": "http://k6.test", "stack": 1}}

HOUR, DAY, FOREVER = 3600.0, 86400.0, 1e6
CALM = 13  # discoveries: each looks anew at a twelfth of the old runs of legacy
ENDINGS = [EndStatus.FINISHED] * 6 + [ending for ending in EndStatus if ending is not EndStatus.ARCHIVED]
LINKS = [link for link in NextLink if link not in (NextLink.FOREIGN, NextLink.LOOP)]


class Reluctant(World):
    """A world whose lists tell a run only from a moment on, some time after its creation."""

    def __init__(self, stop_delay: float) -> None:
        super().__init__(stop_delay=stop_delay)
        self.listed_from: dict[int, float] = {}

    def _listed(self, ids: list[int], now: float) -> list[int]:
        return [id_ for id_ in ids if self.listed_from.get(id_, 0) <= now]

    def run_ids(self, test_id: int, now: float) -> list[int]:
        return self._listed(super().run_ids(test_id, now), now)

    def run_ids_between(
        self, since: float | None, before: float | None, now: float, test_id: int | None = None
    ) -> list[int]:
        return self._listed(super().run_ids_between(since, before, now, test_id), now)

    def last_run_id(self, test_id: int, now: float) -> int | None:
        return max(self.run_ids(test_id, now), default=None)


class Drama:
    """A world and what will happen in it; `deleted` are the runs that were, as they then were."""

    def __init__(self, seed: int, api_version: str) -> None:
        self.chance = Random(f"{api_version} {seed}")
        self.api_version = api_version
        self.world = Reluctant(stop_delay=self.chance.uniform(0, 10))
        self.end = START + self.chance.choice([600, HOUR, 2 * HOUR])
        self.deleted: list[RunState] = []
        self.tests = list(self._tests())
        self._add_runs()
        self.lab = Lab(self.world, options=some_options(self.chance.choice), api=APIS[api_version])
        self.events = sorted(self._events(), key=lambda event: event[0])

    def play(self) -> None:
        """Poll at the beginning, then as chance will have it, and in the end for some calm hours."""
        assert self.lab.at(0).poll().outcome == "success"
        while self.lab.now.value < self.end:
            usual = self.lab.exporter.poller.interval * self.chance.uniform(0.95, 1.05)
            self._go_on(usual if self.chance.random() < 0.95 else self.chance.choice([200, 3000]))
        self._go_on(900)
        self.lab.simulator.faults.clear()
        for _ in range(CALM):
            self._go_on(300)

    def _go_on(self, seconds: float) -> None:
        self.lab.now.value += seconds
        while self.events and self.events[0][0] <= self.lab.now.value:
            self.events.pop(0)[1]()
        self.lab.poll()

    def _moments(self, most: int, since: float, until: float) -> list[tuple[float, int]]:
        """Some moments and a test for each; in order, for ids are given in the order of creation."""
        times = range(self.chance.randint(0, most))
        return sorted((self.chance.uniform(since, until), self.chance.choice(self.tests)) for _ in times)

    def _tests(self) -> Iterator[int]:
        world, chance = self.world, self.chance
        projects = [*world.projects, *(world.add_project(f"p{n}") for n in range(chance.randrange(3)))]
        for n in range(chance.randint(1, 7)):
            yield world.add_test(chance.choice(["same", f"test {n}"]), project_id=chance.choice(projects))

    def _add_runs(self) -> None:
        """Some history, perhaps with a day of silence after it, and what is to come."""
        began, ceased = self.chance.choice([(HOUR, 0), (DAY, 0), (4 * DAY, DAY + HOUR)])
        for created, test in self._moments(7 * len(self.tests), START - began, START - ceased):
            self._add_run(test, created)
        starts = self._moments(25, START + 1, self.end)
        bursts = ((at + 9 * n, test) for at, test in starts for n in range(self.chance.choice([1, 1, 5])))
        for created, test in sorted(bursts):
            run = self._add_run(test, created)
            if self.chance.random() < 0.4:
                self.world.listed_from[run] = created + self.chance.uniform(0, 110)
            if self.chance.random() < 0.1:
                self.world.stop(run, created + self.chance.uniform(0, 200))

    def _add_run(self, test: int, created: float) -> int:
        chance, ending = self.chance, self.chance.choice(ENDINGS)
        longest = (10, 5, 60, 30, chance.choice([20, 400, 8000, FOREVER]), 60)
        phases = Phases(*(chance.uniform(0.1, seconds) for seconds in longest))
        failed, lost = (ending is EndStatus.FINISHED and chance.random() < odds for odds in (0.3, 0.1))
        return self.world.add_run(
            test, created=created, ending=ending, failed=failed, processing_fails=lost, phases=phases
        )

    def _events(self) -> Iterator[tuple[float, Callable[[], None]]]:
        strikes = self.lab.simulator.faults
        for at, test in self._moments(2, START, self.end):
            yield at, partial(self.world.rename_test, test, f"renamed at {at}", at)
        for at, test in self._moments(8, START, self.end):
            yield at, partial(self._delete, test)
        for at, test in self._moments(5, START, self.end):
            yield at, partial(strikes.add, self.chance.choice(faults_about(test)))
            yield at + self.chance.uniform(10, 900), strikes.clear

    def _delete(self, test: int) -> None:
        now = self.lab.now.value
        # v6 is not asked for old runs again: one that is deleted stays until it is too old to be shown.
        oldest = now - 100 if self.api_version == "v6" else 0
        if ids := [id_ for id_ in self.world.run_ids(test, now) if self.world.runs[id_].created > oldest]:
            self.deleted.append(self.world.at(self.chance.choice(ids), now))
            self.world.delete_run(self.deleted[-1].id)


def some_options(choose: Callable[[list[Any]], Any]) -> Options:
    return Options(
        timestamps=choose(list(Timestamps)),
        max_page_size=choose([3, 100, 100]),
        documented_only=choose([False] * 5 + [True]),
        ids_only_in_default_project=choose([False, True]),
        v6=V6Options(max_top=choose([12, 1000]), clamp_top=True, next_link=choose(LINKS)),
    )


def illegible(test: int, _: object, answer: Response) -> Response:
    """The runs of this test without a test."""
    return replace(answer, raw=answer.payload.replace(f'"test_id": {test}'.encode(), b'"test_id": ""'))


def faults_about(test: int) -> list[Fault]:
    brief = (faults.reset(), faults.cut_json(), faults.slow(before=60), faults.empty_body())
    of_test = (f"*test_id={test}*", f"*/tests/{test}*", f"*/load_tests/{test}*", "*/*runs*")
    lasting = [faults.error(429, retry_after=45), faults.error(503), *[Fault(partial(illegible, test))] * 4]
    return [*(fault.on(times=3) for fault in brief), *(faults.error(503).on(it) for it in of_test), *lasting]


@pytest.mark.parametrize("api_version", APIS)
@pytest.mark.parametrize("seed", range(22, 35))  # among them are some that many a mistake needs
def test_each_run_that_finishes_counts_once_whatever_happens(seed: int, api_version: str) -> None:
    random.seed(seed)  # for the jitter of retries
    drama = Drama(seed, api_version)
    with drama.lab as lab:
        drama.play()
        facts = told(lab.get().text)

    runs = [run.at(lab.now.value) for run in drama.world.runs.values()]
    certain, perhaps = counts(runs, api_version, START), counts(drama.deleted, api_version, START)
    counted = Counter({fact: int(facts.pop(fact)) for fact in list(facts) if fact[0] == FINISHED})
    # One that was deleted has counted if it was seen before.
    assert certain <= counted <= certain + perhaps
    assert facts == dict(ChainMap(*(truth(runs, test, api_version) for test in drama.tests)))
