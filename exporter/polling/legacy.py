"""Polls the legacy API with few requests.

It has no list of recent runs, but its list of tests, a hundred to a page, has the id of each test's last run.
So a poll costs a page for each hundred tests, a list of runs for each test with a new run, and one for each
test with active runs.
"""

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from msgspec.structs import replace

from exporter.k6.errors import ApiError, BadRequest, DecodeError, NotFound
from exporter.k6.legacy.client import PROJECTS, RUNS, LegacyClient, batched
from exporter.model import LoadTest, Project, RunList
from exporter.polling.discovery import Discovery
from exporter.polling.result import PollResult
from exporter.polling.selector import Rule
from exporter.polling.source import PollSource
from exporter.store import State, TestState, TestUpdate, unparsed_runs

# Each discovery lists the runs of one in so many tests, even without a new run. With one every five minutes,
# changes that the list of tests does not show (an old run deleted, a result revised) are seen within an hour.
SWEEP_PARTS = 12


@dataclass(frozen=True, slots=True)
class LegacyRunQuery:
    """A test whose runs to request: those created after `since` (Unix seconds), and the known active ones.

    Without `since` only the latter.
    """

    test: LoadTest
    known: TestState | None
    since: float | None


class LegacySource(PollSource[LegacyClient]):
    """The poll source of the legacy API. Raises only Unauthorized; other errors become failures."""

    async def fetch(self, state: State, poll_result: PollResult, discovery: int | None) -> None:
        """See PollSource."""
        if discovery is None:
            tests = await self._fetch_members(state, poll_result)
        else:
            tests = await self.discover(state, poll_result)
        poll_result.server_time = self.api.server_time
        oldest = poll_result.earliest_now - state.retention.max_age
        queries = []
        for test in tests:
            known = state.tests.get(test.id)
            query = plan_query(test, known, oldest, discovery)
            if query:
                queries.append(query)
            elif known and known.test != test:
                poll_result.updates[test.id] = TestUpdate(test)
            else:
                poll_result.unchanged.add(test.id)
        await self._for_each(queries, lambda query: self._fetch_test(query, poll_result), poll_result)

    async def _fetch_test(self, query: LegacyRunQuery, poll_result: PollResult) -> None:
        """Updates a test by its list of runs, and by id with those missing in it. Raises ApiError."""
        test, known = query.test, query.known
        listing = RunList()
        if query.since is not None:
            listing = await self.api.list_runs(test.id, since=query.since)
        found = {run.id for run in listing.runs}
        runs = known.runs if known else ()
        active = [run.id for run in (known.active_runs if known else ()) if run.id not in found]
        # Requested by id: active runs created before `since`, and those that should be in the list and are
        # not. They may have been deleted, but the list can also be wrong.
        vanished = [run.id for run in runs if run.id not in found and listing.should_contain(run)]
        missing = list(dict.fromkeys([*active, *vanished]))
        # The list of tests names a run that the list of runs lacks: request it by its id.
        is_uncertain = query.since is not None and listing.complete_since != float("-inf")
        if is_uncertain and test.last_run_id is not None and test.last_run_id not in {*found, *missing}:
            missing = [*missing, test.last_run_id]
        by_id = await self._list_by_id(test, missing) if missing else RunList()
        poll_result.skipped += listing.skipped + by_id.skipped
        if not listing.is_complete:
            message = f"GET {RUNS}: the list of test {test.id} has fewer runs than its count"
            poll_result.add_failure(DecodeError(message))

        found |= {run.id for run in by_id.runs}
        if by_id.skipped and not found.issuperset(active):
            raise DecodeError(f"GET {RUNS}: an active run of test {test.id} could not be parsed")
        gone = frozenset(
            run.id for run in runs if run.id in missing and run.id not in found and by_id.should_contain(run)
        )
        seen = found | {run.id for run in runs} - gone
        poll_result.updates[test.id] = TestUpdate(
            confirm_last_run(test, known, seen), listing.runs + by_id.runs, gone
        )

    async def _list_by_id(self, test: LoadTest, ids: Sequence[int]) -> RunList:
        """The runs of a test with these ids. Raises ApiError.

        One id that the API refuses, such as a wrong one that it once returned itself, makes it refuse them
        all. Then each is requested alone, and one that is refused again counts as deleted.
        """
        try:
            return await self.api.list_runs(test.id, ids=ids)
        except (BadRequest, NotFound):
            # If the API refuses every request, this one fails as well, and no run is dropped.
            listing = await self.api.list_newest_runs(test.id, 1)
        found = {run.id: run for run in listing.runs}
        for run_id in ids:
            if run_id not in found:
                with suppress(BadRequest, NotFound):
                    found[run_id] = await self.api.read_run(run_id)
        runs = [found[run_id] for run_id in ids if run_id in found]
        return RunList(tuple(run for run in runs if run.test_id == test.id), complete_since=float("-inf"))

    async def _fetch_members(self, state: State, poll_result: PollResult) -> list[LoadTest]:
        """The members as the list of tests has them now."""
        tests: dict[int, LoadTest] = {}

        async def fetch(project_and_ids: tuple[int | None, Sequence[int]]) -> None:
            project, ids = project_and_ids
            listing = await self.api.list_tests(project, ids=ids)
            poll_result.skipped += listing.skipped
            tests.update((test.id, test) for test in listing.tests)

        batches = [(None, ids) for ids in batched(sorted(state.members)) if ids]
        await self._for_each(batches, fetch, poll_result)
        # After a failure, a missing test may be one of the request that failed.
        if not poll_result.failures:
            # An API may limit a list without a project to the default one.
            missing = group_by_project(state, tests.keys())
            await self._for_each(missing, fetch, poll_result)
        return [self._selector.with_alias(test) for test in tests.values() if test.id in state.members]

    async def discover(self, state: State, poll_result: PollResult) -> list[LoadTest]:
        """See PollSource. Returns the tests as well, which saves `fetch` another list of them."""
        discovery = Discovery(self.api, self._selector, state, poll_result)
        found: Mapping[int, Project] = {}

        async def fetch_projects(_: Rule) -> None:
            nonlocal found
            try:
                listing = await self.api.list_projects()
            except ApiError:
                discovery.keep_members(state.members.keys())
                raise
            found = listing.projects
            discovery.selector = self._selector.resolve(found)
            if not listing.is_complete:
                discovery.keep_members(state.members.keys())
                poll_result.add_failure(DecodeError(f"GET {PROJECTS}: a list has fewer items than its count"))
                return
            poll_result.projects = found
            for project in discovery.add_projects(found.keys()):
                await discovery.verify_empty(project)

        async def fetch_by_id(ids: Sequence[int]) -> None:
            discovery.add(await self.api.list_tests(ids=ids))

        # One list of projects is enough for all rules without the id of a project.
        without_id = [rule for rule in self._selector.rules if not isinstance(rule.project, int)]
        if not without_id:
            poll_result.projects = {}  # those of an earlier configuration would remain
        await self._for_each(without_id[:1], fetch_projects, poll_result)
        rules = discovery.selector.rules
        projects = {rule.project for rule in rules if isinstance(rule.project, int)}
        if any(rule.project is None for rule in rules):
            projects |= found.keys()
        await self._for_each(sorted(projects), discovery.fetch_project, poll_result)
        ids = sorted(self._selector.ids)
        batches = [batch for batch in batched(ids) if batch]
        await self._for_each(batches, fetch_by_id, poll_result)
        # An API may limit a list without a project to the default one; a test by itself is found anywhere.
        missing = [id_ for id_ in ids if id_ not in discovery.tests]
        await self._for_each(missing, discovery.fetch_test, poll_result)
        await self._for_each(discovery.vanished_members(), discovery.confirm_member, poll_result)
        discovery.finish(discovery.sharded_tests.values())
        return [self._selector.with_alias(test) for test in discovery.sharded_tests.values()]


def plan_query(
    test: LoadTest, known: TestState | None, oldest: float, discovery: int | None
) -> LegacyRunQuery | None:
    """Which runs of a listed test to request; None if its entry in the list says enough."""
    if known is None or (discovery is not None and is_sweep_due(known, test, discovery)):
        return LegacyRunQuery(test, known, since=oldest)
    if has_new_run(known, test):
        return LegacyRunQuery(test, known, since=known.last_run.sort_key[0] if known.last_run else oldest)
    return LegacyRunQuery(test, known, since=None) if known.active_runs else None


def confirm_last_run(test: LoadTest, known: TestState | None, seen: Container[int]) -> LoadTest:
    """The test, without its last run if no list of runs has it, so that it is new again at the next poll."""
    if test.last_run_id is None or test.last_run_id in seen:
        return test
    before = known.test.last_run_id if known else None
    return replace(test, last_run_id=None if before == test.last_run_id else before)


def has_new_run(known: TestState, test: LoadTest) -> bool:
    """Whether the test has another last run than when its runs were last requested."""
    return test.last_run_id != known.test.last_run_id and (
        known.last_run is None or known.last_run.id != test.last_run_id
    )


def is_sweep_due(known: TestState, test: LoadTest, discovery: int) -> bool:
    """Whether this discovery requests the runs of this test even without a new run."""
    # The list of tests would not show a new run of this one.
    lacks_last_run = test.last_run_id is None and bool(known.runs)
    # Divided by id, so that each discovery has a similar part of the requests.
    is_next = (test.id + discovery) % SWEEP_PARTS == 0
    return is_next or lacks_last_run or bool(unparsed_runs(known))


def group_by_project(state: State, found: Container[int]) -> list[tuple[int | None, Sequence[int]]]:
    """The members that were not found, by their last known project."""
    missing = defaultdict[int | None, list[int]](list)
    for id_, member in state.members.items():
        if id_ not in found and member.project_id is not None:
            missing[member.project_id].append(id_)
    return list(missing.items())
