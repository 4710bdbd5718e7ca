"""Which runs `runs list` shows, and how to fetch them with few requests."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from exporter.commands.runs.client import RunsClient
from exporter.k6.errors import ApiError
from exporter.k6.legacy.client import LegacyClient
from exporter.k6.v6.client import V6Client
from exporter.model import LoadTest, Project, Run, RunList
from exporter.polling.concurrency import for_each
from exporter.polling.factory import build_source
from exporter.polling.result import PollResult
from exporter.store import State

DAY = 86400.0
# With v6, up to this many tests are queried one by one; with more tests, one list has the runs of all tests.
MAX_SINGLE_QUERIES = 10
# An active run may be older than finished runs of its test: search at least this many runs of each test.
ACTIVE_SEARCH_DEPTH = 100
# The list of all tests' runs is fetched with growing windows (seconds) until there are enough runs.
WINDOWS = (DAY, 7 * DAY, 30 * DAY)
# Active runs older than this are not searched for: a load test that takes longer is most unlikely.
MAX_ACTIVE_AGE = 7 * DAY


class RunRow(NamedTuple):
    """A run, its test, and the name of the project if it is known (v6 only)."""

    run: Run
    test: LoadTest
    project_name: str = ""


async def list_newest(
    client: RunsClient, result: PollResult, *, limit: int, active: bool
) -> tuple[list[RunRow], float | None]:
    """The newest runs of the configured tests, newest first; with `active` only active runs.

    Errors are added to `result`. The second value is the start of the searched window in Unix seconds, None
    if there was no limit.
    """
    try:
        await build_source(client.config, client.api).discover(State(), result)
    except ApiError as error:
        result.add_failure(error)
    tests = result.members or {}
    depth = max(limit, ACTIVE_SEARCH_DEPTH) if active else limit
    since = None
    if isinstance(client.api, LegacyClient):
        candidates = await find_candidates(client, client.api, tests.values(), limit=depth, active=active)
        runs = await list_runs_of_tests(client, candidates, result, limit=depth)
    elif len(tests) <= MAX_SINGLE_QUERIES:
        runs = await list_runs_of_tests(client, tests, result, limit=depth)
    else:
        runs, since = await list_runs_of_all(client, client.api, tests, result, limit=limit, active=active)
    selected = [run for run in runs if run.test_id in tests and not (active and run.is_finished)]
    newest = sorted(selected, key=lambda run: run.sort_key)[: -limit - 1 : -1]
    projects = result.projects or {}
    return [build_row(client, run, tests[run.test_id], projects) for run in newest], since


def build_row(client: RunsClient, run: Run, test: LoadTest, projects: Mapping[int, Project]) -> RunRow:
    """The row of a run, without secrets in its reason."""
    project = projects.get(test.project_id) if test.project_id is not None else None
    return RunRow(client.redact_reason(run), test, project.name if project else "")


async def list_runs_of_all(
    client: RunsClient, api: V6Client, tests: Collection[int], result: PollResult, *, limit: int, active: bool
) -> tuple[Sequence[Run], float | None]:
    """The runs of all tests, and the start of the searched window (Unix seconds)."""
    listing, since = RunList(), 0.0
    for window in (MAX_ACTIVE_AGE,) if active else WINDOWS:
        since = client.server_now - window
        listing = await api.list_runs(since)
        if sum(run.test_id in tests for run in listing.runs) >= limit and not active:
            break
    result.skipped += listing.skipped
    return listing.runs, None if active else since


async def find_candidates(
    client: RunsClient, api: LegacyClient, tests: Collection[LoadTest], *, limit: int, active: bool
) -> list[int]:
    """The tests that can have one of the newest runs; the legacy list of tests has each test's last run.

    IDs of runs ascend, so the newest N runs belong to the N tests with the highest last run IDs. An active
    run may be older than a finished one, so with `active` every test with a recent run is a candidate.
    """
    last_runs = {test.last_run_id: test.id for test in tests if test.last_run_id is not None}
    if not (active and last_runs):
        return [last_runs[run_id] for run_id in sorted(last_runs, reverse=True)[:limit]]
    oldest = client.server_now - MAX_ACTIVE_AGE
    listing = await api.list_runs(ids=sorted(last_runs))
    return [run.test_id for run in listing.runs if (run.created or oldest) >= oldest]


async def list_runs_of_tests(
    client: RunsClient, tests: Collection[int], result: PollResult, *, limit: int
) -> Sequence[Run]:
    """The newest runs of each of these tests, at least `limit` of each if there are."""
    runs: list[Run] = []

    async def fetch(test_id: int) -> None:
        listing = await client.api.list_newest_runs(test_id, limit)
        runs.extend(listing.runs)
        result.skipped += listing.skipped

    await for_each(tests, fetch, result, concurrency=client.config.api.concurrency)
    return runs
