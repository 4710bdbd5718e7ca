"""Which runs `runs list` shows, and how to fetch them with few requests."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from exporter.commands.runs.client import RunsClient
from exporter.formatting import quote_value
from exporter.k6.errors import ApiError, NotFound
from exporter.k6.legacy.client import LegacyClient
from exporter.k6.legacy.schema import RUN_FIELDS
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


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which runs are listed: the newest ones of the configured tests, or those with these IDs.

    `limit` is the number of the newest runs, and `active` selects active ones only. `public_id` selects one
    run (legacy only). `fields` are those that are requested of the legacy API; v6 always sends all.
    `with_tests` and `with_projects`: whether what the rows have of their tests and projects is used. It takes
    requests of its own.
    """

    limit: int
    active: bool
    run_ids: Sequence[int] = ()
    public_id: str = ""
    fields: Sequence[str] = RUN_FIELDS
    with_tests: bool = True
    with_projects: bool = True


class RunRow(NamedTuple):
    """A run, its test, and the name of the project if it is known."""

    run: Run
    test: LoadTest
    project_name: str = ""


async def list_runs(
    client: RunsClient, result: PollResult, query: ListQuery
) -> tuple[list[RunRow], float | None]:
    """The runs that a query selects, newest first. Errors are added to `result`.

    The second value is the start of the searched window in Unix seconds, None if there was no limit.
    """
    if query.run_ids:
        return await list_by_id(client, result, query), None
    if query.public_id and isinstance(client.api, LegacyClient):
        return await list_by_public_id(client, client.api, result, query), None
    return await list_newest(client, result, query)


async def list_newest(
    client: RunsClient, result: PollResult, query: ListQuery
) -> tuple[list[RunRow], float | None]:
    """The newest runs of the configured tests; as `list_runs`."""
    limit, active, fields = query.limit, query.active, query.fields
    try:
        await build_source(client.config, client.api).discover(State(), result)
    except ApiError as error:
        result.add_failure(error)
    tests = result.members or {}
    depth = max(limit, ACTIVE_SEARCH_DEPTH) if active else limit
    since = None
    if isinstance(client.api, LegacyClient):
        candidates = await find_candidates(client, client.api, tests.values(), limit=depth, active=active)
        runs = await list_runs_of_tests(client, candidates, result, limit=depth, fields=fields)
    elif len(tests) <= MAX_SINGLE_QUERIES:
        runs = await list_runs_of_tests(client, tests, result, limit=depth, fields=fields)
    else:
        runs, since = await list_runs_of_all(client, client.api, tests, result, limit=limit, active=active)
    selected = [run for run in runs if run.test_id in tests and not (active and run.is_finished)]
    newest = sorted(selected, key=lambda run: run.sort_key)[: -limit - 1 : -1]
    projects = await fetch_projects(client, result.projects) if newest and query.with_projects else {}
    return [build_row(client, run, tests[run.test_id], projects) for run in newest], since


async def fetch_projects(
    client: RunsClient, known: Mapping[int, Project] | None = None
) -> Mapping[int, Project]:
    """All projects that the token can access; `known` are those of a discovery, if it listed them.

    On v6 this takes one request, on legacy one and one for each organization.
    """
    if known:
        return known
    with suppress(ApiError):  # names are only a help, and not every token has access to projects
        if isinstance(client.api, LegacyClient):
            return (await client.api.list_projects()).projects
        return await client.api.list_projects()
    return {}


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
    client: RunsClient,
    tests: Collection[int],
    result: PollResult,
    *,
    limit: int,
    fields: Sequence[str],
) -> Sequence[Run]:
    """The newest runs of each of these tests, at least `limit` of each if there are."""
    runs: list[Run] = []

    async def fetch(test_id: int) -> None:
        if isinstance(client.api, LegacyClient):
            listing = await client.api.list_runs(test_id, count=limit, select=fields)
        else:
            listing = await client.api.list_newest_runs(test_id, limit)
        runs.extend(listing.runs)
        result.skipped += listing.skipped

    await for_each(tests, fetch, result, concurrency=client.config.api.concurrency)
    return runs


async def list_by_id(client: RunsClient, result: PollResult, query: ListQuery) -> list[RunRow]:
    """The runs with these IDs; one that is not found is an error in `result`."""
    run_ids = query.run_ids
    runs: dict[int, Run] = {}

    async def fetch(run_id: int) -> None:
        with suppress(NotFound):
            runs[run_id] = await client.api.read_run(run_id)

    if isinstance(client.api, LegacyClient):
        listing = await client.api.list_runs(ids=run_ids, select=query.fields)
        runs = {run.id: run for run in listing.runs if run.id in run_ids}
        result.skipped += listing.skipped
    else:
        # v6 has no list by IDs.
        await for_each(run_ids, fetch, result, concurrency=client.config.api.concurrency)
    if not result.failures and not result.skipped:  # else the run may be the one that failed
        for run_id in run_ids:
            if run_id not in runs:
                result.add_failure(NotFound(f"run {run_id} not found, or not visible to this token"))
    return await build_rows(client, result, query, runs.values())


async def list_by_public_id(
    client: RunsClient, api: LegacyClient, result: PollResult, query: ListQuery
) -> list[RunRow]:
    """The run with this public ID, which only the legacy API knows; an error in `result` if there is none."""
    listing = await api.list_runs(public_id=query.public_id, select=query.fields)
    result.skipped += listing.skipped
    if not listing.runs and not listing.skipped:
        quoted = quote_value(query.public_id)
        result.add_failure(NotFound(f"no run has the public ID {quoted}, or it is not visible to this token"))
    return await build_rows(client, result, query, listing.runs)


async def build_rows(
    client: RunsClient, result: PollResult, query: ListQuery, runs: Collection[Run]
) -> list[RunRow]:
    """The rows of these runs, newest first; takes a request for each test, and those for projects."""
    # A test without a name is one that was deleted meanwhile, or is not visible.
    tests = {run.test_id: LoadTest(run.test_id, str(run.test_id)) for run in runs}

    async def fetch(test_id: int) -> None:
        with suppress(NotFound):
            tests[test_id] = await client.api.read_test(test_id)

    if query.with_tests:
        await for_each(list(tests), fetch, result, concurrency=client.config.api.concurrency)
    projects = await fetch_projects(client) if runs and query.with_projects else {}
    newest = sorted(runs, key=lambda run: run.sort_key, reverse=True)
    return [build_row(client, run, tests[run.test_id], projects) for run in newest]
