"""Polls the v6 API with few requests.

One list request returns the recently created runs of all tests. It reaches back to the oldest active run that
still fits on its one page, so a poll is normally one request. Each older active run needs one more.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile

from msgspec.structs import replace

from exporter.k6.errors import BadRequest, DecodeError, NotFound
from exporter.k6.v6.client import RUNS, V6Client
from exporter.model import LoadTest, Outcome, Run, RunList
from exporter.polling.discovery import Discovery
from exporter.polling.facts import StackFacts
from exporter.polling.result import PollResult
from exporter.polling.source import PollSource
from exporter.store import (
    MAX_RECENT_OUTCOMES,
    State,
    TestState,
    TestUpdate,
    counts_as_finished,
    unparsed_runs,
)

# Seconds that the next list goes back before the newest run of the last one: a run may appear in lists some
# time after it was created. Uses timestamps from k6 Cloud, so that a wrong clock does not matter.
OVERLAP = 120.0
# Seconds that the first list goes back. Older runs are fetched test by test.
FIRST_WINDOW = 86400.0
# Seconds by which a clock may be wrong if there is no run to compare it with.
MAX_CLOCK_ERROR = 30 * 86400.0
# Part of a page that the next list may fill, according to this one. The rest is for runs that start by then.
USABLE_PART = 0.9
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
            await self._discover_with_facts(state, poll_result)
        for _ in range(2):
            since = list_start(state, self.api.server_time, poll_result.now)
            listing = await self.api.list_runs(since)
            # The response has a newer Date. If the one before it was wrong, the list may start in the future.
            if list_start(state, self.api.server_time, poll_result.now) >= since - OVERLAP:
                break
        poll_result.server_time = self.api.server_time
        poll_result.skipped += listing.skipped
        if not listing.is_complete:
            message = f"GET {RUNS}: incomplete list: the next page contains no new items"
            poll_result.add_failure(DecodeError(message))

        listing = await self._confirm_vanished(state, poll_result, listing)
        queries = plan_queries(state, poll_result, listing, is_discovery=discovery is not None)
        await self._for_each(
            queries, lambda query: self._fetch_test(query, listing, state, poll_result), poll_result
        )
        server_now = self.api.server_time or poll_result.now
        poll_result.list_since = next_list_start(state, poll_result, listing, since, server_now)

    async def _fetch_test(
        self, query: TestQuery, listing: RunList, state: State, poll_result: PollResult
    ) -> None:
        """Updates a test with its listed runs and those that the list does not reach. Raises ApiError."""
        test, known, listed_ids = query.test, query.known, {run.id for run in query.listed}
        if known is None:
            # Enough for the recent outcomes, even if fewer runs are kept.
            wanted = max(state.retention.keep, MAX_RECENT_OUTCOMES)
            older: Sequence[Run] = ()
            if needs_older_runs(query.listed, state.retention.keep):
                newest = await self.api.list_newest_runs(test.id, wanted + SPARE_RUNS)
                poll_result.skipped += newest.skipped
                older = newest.runs
            poll_result.updates[test.id] = TestUpdate(test, (*query.listed, *older))
            return
        read: list[Run] = []
        gone = {run.id for run in known.runs if run.id not in listed_ids and listing.should_contain(run)}
        for run_id in {run.id: None for run in (*known.active_runs, *unparsed_runs(known))}:
            if run_id not in listed_ids:
                run = await self._read_run(run_id, is_vanished=run_id in gone)
                if run:
                    read.append(run)
                else:
                    # An active run that is deleted never finishes, and would keep the short interval forever.
                    gone.add(run_id)
        # A run that could be read exists, even if the list lacks it.
        gone -= {run.id for run in read}
        poll_result.updates[test.id] = TestUpdate(test, (*query.listed, *read), frozenset(gone))

    async def _confirm_vanished(self, state: State, poll_result: PollResult, listing: RunList) -> RunList:
        """The list; one that proves no deletion if it lacks a run that exists. Raises ApiError."""
        listed = {run.id for run in listing.runs}
        vanished = [
            run
            for test_state in state.tests.values()
            # They are sorted from new to old, so most tests have none to look at.
            for run in takewhile(listing.should_contain, test_state.runs)
            if run.id not in listed
        ]
        # One is enough, because an empty list by mistake hides all of them.
        newest = max(vanished, key=lambda run: run.sort_key, default=None)
        if newest is None or not await self._read_run(newest.id, is_vanished=True):
            return listing
        poll_result.add_failure(DecodeError(f"GET {RUNS}: run {newest.id} exists, but is not in the list"))
        return replace(listing, complete_since=math.inf)

    async def _read_run(self, run_id: int, *, is_vanished: bool) -> Run | None:
        """A run; None if it does not exist, which is requested twice, as a 404 can be a mistake.

        `is_vanished`: the list should have the run and lacks it. Then a 400 denies it as well, such as of a
        wrong id that the API once returned itself.
        """
        denials = (NotFound, BadRequest) if is_vanished else (NotFound,)
        for _ in range(2):
            with suppress(*denials):
                return await self.api.read_run(run_id)
        return None

    async def discover(self, state: State, poll_result: PollResult) -> None:
        """See PollSource."""
        discovery = Discovery(self.api, self._selector, state, poll_result)
        if self._selector.has_project_names:
            await self._for_each(
                [discovery], lambda it: self._resolve_projects(it, state, poll_result), poll_result
            )
        projects = {rule.project for rule in discovery.selector.rules if not isinstance(rule.project, str)}
        ids = self._selector.ids
        if None in projects or len(ids) > FEW_TESTS:
            await self._for_each([None], discovery.fetch_project, poll_result)
        else:
            await self._for_each(projects, discovery.fetch_project, poll_result)
            rest = set(ids) - discovery.tests.keys()
            await self._for_each(rest, discovery.fetch_test, poll_result)
        await self._for_each(discovery.vanished_members(), discovery.confirm_member, poll_result)
        discovery.finish(discovery.sharded_tests.values())

    async def _resolve_projects(self, discovery: Discovery, state: State, poll_result: PollResult) -> None:
        """Looks up the names of projects that the configuration has. Raises ApiError; then the ids stay."""
        discovery.selector = self._selector.resolve(state.projects)
        known = {rule.project for rule in discovery.selector.rules if isinstance(rule.project, int)}
        projects = await self.api.list_projects()
        # A list without a known project can be a mistake.
        for id_ in sorted(known & state.projects.keys() - projects.keys()):
            await discovery.verify_empty(id_)
        discovery.selector = self._selector.resolve(projects)
        poll_result.projects = projects

    async def _discover_with_facts(self, state: State, poll_result: PollResult) -> None:
        """A discovery with schedules and projects, which only polls need."""
        await self.discover(state, poll_result)
        # A poll that is cut short before it has the schedules leaves the members as they were.
        members, poll_result.members = poll_result.members or {}, None
        facts = StackFacts(self.api, poll_result.projects, has_projects=self._selector.has_project_names)
        await self._for_each(facts.fetches, lambda fetch: fetch(), poll_result)
        poll_result.members = {
            id_: facts.add_schedule(test, state.members.get(id_)) for id_, test in members.items()
        }
        poll_result.projects = facts.merge_projects(state.projects)


def needs_older_runs(listed: Sequence[Run], keep: int) -> bool:
    """Whether the listed runs of a new test are too few: for its series, or to count failures in a row."""
    finished = [run for run in listed if counts_as_finished(run)]
    # At least one: the series about the last finished run need it even if none is kept.
    if len(finished) < max(keep, 1):
        return True
    # The failures in a row end with a pass.
    has_passed = any(run.outcome == Outcome.PASSED for run in finished)
    return len(finished) < MAX_RECENT_OUTCOMES and not has_passed


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


def list_start(state: State, server_time: float | None, now: float) -> float:
    """The creation time (Unix seconds) from which to list runs.

    `server_time` is by the clock of k6 Cloud, None if it sends no Date header, and `now` by our own.
    """
    server_now = server_time or now
    # In the future by both clocks: a clock was wrong when it was set.
    if state.list_since is None or state.list_since > max(server_now, now):
        return server_now - FIRST_WINDOW
    return state.list_since


def next_list_start(
    state: State, poll_result: PollResult, listing: RunList, since: float, server_now: float
) -> float:
    """The creation time (Unix seconds) from which the next poll lists runs, so that it misses none.

    It depends on the runs received, and not on a clock: a clock that is ahead would hide all later runs.
    """
    if state.list_since is None:
        # All runs are history, and a missing one would not be counted anyway.
        received = [*listing.runs, *(run for update in poll_result.updates.values() for run in update.runs)]
        latest = max(server_now, poll_result.now)
        times = [run.created for run in received if run.created is not None and run.created <= latest]
        start = max(times) - OVERLAP if times else since - MAX_CLOCK_ERROR
    else:
        # A run with a creation time in the future, which is a mistake, must not hide those of the present.
        start = max(min(listing.complete_until, server_now) - OVERLAP, since)
    if poll_result.missing_tests(state) or listing.skipped:
        # Runs that could not be processed are listed again, for a day at most.
        start = min(start, max(since, start - FIRST_WINDOW))
    return min(start, oldest_listable(state, poll_result, listing, since))


def oldest_listable(state: State, poll_result: PollResult, listing: RunList, since: float) -> float:
    """The creation time (Unix seconds) of the oldest active run from which on all runs fit on one page.

    Infinity without one. Nothing is known about the number of runs that were created before `since`.
    """
    times = sorted(run.created for run in listing.runs if run.created is not None)
    usable = int(listing.page_size * USABLE_PART)
    earliest = times[-usable] if 0 < usable < len(times) else since
    active = (run.created for run in active_runs(state, poll_result) if run.created is not None)
    # A second earlier: the API may compare times more exactly than we send them.
    return min((created - 1 for created in active if created - 1 >= earliest), default=math.inf)


def active_runs(state: State, poll_result: PollResult) -> Iterator[Run]:
    """The active runs of all tests after a poll."""
    for id_ in state.members_after(poll_result):
        known, update = state.tests.get(id_), poll_result.updates.get(id_)
        runs = {run.id: run for run in (known.active_runs if known else ())}
        if update:
            runs |= {run.id: run for run in update.runs}
        for run in runs.values():
            if not run.is_finished and not (update and run.id in update.deleted_run_ids):
                yield run
