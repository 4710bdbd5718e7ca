"""Which tests the selector matches. Where a request fails, the tests it was for stay as they were."""

from collections.abc import Collection

from msgspec.structs import replace

from exporter.k6.errors import ApiError, DecodeError, NotFound
from exporter.k6.legacy.client import LegacyClient
from exporter.k6.v6.client import V6Client
from exporter.model import LoadTest, TestList
from exporter.polling.result import PollResult
from exporter.polling.selector import Selector
from exporter.store import State

# Members that one discovery requests by id because no list has them. More are confirmed by the next ones.
MAX_CONFIRMATIONS = 100


class Discovery:
    """Collects the selected tests, request by request, into `tests`, of whichever shard they are.

    `selector` is the configured one, with ids for those names of projects that are known by now.
    """

    def __init__(
        self, api: LegacyClient | V6Client, selector: Selector, state: State, poll_result: PollResult
    ) -> None:
        self.tests: dict[int, LoadTest] = {}
        self.selector = selector
        self._api = api
        self._members = state.members
        self._known_unresolved = state.unresolved
        self._poll_result = poll_result
        self._kept: set[int] = set()
        self._listed: set[int] = set()  # tests that were received, selected or not
        self._projects: set[int] = set()

    def add_projects(self, projects: Collection[int]) -> set[int]:
        """Remembers all projects that exist. Returns those of members that are not among them."""
        self._projects.update(projects)
        known = {test.project_id for test in self._members.values() if test.project_id is not None}
        return known.difference(projects)

    async def fetch_project(self, project: int | None) -> None:
        """Fetches the tests of a project; of None, all tests. Raises ApiError."""
        try:
            listing = await self._api.list_tests(project)
        except NotFound:
            # A project may have been deleted; but not one that was just listed, and not all of them.
            if project is not None and project not in self._projects:
                await self.verify_empty(project)
                return
            self._keep_project(project)
            raise
        except ApiError:
            self._keep_project(project)
            raise
        # An empty list can be a fault of the API.
        if not listing.tests:
            await self.verify_empty(project)
        self.add(listing)
        # A known test may be among the skipped ones.
        if listing.skipped or not listing.is_complete:
            self._keep_project(project)
        if not listing.is_complete:
            of_project = "" if project is None else f" of project {project}"
            raise DecodeError(f"the list of tests{of_project} has fewer tests than its count")

    async def fetch_test(self, id_: int) -> None:
        """Fetches a test by its id. Raises ApiError."""
        try:
            self.tests[id_] = await self._api.read_test(id_)
            self._listed.add(id_)
        except NotFound:
            # A deleted test is no failure: its entry becomes unresolved. A member is confirmed later.
            return
        except ApiError:
            self.keep_members([id_])
            raise

    async def verify_empty(self, project: int | None) -> None:
        """Checks that a project is empty, by reading one of its known tests. Raises ApiError.

        A wrong empty list would drop the series of every test, and its counters.
        """
        # One test is enough, because an empty list by mistake hides all of them.
        for id_ in self._members_of(project)[:1]:
            try:
                await self._api.read_test(id_)
            except NotFound:
                return
            except ApiError:
                self._keep_project(project)
                raise
            self._keep_project(project)
            raise DecodeError(f"the list of tests is empty or missing, but test {id_} exists")

    def vanished_members(self) -> list[int]:
        """The selected members that were not received, to be confirmed: at most MAX_CONFIRMATIONS.

        A list can lack an existing test: one that is deleted while pages are requested moves the others to
        pages that were read already. And a 404 can be a mistake.
        """
        received = self._listed | self._kept
        vanished = [test for id_, test in self._members.items() if id_ not in received]
        ids = [test.id for test in vanished if self.selector.is_candidate(test)]
        self.keep_members(ids[MAX_CONFIRMATIONS:])
        return ids[:MAX_CONFIRMATIONS]

    async def confirm_member(self, id_: int) -> None:
        """Requests a vanished member by its id, and drops it only if it is not found. Raises ApiError."""
        try:
            test = await self._api.read_test(id_)
        except NotFound:
            return
        except ApiError:
            self.keep_members([id_])
            raise
        if test.project_id is None:
            test = replace(test, project_id=self._members[id_].project_id)
        # It may have been renamed or moved meanwhile.
        if self.selector.matches(test):
            self.tests[id_] = test

    def add(self, listing: TestList) -> None:
        """Adds the tests of a list that the selector matches."""
        self._poll_result.skipped += listing.skipped
        self._listed.update(test.id for test in listing.tests)
        # Of all shards: an entry is unresolved only if no shard has a test for it.
        self.tests |= {test.id: test for test in listing.tests if self.selector.matches(test)}

    @property
    def sharded_tests(self) -> dict[int, LoadTest]:
        """The tests of this shard."""
        return self.selector.assigned(self.tests.values())

    def keep_members(self, ids: Collection[int]) -> None:
        """Those of these tests that are members remain so, because they could not be fetched."""
        self._kept.update(ids)

    def _keep_project(self, project: int | None) -> None:
        self.keep_members(self._members_of(project))

    def _members_of(self, project: int | None) -> list[int]:
        return [id_ for id_, test in self._members.items() if project in (None, test.project_id)]

    def finish(self, tests: Collection[LoadTest]) -> None:
        """Writes the result of the discovery: these tests are the members, beside those that are kept."""
        kept = {id_: test for id_, test in self._members.items() if id_ in self._kept}
        self._poll_result.members = kept | {test.id: self.selector.with_alias(test) for test in tests}
        # After a failure, an entry without a test cannot be distinguished from one that was not fetched.
        is_certain = not self._poll_result.failures
        unresolved = self.selector.unresolved(self.tests.values()) if is_certain else self._known_unresolved
        self._poll_result.unresolved = unresolved
