"""Finding out which tests the selection means; where that cannot be learnt, members stay members."""

from collections.abc import Collection
from typing import Protocol

from exporter.k6.errors import ApiError, DecodeError, NotFound
from exporter.model import LoadTest, TestList
from exporter.polling.result import PollResult
from exporter.polling.selector import Selector
from exporter.store import State


class Lister(Protocol):
    """What both API generations can tell of tests."""

    async def list_tests(self, project_id: int | None = None) -> TestList: ...

    async def read_test(self, test_id: int) -> LoadTest: ...


class Discovery:
    """Collects tests, question by question; a question that fails leaves those it was about in doubt.

    `tests` are all that the selection means, by whichever shard they are watched; `ours` those of this one.
    """

    def __init__(self, api: Lister, selection: Selector, state: State, poll_result: PollResult) -> None:
        self.tests: dict[int, LoadTest] = {}
        self._api = api
        self._selection = selection
        self._members = state.members
        self._known_unresolved = state.unresolved
        self._poll_result = poll_result
        self._kept: set[int] = set()
        self._projects: set[int] = set()

    async def add_projects(self, projects: Collection[int]) -> None:
        """Projects that k6 Cloud says there are; where it leaves out one that was there, it may be wrong."""
        self._projects.update(projects)
        for gone in {test.project_id for test in self._members.values()} - {*projects, None}:
            await self._verify_empty(gone)

    async def fetch_project(self, project: int | None) -> None:
        """The tests of a project; of None, all that a list without a project has."""
        try:
            listing = await self._api.list_tests(project)
        except NotFound:
            # That a project is no more may be so, but neither of one just told nor of all of them together.
            if project is not None and project not in self._projects:
                return
            self._keep_project(project)
            raise
        except ApiError:
            self._keep_project(project)
            raise
        if not listing.tests:
            await self._verify_empty(project)
        self.add(listing)
        if listing.skipped or not listing.is_complete:
            self._keep_project(project)

    async def fetch_test(self, id_: int) -> None:
        try:
            self.tests[id_] = await self._api.read_test(id_)
        except NotFound:
            return
        except ApiError:
            self.keep_members([id_])
            raise

    def add(self, listing: TestList) -> None:
        """Take those that the selection means."""
        self._poll_result.skipped += listing.skipped
        self.tests |= {test.id: test for test in listing.tests if self._selection.matches(test)}

    @property
    def sharded_tests(self) -> dict[int, LoadTest]:
        return {id_: test for id_, test in self.tests.items() if self._selection.is_assigned(test)}

    def keep_members(self, ids: Collection[int]) -> None:
        """These are members if they were; nothing else could be learnt of them."""
        self._kept.update(ids)

    async def _verify_empty(self, project: int | None) -> None:
        """An empty list would withdraw every test and its counts: believe it only if one of them is gone.

        Raises ApiError.
        """
        for id_ in self._members_of(project)[:1]:
            try:
                await self._api.read_test(id_)
            except NotFound:
                return
            except ApiError:
                self._keep_project(project)
                raise
            self._keep_project(project)
            raise DecodeError(f"the list of tests is empty, and yet there is test {id_}")

    def _keep_project(self, project: int | None) -> None:
        self.keep_members(self._members_of(project))

    def _members_of(self, project: int | None) -> list[int]:
        return [id_ for id_, test in self._members.items() if project in (None, test.project_id)]

    def report(self, tests: Collection[LoadTest]) -> None:
        """Tell the findings that these are the tests there are for us."""
        kept = {id_: test for id_, test in self._members.items() if id_ in self._kept}
        self._poll_result.members = kept | {test.id: self._selection.with_alias(test) for test in tests}
        # After a failure nothing can be said to be missing that was not missing before.
        is_known = not self._poll_result.failures
        unresolved = self._selection.unresolved(self.tests.values()) if is_known else self._known_unresolved
        self._poll_result.unresolved = unresolved
