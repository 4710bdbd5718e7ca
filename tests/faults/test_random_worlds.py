"""Random worlds with random faults: in the end the exporter shows the correct series."""

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
from tests.faults.expected import FINISHED, count_finished, expected_series, parse_series
from tests.support.lab import START, Lab

APIS = {"legacy": {"url": "http://k6.test"}, "v6": {"url": "http://k6.test", "stack": 1}}

HOUR, DAY, ENDLESS = 3600.0, 86400.0, 1e6
FINAL_DISCOVERIES = 13  # each fetches a twelfth of the old legacy runs again
ENDINGS = [EndStatus.FINISHED] * 6 + [ending for ending in EndStatus if ending is not EndStatus.ARCHIVED]
LINKS = [link for link in NextLink if link not in (NextLink.OTHER_HOST, NextLink.LOOP)]


class DelayedWorld(World):
    """A world whose lists show a run only some time after its creation."""

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


class RandomScenario:
    """A random world with its events; `deleted` has the deleted runs as they were then."""

    def __init__(self, seed: int, api_version: str) -> None:
        self.rng = Random(f"{api_version} {seed}")
        self.api_version = api_version
        self.world = DelayedWorld(stop_delay=self.rng.uniform(0, 10))
        self.end = START + self.rng.choice([600, HOUR, 2 * HOUR])
        self.deleted: list[RunState] = []
        self.tests = list(self._add_tests())
        self._add_runs()
        self.lab = Lab(self.world, options=draw_options(self.rng.choice), api=APIS[api_version])
        self.events = sorted(self._draw_events(), key=lambda event: event[0])

    def run(self) -> None:
        """Poll at the start, then at random intervals, and in the end without faults."""
        assert self.lab.at(0).poll().outcome == "success"
        while self.lab.now.value < self.end:
            interval = self.lab.exporter.poller.interval * self.rng.uniform(0.95, 1.05)
            self._advance(interval if self.rng.random() < 0.95 else self.rng.choice([200, 3000]))
        self._advance(900)
        self.lab.simulator.faults.clear()
        for _ in range(FINAL_DISCOVERIES):
            self._advance(300)

    def _advance(self, seconds: float) -> None:
        self.lab.now.value += seconds
        while self.events and self.events[0][0] <= self.lab.now.value:
            self.events.pop(0)[1]()
        self.lab.poll()

    def _draw_times(self, most: int, since: float, until: float) -> list[tuple[float, int]]:
        """Times with a test each, in order, because ids ascend in the order of creation."""
        times = range(self.rng.randint(0, most))
        return sorted((self.rng.uniform(since, until), self.rng.choice(self.tests)) for _ in times)

    def _add_tests(self) -> Iterator[int]:
        world, rng = self.world, self.rng
        projects = [*world.projects, *(world.add_project(f"p{n}") for n in range(rng.randrange(3)))]
        for n in range(rng.randint(1, 7)):
            yield world.add_test(rng.choice(["same", f"test {n}"]), project_id=rng.choice(projects))

    def _add_runs(self) -> None:
        """Past runs, perhaps with a day without runs after them, and future runs."""
        oldest, newest = self.rng.choice([(HOUR, 0), (DAY, 0), (4 * DAY, DAY + HOUR)])
        for created, test in self._draw_times(7 * len(self.tests), START - oldest, START - newest):
            self._add_run(test, created)
        starts = self._draw_times(25, START + 1, self.end)
        bursts = ((at + 9 * n, test) for at, test in starts for n in range(self.rng.choice([1, 1, 5])))
        for created, test in sorted(bursts):
            run = self._add_run(test, created)
            if self.rng.random() < 0.4:
                self.world.listed_from[run] = created + self.rng.uniform(0, 110)
            if self.rng.random() < 0.1:
                self.world.stop(run, created + self.rng.uniform(0, 200))

    def _add_run(self, test: int, created: float) -> int:
        rng, ending = self.rng, self.rng.choice(ENDINGS)
        longest = (10, 5, 60, 30, rng.choice([20, 400, 8000, ENDLESS]), 60)
        phases = Phases(*(rng.uniform(0.1, seconds) for seconds in longest))
        failed, lost = (ending is EndStatus.FINISHED and rng.random() < odds for odds in (0.3, 0.1))
        return self.world.add_run(
            test, created=created, ending=ending, failed=failed, processing_fails=lost, phases=phases
        )

    def _draw_events(self) -> Iterator[tuple[float, Callable[[], None]]]:
        active = self.lab.simulator.faults
        for at, test in self._draw_times(2, START, self.end):
            yield at, partial(self.world.rename_test, test, f"renamed at {at}", at)
        for at, test in self._draw_times(8, START, self.end):
            yield at, partial(self._delete, test)
        for at, test in self._draw_times(5, START, self.end):
            yield at, partial(active.add, self.rng.choice(make_faults(test)))
            yield at + self.rng.uniform(10, 900), active.clear

    def _delete(self, test: int) -> None:
        now = self.lab.now.value
        # The exporter does not fetch old v6 runs again: a deleted one stays until it is too old.
        oldest = now - 100 if self.api_version == "v6" else 0
        if ids := [id_ for id_ in self.world.run_ids(test, now) if self.world.runs[id_].created > oldest]:
            self.deleted.append(self.world.at(self.rng.choice(ids), now))
            self.world.delete_run(self.deleted[-1].id)


def draw_options(choose: Callable[[list[Any]], Any]) -> Options:
    return Options(
        timestamps=choose(list(Timestamps)),
        max_page_size=choose([3, 100, 100]),
        documented_only=choose([False] * 5 + [True]),
        ids_only_in_default_project=choose([False, True]),
        v6=V6Options(max_top=choose([12, 1000]), clamp_top=True, next_link=choose(LINKS)),
    )


def remove_test_id(test: int, _: object, response: Response) -> Response:
    """The runs of this test lose their test id."""
    return replace(response, raw=response.payload.replace(f'"test_id": {test}'.encode(), b'"test_id": ""'))


def make_faults(test: int) -> list[Fault]:
    brief = (faults.reset(), faults.cut_json(), faults.slow(before=60), faults.empty_body())
    of_test = (f"*test_id={test}*", f"*/tests/{test}*", f"*/load_tests/{test}*", "*/*runs*")
    lasting = [
        faults.error(429, retry_after=45),
        faults.error(503),
        *[Fault(partial(remove_test_id, test))] * 4,
    ]
    return [*(fault.on(times=3) for fault in brief), *(faults.error(503).on(it) for it in of_test), *lasting]


@pytest.mark.parametrize("api_version", APIS)
@pytest.mark.parametrize("seed", range(22, 35))  # these seeds found most of the mistakes so far
def test_every_finished_run_is_counted_once(seed: int, api_version: str) -> None:
    random.seed(seed)  # for the jitter of retries
    scenario = RandomScenario(seed, api_version)
    with scenario.lab as lab:
        scenario.run()
        series = parse_series(lab.get().text)

    runs = [run.at(lab.now.value) for run in scenario.world.runs.values()]
    certain = count_finished(runs, api_version, START)
    possible = count_finished(scenario.deleted, api_version, START)
    counted = Counter({key: int(series.pop(key)) for key in list(series) if key[0] == FINISHED})
    # A deleted run is counted if a poll received it before.
    assert certain <= counted <= certain + possible
    assert series == dict(ChainMap(*(expected_series(runs, test, api_version) for test in scenario.tests)))
