"""Several processes that share the tests: none is watched twice, none by nobody."""

import re
from collections import Counter
from typing import Any

import pytest

from exporter.polling.sharding import ALONE, shard_of
from exporter.simulator import World
from tests.support.lab import START, Lab

GENERATIONS = ({"version": "legacy"}, {"version": "v6", "stack": 1})
both = pytest.mark.parametrize("api", GENERATIONS, ids=["legacy", "v6"])
TESTS = 1000


def world(tests: int = TESTS) -> World:
    made = World()
    for i in range(tests):
        made.add_run(made.add_test(f"test {i}"), created=START - 3600.0 - i)
    return made


def shard(index: int, total: int, made: World, api: dict[str, Any], **settings: Any) -> Lab:
    asking = {"url": "http://k6.test", "requests_per_minute": 100_000}
    return Lab(made, api=asking | api, sharding={"shard": index, "total": total}, **settings)


def tracked(lab: Lab) -> list[str]:
    return [line.split('test_id="')[1].split('"')[0] for line in lab.series("k6_cloud_test_info")]


@both
def test_four_processes_watch_each_test_once_and_about_as_many_each(api: dict[str, Any]) -> None:
    made, shares, told = world(), [], []
    for index in range(4):
        with shard(index, 4, made, api) as one:
            one.poll()
            shares.append(tracked(one))
            told.append({name: one.value(f"k6_cloud_exporter_{name}") for name in ("tests", "runs")})

    assert Counter(test for share in shares for test in share) == dict.fromkeys(map(str, made.tests), 1)
    assert all(TESTS / 4 * 0.8 <= len(share) <= TESTS / 4 * 1.2 for share in shares)
    assert sum(one["tests"] or 0 for one in told) == TESTS
    assert sum(one["runs"] or 0 for one in told) == TESTS


@pytest.mark.parametrize("total", [1, 2, 3, 4, 7, 16])
def test_each_process_has_its_share_of_a_thousand_tests_whatever_their_ids(total: int) -> None:
    for ids in (range(1, 4001), range(9_000_000, 9_040_000, 10)):
        shares = Counter(shard_of(id_, total) for id_ in ids)

        assert set(shares) == set(range(total))
        assert all(4000 / total * 0.8 <= share <= 4000 / total * 1.2 for share in shares.values())


def test_one_process_more_takes_its_share_and_moves_nothing_else() -> None:
    moved = {id_: shard_of(id_, 5) for id_ in range(1, TESTS) if shard_of(id_, 4) != shard_of(id_, 5)}

    assert set(moved.values()) == {4}
    assert len(moved) < TESTS / 5 * 1.2


def test_where_a_test_belongs_is_the_same_everywhere_and_for_ever() -> None:
    assert [shard_of(id_, 4) for id_ in (1, 2, 3, 1234, 2**63)] == [3, 3, 2, 1, 3]


def test_one_process_alone_has_every_test() -> None:
    assert all(ALONE.contains(id_) for id_ in range(100))


@both
def test_a_run_that_ends_counts_in_one_process_only(api: dict[str, Any]) -> None:
    made = world(8)
    for test in made.tests:
        made.add_run(test, created=START + 5)
    counted = 0.0
    for index in range(3):
        with shard(index, 3, made, api) as one:
            one.at(0).poll()
            one.at(3600).poll()
            counted += sum(one.series("k6_cloud_test_runs_finished_total").values())

    assert counted == 8


@both
def test_an_entry_without_a_test_is_told_by_one_process(api: dict[str, Any]) -> None:
    made = world(8)
    entries = [{"id": 99_991}, {"id": 99_992}, {"include": "nothing is called so"}, {"include": "^test 3$"}]
    unresolved = []
    for index in range(4):
        with shard(index, 4, made, api, tests=entries) as one:
            one.poll()
            unresolved.append(one.value("k6_cloud_exporter_tests_unresolved") or 0)

    assert sum(unresolved) == 3


@both
def test_only_the_tests_of_its_own_are_asked_for_their_runs(api: dict[str, Any]) -> None:
    made = world(40)
    with shard(1, 4, made, api) as one:
        one.poll()
        own = set(tracked(one))
        asked = {test for line in one.take_requests() for test in re.findall("test_id=([0-9]+)", line)}

    assert asked <= own


def test_a_process_says_which_of_how_many_it_is() -> None:
    with shard(2, 4, world(4), {"version": "legacy"}) as one:
        assert one.value('k6_cloud_exporter_shard_info{shard="2"}') == 1
        assert one.value("k6_cloud_exporter_total_shards") == 4
