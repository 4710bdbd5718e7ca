"""Suggests corrections of entries of `tests` that match nothing in k6 Cloud."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches

from exporter.formatting import escape_unprintable
from exporter.k6.errors import ApiError
from exporter.k6.legacy.client import LegacyClient
from exporter.k6.v6.client import V6Client
from exporter.model import LoadTest, Run
from exporter.polling.selector import Rule, Selector

MAX_PROJECTS = 20  # whose tests are listed to make suggestions
MAX_IDS = 20  # that are looked up as run ids
MAX_SUGGESTIONS = 3


@dataclass(frozen=True, slots=True)
class Inventory:
    """The tests visible to the token, and the runs whose ids are used where a test or project id belongs."""

    tests: Sequence[LoadTest]
    runs: Mapping[int, Run]

    @property
    def projects(self) -> set[int]:
        return {test.project_id for test in self.tests if test.project_id is not None}


async def fetch_inventory(api: LegacyClient | V6Client, ids: Sequence[int]) -> Inventory:
    """The visible tests, and the runs with these ids. Leaves out what cannot be fetched."""
    projects: Sequence[int | None] = (None,)
    tests: list[LoadTest] = []
    runs = {}
    if isinstance(api, LegacyClient):
        # The legacy API may limit a list without a project to the default one.
        with suppress(ApiError):
            projects = (await api.list_projects())[:MAX_PROJECTS] or (None,)
    for project in projects:
        with suppress(ApiError):
            tests += (await api.list_tests(project)).tests
    for id_ in ids[:MAX_IDS]:
        with suppress(ApiError):
            runs[id_] = await api.read_run(id_)
    return Inventory(tests, runs)


def find_unresolved_ids(selector: Selector, unresolved: Sequence[str]) -> list[int]:
    """The test and project ids in entries that match nothing."""
    tests = [id_ for id_ in selector.tests if f"test {id_}" in unresolved]
    rules = [rule for rule in selector.rules if str(rule) in unresolved]
    return tests + [rule.project for rule in rules if rule.project is not None]


def suggest(selector: Selector, unresolved: Sequence[str], inventory: Inventory) -> dict[str, str]:
    """A suggestion for each entry that matches nothing, to be printed after the entry."""
    by_id = {f"test {id_}": suggest_for_id(id_, inventory) for id_ in selector.tests}
    by_rule = {str(rule): suggest_for_rule(rule, inventory) for rule in selector.rules}
    return {entry: text for entry, text in (by_id | by_rule).items() if entry in unresolved}


def suggest_for_id(id_: int, inventory: Inventory) -> str:
    if id_ in inventory.projects:
        return f"{id_} is a project id; write project: {id_}, or --project {id_}"
    if id_ in inventory.runs:
        return f"{id_} is the id of a run of test {inventory.runs[id_].test_id}"
    similar = find_similar_ids(id_, (test.id for test in inventory.tests))
    if similar:
        return f"similar ids: {format_tests(test for test in inventory.tests if test.id in similar)}"
    return "no such test, or not visible to this token"


def suggest_for_rule(rule: Rule, inventory: Inventory) -> str:
    if rule.project is not None and rule.project not in inventory.projects:
        return suggest_for_project(rule.project, inventory)
    tests = [test for test in inventory.tests if rule.project in (None, test.project_id)]
    if not tests:
        return "no tests visible to this token"
    if rule.include is None:
        return f"exclude filters out all {len(tests)} tests"
    included = [test for test in tests if rule.include.search(test.name)]
    if included:
        return f"include matches {format_tests(included)}, but exclude filters out these tests"
    return suggest_for_pattern(rule.include, tests, [test for test in inventory.tests if test not in tests])


def suggest_for_project(id_: int, inventory: Inventory) -> str:
    for test in inventory.tests:
        if test.id == id_:
            name = escape_unprintable(test.name)
            return f"{id_} is the id of test {name}; write id: {id_}, or --test {id_}"
    if id_ in inventory.runs:
        return f"{id_} is the id of a run of test {inventory.runs[id_].test_id}"
    similar = sorted(find_similar_ids(id_, inventory.projects))
    if similar:
        return f"similar ids: {', '.join(f'project {project}' for project in similar)}"
    return "no such project, or it has no tests, or it is not visible to this token"


def suggest_for_pattern(
    pattern: re.Pattern[str], tests: Sequence[LoadTest], others: Sequence[LoadTest]
) -> str:
    """A suggestion for a pattern that matches none of the tests; `others` are in other projects."""
    ignoring_case = re.compile(pattern.pattern, pattern.flags | re.IGNORECASE)
    matches = [test for test in tests if ignoring_case.search(test.name)]
    if matches:
        return f"matches only case-insensitively: {format_tests(matches)}; write (?i){pattern.pattern}"
    matches = [test for test in others if pattern.search(test.name)]
    if matches:
        return f"matches {format_tests(matches)} in project {matches[0].project_id}"
    text = " ".join(re.findall(r"[\w-]+", pattern.pattern)).casefold()
    names = sorted({test.name.casefold() for test in tests})
    similar = get_close_matches(text, names, n=MAX_SUGGESTIONS, cutoff=0.5)
    if similar:
        found = [test for name in similar for test in tests if test.name.casefold() == name]
        return f"similar names: {format_tests(found)}"
    return f"matches none of {len(tests)} tests"


def find_similar_ids(id_: int, ids: Iterable[int]) -> set[int]:
    """Ids that differ by a digit or two, as by a typing error."""
    texts = map(str, sorted(set(ids)))
    return {int(text) for text in get_close_matches(str(id_), texts, n=MAX_SUGGESTIONS, cutoff=0.8)}


def format_tests(tests: Iterable[LoadTest]) -> str:
    """The first few tests, by id and name."""
    listed = list(tests)
    text = ", ".join(f"{test.id} {escape_unprintable(test.name)}" for test in listed[:MAX_SUGGESTIONS])
    more = len(listed) - MAX_SUGGESTIONS
    return f"{text} and {more} more" if more > 0 else text
