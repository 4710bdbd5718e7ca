"""Client of the legacy API (/loadtests/v2, /v3): its endpoints and its pagination.

https://grafana.com/docs/grafana-cloud/testing/k6/reference/cloud-rest-api/deprecated-rest-api/
Some parameters are not documented there but are used by Grafana's own clients. A server that rejects these
is supported as well.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Generic

import msgspec

from exporter.k6.coerce import to_int_or_none
from exporter.k6.errors import ApiError, BadRequest, DecodeError, NotFound
from exporter.k6.http import Params
from exporter.k6.legacy.schema import (
    RUN_FIELDS,
    SELECT_TEST,
    OrganizationsPage,
    ProjectsPage,
    RunBody,
    RunsPage,
    TestBody,
    TestsPage,
    decode_run,
    decode_test,
    parse_names,
    parse_run,
    parse_test,
)
from exporter.k6.pagination import MAX_PAGES, I, PageCollector, PagedItems, PagesAhead, check_id, decode
from exporter.k6.transport import Transport
from exporter.model import LoadTest, Project, ProjectList, Run, RunList, TestList

RUNS = "/loadtests/v2/runs"
RUN = "/loadtests/v2/runs/{id}"
TESTS = "/loadtests/v2/tests"
TEST = "/loadtests/v2/tests/{id}"
ORGANIZATIONS = "/v3/organizations"
PROJECTS = "/v3/organizations/{id}/projects"

# Grafana's own data source sends those of the list of runs:
# https://github.com/grafana/k6-cloud-grafana-datasource
UNDOCUMENTED = {RUNS: ("page", "page_size", "order_by"), TESTS: ("$select",), TEST: ("$select",)}

# No maximum is documented. This is also the number of ids in one URL, see `batched`.
PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class ListRequest(Generic[I]):
    """A request for a list: its endpoint and parameters, and how to parse and when to stop."""

    endpoint: str
    page_type: type[RunsPage] | type[TestsPage]
    params: Params
    order_by: str
    parse: Callable[[msgspec.Raw], I]
    is_enough: Callable[[Sequence[I]], bool] = lambda _: False
    is_whole: bool = False  # all pages are wanted, so that several can be requested at a time


class LegacyClient:
    """The read-only calls of the legacy API. All raise ApiError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        # Whether an endpoint accepts undocumented parameters. Its first response decides.
        self._accepts: dict[str, bool] = {}

    @property
    def server_time(self) -> float | None:
        """Unix seconds by k6 Cloud's clock at its last response; None before the first one."""
        return self._transport.server_time

    @property
    def retried_error(self) -> ApiError | None:
        """The last failure of a request that is sent again; None after one that succeeded."""
        return self._transport.retried_error

    async def list_runs(
        self,
        test_id: int | None = None,
        *,
        ids: Sequence[int] = (),
        public_id: str | None = None,
        select: Sequence[str] = RUN_FIELDS,
        since: float = -inf,
        count: float = inf,
    ) -> RunList:
        """Runs of a test, or only those with these ids, or the one with this public id.

        `since` (Unix seconds) and `count` save requests: pages that are sorted from new to old are not
        followed beyond that time of creation, or that number of runs.
        """
        request = ListRequest(
            RUNS,
            RunsPage,
            [
                select_param(select),
                *optional_param("test_id", test_id),
                *optional_param("public_id", public_id),
            ],
            order_by="-created",
            parse=lambda raw: parse_run(decode(raw, RunBody, RUNS), of_test=test_id),
            # Without that order, newer runs may follow on any page, so all pages are requested.
            is_enough=lambda runs: (
                is_sorted_descending(runs) and ((runs[-1].created or 0) < since or len(runs) >= count)
            ),
        )
        # Not a comprehension, which is a call of its own before Python 3.12.
        parts: list[PagedItems[Run]] = []
        for batch in batched(ids):
            parts += [await self._paginate(request, batch)]
        return merge_parts(parts)

    async def list_newest_runs(self, test_id: int, count: int) -> RunList:
        """The newest runs of a test, at least `count` if there are so many; whole pages of a hundred."""
        return await self.list_runs(test_id, count=count)

    async def read_run(self, run_id: int, *, select: Sequence[str] = RUN_FIELDS) -> Run:
        """One run."""
        body = await self._transport.get(RUN, [select_param(select)], id=run_id)
        return check_id(decode_run(body, RUN), run_id, RUN)

    async def list_tests(self, project_id: int | None = None, *, ids: Sequence[int] = ()) -> TestList:
        """Tests of a project (of the default project if None), or only those with these ids."""
        request = ListRequest(
            TESTS,
            TestsPage,
            [SELECT_TEST, *optional_param("project_id", project_id)],
            # A new test is the last one then, and moves no other test to another page.
            order_by="id",
            parse=lambda raw: parse_test(decode(raw, TestBody, TESTS), project_id),
            is_whole=True,
        )
        parts: list[PagedItems[LoadTest]] = []
        for batch in batched(ids):
            parts += [await self._paginate(request, batch)]
        return TestList(
            tuple(test for part in parts for test in part.items),
            tuple(skipped for part in parts for skipped in part.skipped),
            is_complete=all(part.is_complete for part in parts),
        )

    async def read_test(self, test_id: int) -> LoadTest:
        """One test."""
        try:
            body = await self._transport.get(TEST, self._supported(TEST, [SELECT_TEST]), id=test_id)
            self._accepts.setdefault(TEST, True)
        except BadRequest:
            # Once an endpoint is known, maybe by another request meanwhile, a 400 is about something else.
            if TEST in self._accepts:
                raise
            body = await self._transport.get(TEST, id=test_id)
            self._accepts[TEST] = False
        return check_id(decode_test(body, TEST), test_id, TEST)

    async def list_projects(self) -> ProjectList:
        """All projects of all organizations that the token can access."""
        # No list of all projects is documented, only one for each organization:
        # https://grafana.com/docs/grafana-cloud/testing/k6/reference/cloud-rest-api/deprecated-rest-api/projects/
        organizations, is_complete = await self._list_names(ORGANIZATIONS, OrganizationsPage)
        projects: dict[int, Project] = {}
        for organization in organizations:
            found, has_all = await self._list_names(PROJECTS, ProjectsPage, id=organization)
            projects |= {id_: Project(id_, name) for id_, name in found.items()}
            is_complete = is_complete and has_all
        return ProjectList(projects, is_complete)

    async def _list_names(
        self, endpoint: str, page_type: type[OrganizationsPage] | type[ProjectsPage], **ids: int
    ) -> tuple[Mapping[int, str], bool]:
        """The names by id in a list that is documented without pages, and whether it is complete.

        Pages are requested if its count says so.
        """
        found: dict[int, str] = {}
        params: Params = []
        page_size = 0
        for page_number in range(1, MAX_PAGES + 1):
            page = decode(await self._transport.get(endpoint, params, **ids), page_type, endpoint)
            known = len(found)
            found |= parse_names(page.items, endpoint)
            total = to_int_or_none(page.meta.count) if page.meta else None
            if total is None or len(found) >= total or len(found) == known:
                return found, total is None or len(found) >= total
            page_size = page_size or len(page.items)  # the default of the server
            params = [("page", page_number + 1), ("page_size", page_size)]
        raise DecodeError(f"GET {endpoint}: the list has more than {MAX_PAGES} pages")

    async def _paginate(self, request: ListRequest[I], ids: Sequence[int] = ()) -> PagedItems[I]:
        """Requests the pages of a list until its end, or until there are enough items.

        The end is where a page has nothing new: a server may limit the size of a page or ignore its number,
        and its `count` may be missing or be that of the page.
        """
        endpoint = request.endpoint
        collector = PageCollector(endpoint, request.parse)

        def get_page(page_number: int) -> Coroutine[None, None, bytes]:
            params = page_params(request, ids, page_number)
            return self._transport.get(endpoint, self._supported(endpoint, params))

        async with PagesAhead(get_page) as ahead:
            for page_number in range(1, MAX_PAGES + 1):
                known = len(collector.items)
                params = page_params(request, ids, page_number)
                try:
                    body = await (ahead.pop(page_number) or get_page(page_number))
                    self._accepts.setdefault(endpoint, True)
                except NotFound:  # a page beyond the last one
                    if page_number == 1:
                        raise
                    body = None
                except BadRequest:
                    if endpoint in self._accepts:  # as in read_test
                        raise
                    body = await self._transport.get(endpoint, documented_params(endpoint, params))
                    self._accepts[endpoint] = False
                page = request.page_type([]) if body is None else decode(body, request.page_type, endpoint)
                await collector.add(page.items, self._transport.yield_to_loop)
                total = to_int_or_none(page.meta.count) if page.meta else None
                # A count alone does not end a full page: it may be the length of the page.
                has_all = total is not None and len(collector) >= total
                # When all requested ids are found, another page could only be empty.
                if (ids and collector.items.keys() >= set(ids)) or (has_all and len(page.items) < PAGE_SIZE):
                    return collector.result(is_complete=True)
                # The same page again means a server without pagination.
                is_paged = ("page", page_number) in self._supported(endpoint, params)
                if len(collector.items) == known or not is_paged:
                    return collector.result(is_complete=has_all or total is None)
                if request.is_enough(tuple(collector.items.values())):
                    return collector.result(is_complete=False)
                ahead.request(pages_after(request, page_number, len(page.items), total))
        raise DecodeError(f"GET {endpoint}: the list has more than {MAX_PAGES} pages")

    def _supported(self, endpoint: str, params: Params) -> Params:
        """These parameters, without the undocumented ones if the endpoint rejects them."""
        return params if self._accepts.get(endpoint, True) else documented_params(endpoint, params)


def documented_params(endpoint: str, params: Params) -> Params:
    """These parameters without the undocumented ones."""
    return [(name, value) for name, value in params if name not in UNDOCUMENTED[endpoint]]


def page_params(request: ListRequest[I], ids: Sequence[int], page_number: int) -> Params:
    """The parameters of one page of a list."""
    paging: Params = [("page", page_number), ("page_size", PAGE_SIZE), ("order_by", request.order_by)]
    return [*request.params, *(("ids[]", id_) for id_ in ids), *paging]


def pages_after(request: ListRequest[I], page_number: int, page_length: int, total: int | None) -> range:
    """The pages that will be requested after this one if the count of the list is right."""
    # Not before a second page has shown that the server has pages.
    if not request.is_whole or page_number == 1 or total is None:
        return range(0)
    # A full last page is followed by another request, see `_paginate`.
    last_item = total if page_length == PAGE_SIZE else total - 1
    return range(page_number + 1, last_item // page_length + 2)


def merge_parts(parts: Sequence[PagedItems[Run]]) -> RunList:
    """The runs of several requests as one list."""
    runs = tuple({run.id: run for part in parts for run in part.items}.values())
    skipped = tuple(skipped for part in parts for skipped in part.skipped)
    # A skipped run is missing, so nothing is certain about the runs that are not in the list.
    if skipped:
        return RunList(runs, skipped)
    if all(part.is_complete for part in parts):
        return RunList(runs, complete_since=-inf)
    if is_sorted_descending(runs):
        return RunList(runs, complete_since=min(run.sort_key[0] for run in runs))
    # The server announced more runs, and without an order those that are missing can be the newest.
    return RunList(runs, is_complete=False)


def is_sorted_descending(runs: Sequence[Run]) -> bool:
    """Whether the server sorted by creation, newest first; runs of one moment prove nothing."""
    times = [run.created for run in runs if run.created is not None]
    descends = all(a >= b for a, b in pairwise(times))
    return len(times) == len(runs) > 1 and descends and times[0] > times[-1]


def select_param(fields: Sequence[str]) -> tuple[str, str]:
    """The parameter that names the fields of a run, so that scripts and archives are not transferred."""
    return "$select", ",".join(fields)


def optional_param(name: str, value: int | str | None) -> list[tuple[str, int | str]]:
    """No parameter for None."""
    return [] if value is None else [(name, value)]


def batched(ids: Sequence[int]) -> list[Sequence[int]]:
    """Ids in batches that fit into one URL; no ids are one empty batch, which means no filter."""
    return [ids[i : i + PAGE_SIZE] for i in range(0, len(ids), PAGE_SIZE)] or [()]
