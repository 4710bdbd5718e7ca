"""Asking k6 Cloud for the past: which tests are meant, and every run that matters to a stretch of time."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from exporter.commands.backfill.timeline import has_timestamps
from exporter.k6.errors import ApiError, DecodeError
from exporter.k6.legacy.client import RUNS as LEGACY_RUNS
from exporter.k6.legacy.client import LegacyClient
from exporter.k6.v6.client import RUNS, V6Client
from exporter.model import LoadTest, Run
from exporter.polling.concurrency import for_each
from exporter.polling.result import PollResult
from exporter.store import State, counts_as_finished

OLDER = 10  # runs of a test that are asked for where there is none in the look back


class Guide(Protocol):
    """Who finds out which tests the configuration means, and tells it to the findings."""

    async def discover(self, state: State, poll_result: PollResult) -> object: ...


@dataclass(frozen=True, slots=True)
class FetchWindow:
    """From when to when (Unix seconds); `look_back` is from when on runs matter to its beginning."""

    look_back: float
    since: float
    until: float


@dataclass(slots=True)
class History:
    """What was learnt: the tests, and their runs by test."""

    tests: Sequence[LoadTest] = ()
    runs: dict[int, list[Run]] = field(default_factory=lambda: defaultdict(list))
    undated: list[Run] = field(default_factory=list)

    def add(self, runs: Iterable[Run], until: float) -> None:
        members = {test.id for test in self.tests}
        for run in runs:
            if run.test_id in members and not has_timestamps(run):
                self.undated.append(run)
            elif run.test_id in members and (run.created or 0) <= until:
                self.runs[run.test_id].append(run)


Told = Callable[[int, int], None]  # so many tests done, of so many


async def fetch_history(
    api: LegacyClient | V6Client,
    guide: Guide,
    stretch: FetchWindow,
    poll_result: PollResult,
    *,
    concurrency: int,
    told: Told,
) -> History:
    """The runs that matter; whatever could not be learnt is in the findings."""
    learnt = History()
    try:
        await guide.discover(State(), poll_result)
        members = poll_result.members or {}
        learnt.tests = [members[id_] for id_ in sorted(members)]
        if isinstance(api, V6Client):
            await fetch_v6(api, stretch, learnt, poll_result, concurrency=concurrency, told=told)
        else:
            await fetch_legacy(api, stretch, learnt, poll_result, concurrency=concurrency, told=told)
    except ApiError as error:
        poll_result.add_failure(error)
    return learnt


async def fetch_legacy(
    api: LegacyClient,
    stretch: FetchWindow,
    learnt: History,
    poll_result: PollResult,
    *,
    concurrency: int,
    told: Told,
) -> None:
    """A list for each test, from new to old."""
    done = 0

    async def ask(test: LoadTest) -> None:
        nonlocal done
        # A list that is left early has a run from before that moment; one that is not is whole.
        listing = await api.list_runs(test.id, since=stretch.look_back)
        poll_result.skipped += listing.skipped
        if not listing.skipped and listing.complete_since > stretch.look_back:
            raise DecodeError(f"GET {LEGACY_RUNS}: the list of runs of test {test.id} is not whole")
        learnt.add(listing.runs, stretch.until)
        done += 1
        told(done, len(learnt.tests))

    await for_each(learnt.tests, ask, poll_result, concurrency=concurrency)


async def fetch_v6(
    api: V6Client,
    stretch: FetchWindow,
    learnt: History,
    poll_result: PollResult,
    *,
    concurrency: int,
    told: Told,
) -> None:
    """One list for all tests, and one for each test of which it has nothing that was over at the beginning.

    Without that, what came before would be told as if nothing had.
    """
    listing = await api.list_runs(stretch.look_back, created_before=stretch.until + 1)
    poll_result.skipped += listing.skipped
    if not listing.is_complete:
        raise DecodeError(f"GET {RUNS}: the list breaks off and says that it goes on")
    learnt.add(listing.runs, stretch.until)
    begun = {
        run.test_id
        for run in listing.runs
        if counts_as_finished(run) and run.ended is not None and run.ended <= stretch.since
    }
    quiet = [test for test in learnt.tests if test.id not in begun]
    done = len(learnt.tests) - len(quiet)
    told(done, len(learnt.tests))

    async def ask(test: LoadTest) -> None:
        nonlocal done
        older = await api.list_newest_runs(test.id, OLDER, created_before=stretch.look_back)
        poll_result.skipped += older.skipped
        learnt.add(older.runs, stretch.until)
        done += 1
        told(done, len(learnt.tests))

    await for_each(quiet, ask, poll_result, concurrency=concurrency)
