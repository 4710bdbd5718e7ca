"""The v6 API (/cloud/v6): its endpoints, its paging, and its tests and runs in our words.

https://grafana.com/docs/grafana-cloud/testing/k6/reference/cloud-rest-api/
Its lists go from old to new. One of them tells the runs of all tests at once.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import msgspec

from exporter.k6.errors import DecodeError
from exporter.k6.pagination import (
    MAX_PAGES,
    I,
    PagedItems,
    T,
    UnexpectedItem,
    check_id,
    check_item_limit,
    decode,
    parse_item,
)
from exporter.k6.transport import Params, Transport
from exporter.k6.v6.schema import (
    Page,
    RunBody,
    Schedule,
    ScheduleBody,
    TestBody,
    parse_run,
    parse_schedule,
    parse_test,
)
from exporter.model import LoadTest, Run, RunList, SkippedItem, TestList

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


class V6Client:
    """The calls of the v6 API that tell the state of runs. All raise ApiError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def server_time(self) -> float | None:
        """What k6 Cloud's clock said when it last answered, in Unix seconds; None if it never said."""
        return self._transport.server_time

    async def list_runs(self, created_after: float, *, created_before: float | None = None) -> RunList:
        """The runs of all tests that were created at this moment (Unix seconds) or later, before another."""
        window = [("created_after", timestamp(created_after)), *created_before_param(created_before)]
        gathered = await self._paginate(RUNS, window, read_run)
        on_one_page = gathered.on_first_page == len(gathered.items)
        sure = [run.created for run in gathered.items[: gathered.on_first_page] if run.created is not None]
        is_sure = gathered.is_complete and on_one_page and not gathered.skipped
        return RunList(
            gathered.items,
            gathered.skipped,
            complete_since=created_after if is_sure else math.inf,
            complete_until=max(sure, default=created_after),
            is_complete=gathered.is_complete,
        )

    async def list_newest_runs(
        self, test_id: int, most: int, *, created_before: float | None = None
    ) -> RunList:
        """The newest runs of a test, so many at the most; of those created before a moment (Unix seconds)."""
        asked: Params = [
            *(("$orderby", "created desc"), ("$top", min(most, PAGE_SIZE))),
            *created_before_param(created_before),
        ]
        page = decode(await self._transport.get(TEST_RUNS, asked, id=test_id), Page, TEST_RUNS)
        check_item_limit(len(page.value), TEST_RUNS)
        items = [parse_item(TEST_RUNS, run_parser(test_id), raw) for raw in page.value]
        return RunList(
            tuple(item for item in items if isinstance(item, Run)),
            tuple(item for item in items if isinstance(item, SkippedItem)),
        )

    async def read_run(self, run_id: int) -> Run:
        """One run."""
        run = decode_one(await self._transport.get(RUN, id=run_id), RunBody, parse_run, RUN)
        return check_id(run, run_id, RUN)

    async def list_tests(self, project_id: int | None = None) -> TestList:
        """All tests that the token can see, or those of a project."""
        endpoint, ids = (TESTS, {}) if project_id is None else (PROJECT_TESTS, {"id": project_id})
        gathered = await self._paginate(endpoint, [], read_test, **ids)
        if not gathered.is_complete:
            # A test that is not told is taken for one that is no more.
            raise DecodeError(f"GET {endpoint}: the list breaks off and says that it goes on")
        return TestList(gathered.items, gathered.skipped)

    async def read_test(self, test_id: int) -> LoadTest:
        """One test."""
        return decode_one(await self._transport.get(TEST, id=test_id), TestBody, parse_test, TEST)

    async def list_schedules(self) -> Mapping[int, float]:
        """When each test that has a schedule in force runs next, in Unix seconds."""
        gathered = await self._paginate(SCHEDULES, [], read_schedule)
        next_runs: dict[int, float] = {}
        for schedule in gathered.items:  # a courtesy: one that cannot be read is none
            if schedule.next_run is not None:
                earlier = next_runs.get(schedule.test_id, math.inf)
                next_runs[schedule.test_id] = min(schedule.next_run, earlier)
        return next_runs

    async def _paginate(
        self, endpoint: str, asked: Params, read: Callable[[msgspec.Raw], I], **ids: int
    ) -> PagedItems[I]:
        """Follow the next links of a list to its end.

        Only what a link says of the page is used, and only as parameters of the same endpoint: wherever it
        points, the token stays home. A page that brings nothing new ends the list, whatever is said to
        follow it.
        """
        found: dict[int, I] = {}
        skipped: dict[int, SkippedItem] = {}  # by a hash, for an item can be megabytes
        seen = on_first_page = 0
        turn: Params = [("$top", PAGE_SIZE)]
        for pages in range(1, MAX_PAGES + 1):
            page = decode(await self._transport.get(endpoint, [*asked, *turn], **ids), Page, endpoint)
            known = len(found) + len(skipped)
            check_item_limit(known + len(page.value), endpoint)
            for number, raw in enumerate(page.value):
                if number % AT_ONCE == 0:
                    await self._transport.yield_to_loop()
                item = parse_item(endpoint, read, raw)
                if isinstance(item, SkippedItem):
                    skipped[hash(bytes(raw))] = item
                else:
                    found[item.id] = item
            on_first_page = len(found) if pages == 1 else on_first_page
            is_last, is_stale = not page.next_link, len(found) + len(skipped) == known
            if is_last or is_stale:
                return PagedItems(tuple(found.values()), tuple(skipped.values()), is_last, on_first_page)
            seen += len(page.value)
            turn = next_page_params(page.next_link, seen)
        raise DecodeError(f"GET {endpoint}: the list does not end after {MAX_PAGES} pages")


def next_page_params(link: object, seen: int) -> Params:
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


def run_parser(test_id: int) -> Callable[[msgspec.Raw], Run]:
    """Reads a run of this test. Raises Foreign for one of another."""

    def read(raw: msgspec.Raw) -> Run:
        run = read_run(raw)
        if run.test_id != test_id:
            raise UnexpectedItem(f"run {run.id} of test {run.test_id} in the list of test {test_id}")
        return run

    return read


def read_run(raw: msgspec.Raw) -> Run:
    return parse_run(decode(raw, RunBody, RUNS))


def read_test(raw: msgspec.Raw) -> LoadTest:
    return parse_test(decode(raw, TestBody, TESTS))


def read_schedule(raw: msgspec.Raw) -> Schedule:
    return parse_schedule(decode(raw, ScheduleBody, SCHEDULES))


def decode_one(body: bytes, type_: type[T], read: Callable[[T], I], endpoint: str) -> I:
    """The one item of an answer. Raises Unreadable."""
    try:
        return read(decode(body, type_, endpoint))
    except ValueError as error:
        raise DecodeError(f"{endpoint}: {error}") from error


def created_before_param(moment: float | None) -> list[tuple[str, str]]:
    return [] if moment is None else [("created_before", timestamp(moment))]


def timestamp(seconds: float) -> str:
    """A moment as this API reads it: a plus sign in an offset would be read as a space, so Z.

    One before 1970 is a mistake of whoever wrote it down; no run is older.
    """
    return datetime.fromtimestamp(max(seconds, 0.0), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
