"""Client of the v6 API (/cloud/v6): its endpoints and its pagination.

https://grafana.com/docs/grafana-cloud/testing/k6/reference/cloud-rest-api/
Its lists are sorted from old to new. One of them has the runs of all tests.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from exporter.k6.errors import ApiError, DecodeError
from exporter.k6.http import Params
from exporter.k6.pagination import (
    MAX_PAGES,
    I,
    PageCollector,
    PagedItems,
    T,
    check_id,
    decode,
    decode_item,
)
from exporter.k6.transport import Transport
from exporter.k6.v6.schema import (
    LimitsBody,
    Page,
    ProjectBody,
    RunBody,
    Schedule,
    ScheduleBody,
    TestBody,
    parse_limits,
    parse_project,
    parse_run,
    parse_schedule,
    parse_test,
)
from exporter.model import LoadTest, Project, ProjectLimits, Run, RunList, TestList

PROJECT_TESTS = "/cloud/v6/projects/{id}/load_tests"
# This list has no filter by project, so a project has a list of its own.
TESTS = "/cloud/v6/load_tests"
TEST = "/cloud/v6/load_tests/{id}"
TEST_RUNS = "/cloud/v6/load_tests/{id}/test_runs"
# This list has no $orderby, unlike the list of one test's runs.
RUNS = "/cloud/v6/test_runs"
RUN = "/cloud/v6/test_runs/{id}"
SCHEDULES = "/cloud/v6/schedules"
PROJECTS = "/cloud/v6/projects"
PROJECT_LIMITS = "/cloud/v6/project-limits"

PAGE_SIZE = 1000  # the maximum
# The parameters that we take from a next link. We know the others, because we sent them.
PAGE_PARAMS = ("$skip", "$skiptoken", "$top")
MAX_LINK = 2000  # characters; no server accepts a longer URL


class V6Client:
    """The read-only calls of the v6 API. All raise ApiError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def server_time(self) -> float | None:
        """Unix seconds by k6 Cloud's clock at its last response; None before the first one."""
        return self._transport.server_time

    @property
    def retried_error(self) -> ApiError | None:
        """The last failure of a request that is sent again; None after one that succeeded."""
        return self._transport.retried_error

    async def list_runs(self, created_after: float, *, created_before: float | None = None) -> RunList:
        """The runs of all tests that were created in this interval (Unix seconds)."""
        window = [("created_after", format_query_time(created_after))]
        if created_before is not None:
            window.append(("created_before", format_query_time(created_before)))
        paged = await self._paginate(RUNS, window, RunBody, parse_run)
        is_one_page = paged.on_first_page == len(paged.items)
        certain = [run.created for run in paged.items[: paged.on_first_page] if run.created is not None]
        is_certain = paged.is_complete and is_one_page and not paged.skipped
        return RunList(
            paged.items,
            paged.skipped,
            complete_since=created_after if is_certain else math.inf,
            complete_until=max(certain, default=created_after),
            is_complete=paged.is_complete,
            # A server may have smaller pages than requested.
            page_size=PAGE_SIZE if is_one_page else paged.on_first_page,
        )

    async def list_newest_runs(
        self, test_id: int, count: int, *, created_before: float | None = None
    ) -> RunList:
        """The newest runs of a test, at most `count`; only those created before a time (Unix seconds)."""
        # The default order is ascending, and would return the oldest runs.
        params: Params = [("$orderby", "created desc"), ("$top", min(count, PAGE_SIZE))]
        if created_before is not None:
            params = [*params, ("created_before", format_query_time(created_before))]
        page = decode(await self._transport.get(TEST_RUNS, params, id=test_id), Page, TEST_RUNS)
        collector = PageCollector(
            TEST_RUNS, lambda raw: parse_run(decode(raw, RunBody, TEST_RUNS), of_test=test_id)
        )
        await collector.add(page.value, self._transport.yield_to_loop)
        return RunList(tuple(collector.items.values()), tuple(collector.skipped.values()))

    async def read_run(self, run_id: int) -> Run:
        """One run."""
        run = decode_item(await self._transport.get(RUN, id=run_id), RunBody, parse_run, RUN)
        return check_id(run, run_id, RUN)

    async def list_tests(self, project_id: int | None = None) -> TestList:
        """All tests that the token can access, or those of a project."""
        endpoint, ids = (TESTS, {}) if project_id is None else (PROJECT_TESTS, {"id": project_id})
        paged = await self._paginate(endpoint, [], TestBody, parse_test, **ids)
        check_complete(paged, endpoint)
        return TestList(paged.items, paged.skipped)

    async def read_test(self, test_id: int) -> LoadTest:
        """One test."""
        test = decode_item(await self._transport.get(TEST, id=test_id), TestBody, parse_test, TEST)
        return check_id(test, test_id, TEST)

    async def list_schedules(self) -> Mapping[int, Schedule]:
        """The schedule of each test that has any: of several, the earliest next run."""
        paged = await self._paginate(SCHEDULES, [], ScheduleBody, parse_schedule)
        check_complete(paged, SCHEDULES)
        schedules: dict[int, Schedule] = {}
        for schedule in paged.items:
            other = schedules.get(schedule.test_id)
            if other is None or start_order(schedule) < start_order(other):
                schedules[schedule.test_id] = schedule
        return schedules

    async def list_projects(self) -> Mapping[int, Project]:
        """All projects that the token can access, by id, without their limits."""
        paged = await self._paginate(PROJECTS, [], ProjectBody, parse_project)
        check_complete(paged, PROJECTS)
        return {project.id: project for project in paged.items}

    async def list_limits(self) -> Mapping[int, ProjectLimits]:
        """The limits of all projects, by the id of the project."""
        paged = await self._paginate(PROJECT_LIMITS, [], LimitsBody, parse_limits)
        check_complete(paged, PROJECT_LIMITS)
        return {project.id: project.limits for project in paged.items}

    async def _paginate(
        self, endpoint: str, params: Params, body_type: type[T], parse: Callable[[T], I], **ids: int
    ) -> PagedItems[I]:
        """Follows the next links of a list to its end, which is a page without one or with nothing new.

        Of a link only the page parameters are used, with our own endpoint: wherever it points, the token is
        sent nowhere else.
        """
        collector = PageCollector(endpoint, lambda raw: parse(decode(raw, body_type, endpoint)))
        seen = on_first_page = 0
        page_params: Params = [("$top", PAGE_SIZE)]
        for page_number in range(1, MAX_PAGES + 1):
            body = await self._transport.get(endpoint, [*params, *page_params], **ids)
            page = decode(body, Page, endpoint)
            known = len(collector)
            await collector.add(page.value, self._transport.yield_to_loop)
            on_first_page = len(collector.items) if page_number == 1 else on_first_page
            is_last = not page.next_link
            if is_last or len(collector) == known:
                return collector.result(is_complete=is_last, on_first_page=on_first_page)
            seen += len(page.value)
            page_params = next_page_params(page.next_link, seen)
        raise DecodeError(f"GET {endpoint}: the list has more than {MAX_PAGES} pages")


def check_complete(paged: PagedItems[I], endpoint: str) -> None:
    """Raises DecodeError if a list lacks items, each of which would be taken for a deleted one."""
    if not paged.is_complete:
        raise DecodeError(f"GET {endpoint}: incomplete list: the next page contains no new items")


def start_order(schedule: Schedule) -> tuple[float, bool]:
    """Sorts schedules: by the next run, those without one last, and of these the deactivated ones last."""
    return (math.inf if schedule.next_run is None else schedule.next_run), not schedule.is_active


def next_page_params(link: object, seen: int) -> Params:
    """The page parameters of a next link; where it has none, those of the page after `seen` items."""
    found = {
        name: value
        for name, value in parse_qsl(link_query(link))
        if name == "$skiptoken" or (name in PAGE_PARAMS and value.isdecimal())
    }
    # A link without usable parameters still shows that there is another page.
    if "$skip" not in found and "$skiptoken" not in found:
        return [("$skip", seen), ("$top", PAGE_SIZE)]
    return [(name, found[name]) for name in PAGE_PARAMS if name in found]


def link_query(link: object) -> str:
    """The query of a URL; empty for anything that is not one."""
    if not isinstance(link, str) or len(link) > MAX_LINK:
        return ""
    try:
        return urlsplit(link).query
    except ValueError:
        return ""


def format_query_time(seconds: float) -> str:
    """A time as this API accepts it, in UTC with Z: the plus sign of an offset would be read as a space.

    A time before 1970 can only be a mistake in our data; no run is older.
    """
    return datetime.fromtimestamp(max(seconds, 0.0), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
