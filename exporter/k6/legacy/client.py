"""Client of the legacy API (/loadtests/v2, /v3): its endpoints and its pagination.

https://grafana.com/docs/grafana-cloud/testing/k6/reference/cloud-rest-api/deprecated-rest-api/
Some parameters are not documented there but are used by Grafana's own clients. A server that rejects these
is supported as well.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic

import msgspec

from exporter.k6.errors import BadRequest, DecodeError, NotFound
from exporter.k6.legacy.schema import (
    RUN_FIELDS,
    TEST_FIELDS,
    Organizations,
    Projects,
    RunBody,
    RunsPage,
    TestBody,
    TestsPage,
    decode_run,
    decode_test,
    parse_ids,
    parse_run,
    parse_test,
    total_count,
)
from exporter.k6.pagination import MAX_PAGES, I, PageCollector, PagedItems, check_id, decode
from exporter.k6.transport import Params, Transport
from exporter.model import LoadTest, Run, RunList, TestList

RUNS = "/loadtests/v2/runs"
RUN = "/loadtests/v2/runs/{id}"
TESTS = "/loadtests/v2/tests"
TEST = "/loadtests/v2/tests/{id}"
ORGANIZATIONS = "/v3/organizations"
PROJECTS = "/v3/organizations/{id}/projects"

PAGING = ("page", "page_size", "order_by")
UNDOCUMENTED = {RUNS: PAGING, TESTS: ("$select",), TEST: ("$select",)}

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


class ParameterSupport:
    """Which endpoints accept undocumented parameters. The first response of an endpoint decides."""

    def __init__(self) -> None:
        self.accepting: set[str] = set()
        self.rejecting: set[str] = set()

    def attempts(self, endpoint: str, params: Params) -> Iterator["Attempt"]:
        """Attempts to make in turn, each as `with attempt as params:`, until one is not rejected."""
        if endpoint not in self.rejecting:
            attempt = Attempt(params, lambda: endpoint not in self.accepting)
            yield attempt
            if not attempt.is_rejected:
                self.accepting.add(endpoint)
                return
        yield Attempt([(name, value) for name, value in params if name not in UNDOCUMENTED[endpoint]])
        self.rejecting.add(endpoint)


class Attempt:
    """A request with these parameters; where another attempt may help, it suppresses BadRequest."""

    def __init__(self, params: Params, may_be_rejected: Callable[[], bool] = lambda: False) -> None:
        self._params = params
        self._may_be_rejected = may_be_rejected
        self.is_rejected = False

    def __enter__(self) -> Params:
        return self._params

    def __exit__(self, _: object, error: object, __: object) -> bool:
        self.is_rejected = isinstance(error, BadRequest) and self._may_be_rejected()
        return self.is_rejected


class LegacyClient:
    """The read-only calls of the legacy API. All raise ApiError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._support = ParameterSupport()

    async def list_runs(
        self,
        test_id: int | None = None,
        *,
        ids: Sequence[int] = (),
        public_id: str | None = None,
        select: Sequence[str] = RUN_FIELDS,
        since: float = -math.inf,
    ) -> RunList:
        """Runs of a test, or only those with these ids, or the one with this public id.

        `since` (Unix seconds) saves requests: pages that are sorted from new to old are not followed beyond
        that time of creation.
        """
        params = [*optional_param("test_id", test_id), *optional_param("public_id", public_id)]
        request = runs_request(
            test_id,
            [("$select", ",".join(select)), *params],
            lambda runs: is_sorted_descending(runs) and (runs[-1].created or 0) < since,
        )
        parts: list[PagedItems[Run]] = []
        for batch in batched(ids):
            parts += [await self._paginate(request, batch)]
        return merge_parts(parts)

    async def list_newest_runs(self, test_id: int, count: int) -> RunList:
        """The newest runs of a test, at least `count` if there are so many; whole pages of a hundred."""
        request = runs_request(
            test_id,
            [("$select", ",".join(RUN_FIELDS)), ("test_id", test_id)],
            lambda runs: is_sorted_descending(runs) and len(runs) >= count,
        )
        return merge_parts([await self._paginate(request)])

    async def read_run(self, run_id: int, *, select: Sequence[str] = RUN_FIELDS) -> Run:
        """One run."""
        body = await self._transport.get(RUN, [("$select", ",".join(select))], id=run_id)
        return check_id(decode_run(body, RUN), run_id, RUN)

    async def list_tests(self, project_id: int | None = None, *, ids: Sequence[int] = ()) -> TestList:
        """Tests of a project (of the default project if None), or only those with these ids."""
        request = ListRequest(
            TESTS,
            TestsPage,
            [("$select", ",".join(TEST_FIELDS)), *optional_param("project_id", project_id)],
            order_by="id",
            parse=lambda raw: parse_test(decode(raw, TestBody, TESTS), project_id),
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
        body = b""
        for attempt in self._support.attempts(TEST, [("$select", ",".join(TEST_FIELDS))]):
            with attempt as params:
                body = await self._transport.get(TEST, params, id=test_id)
        return decode_test(body, TEST)

    async def list_projects(self) -> tuple[int, ...]:
        """Ids of all projects of all organizations that the token can access."""
        body = await self._transport.get(ORGANIZATIONS)
        organizations = decode(body, Organizations, ORGANIZATIONS).organizations
        projects: list[int] = []
        for organization in parse_ids(organizations, ORGANIZATIONS):
            body = await self._transport.get(PROJECTS, id=organization)
            projects += parse_ids(decode(body, Projects, PROJECTS).projects, PROJECTS)
        return tuple(projects)

    async def _paginate(self, request: ListRequest[I], ids: Sequence[int] = ()) -> PagedItems[I]:
        """Requests the pages of a list until its end, or until there are enough items.

        The end is where a page has nothing new: a server may limit the size of a page or ignore its number,
        and its `count` may be missing or be that of the page.
        """
        collector = PageCollector(request.endpoint, request.parse)
        for page_number in range(1, MAX_PAGES + 1):
            known = len(collector.items)
            body = None
            try:
                for attempt in self._support.attempts(
                    request.endpoint, page_params(request, ids, page_number)
                ):
                    with attempt as params:
                        body = await self._transport.get(request.endpoint, params)
            except NotFound:  # a page beyond the last one
                if page_number == 1:
                    raise
            page = (
                request.page_type([]) if body is None else decode(body, request.page_type, request.endpoint)
            )
            collector.check_limit(page.items)
            collector.add(page.items)
            total = total_count(page)
            has_all = total is not None and len(collector) >= total
            if (ids and collector.items.keys() >= set(ids)) or (has_all and len(page.items) < PAGE_SIZE):
                return collector.result(is_complete=True)
            if len(collector.items) == known or not self._supports_paging(request.endpoint):
                return collector.result(is_complete=has_all or total is None)
            if request.is_enough(tuple(collector.items.values())):
                return collector.result(is_complete=False)
        raise DecodeError(f"GET {request.endpoint}: the list has more than {MAX_PAGES} pages")

    def _supports_paging(self, endpoint: str) -> bool:
        return "page" not in UNDOCUMENTED[endpoint] or endpoint not in self._support.rejecting


def runs_request(
    test_id: int | None, params: Params, is_enough: Callable[[Sequence[Run]], bool]
) -> ListRequest[Run]:
    """A request for runs, newest first."""
    return ListRequest(
        RUNS,
        RunsPage,
        params,
        order_by="-created",
        parse=lambda raw: parse_run(decode(raw, RunBody, RUNS), of_test=test_id),
        is_enough=is_enough,
    )


def page_params(request: ListRequest[I], ids: Sequence[int], page_number: int) -> Params:
    """The parameters of one page of a list."""
    paging: Params = [("page", page_number), ("page_size", PAGE_SIZE), ("order_by", request.order_by)]
    return [*request.params, *(("ids[]", id_) for id_ in ids), *paging]


def merge_parts(parts: Sequence[PagedItems[Run]]) -> RunList:
    """The runs of several requests as one list."""
    runs = tuple({run.id: run for part in parts for run in part.items}.values())
    skipped = tuple(skipped for part in parts for skipped in part.skipped)
    if skipped:
        return RunList(runs, skipped)
    if all(part.is_complete for part in parts):
        return RunList(runs, complete_since=-math.inf)
    if is_sorted_descending(runs):
        return RunList(runs, complete_since=min(run.sort_key[0] for run in runs))
    return RunList(runs)


def is_sorted_descending(runs: Sequence[Run]) -> bool:
    """Whether the server sorted by creation, newest first; runs of one moment prove nothing."""
    times = [run.created for run in runs if run.created is not None]
    descends = all(a >= b for a, b in pairwise(times))
    return len(times) == len(runs) > 1 and descends and times[0] > times[-1]


def optional_param(name: str, value: int | str | None) -> list[tuple[str, int | str]]:
    """No parameter for None."""
    return [] if value is None else [(name, value)]


def batched(ids: Sequence[int]) -> list[Sequence[int]]:
    """Ids in batches that fit into one URL; no ids are one empty batch, which means no filter."""
    return [ids[i : i + PAGE_SIZE] for i in range(0, len(ids), PAGE_SIZE)] or [()]
