"""Fetching run history from k6 Cloud: the matching tests, and all runs that matter to a time range."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from exporter.commands.backfill.options import BackfillOptions
from exporter.commands.backfill.timeline import has_timestamps
from exporter.commands.names import describe_unresolved
from exporter.config import Config
from exporter.k6.errors import ApiError, DecodeError
from exporter.k6.legacy import client as legacy
from exporter.k6.v6 import client as v6
from exporter.model import LoadTest, Run, RunList
from exporter.polling.concurrency import for_each
from exporter.polling.factory import AnySource
from exporter.polling.result import PollResult
from exporter.store import State, counts_as_finished

OLDER_RUNS = 10  # runs of a test that are fetched if none of its runs finished in the look-back window

Connection = AbstractAsyncContextManager[AnySource]
OnStep = Callable[[int], None]  # called after each step, with the number of all steps


@dataclass(slots=True)
class History:
    """The fetched tests and their runs, by test ID.

    `undated` are runs without the timestamps to place them. `unresolved` are sentences about entries of
    `tests` that select no test; if a name `is_ambiguous`, no runs are fetched.
    """

    tests: Mapping[int, LoadTest] = field(default_factory=dict)
    runs: dict[int, list[Run]] = field(default_factory=lambda: defaultdict(list))
    undated: list[Run] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)
    is_ambiguous: bool = False

    def add(self, runs: Iterable[Run], until: float) -> None:
        """Add those runs that belong to one of the tests and were created by `until`."""
        for run in runs:
            if run.test_id in self.tests and not has_timestamps(run):
                self.undated.append(run)
            elif run.test_id in self.tests and (run.created or 0) <= until:
                self.runs[run.test_id].append(run)


async def fetch_history(
    config: Config,
    connection: Connection,
    options: BackfillOptions,
    result: PollResult,
    on_step: OnStep,
) -> History:
    """The runs that matter to a time range; failures are added to `result`."""
    # At the start of the range, runs of up to max_age before it are still exposed.
    look_back = options.since - config.runs.max_age
    history = History()

    async def fetch_test(test: LoadTest) -> None:
        if isinstance(source.api, v6.V6Client):
            listing = await source.api.list_newest_runs(test.id, OLDER_RUNS, created_before=look_back)
        else:
            listing = await fetch_legacy_runs(source.api, test, look_back)
        result.skipped += listing.skipped
        history.add(listing.runs, options.until)
        on_step(len(remaining))

    async with connection as source:
        try:
            await source.discover(State(), result)
            history.tests = dict(sorted((result.members or {}).items()))
            remaining = list(history.tests.values())
            # Without configured tests, nothing can be misspelled.
            if config.tests:
                history.unresolved = await describe_unresolved(source.api, result.unresolved)
                history.is_ambiguous = any(entry.candidates for entry in result.unresolved)
            if history.is_ambiguous:
                return history
            if isinstance(source.api, v6.V6Client):
                remaining = await fetch_v6_runs(source.api, options, look_back, history, result)
            await for_each(remaining, fetch_test, result, concurrency=config.api.concurrency)
        except ApiError as error:
            result.add_failure(error)
    return history


async def fetch_legacy_runs(api: legacy.LegacyClient, test: LoadTest, look_back: float) -> RunList:
    """The runs of a test, newest first, since a time in Unix seconds."""
    listing = await api.list_runs(test.id, since=look_back)
    # A complete list either has every run, or ends with a run from before that time.
    if not listing.skipped and listing.complete_since > look_back:
        raise DecodeError(f"GET {legacy.RUNS}: the list of runs of test {test.id} is incomplete")
    return listing


async def fetch_v6_runs(
    api: v6.V6Client, options: BackfillOptions, look_back: float, history: History, result: PollResult
) -> list[LoadTest]:
    """Add the runs of all tests since a time; the tests of which older runs are needed as well.

    Those are the tests without a run that finished before the range: without an older run, they would seem
    never to have finished one.
    """
    listing = await api.list_runs(look_back, created_before=options.until + 1)
    result.skipped += listing.skipped
    if not listing.is_complete:
        raise DecodeError(f"GET {v6.RUNS}: the list of runs is incomplete")
    history.add(listing.runs, options.until)
    finished = {
        run.test_id
        for run in listing.runs
        if counts_as_finished(run) and run.ended is not None and run.ended <= options.since
    }
    return [test for test in history.tests.values() if test.id not in finished]
