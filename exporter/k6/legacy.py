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

from exporter.k6.errors import BadRequest, NotFound, Unreadable
from exporter.k6.legacy_words import (
    RUN_FIELDS,
    TEST_FIELDS,
    Organizations,
    Projects,
    RunBody,
    RunsPage,
    TestBody,
    TestsPage,
    ids_of,
    run_from,
    run_in,
    test_from,
    test_in,
    total_of,
)
from exporter.k6.lists import MOST_PAGES, Gathered, I, bounded, decoded, read_one, the_one
from exporter.k6.transport import Params, Transport
from exporter.model import Listing, LoadTest, Run, Skipped, TestListing

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
class ListCall(Generic[I]):
    """One question to a list: where, what in documented words, and how to order and read the answer."""

    endpoint: str
    page_type: type[RunsPage] | type[TestsPage]
    params: Params
    order_by: str
    read: Callable[[msgspec.Raw], I]
    enough: Callable[[Sequence[I]], bool] = lambda _: False


class LegacyApi:
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
        back_to: float = -math.inf,
    ) -> Listing:
        """Runs of a test, or only those with these ids, or the one with this public id.

        With `back_to`, a list that is seen to go from new to old is left at the first page that ends before
        that moment (Unix seconds).
        """
        call = ListCall(
            RUNS,
            RunsPage,
            [("$select", ",".join(select)), *said("test_id", test_id), *said("public_id", public_id)],
            order_by="-created",
            read=lambda raw: run_from(decoded(raw, RunBody, RUNS), of_test=test_id),
            enough=lambda runs: from_new_to_old(runs) and (runs[-1].created or 0) < back_to,
        )
        return listing_of([await self._gather(call, some) for some in in_hundreds(ids)])

    async def list_newest_runs(self, test_id: int, most: int) -> Listing:
        """The newest runs of a test, so many at the least if there are; it goes by pages of a hundred."""
        call = ListCall(
            RUNS,
            RunsPage,
            [("$select", ",".join(RUN_FIELDS)), ("test_id", test_id)],
            order_by="-created",
            read=lambda raw: run_from(decoded(raw, RunBody, RUNS), of_test=test_id),
            enough=lambda runs: from_new_to_old(runs) and len(runs) >= most,
        )
        return listing_of([await self._gather(call, ())])

    async def read_run(self, run_id: int, *, select: Sequence[str] = RUN_FIELDS) -> Run:
        """One run."""
        body = await self._transport.get(RUN, [("$select", ",".join(select))], id=run_id)
        return the_one(run_in(body, RUN), run_id, RUN)

    async def list_tests(self, project_id: int | None = None, *, ids: Sequence[int] = ()) -> TestListing:
        """Tests of a project (of the default one if none is named), or only those with these ids."""
        call = ListCall(
            TESTS,
            TestsPage,
            [("$select", ",".join(TEST_FIELDS)), *said("project_id", project_id)],
            order_by="id",
            read=lambda raw: test_from(decoded(raw, TestBody, TESTS), project_id),
        )
        parts = [await self._gather(call, some) for some in in_hundreds(ids)]
        return TestListing(
            tuple(test for part in parts for test in part.items),
            tuple(skipped for part in parts for skipped in part.skipped),
            is_whole=all(part.whole for part in parts),
        )

    async def read_test(self, test_id: int) -> LoadTest:
        """One test."""
        body = await self._ask(TEST, [("$select", ",".join(TEST_FIELDS))], id=test_id)
        return test_in(body, TEST)

    async def list_projects(self) -> tuple[int, ...]:
        """Ids of all projects of all organizations that the token can see."""
        body = await self._transport.get(ORGANIZATIONS)
        projects: list[int] = []
        for organization in ids_of(decoded(body, Organizations, ORGANIZATIONS).organizations, ORGANIZATIONS):
            body = await self._transport.get(PROJECTS, id=organization)
            projects += ids_of(decoded(body, Projects, PROJECTS).projects, PROJECTS)
        return tuple(projects)

    async def _gather(self, call: ListCall[I], ids: Sequence[int]) -> Gathered[I]:
        """Follow the pages of a list until its end, or until there is enough.

        The end is where nothing new comes: the server may cap the size of a page or ignore its number, and
        its `count` may be missing or mean the page.
        """
        found: dict[int, I] = {}
        skipped: dict[int, Skipped] = {}  # by a hash, for an item can be megabytes
        for page_number in range(1, MOST_PAGES + 1):
            page = await self._page(call, [("ids[]", id_) for id_ in ids], page_number)
            known = len(found)
            bounded(known + len(skipped) + len(page.items), call.endpoint)
            for raw in page.items:
                item = read_one(call.endpoint, call.read, raw)
                if isinstance(item, Skipped):
                    skipped[hash(bytes(raw))] = item
                else:
                    found[item.id] = item
            total = total_of(page)
            told_all = total is not None and len(found) + len(skipped) >= total
            gathered = Gathered(tuple(found.values()), tuple(skipped.values()), whole=True)
            if (ids and found.keys() >= set(ids)) or (told_all and len(page.items) < PAGE_SIZE):
                return gathered
            if len(found) == known or not self._turns_pages(call):
                return replace(gathered, whole=told_all or total is None)
            if call.enough(gathered.items):
                return replace(gathered, whole=False)
        raise Unreadable(f"GET {call.endpoint}: the list does not end after {MOST_PAGES} pages")

    async def _page(self, call: ListCall[I], chosen: Params, page_number: int) -> RunsPage | TestsPage:
        paging: Params = [("page", page_number), ("page_size", PAGE_SIZE), ("order_by", call.order_by)]
        try:
            body = await self._ask(call.endpoint, [*call.params, *chosen, *paging])
        except NotFound:
            if page_number == 1:
                raise
            return call.page_type(items=[])
        return decoded(body, call.page_type, call.endpoint)

    def _turns_pages(self, call: ListCall[I]) -> bool:
        return "page" not in UNDOCUMENTED[call.endpoint] or call.endpoint not in self._strict

    async def _ask(self, endpoint: str, params: Params, **ids: int) -> bytes:
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


def listing_of(parts: Sequence[Gathered[Run]]) -> Listing:
    """What several questions about the same runs told together."""
    runs = {run.id: run for part in parts for run in part.items}
    skipped = tuple(skipped for part in parts for skipped in part.skipped)
    if skipped:
        return Listing(tuple(runs.values()), skipped)
    if all(part.whole for part in parts):
        return Listing(tuple(runs.values()), reaches_back_to=-math.inf)
    if from_new_to_old(tuple(runs.values())):
        return Listing(tuple(runs.values()), reaches_back_to=min(run.age_order[0] for run in runs.values()))
    return Listing(tuple(runs.values()))


def from_new_to_old(runs: Sequence[Run]) -> bool:
    """Whether the server really sorted by creation, newest first; runs of one moment prove nothing."""
    moments = [run.created for run in runs if run.created is not None]
    descends = all(a >= b for a, b in pairwise(moments))
    return len(moments) == len(runs) > 1 and descends and moments[0] > moments[-1]


def said(name: str, value: int | str | None) -> list[tuple[str, int | str]]:
    return [] if value is None else [(name, value)]


def in_hundreds(ids: Sequence[int]) -> list[Sequence[int]]:
    """Ids in portions that fit into one address; no ids are one portion."""
    return [ids[i : i + PAGE_SIZE] for i in range(0, len(ids), PAGE_SIZE)] or [()]
