"""The v6 API (/cloud/v6): its endpoints, its paging, and its tests and runs in our words.

https://grafana.com/docs/grafana-cloud/testing/k6/reference/cloud-rest-api/
Its lists go from old to new. One of them tells the runs of all tests at once.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import msgspec

from exporter.k6.errors import Unreadable
from exporter.k6.lists import MOST_PAGES, Foreign, Gathered, I, T, bounded, decoded, read_one, the_one
from exporter.k6.transport import Params, Transport
from exporter.k6.v6_words import (
    Page,
    RunBody,
    Schedule,
    ScheduleBody,
    TestBody,
    run_from,
    schedule_from,
    test_from,
)
from exporter.model import Listing, LoadTest, Run, Skipped, TestListing

PROJECT_TESTS = "/cloud/v6/projects/{id}/load_tests"
TESTS = "/cloud/v6/load_tests"
TEST = "/cloud/v6/load_tests/{id}"
TEST_RUNS = "/cloud/v6/load_tests/{id}/test_runs"
RUNS = "/cloud/v6/test_runs"
RUN = "/cloud/v6/test_runs/{id}"
SCHEDULES = "/cloud/v6/schedules"

PAGE_SIZE = 1000  # the most there can be on one
# The parts of a next link that turn the page. The rest of it is what we asked, and we ask it ourselves.
TURNING = ("$skip", "$skiptoken", "$top")
AT_ONCE = 100  # items that are read before scrapes have their turn: some milliseconds
LONGEST_LINK = 2000  # characters; what leads on is short, and no server takes a longer question


class V6Api:
    """The calls of the v6 API that tell the state of runs. All raise ApiError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def time(self) -> float | None:
        """What k6 Cloud's clock said when it last answered, in Unix seconds; None if it never said."""
        return self._transport.cloud_time

    async def list_runs(self, created_after: float, *, created_before: float | None = None) -> Listing:
        """The runs of all tests that were created at this moment (Unix seconds) or later, before another."""
        window = [("created_after", timestamp(created_after)), *before(created_before)]
        gathered = await self._gather(RUNS, window, read_run)
        on_one_page = gathered.on_first_page == len(gathered.items)
        sure = [run.created for run in gathered.items[: gathered.on_first_page] if run.created is not None]
        is_sure = gathered.whole and on_one_page and not gathered.skipped
        return Listing(
            gathered.items,
            gathered.skipped,
            reaches_back_to=created_after if is_sure else math.inf,
            sure_up_to=max(sure, default=created_after),
            is_whole=gathered.whole,
        )

    async def list_newest_runs(
        self, test_id: int, most: int, *, created_before: float | None = None
    ) -> Listing:
        """The newest runs of a test, so many at the most; of those created before a moment (Unix seconds)."""
        asked: Params = [
            *(("$orderby", "created desc"), ("$top", min(most, PAGE_SIZE))),
            *before(created_before),
        ]
        page = decoded(await self._transport.get(TEST_RUNS, asked, id=test_id), Page, TEST_RUNS)
        bounded(len(page.value), TEST_RUNS)
        items = [read_one(TEST_RUNS, run_of(test_id), raw) for raw in page.value]
        return Listing(
            tuple(item for item in items if isinstance(item, Run)),
            tuple(item for item in items if isinstance(item, Skipped)),
        )

    async def read_run(self, run_id: int) -> Run:
        """One run."""
        run = sole(await self._transport.get(RUN, id=run_id), RunBody, run_from, RUN)
        return the_one(run, run_id, RUN)

    async def list_tests(self, project_id: int | None = None) -> TestListing:
        """All tests that the token can see, or those of a project."""
        endpoint, ids = (TESTS, {}) if project_id is None else (PROJECT_TESTS, {"id": project_id})
        gathered = await self._gather(endpoint, [], read_test, **ids)
        if not gathered.whole:
            # A test that is not told is taken for one that is no more.
            raise Unreadable(f"GET {endpoint}: the list breaks off and says that it goes on")
        return TestListing(gathered.items, gathered.skipped)

    async def read_test(self, test_id: int) -> LoadTest:
        """One test."""
        return sole(await self._transport.get(TEST, id=test_id), TestBody, test_from, TEST)

    async def list_schedules(self) -> Mapping[int, float]:
        """When each test that has a schedule in force runs next, in Unix seconds."""
        gathered = await self._gather(SCHEDULES, [], read_schedule)
        next_runs: dict[int, float] = {}
        for schedule in gathered.items:  # a courtesy: one that cannot be read is none
            if schedule.next_run is not None:
                earlier = next_runs.get(schedule.test_id, math.inf)
                next_runs[schedule.test_id] = min(schedule.next_run, earlier)
        return next_runs

    async def _gather(
        self, endpoint: str, asked: Params, read: Callable[[msgspec.Raw], I], **ids: int
    ) -> Gathered[I]:
        """Follow the next links of a list to its end.

        Only what a link says of the page is used, and only as parameters of the same endpoint: wherever it
        points, the token stays home. A page that brings nothing new ends the list, whatever is said to
        follow it.
        """
        found: dict[int, I] = {}
        skipped: dict[int, Skipped] = {}  # by a hash, for an item can be megabytes
        seen = on_first_page = 0
        turn: Params = [("$top", PAGE_SIZE)]
        for pages in range(1, MOST_PAGES + 1):
            page = decoded(await self._transport.get(endpoint, [*asked, *turn], **ids), Page, endpoint)
            known = len(found) + len(skipped)
            bounded(known + len(page.value), endpoint)
            for number, raw in enumerate(page.value):
                if number % AT_ONCE == 0:
                    await self._transport.give_way()
                item = read_one(endpoint, read, raw)
                if isinstance(item, Skipped):
                    skipped[hash(bytes(raw))] = item
                else:
                    found[item.id] = item
            on_first_page = len(found) if pages == 1 else on_first_page
            is_last, is_stale = not page.next_link, len(found) + len(skipped) == known
            if is_last or is_stale:
                return Gathered(tuple(found.values()), tuple(skipped.values()), is_last, on_first_page)
            seen += len(page.value)
            turn = turning(page.next_link, seen)
        raise Unreadable(f"GET {endpoint}: the list does not end after {MOST_PAGES} pages")


def turning(link: object, seen: int) -> Params:
    """The parameters for the page that a next link leads to: if it does not say, from so many items on."""
    said = {
        name: value
        for name, value in parse_qsl(query_of(link))
        if name == "$skiptoken" or (name in TURNING and value.isdecimal())
    }
    if "$skip" not in said and "$skiptoken" not in said:
        return [("$skip", seen), ("$top", PAGE_SIZE)]
    return [(name, said[name]) for name in TURNING if name in said]


def query_of(link: object) -> str:
    """The query of a link, empty if it is none."""
    if not isinstance(link, str) or len(link) > LONGEST_LINK:
        return ""
    try:
        return urlsplit(link).query
    except ValueError:
        return ""


def run_of(test_id: int) -> Callable[[msgspec.Raw], Run]:
    """Reads a run of this test. Raises Foreign for one of another."""

    def read(raw: msgspec.Raw) -> Run:
        run = read_run(raw)
        if run.test_id != test_id:
            raise Foreign(f"run {run.id} of test {run.test_id} in the list of test {test_id}")
        return run

    return read


def read_run(raw: msgspec.Raw) -> Run:
    return run_from(decoded(raw, RunBody, RUNS))


def read_test(raw: msgspec.Raw) -> LoadTest:
    return test_from(decoded(raw, TestBody, TESTS))


def read_schedule(raw: msgspec.Raw) -> Schedule:
    return schedule_from(decoded(raw, ScheduleBody, SCHEDULES))


def sole(body: bytes, type_: type[T], read: Callable[[T], I], endpoint: str) -> I:
    """The one item of an answer. Raises Unreadable."""
    try:
        return read(decoded(body, type_, endpoint))
    except ValueError as error:
        raise Unreadable(f"{endpoint}: {error}") from error


def before(moment: float | None) -> list[tuple[str, str]]:
    return [] if moment is None else [("created_before", timestamp(moment))]


def timestamp(seconds: float) -> str:
    """A moment as this API reads it: a plus sign in an offset would be read as a space, so Z.

    One before 1970 is a mistake of whoever wrote it down; no run is older.
    """
    return datetime.fromtimestamp(max(seconds, 0.0), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
