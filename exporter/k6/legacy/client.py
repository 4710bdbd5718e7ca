"""The legacy API (/loadtests/v2, /v3): its endpoints, its paging, and its tests and runs in our words.

https://grafana.com/docs/grafana-cloud/testing/k6/reference/cloud-rest-api/deprecated-rest-api/
Some parameters are not documented there but are used by Grafana's own clients; a server that knows only what
is documented is understood as well.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
from exporter.k6.pagination import MAX_PAGES, I, PagedItems, check_id, check_item_limit, decode, parse_item
from exporter.k6.transport import Params, Transport
from exporter.model import LoadTest, Run, RunList, SkippedItem, TestList

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
    """One question to a list: where, what in documented words, and how to order and read the answer."""

    endpoint: str
    page_type: type[RunsPage] | type[TestsPage]
    params: Params
    order_by: str
    read: Callable[[msgspec.Raw], I]
    enough: Callable[[Sequence[I]], bool] = lambda _: False


class LegacyClient:
    """The documented calls of the legacy API that tell and change nothing. All raise ApiError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._tolerant: set[str] = set()  # endpoints that have answered with undocumented parameters
        self._strict: set[str] = set()  # endpoints that have refused them

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

        With `back_to`, a list that is seen to go from new to old is left at the first page that ends before
        that moment (Unix seconds).
        """
        call = ListRequest(
            RUNS,
            RunsPage,
            [
                ("$select", ",".join(select)),
                *optional_param("test_id", test_id),
                *optional_param("public_id", public_id),
            ],
            order_by="-created",
            read=lambda raw: parse_run(decode(raw, RunBody, RUNS), of_test=test_id),
            enough=lambda runs: is_sorted_descending(runs) and (runs[-1].created or 0) < since,
        )
        return merge_pages([await self._paginate(call, some) for some in batched(ids)])

    async def list_newest_runs(self, test_id: int, most: int) -> RunList:
        """The newest runs of a test, so many at the least if there are; it goes by pages of a hundred."""
        call = ListRequest(
            RUNS,
            RunsPage,
            [("$select", ",".join(RUN_FIELDS)), ("test_id", test_id)],
            order_by="-created",
            read=lambda raw: parse_run(decode(raw, RunBody, RUNS), of_test=test_id),
            enough=lambda runs: is_sorted_descending(runs) and len(runs) >= most,
        )
        return merge_pages([await self._paginate(call, ())])

    async def read_run(self, run_id: int, *, select: Sequence[str] = RUN_FIELDS) -> Run:
        """One run."""
        body = await self._transport.get(RUN, [("$select", ",".join(select))], id=run_id)
        return check_id(decode_run(body, RUN), run_id, RUN)

    async def list_tests(self, project_id: int | None = None, *, ids: Sequence[int] = ()) -> TestList:
        """Tests of a project (of the default one if none is named), or only those with these ids."""
        call = ListRequest(
            TESTS,
            TestsPage,
            [("$select", ",".join(TEST_FIELDS)), *optional_param("project_id", project_id)],
            order_by="id",
            read=lambda raw: parse_test(decode(raw, TestBody, TESTS), project_id),
        )
        parts = [await self._paginate(call, some) for some in batched(ids)]
        return TestList(
            tuple(test for part in parts for test in part.items),
            tuple(skipped for part in parts for skipped in part.skipped),
            is_complete=all(part.is_complete for part in parts),
        )

    async def read_test(self, test_id: int) -> LoadTest:
        """One test."""
        body = await self._get_lenient(TEST, [("$select", ",".join(TEST_FIELDS))], id=test_id)
        return decode_test(body, TEST)

    async def list_projects(self) -> tuple[int, ...]:
        """Ids of all projects of all organizations that the token can see."""
        body = await self._transport.get(ORGANIZATIONS)
        projects: list[int] = []
        for organization in parse_ids(
            decode(body, Organizations, ORGANIZATIONS).organizations, ORGANIZATIONS
        ):
            body = await self._transport.get(PROJECTS, id=organization)
            projects += parse_ids(decode(body, Projects, PROJECTS).projects, PROJECTS)
        return tuple(projects)

    async def _paginate(self, call: ListRequest[I], ids: Sequence[int]) -> PagedItems[I]:
        """Follow the pages of a list until its end, or until there is enough.

        The end is where nothing new comes: the server may cap the size of a page or ignore its number, and
        its `count` may be missing or mean the page.
        """
        found: dict[int, I] = {}
        skipped: dict[int, SkippedItem] = {}  # by a hash, for an item can be megabytes
        for page_number in range(1, MAX_PAGES + 1):
            page = await self._page(call, [("ids[]", id_) for id_ in ids], page_number)
            known = len(found)
            check_item_limit(known + len(skipped) + len(page.items), call.endpoint)
            for raw in page.items:
                item = parse_item(call.endpoint, call.read, raw)
                if isinstance(item, SkippedItem):
                    skipped[hash(bytes(raw))] = item
                else:
                    found[item.id] = item
            total = total_count(page)
            told_all = total is not None and len(found) + len(skipped) >= total
            gathered = PagedItems(tuple(found.values()), tuple(skipped.values()), is_complete=True)
            if (ids and found.keys() >= set(ids)) or (told_all and len(page.items) < PAGE_SIZE):
                return gathered
            if len(found) == known or not self._supports_paging(call):
                return replace(gathered, is_complete=told_all or total is None)
            if call.enough(gathered.items):
                return replace(gathered, is_complete=False)
        raise DecodeError(f"GET {call.endpoint}: the list does not end after {MAX_PAGES} pages")

    async def _page(self, call: ListRequest[I], chosen: Params, page_number: int) -> RunsPage | TestsPage:
        paging: Params = [("page", page_number), ("page_size", PAGE_SIZE), ("order_by", call.order_by)]
        try:
            body = await self._get_lenient(call.endpoint, [*call.params, *chosen, *paging])
        except NotFound:
            if page_number == 1:
                raise
            return call.page_type(items=[])
        return decode(body, call.page_type, call.endpoint)

    def _supports_paging(self, call: ListRequest[I]) -> bool:
        return "page" not in UNDOCUMENTED[call.endpoint] or call.endpoint not in self._strict

    async def _get_lenient(self, endpoint: str, params: Params, **ids: int) -> bytes:
        """Ask with these parameters, but a server that minds the undocumented ones without them."""
        if endpoint not in self._strict:
            try:
                body = await self._transport.get(endpoint, params, **ids)
            except BadRequest:
                # One that has taken them before minds something else.
                if endpoint in self._tolerant:
                    raise
            else:
                self._tolerant.add(endpoint)
                return body
        documented = [(name, value) for name, value in params if name not in UNDOCUMENTED[endpoint]]
        body = await self._transport.get(endpoint, documented, **ids)
        self._strict.add(endpoint)
        return body


def merge_pages(parts: Sequence[PagedItems[Run]]) -> RunList:
    """What several questions about the same runs told together."""
    runs = {run.id: run for part in parts for run in part.items}
    skipped = tuple(skipped for part in parts for skipped in part.skipped)
    if skipped:
        return RunList(tuple(runs.values()), skipped)
    if all(part.is_complete for part in parts):
        return RunList(tuple(runs.values()), complete_since=-math.inf)
    if is_sorted_descending(tuple(runs.values())):
        return RunList(tuple(runs.values()), complete_since=min(run.sort_key[0] for run in runs.values()))
    return RunList(tuple(runs.values()))


def is_sorted_descending(runs: Sequence[Run]) -> bool:
    """Whether the server really sorted by creation, newest first; runs of one moment prove nothing."""
    moments = [run.created for run in runs if run.created is not None]
    descends = all(a >= b for a, b in pairwise(moments))
    return len(moments) == len(runs) > 1 and descends and moments[0] > moments[-1]


def optional_param(name: str, value: int | str | None) -> list[tuple[str, int | str]]:
    return [] if value is None else [(name, value)]


def batched(ids: Sequence[int]) -> list[Sequence[int]]:
    """Ids in portions that fit into one address; no ids are one portion."""
    return [ids[i : i + PAGE_SIZE] for i in range(0, len(ids), PAGE_SIZE)] or [()]
