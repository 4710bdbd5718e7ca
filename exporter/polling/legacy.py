"""What to ask the legacy API so that little is asked.

It has no "what is new", but its list of tests, a hundred to a page, names the last run of each. So a poll
costs a page for each hundred tests, a list of runs for each test with news, and one for each with moving
runs.
"""

from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

from exporter.k6.errors import ApiError, DecodeError
from exporter.k6.legacy.client import RUNS, LegacyClient, batched
from exporter.model import LoadTest, RunList
from exporter.polling.concurrency import for_each
from exporter.polling.discovery import Discovery
from exporter.polling.result import PollResult
from exporter.polling.selector import Rule, Selector
from exporter.store import State, TestState, TestUpdate, unparsed_runs

# Each discovery lists the runs of a part of the tests, news or not. A twelfth each five minutes: what change
# detection cannot see (an old run deleted, a verdict revised) is seen within the hour, at a bounded price.
SWEEP_PARTS = 12


@dataclass(frozen=True, slots=True)
class RunQuery:
    """A test whose runs are asked for: those created after `back_to`, and those `known` to be moving.

    Without `back_to` only the latter.
    """

    test: LoadTest
    known: TestState | None
    since: float | None


class LegacySource:
    """Asks what a poll must know. Raises Unauthorized; any other ApiError costs only the part it befalls."""

    def __init__(self, api: LegacyClient, selection: Selector, *, concurrency: int) -> None:
        self._api = api
        self._selection = selection
        self._concurrency = concurrency

    async def fetch(
        self, state: State, poll_result: PollResult, *, now: float, discovery: int | None
    ) -> None:
        """Fill `findings`; with `discovery`, a running number, also find out which tests there are."""
        if discovery is None:
            tests = await self._known_tests(state, poll_result)
        else:
            tests = await self.discover(state, poll_result)
        questions = []
        for test in tests:
            known = state.tests.get(test.id)
            question = plan_query(test, known, now - state.retention.max_age, discovery)
            if question:
                questions.append(question)
            elif known and known.test != test:
                poll_result.updates[test.id] = TestUpdate(test)
            else:
                poll_result.unchanged.add(test.id)

        async def ask(question: RunQuery) -> None:
            poll_result.updates[question.test.id] = await self._fetch_test(question, poll_result)

        await for_each(questions, ask, poll_result, concurrency=self._concurrency)

    async def _fetch_test(self, question: RunQuery, poll_result: PollResult) -> TestUpdate:
        """The test's runs now: its list, and by their ids those that ought to be in it but are not."""
        test, known = question.test, question.known
        listing = RunList()
        if question.since is not None:
            listing = await self._api.list_runs(test.id, since=question.since)
        told = {run.id for run in listing.runs}
        moving = missing = [run.id for run in (known.active_runs if known else ()) if run.id not in told]
        is_in_doubt = question.since is not None and listing.complete_since != float("-inf")
        if is_in_doubt and test.last_run_id is not None and test.last_run_id not in {*told, *missing}:
            missing = [*moving, test.last_run_id]
        asked = await self._api.list_runs(test.id, ids=missing) if missing else RunList()
        poll_result.skipped += listing.skipped + asked.skipped

        told |= {run.id for run in asked.runs}
        if asked.skipped and not told.issuperset(moving):
            raise DecodeError(f"GET {RUNS}: a run of test {test.id} that was moving cannot be read")
        runs = known.runs if known else ()
        gone = frozenset(
            run.id
            for run in runs
            if run.id not in told and (asked if run.id in missing else listing).should_contain(run)
        )
        seen = told | {run.id for run in runs} - gone
        return TestUpdate(confirm_last_run(test, known, seen), listing.runs + asked.runs, gone)

    async def _known_tests(self, state: State, poll_result: PollResult) -> list[LoadTest]:
        """The members as they are listed now."""
        tests: dict[int, LoadTest] = {}

        async def ask(project_and_ids: tuple[int | None, Sequence[int]]) -> None:
            project, ids = project_and_ids
            listing = await self._api.list_tests(project, ids=ids)
            poll_result.skipped += listing.skipped
            tests.update((test.id, test) for test in listing.tests)

        anywhere = [(None, ids) for ids in batched(sorted(state.members)) if ids]
        await for_each(anywhere, ask, poll_result, concurrency=self._concurrency)
        if not poll_result.failures:
            # An API may limit a list without a project to the default one.
            await for_each(
                group_by_project(state, tests.keys()), ask, poll_result, concurrency=self._concurrency
            )
        return [self._selection.with_alias(test) for test in tests.values() if test.id in state.members]

    async def discover(self, state: State, poll_result: PollResult) -> list[LoadTest]:
        """The tests that the selection means, as they are listed now; `findings` are told of them as well."""
        discovery = Discovery(self._api, self._selection, state, poll_result)
        projects = {rule.project for rule in self._selection.rules if rule.project is not None}

        async def ask_for_projects(_: Rule) -> None:
            try:
                found = await self._api.list_projects()
            except ApiError:
                discovery.keep_members(state.members.keys())
                raise
            projects.update(found)
            await discovery.add_projects(found)

        async def ask_for_tests(ids: Sequence[int]) -> None:
            discovery.add(await self._api.list_tests(ids=ids))

        everywhere = [rule for rule in self._selection.rules if rule.project is None]
        await for_each(everywhere[:1], ask_for_projects, poll_result, concurrency=1)
        await for_each(sorted(projects), discovery.fetch_project, poll_result, concurrency=self._concurrency)
        wanted = sorted(self._selection.ids)
        portions = [ids for ids in batched(wanted) if ids]
        await for_each(portions, ask_for_tests, poll_result, concurrency=self._concurrency)
        # An API may limit a list without a project to the default one; a test by itself is found anywhere.
        lost = [id_ for id_ in wanted if id_ not in discovery.tests]
        await for_each(lost, discovery.fetch_test, poll_result, concurrency=self._concurrency)
        discovery.report(discovery.sharded_tests.values())
        return [self._selection.with_alias(test) for test in discovery.sharded_tests.values()]


def plan_query(
    test: LoadTest, known: TestState | None, oldest: float, discovery: int | None
) -> RunQuery | None:
    """What to ask about a test that is listed like this; None if its list entry says all."""
    if known is None or (discovery is not None and is_sweep_due(known, test, discovery)):
        return RunQuery(test, known, since=oldest)
    if has_news(known, test):
        return RunQuery(test, known, since=known.last_run.sort_key[0] if known.last_run else oldest)
    return RunQuery(test, known, since=None) if known.active_runs else None


def confirm_last_run(test: LoadTest, known: TestState | None, seen: Container[int]) -> LoadTest:
    """The test without the last run that its list entry names, if no list of runs has it.

    Thus it is news at the next poll again.
    """
    if test.last_run_id is None or test.last_run_id in seen:
        return test
    before = known.test.last_run_id if known else None
    return replace(test, last_run_id=None if before == test.last_run_id else before)


def has_news(known: TestState, test: LoadTest) -> bool:
    """Whether the list names another last run than when its runs were last asked for."""
    return test.last_run_id != known.test.last_run_id and (
        known.last_run is None or known.last_run.id != test.last_run_id
    )


def is_sweep_due(known: TestState, test: LoadTest, discovery: int) -> bool:
    """Whether it is this test's turn in the sweep, or there is something else to find out.

    It has runs that its list entry keeps silent about, or of which something could not be understood.
    """
    is_silent = test.last_run_id is None and bool(known.runs)
    return (test.id + discovery) % SWEEP_PARTS == 0 or is_silent or bool(unparsed_runs(known))


def group_by_project(state: State, found: Container[int]) -> list[tuple[int | None, Sequence[int]]]:
    """The members that were not found, by the project in which they were last seen."""
    lost = defaultdict[int | None, list[int]](list)
    for id_, member in state.members.items():
        if id_ not in found and member.project_id is not None:
            lost[member.project_id].append(id_)
    return list(lost.items())
