"""Polls the v6 API with few requests.

One list request returns the recently created runs of all tests. An idle poll is therefore one request; each
active run that is older than the list needs one more.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from exporter.k6.errors import ApiError, DecodeError, NotFound, Unauthorized
from exporter.k6.v6.client import RUNS, V6Client
from exporter.model import LoadTest, Run, RunList
from exporter.polling.discovery import Discovery
from exporter.polling.result import PollResult
from exporter.polling.source import PollSource
from exporter.store import State, TestState, TestUpdate, counts_as_finished, unparsed_runs

log = logging.getLogger(__name__)

# Seconds that the next list goes back before the newest run of the last one: a run may appear in lists some
# time after it was created. Uses timestamps from k6 Cloud, so that a wrong local clock does not matter.
OVERLAP = 120.0
# Seconds that the first list goes back. Older runs are fetched test by test.
FIRST_WINDOW = 86400.0
# Runs to fetch beyond the finished ones that are kept, since some of the newest may be active.
SPARE_RUNS = 7
# Up to this number of configured ids each test is fetched by itself; beyond, one list of all is cheaper.
FEW_TESTS = 10


@dataclass(frozen=True, slots=True)
class TestQuery:
    """A test to update: what is known of it, and its runs in the list of all runs."""

    test: LoadTest
    known: TestState | None
    listed: Sequence[Run]


class V6Source(PollSource[V6Client]):
    """The poll source of the v6 API."""

    async def fetch(self, state: State, poll_result: PollResult, discovery: int | None) -> None:
        """See PollSource. Raises ApiError where the list of all runs cannot be fetched."""
        if discovery is not None:
            await self.discover(state, poll_result)
        # Use the local clock only if k6 Cloud sends no Date header.
        server_now = self.api.server_time or poll_result.now
        since = server_now - FIRST_WINDOW if state.newest_created is None else state.newest_created - OVERLAP
        listing = await self.api.list_runs(since)
        poll_result.skipped += listing.skipped
        if not listing.is_complete:
            message = f"GET {RUNS}: incomplete list: the next page contains no new items"
            poll_result.add_failure(DecodeError(message))

        queries = plan_queries(state, poll_result, listing, is_discovery=discovery is not None)
        await self._for_each(
            queries, lambda query: self._fetch_test(query, listing, state, poll_result), poll_result
        )
        poll_result.newest_created = next_window_start(state, poll_result, listing, since, server_now)

    async def _fetch_test(
        self, query: TestQuery, listing: RunList, state: State, poll_result: PollResult
    ) -> None:
        """Updates a test with its listed runs and those that the list does not reach. Raises ApiError."""
        test, known, listed_ids = query.test, query.known, {run.id for run in query.listed}
        if known is None:
            # At least one: the series about the last finished run need it even if none is kept.
            wanted = max(state.retention.keep, 1)
            older: Sequence[Run] = ()
            if sum(counts_as_finished(run) for run in query.listed) < wanted:
                newest = await self.api.list_newest_runs(test.id, wanted + SPARE_RUNS)
                poll_result.skipped += newest.skipped
                older = newest.runs
            poll_result.updates[test.id] = TestUpdate(test, (*query.listed, *older))
            return
        read: list[Run] = []
        gone = {run.id for run in known.runs if run.id not in listed_ids and listing.should_contain(run)}
        for run_id in {run.id: None for run in (*known.active_runs, *unparsed_runs(known))}:
            if run_id not in listed_ids:
                try:
                    read.append(await self.api.read_run(run_id))
                except NotFound:
                    # An active run that is deleted never finishes, and would keep the short interval forever.
                    gone.add(run_id)
        # A run that could be read exists, even if the list lacks it.
        gone -= {run.id for run in read}
        poll_result.updates[test.id] = TestUpdate(test, (*query.listed, *read), frozenset(gone))

    async def discover(self, state: State, poll_result: PollResult) -> None:
        """See PollSource."""
        discovery = Discovery(self.api, self._selector, state, poll_result)
        projects = {rule.project for rule in self._selector.rules}
        ids = self._selector.ids
        if None in projects or len(ids) > FEW_TESTS:
            await self._for_each([None], discovery.fetch_project, poll_result)
        else:
            await self._for_each(projects, discovery.fetch_project, poll_result)
            rest = set(ids) - discovery.tests.keys()
            await self._for_each(rest, discovery.fetch_test, poll_result)
        next_runs: dict[int, float] = {}
        await self._for_each([next_runs], self._fetch_schedules, poll_result)
        tests = discovery.sharded_tests.items()
        discovery.finish([replace(test, next_run=next_runs.get(id_)) for id_, test in tests])

    async def _fetch_schedules(self, next_runs: dict[int, float]) -> None:
        """Fills in the next run of each test. Raises only Unauthorized."""
        try:
            next_runs.update(await self.api.list_schedules())
        except Unauthorized:
            raise
        except ApiError as error:
            # Not every token has access to schedules, and nothing else depends on them.
            log.debug("schedules not available", extra={"error": str(error)})


def plan_queries(
    state: State, poll_result: PollResult, listing: RunList, *, is_discovery: bool
) -> list[TestQuery]:
    """The tests to update; the others are added to the result as unchanged."""
    listed = defaultdict[int, list[Run]](list)
    for run in listing.runs:
        listed[run.test_id].append(run)
    queries = []
    for id_, test in state.members_after(poll_result).items():
        known = state.tests.get(id_)
        # Runs with unrecognized fields are fetched again at discovery, not at each poll.
        is_unparsed = is_discovery and known is not None and bool(unparsed_runs(known))
        if known is None or known.active_runs or known.test != test or id_ in listed or is_unparsed:
            queries.append(TestQuery(test, known, listed[id_]))
        else:
            poll_result.unchanged.add(id_)
    return queries


def next_window_start(
    state: State, poll_result: PollResult, listing: RunList, since: float, server_now: float
) -> float:
    """The creation time (Unix seconds) up to which no run is missing; the next list overlaps it."""
    times = [run.created for run in listing.runs if run.created is not None]
    # At first all runs are history, and a missing one would not be counted anyway.
    certain = max(times, default=since) if state.newest_created is None else listing.complete_until
    # A run with a creation time in the future, which is a mistake, must not hide those of the present.
    newest = max(min(certain, server_now), since + OVERLAP)
    if not poll_result.missing_tests(state) and not listing.skipped:
        return newest
    # Runs that could not be processed are listed again, for a day at most.
    return max(since + OVERLAP, newest - FIRST_WINDOW)
