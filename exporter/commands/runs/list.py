"""Which runs `runs list` shows, and how they are asked for without asking for everything."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from exporter.commands.runs.client import RunsClient
from exporter.k6.legacy.client import LegacyClient
from exporter.k6.v6.client import V6Client
from exporter.model import LoadTest, Run, RunList, SkippedItem
from exporter.polling.concurrency import for_each
from exporter.polling.result import Failure, PollResult

DAY = 86400.0
# Up to so many tests, each is asked for its newest runs; beyond, v6 is asked for the runs of all at once.
FEW_TESTS = 10
# Runs of a test among which one that still moves is looked for.
BEHIND = 100
# How far back the runs of all tests are asked for: farther and farther, until there are enough.
WINDOWS = (DAY, 7 * DAY, 30 * DAY)
# A run that moves has not been created longer ago than this, or it is of no use to anybody.
OLDEST_ACTIVE = 7 * DAY


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run and its test."""

    run: Run
    test: LoadTest


@dataclass(slots=True)
class RunListing:
    """Runs, newest first, and what could not be learnt; `since` is how far back was looked, None if all."""

    rows: list[RunRow] = field(default_factory=list)
    unresolved: tuple[str, ...] = ()
    failures: list[Failure] = field(default_factory=list)
    skipped: list[SkippedItem] = field(default_factory=list)
    since: float | None = None


async def list_newest(cloud: RunsClient, *, most: int, active: bool) -> RunListing:
    """The newest runs of the tests that the configuration means; with `active`, of those not over."""
    poll_result = await cloud.find_tests()
    deep = max(most, BEHIND) if active else most
    tests = poll_result.members or {}
    since = None
    if isinstance(cloud.api, LegacyClient):
        runs = await legacy_runs(
            cloud, cloud.api, list(tests.values()), poll_result, most=deep, active=active
        )
    elif len(tests) <= FEW_TESTS:
        runs = await runs_of_each(cloud, cloud.api, tests, poll_result, most=deep)
    else:
        runs, since = await v6_runs(cloud, cloud.api, tests, poll_result, most=most, active=active)
    chosen = [run for run in runs if run.test_id in tests and not (active and run.is_finished)]
    rows = [RunRow(run, tests[run.test_id]) for run in sorted(chosen, key=lambda run: run.sort_key)]
    unresolved = poll_result.unresolved if cloud.config.tests else ()  # that there are no tests is no mistake
    return RunListing(rows[: -most - 1 : -1], unresolved, poll_result.failures, poll_result.skipped, since)


async def v6_runs(
    cloud: RunsClient,
    api: V6Client,
    tests: Collection[int],
    poll_result: PollResult,
    *,
    most: int,
    active: bool,
) -> tuple[Sequence[Run], float | None]:
    """The runs of all tests, and from which moment on (Unix seconds); it widens until there are enough."""
    listing, since = RunList(), 0.0
    for window in (OLDEST_ACTIVE,) if active else WINDOWS:
        since = cloud.server_now - window
        listing = await api.list_runs(since)
        if sum(run.test_id in tests for run in listing.runs) >= most and not active:
            break
    poll_result.skipped += listing.skipped
    return listing.runs, None if active else since


async def legacy_runs(
    cloud: RunsClient,
    api: LegacyClient,
    tests: Sequence[LoadTest],
    poll_result: PollResult,
    *,
    most: int,
    active: bool,
) -> Sequence[Run]:
    """The runs of the tests that can have some among the newest: their list names the last run of each.

    Ids are given in order, so the newest N runs are of the N tests with the highest last ids. A run that
    still moves may stand behind a finished one, so a test with any run of late is looked into.
    """
    last_ids = {test.last_run_id: test.id for test in tests if test.last_run_id is not None}
    if active:
        last = await api.list_runs(ids=sorted(last_ids)) if last_ids else None
        late = cloud.server_now - OLDEST_ACTIVE
        chosen = [run.test_id for run in (last.runs if last else ()) if (run.created or late) >= late]
    else:
        chosen = [last_ids[run_id] for run_id in sorted(last_ids, reverse=True)[:most]]
    return await runs_of_each(cloud, api, chosen, poll_result, most=most)


async def runs_of_each(
    cloud: RunsClient,
    api: LegacyClient | V6Client,
    tests: Collection[int],
    poll_result: PollResult,
    *,
    most: int,
) -> Sequence[Run]:
    """The newest runs of each of these tests, so many of each."""
    runs: list[Run] = []

    async def ask(test_id: int) -> None:
        listing = await api.list_newest_runs(test_id, most)
        runs.extend(listing.runs)
        poll_result.skipped += listing.skipped

    await for_each(tests, ask, poll_result, concurrency=cloud.config.api.concurrency)
    return runs
