"""What to ask the v6 API so that little is asked.

One list tells the runs of all tests that were created lately. So a poll costs that list, however many tests
there are, and a read of each moving run that was created too long ago to be in it.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from exporter.k6.errors import ApiError, NotFound, Unauthorized, Unreadable
from exporter.k6.v6 import RUNS, V6Api
from exporter.model import Listing, LoadTest, Run
from exporter.polling.discovery import Discovery
from exporter.polling.findings import Findings, each
from exporter.polling.selection import Selection
from exporter.store import Sighting, State, Watched, has_finished, puzzling

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
class Question:
    """A test about which there is something to say or to ask: what is `known`, and what the list `told`."""

    test: LoadTest
    known: Watched | None
    told: Sequence[Run]


class V6Inquiry:
    """Asks what a poll must know. Raises ApiError where all is lost; any other costs the part it befalls."""

    def __init__(self, api: V6Api, selection: Selection, *, width: int) -> None:
        self._api = api
        self._selection = selection
        self._width = width

    async def look(self, state: State, findings: Findings, *, now: float, discovery: int | None) -> None:
        """Fill `findings`; with `discovery`, also find out which tests there are."""
        if discovery is not None:
            await self.discover(state, findings)
        members = state.members if findings.members is None else findings.members
        present = self._api.time or now
        since = present - FIRST_WINDOW if state.newest is None else state.newest - OVERLAP
        listing = await self._api.list_runs(since)
        findings.skipped += listing.skipped
        if not listing.is_whole:
            findings.fail(Unreadable(f"GET {RUNS}: the list breaks off and says that it goes on"))

        told_of = defaultdict[int, list[Run]](list)
        for run in listing.runs:
            told_of[run.test_id].append(run)
        questions = []
        for id_, test in members.items():
            known = state.tests.get(id_)
            is_puzzling = discovery is not None and known is not None and bool(puzzling(known))
            if known is None or known.moving or known.test != test or id_ in told_of or is_puzzling:
                questions.append(Question(test, known, told_of[id_]))
            else:
                findings.confirmed.add(id_)

        async def ask(question: Question) -> None:
            findings.seen[question.test.id] = await self._sighting(question, listing, state, findings)

        await each(questions, ask, findings, width=self._width)
        # At first all runs are history, and none that is missing would be missed.
        told = [run.created for run in listing.runs if run.created is not None]
        sure_up_to = max(told, default=since) if state.newest is None else listing.sure_up_to
        # A run from the future, by a fault of whoever wrote it down, must not hide those of the present.
        newest = max(min(sure_up_to, present), since + OVERLAP)
        is_taken_in = len(findings.seen) + len(findings.confirmed) == len(members) and not listing.skipped
        # What could not be taken in is asked for again with the next list, for a day at most.
        findings.newest = newest if is_taken_in else max(since + OVERLAP, newest - FIRST_WINDOW)

    async def _sighting(
        self, question: Question, listing: Listing, state: State, findings: Findings
    ) -> Sighting:
        """The test's runs: those in the list of all, and by themselves those that it does not reach."""
        test, known, told = question.test, question.known, question.told
        if known is None:
            wanted = max(state.retention.keep, 1)
            if sum(has_finished(run) for run in told) >= wanted:
                return Sighting(test, tuple(told))
            newest = await self._api.list_newest_runs(test.id, wanted + SPARE)
            findings.skipped += newest.skipped
            return Sighting(test, (*told, *newest.runs))
        named = {run.id for run in told}
        read, gone = [], {run.id for run in known.runs if run.id not in named and listing.ought_to_have(run)}
        for run in {run.id: run for run in (*known.moving, *puzzling(known))}.values():
            if run.id not in named:
                try:
                    read.append(await self._api.read_run(run.id))
                except NotFound:
                    gone.add(run.id)
        return Sighting(test, (*told, *read), frozenset(gone - {run.id for run in read}))

    async def discover(self, state: State, findings: Findings) -> None:
        """Find out which tests the selection means; where that cannot be learnt, members stay members."""
        discovery = Discovery(self._api, self._selection, state, findings)
        projects = {rule.project for rule in self._selection.rules}
        ids = self._selection.ids
        if None in projects or len(ids) > FEW_TESTS:
            await each([None], discovery.ask_for_project, findings, width=1)
        else:
            await each(projects, discovery.ask_for_project, findings, width=self._width)
            rest = set(ids) - discovery.tests.keys()
            await each(rest, discovery.ask_for_test, findings, width=self._width)
        discovery.tell(await self._scheduled(discovery.ours))

    async def _scheduled(self, tests: Mapping[int, LoadTest]) -> list[LoadTest]:
        """The tests with their schedules. Not every token may see these, and nothing depends on them."""
        try:
            next_runs = await self._api.list_schedules()
        except Unauthorized:
            raise
        except ApiError as error:
            log.debug("schedules are not known: %s", error)
            next_runs = {}
        return [replace(test, next_run=next_runs.get(id_)) for id_, test in tests.items()]
