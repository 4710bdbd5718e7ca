"""What may have been meant by an entry of `tests` for which there is nothing in k6 Cloud."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Protocol

from exporter.formatting import escape_unprintable
from exporter.k6.errors import ApiError
from exporter.model import LoadTest, Run, TestList
from exporter.polling.selector import Rule, Selector

MAX_PROJECTS = 20  # listed to find out; beyond, suggestions come from these
MAX_ENTRIES = 20  # that are looked up as something else
MAX_NAMES = 3


class Reader(Protocol):
    """What both API generations can tell."""

    async def list_tests(self, project_id: int | None = None) -> TestList: ...

    async def read_run(self, run_id: int) -> Run: ...


@dataclass(frozen=True, slots=True)
class Inventory:
    """What the token can see, and the runs whose ids stand where those of tests or projects should."""

    tests: Sequence[LoadTest]
    runs: Mapping[int, Run]

    @property
    def projects(self) -> set[int]:
        return {test.project_id for test in self.tests if test.project_id is not None}


async def fetch_inventory(reader: Reader, projects: Sequence[int], ids: Sequence[int]) -> Inventory:
    """The tests of these projects (of none named: all), and which of the ids are of runs; a few requests."""
    tests: list[LoadTest] = []
    runs = {}
    for project in projects[:MAX_PROJECTS] or (None,):
        try:
            tests += (await reader.list_tests(project)).tests
        except ApiError:
            continue  # what cannot be seen cannot be suggested
    for id_ in ids[:MAX_ENTRIES]:
        try:
            runs[id_] = await reader.read_run(id_)
        except ApiError:
            continue
    return Inventory(tests, runs)


def unresolved_ids(selection: Selector, unresolved: Sequence[str]) -> list[int]:
    """The ids of tests and projects in entries that mean nothing."""
    tests = [id_ for id_ in selection.tests if f"test {id_}" in unresolved]
    return tests + [
        rule.project for rule in unresolved_rules(selection, unresolved) if rule.project is not None
    ]


def unresolved_rules(selection: Selector, unresolved: Sequence[str]) -> list[Rule]:
    return [rule for rule in selection.rules if str(rule) in unresolved]


def suggest(selection: Selector, unresolved: Sequence[str], sights: Inventory) -> dict[str, str]:
    """For each entry that means nothing a sentence that helps, without its full stop."""
    by_id = {f"test {id_}": suggest_for_id(id_, sights) for id_ in selection.tests}
    by_rule = {str(rule): suggest_for_rule(rule, sights) for rule in selection.rules}
    return {entry: said for entry, said in (by_id | by_rule).items() if entry in unresolved}


def suggest_for_id(id_: int, sights: Inventory) -> str:
    if id_ in sights.projects:
        return f"{id_} is the id of a project; write project: {id_}, or --project {id_}"
    if id_ in sights.runs:
        return f"{id_} is the id of a run, of test {sights.runs[id_].test_id}"
    near = close_ids(id_, {test.id for test in sights.tests})
    if near:
        return f"of similar id: {format_tests(test for test in sights.tests if test.id in near)}"
    return "k6 Cloud has no such test, or the token cannot see it"


def suggest_for_rule(rule: Rule, sights: Inventory) -> str:
    if rule.project is not None and rule.project not in sights.projects:
        return for_project(rule.project, sights)
    pool = [test for test in sights.tests if rule.project in (None, test.project_id)]
    if not pool:
        return "the token sees no tests there"
    if rule.include is None:
        return f"exclude takes away each of the {len(pool)} tests"
    included = [test for test in pool if rule.include.search(test.name)]
    if included:
        return f"include fits {format_tests(included)}, but exclude takes that away"
    return for_pattern(rule.include, pool, [test for test in sights.tests if test not in pool])


def for_project(id_: int, sights: Inventory) -> str:
    for test in sights.tests:
        if test.id == id_:
            return (
                f"{id_} is the id of test {escape_unprintable(test.name)}; write id: {id_}, or --test {id_}"
            )
    if id_ in sights.runs:
        return f"{id_} is the id of a run, of test {sights.runs[id_].test_id}"
    near = sorted(close_ids(id_, sights.projects))
    if near:
        return f"of similar id: {', '.join(f'project {one}' for one in near)}"
    return "k6 Cloud has no such project, or it has no tests, or the token cannot see it"


def for_pattern(pattern: re.Pattern[str], pool: Sequence[LoadTest], elsewhere: Sequence[LoadTest]) -> str:
    """What is near a pattern that fits no name of the pool."""
    caseless = re.compile(pattern.pattern, pattern.flags | re.IGNORECASE)
    near = [test for test in pool if caseless.search(test.name)]
    if near:
        return f"but for capitals it fits {format_tests(near)}; write (?i){pattern.pattern}"
    there = [test for test in elsewhere if pattern.search(test.name)]
    if there:
        return f"it fits {format_tests(there)}, of project {there[0].project_id}"
    plain = " ".join(re.findall(r"[\w-]+", pattern.pattern)).casefold()
    names = {test.name.casefold() for test in pool}
    alike_names = get_close_matches(plain, sorted(names), n=MAX_NAMES, cutoff=0.5)
    close = [test for name in alike_names for test in pool if test.name.casefold() == name]
    if close:
        return f"of similar name: {format_tests(close)}"
    return f"none of {len(pool)} tests has such a name"


def close_ids(id_: int, ids: Iterable[int]) -> set[int]:
    """Ids that differ by a slip of the finger."""
    return {int(near) for near in get_close_matches(str(id_), map(str, sorted(ids)), MAX_NAMES, cutoff=0.8)}


def format_tests(tests: Iterable[LoadTest]) -> str:
    """Tests by id and name, the first few."""
    every = list(tests)
    said = ", ".join(f"{test.id} {escape_unprintable(test.name)}" for test in every[:MAX_NAMES])
    return said + (f" and {len(every) - MAX_NAMES} more" if len(every) > MAX_NAMES else "")
