"""Suggests corrections of entries of `tests` that match nothing in k6 Cloud."""

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from exporter.commands.names import find_similar_names, find_similar_tests, format_tests
from exporter.config import Config
from exporter.credentials import Secret
from exporter.formatting import escape_unprintable
from exporter.k6.errors import ApiError
from exporter.model import LoadTest, Project
from exporter.polling.factory import build_selector, open_source
from exporter.polling.result import PollResult
from exporter.polling.selector import Rule
from exporter.regex import Regex
from exporter.store import State

MAX_IDS = 20  # that are looked up as run ids

Entry = int | Rule  # a test id, or a rule


async def fetch_suggestions(config: Config, token: Secret, state: State) -> dict[str, str]:
    """A suggestion for each entry that matches nothing, to be printed after it; takes a few requests."""
    selector = build_selector(config).resolve(state.projects)
    entries: dict[str, Entry] = {f"test {id_}": id_ for id_ in selector.tests}
    entries |= {str(rule): rule for rule in selector.rules}
    missing = {str(entry): entries[entry.entry] for entry in state.unresolved if not entry.candidates}
    ids = [entry.project if isinstance(entry, Rule) else entry for entry in missing.values()]

    # Without `tests` and `sharding`, a discovery finds all tests that the token can see.
    found, test_of_run = PollResult(), {}
    async with open_source(Config(api=config.api), token) as source:
        # What cannot be fetched is left out.
        with suppress(ApiError):
            await source.discover(State(), found)
        for id_ in [id_ for id_ in ids if isinstance(id_, int)][:MAX_IDS]:
            # IDs of runs and tests look alike, so a user easily configures the wrong one.
            with suppress(ApiError):
                test_of_run[id_] = (await source.api.read_run(id_)).test_id
    tests = [*(found.members or {}).values()]
    return {
        name: suggest_project(entry.project, state.projects.values(), tests)
        if isinstance(entry, Rule) and isinstance(entry.project, str)
        else suggest(entry, tests, test_of_run)
        for name, entry in missing.items()
    }


def suggest(entry: Entry, tests: Sequence[LoadTest], test_of_run: Mapping[int, int]) -> str:
    """A suggestion for an entry that matches none of the tests; `test_of_run` has ids found to be runs'."""
    if not isinstance(entry, Rule):
        return identify(entry, tests, test_of_run) or "no such test, or not visible to this token"
    if isinstance(entry.project, int) and entry.project not in {test.project_id for test in tests}:
        what = identify(entry.project, tests, test_of_run)
        return what or "no such project, or it has no tests, or it is not visible to this token"
    return suggest_for_rule(entry, tests) if tests else "no tests visible to this token"


def suggest_project(name: str, projects: Collection[Project], tests: Sequence[LoadTest]) -> str:
    """A suggestion for a name that no project has."""
    for test in tests:
        if test.name == name:
            return f"it is the name of test {test.id}; write name instead of project, or --test"
    similar = find_similar_names(name, [project.name for project in projects])
    listed = ", ".join(
        f"{project.id} {escape_unprintable(project.name)}"
        for project in projects
        if project.name.casefold() in similar
    )
    advice = f"; similar names: {listed}" if listed else ""
    return f"no project has this name, or it is not visible to this token{advice}"


def identify(id_: int, tests: Sequence[LoadTest], test_of_run: Mapping[int, int]) -> str | None:
    """What an id really is that was configured as the id of something else."""
    if id_ in {test.project_id for test in tests}:
        return f"{id_} is a project ID; write project: {id_}, or --project {id_}"
    for test in tests:
        if test.id == id_:
            name = escape_unprintable(test.name)
            return f"{id_} is the ID of test {name}; write id: {id_}, or --test {id_}"
    return f"{id_} is the ID of a run of test {test_of_run[id_]}" if id_ in test_of_run else None


def suggest_for_rule(rule: Rule, tests: Sequence[LoadTest]) -> str:
    """What the rule would match if it were less strict, or else tests with similar names."""
    pattern = rule.include.pattern if rule.include else ""
    less_strict = {
        "without exclude": replace(rule, exclude=None),
        f"with include: (?i){pattern}": replace(rule, include=Regex(f"(?i){pattern}")),
        f"without project {rule.project}": replace(rule, project=None),
    }
    for how, other in less_strict.items():
        if matches := [test for test in tests if other.matches(test)]:
            return f"would match {format_tests(matches)} {how}"
    tests = [test for test in tests if rule.project in (None, test.project_id)]
    found = find_similar_tests(rule.name or " ".join(re.findall(r"[\w-]+", pattern)), tests)
    return f"similar names: {format_tests(found)}" if found else f"matches none of {len(tests)} tests"
