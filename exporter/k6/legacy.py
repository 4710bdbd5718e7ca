"""The legacy API (/loadtests/v2, /v3): its endpoints, its paging, and its tests and runs in our words.

https://grafana.com/docs/grafana-cloud/testing/k6/reference/cloud-rest-api/deprecated-rest-api/
`page`, `page_size` and `order_by` are not documented there but are used by Grafana's own clients; a server
that knows only what is documented is understood as well.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, Protocol, TypeVar

import msgspec

from exporter.k6.errors import BadRequest, NotFound, Unreadable
from exporter.k6.legacy_words import (
    RUN_FIELDS,
    TEST_FIELDS,
    Foreign,
    Organizations,
    Projects,
    RunBody,
    RunsPage,
    TestBody,
    TestsPage,
    decoded,
    ids_of,
    run_from,
    run_in,
    test_from,
    test_in,
    total_of,
)
from exporter.k6.transport import Params, Transport
from exporter.model import Listing, LoadTest, Run, Skipped, TestListing

RUNS = "/loadtests/v2/runs"
RUN = "/loadtests/v2/runs/{id}"
STOP = "/loadtests/v2/runs/{id}/stop"
TESTS = "/loadtests/v2/tests"
TEST = "/loadtests/v2/tests/{id}"
START = "/loadtests/v2/tests/{id}/start-testrun"
ORGANIZATIONS = "/v3/organizations"
PROJECTS = "/v3/organizations/{id}/projects"

PAGE_SIZE = 100
MOST_PAGES = 1000  # an API that goes on after 100,000 runs of one test is not telling us about runs


class Item(Protocol):
    @property
    def id(self) -> int: ...


I = TypeVar("I", bound=Item)  # noqa: E741


@dataclass(frozen=True, slots=True)
class ListCall(Generic[I]):
    """One question to a list: where, what in documented words, and how to order and read the answer."""

    endpoint: str
    page_type: type[RunsPage] | type[TestsPage]
    params: Params
    order_by: str
    read: Callable[[msgspec.Raw], I]
    enough: Callable[[Sequence[I]], bool] = lambda _: False


@dataclass(frozen=True, slots=True)
class Gathered(Generic[I]):
    """What following the pages of a list brought; `whole` if the list was followed to its end."""

    items: tuple[I, ...]
    skipped: tuple[Skipped, ...]
    whole: bool


class LegacyApi:
    """The documented calls of the legacy API. All raise ApiError."""

    name = "legacy"

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._knows_paging = True

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

    async def read_run(self, run_id: int, *, select: Sequence[str] = RUN_FIELDS) -> Run:
        """One run."""
        body = await self._transport.get(RUN, [("$select", ",".join(select))], id=run_id)
        return run_in(body, RUN)

    async def start_run(self, test_id: int) -> Run:
        """Start a test; the run that this makes."""
        return run_in(await self._transport.post(START, id=test_id), START)

    async def stop_run(self, run_id: int) -> None:
        """Ask for the end of a run; it comes a few moments later, as ABORTED_BY_USER."""
        await self._transport.post(STOP, id=run_id)

    async def list_tests(self, project_id: int | None = None, *, ids: Sequence[int] = ()) -> TestListing:
        """Tests of a project (of the default one if none is named), or only those with these ids."""
        call = ListCall(
            TESTS,
            TestsPage,
            [("$select", ",".join(TEST_FIELDS)), *said("project_id", project_id)],
            order_by="id",
            read=lambda raw: test_from(decoded(raw, TestBody, TESTS)),
        )
        parts = [await self._gather(call, some) for some in in_hundreds(ids)]
        return TestListing(
            tuple(test for part in parts for test in part.items),
            tuple(skipped for part in parts for skipped in part.skipped),
        )

    async def read_test(self, test_id: int) -> LoadTest:
        """One test."""
        body = await self._transport.get(TEST, [("$select", ",".join(TEST_FIELDS))], id=test_id)
        return test_in(body, TEST)

    async def list_projects(self) -> tuple[int, ...]:
        """Ids of all projects of all organizations that the token can see."""
        body = await self._transport.get(ORGANIZATIONS)
        organizations = ids_of(decoded(body, Organizations, ORGANIZATIONS).organizations)
        bodies = [await self._transport.get(PROJECTS, id=organization) for organization in organizations]
        return tuple(
            project for body in bodies for project in ids_of(decoded(body, Projects, PROJECTS).projects)
        )

    async def _gather(self, call: ListCall[I], ids: Sequence[int]) -> Gathered[I]:
        """Follow the pages of a list until its end, or until there is enough.

        The end is where nothing new comes: the server may cap the size of a page or ignore its number, and
        its `count` may be missing or mean the page.
        """
        found: dict[int, I] = {}
        skipped: list[Skipped] = []
        for page_number in range(1, MOST_PAGES + 1):
            page = await self._page(call, [("ids[]", id_) for id_ in ids], page_number)
            known = len(found)
            for item in read_each(call, page.items):
                if isinstance(item, Skipped):
                    skipped.append(item)
                else:
                    found[item.id] = item
            total = total_of(page)
            told_all = total is not None and len(found) + len(skipped) >= total
            if (ids and found.keys() >= set(ids)) or (told_all and len(page.items) < PAGE_SIZE):
                return Gathered(tuple(found.values()), tuple(skipped), whole=True)
            if len(found) == known or not self._knows_paging:
                return Gathered(tuple(found.values()), tuple(skipped), whole=told_all or total is None)
            if call.enough(tuple(found.values())):
                return Gathered(tuple(found.values()), tuple(skipped), whole=False)
        raise Unreadable(f"GET {call.endpoint}: the list does not end after {MOST_PAGES} pages")

    async def _page(self, call: ListCall[I], chosen: Params, page_number: int) -> RunsPage | TestsPage:
        documented = [*call.params, *chosen]
        paging: Params = [("page", page_number), ("page_size", PAGE_SIZE), ("order_by", call.order_by)]
        try:
            body = await self._transport.get(
                call.endpoint, [*documented, *(paging if self._knows_paging else ())]
            )
        except NotFound:
            if page_number == 1:
                raise
            return call.page_type(items=[])
        except BadRequest:
            # A server that minds the undocumented parameters is asked without them from now on.
            body = await self._transport.get(call.endpoint, documented)
            self._knows_paging = False
        return decoded(body, call.page_type, call.endpoint)


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
    """Whether the server really sorted by creation, newest first; one run alone proves nothing."""
    moments = [run.created for run in runs]
    return len(moments) > 1 and all(a is not None and b is not None and a >= b for a, b in pairwise(moments))


def read_each(call: ListCall[I], items: Sequence[msgspec.Raw]) -> Iterator[I | Skipped]:
    """Each item by itself, so that an unreadable one does not cost its page."""
    for raw in items:
        try:
            yield call.read(raw)
        except Foreign as error:
            yield Skipped("foreign", f"{call.endpoint}: {error}")
        except (ValueError, Unreadable) as error:
            yield Skipped("unreadable", f"{call.endpoint}: {error}")


def said(name: str, value: int | str | None) -> list[tuple[str, int | str]]:
    return [] if value is None else [(name, value)]


def in_hundreds(ids: Sequence[int]) -> list[Sequence[int]]:
    """Ids in portions that fit into one address; no ids are one portion."""
    return [ids[i : i + PAGE_SIZE] for i in range(0, len(ids), PAGE_SIZE)] or [()]
