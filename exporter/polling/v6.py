"""What to ask the v6 API so that little is asked.

One list tells the runs of all tests that were created lately. So a poll costs that list, however many tests
there are, and a read of each moving run that was created too long ago to be in it.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from exporter.k6.errors import ApiError, DecodeError, NotFound, Unauthorized
from exporter.k6.v6.client import RUNS, V6Client
from exporter.model import LoadTest, Run, RunList
from exporter.polling.concurrency import for_each
from exporter.polling.discovery import Discovery
from exporter.polling.result import PollResult
from exporter.polling.selector import Selector
from exporter.store import State, TestState, TestUpdate, counts_as_finished, unparsed_runs

log = logging.getLogger(__name__)

# Seconds before the newest run that was told from which on the next list goes: a run may appear in lists some
# time after it was created. Counted from a run or by k6 Cloud's clock, so that ours need not be right.
OVERLAP = 120.0
# How far back the first list goes, in seconds. What is older is asked for test by test.
FIRST_WINDOW = 86400.0
# Runs that a test's own list brings, beyond the finished ones that are kept: there may be moving ones.
SPARE = 7
# Up to so many tests named by id, each is asked for; beyond, listing them all is cheaper.
FEW_TESTS = 10


@dataclass(frozen=True, slots=True)
class RunQuery:
    """A test about which there is something to say or to ask: what is `known`, and what the list `told`."""

    test: LoadTest
    known: TestState | None
    runs: Sequence[Run]


class V6Source:
    """Asks what a poll must know. Raises ApiError where all is lost; any other costs the part it befalls."""

    def __init__(self, api: V6Client, selection: Selector, *, concurrency: int) -> None:
        self._api = api
        self._selection = selection
        self._concurrency = concurrency

    async def fetch(
        self, state: State, poll_result: PollResult, *, now: float, discovery: int | None
    ) -> None:
        """Fill `findings`; with `discovery`, also find out which tests there are."""
        if discovery is not None:
            await self.discover(state, poll_result)
        members = state.members if poll_result.members is None else poll_result.members
        present = self._api.server_time or now
        since = present - FIRST_WINDOW if state.newest_created is None else state.newest_created - OVERLAP
        listing = await self._api.list_runs(since)
        poll_result.skipped += listing.skipped
        if not listing.is_complete:
            poll_result.add_failure(DecodeError(f"GET {RUNS}: the list breaks off and says that it goes on"))

        told_of = defaultdict[int, list[Run]](list)
        for run in listing.runs:
            told_of[run.test_id].append(run)
        questions = []
        for id_, test in members.items():
            known = state.tests.get(id_)
            is_puzzling = discovery is not None and known is not None and bool(unparsed_runs(known))
            if known is None or known.active_runs or known.test != test or id_ in told_of or is_puzzling:
                questions.append(RunQuery(test, known, told_of[id_]))
            else:
                poll_result.unchanged.add(id_)

        async def ask(question: RunQuery) -> None:
            poll_result.updates[question.test.id] = await self._fetch_test(
                question, listing, state, poll_result
            )

        await for_each(questions, ask, poll_result, concurrency=self._concurrency)
        # At first all runs are history, and none that is missing would be missed.
        told = [run.created for run in listing.runs if run.created is not None]
        sure_up_to = max(told, default=since) if state.newest_created is None else listing.complete_until
        # A run from the future, by a fault of whoever wrote it down, must not hide those of the present.
        newest = max(min(sure_up_to, present), since + OVERLAP)
        is_taken_in = (
            len(poll_result.updates) + len(poll_result.unchanged) == len(members) and not listing.skipped
        )
        # What could not be taken in is asked for again with the next list, for a day at most.
        poll_result.newest_created = newest if is_taken_in else max(since + OVERLAP, newest - FIRST_WINDOW)

    async def _fetch_test(
        self, question: RunQuery, listing: RunList, state: State, poll_result: PollResult
    ) -> TestUpdate:
        """The test's runs: those in the list of all, and by themselves those that it does not reach."""
        test, known, told = question.test, question.known, question.runs
        if known is None:
            wanted = max(state.retention.keep, 1)
            if sum(counts_as_finished(run) for run in told) >= wanted:
                return TestUpdate(test, tuple(told))
            newest = await self._api.list_newest_runs(test.id, wanted + SPARE)
            poll_result.skipped += newest.skipped
            return TestUpdate(test, (*told, *newest.runs))
        named = {run.id for run in told}
        read, gone = [], {run.id for run in known.runs if run.id not in named and listing.should_contain(run)}
        for run in {run.id: run for run in (*known.active_runs, *unparsed_runs(known))}.values():
            if run.id not in named:
                try:
                    read.append(await self._api.read_run(run.id))
                except NotFound:
                    gone.add(run.id)
        return TestUpdate(test, (*told, *read), frozenset(gone - {run.id for run in read}))

    async def discover(self, state: State, poll_result: PollResult) -> None:
        """Find out which tests the selection means; where that cannot be learnt, members stay members."""
        discovery = Discovery(self._api, self._selection, state, poll_result)
        projects = {rule.project for rule in self._selection.rules}
        ids = self._selection.ids
        if None in projects or len(ids) > FEW_TESTS:
            await for_each([None], discovery.fetch_project, poll_result, concurrency=1)
        else:
            await for_each(projects, discovery.fetch_project, poll_result, concurrency=self._concurrency)
            rest = set(ids) - discovery.tests.keys()
            await for_each(rest, discovery.fetch_test, poll_result, concurrency=self._concurrency)
        discovery.report(await self._with_schedules(discovery.sharded_tests))

    async def _with_schedules(self, tests: Mapping[int, LoadTest]) -> list[LoadTest]:
        """The tests with their schedules. Not every token may see these, and nothing depends on them."""
        try:
            next_runs = await self._api.list_schedules()
        except Unauthorized:
            raise
        except ApiError as error:
            log.debug("schedules are not known: %s", error)
            next_runs = {}
        return [replace(test, next_run=next_runs.get(id_)) for id_, test in tests.items()]
