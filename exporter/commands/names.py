"""Tests by their names: which test a name is, and similar names where there is none."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from difflib import get_close_matches

from exporter.config import Config
from exporter.formatting import escape_unprintable, format_list
from exporter.k6.errors import ApiError, DecodeError, NotFound
from exporter.k6.legacy.client import LegacyClient
from exporter.k6.v6.client import V6Client
from exporter.model import LoadTest, UnresolvedEntry

MAX_LISTED = 3  # tests in a message


class AmbiguousName(Exception):
    """A name that several tests have."""


async def find_test(api: LegacyClient | V6Client, config: Config, name: str) -> LoadTest:
    """The test that is configured under this alias, or else the one with exactly this name.

    Raises ApiError; NotFound lists similar names. Raises AmbiguousName if several tests have it.
    """
    aliases = [entry.id for entry in config.tests if entry.id is not None and entry.name == name]
    if len(aliases) == 1:
        return await api.read_test(aliases[0])
    tests = await list_visible_tests(api)
    found = [test for test in tests if test.id in aliases or (test.name == name and not aliases)]
    if len(found) == 1:
        return found[0]
    entry = UnresolvedEntry(f"name {name!r}", name, tuple(found))
    message = describe_entry(entry, tests)
    raise AmbiguousName(message) if found else NotFound(message)


async def list_visible_tests(api: LegacyClient | V6Client) -> Sequence[LoadTest]:
    """All tests that the token can access. Raises ApiError, also if some of them are missing in a list."""
    projects: Sequence[int | None] = [None]
    if isinstance(api, LegacyClient):
        listed = await api.list_projects()
        if not listed.is_complete:
            raise DecodeError(
                "the list of projects is incomplete; use the ID of the test instead of its name"
            )
        projects = [*listed.projects]
    tests: list[LoadTest] = []
    for project in projects:
        listing = await api.list_tests(project)
        if listing.skipped or not listing.is_complete:
            raise DecodeError("the list of tests is incomplete; use the ID of the test instead of its name")
        tests += listing.tests
    return tests


async def describe_unresolved(api: LegacyClient | V6Client, entries: Sequence[UnresolvedEntry]) -> list[str]:
    """A sentence for each entry that selects no test. Similar names take one more list of tests."""
    tests: Sequence[LoadTest] = ()
    if any(entry.name is not None and not entry.candidates for entry in entries):
        with suppress(ApiError):  # similar names are only a help
            tests = await list_visible_tests(api)
    return [describe_entry(entry, tests) for entry in entries]


def describe_entry(entry: UnresolvedEntry, tests: Sequence[LoadTest]) -> str:
    """Why an entry selects no test: its candidates, or similar names among these tests."""
    if entry.candidates:
        return f"{entry}; use the ID of one of them"
    similar = find_similar_tests(entry.name, tests) if entry.name is not None else []
    advice = f"; similar names: {format_tests(similar)}" if similar else ""
    return f"{entry}: no matching test, or not visible to this token{advice}"


def find_similar_tests(words: str, tests: Sequence[LoadTest]) -> list[LoadTest]:
    """The tests with the most similar names, in upper or lower case."""
    similar = find_similar_names(words, [test.name for test in tests])
    return [test for name in similar for test in tests if test.name.casefold() == name]


def find_similar_names(words: str, names: Iterable[str]) -> list[str]:
    """The most similar of these names, in lower case."""
    folded = sorted({name.casefold() for name in names})
    return get_close_matches(words.casefold(), folded, n=MAX_LISTED, cutoff=0.5)


def format_tests(tests: Sequence[LoadTest]) -> str:
    """The first few tests, by id and name."""
    return format_list([f"{test.id} {escape_unprintable(test.name)}" for test in tests], MAX_LISTED)
