"""What a discovery on v6 fetches besides the tests: schedules, projects and limits, with a request each.

Not every token has access to them, and nothing else depends on them. What cannot be fetched stays as it was.
"""

import logging
from collections.abc import Mapping

from msgspec.structs import replace

from exporter.k6.errors import ApiError, Unauthorized
from exporter.k6.v6.client import V6Client
from exporter.k6.v6.schema import Schedule
from exporter.model import LoadTest, Project, ProjectLimits

log = logging.getLogger(__name__)


class StackFacts:
    """The facts of one discovery. `fetches` are its requests; each raises only Unauthorized.

    `projects` are those that the discovery has fetched already; with `has_projects` it has tried.
    """

    def __init__(self, api: V6Client, projects: Mapping[int, Project] | None, *, has_projects: bool) -> None:
        fetch_projects = () if has_projects else (self._fetch_projects,)
        self.fetches = (self._fetch_schedules, *fetch_projects, self._fetch_limits)
        self._api = api
        # None until they are fetched.
        self._schedules: Mapping[int, Schedule] | None = None
        self._projects = projects
        self._limits: Mapping[int, ProjectLimits] | None = None

    async def _fetch_schedules(self) -> None:
        try:
            self._schedules = await self._api.list_schedules()
        except ApiError as error:
            ignore("schedules", error)

    async def _fetch_projects(self) -> None:
        try:
            self._projects = await self._api.list_projects()
        except ApiError as error:
            ignore("projects", error)

    async def _fetch_limits(self) -> None:
        try:
            self._limits = await self._api.list_limits()
        except ApiError as error:
            ignore("limits of projects", error)

    def add_schedule(self, test: LoadTest, known: LoadTest | None) -> LoadTest:
        """The test with its schedule. `known` is the test as of an earlier discovery, None for a new one."""
        if self._schedules is not None:
            schedule = self._schedules.get(test.id)
            next_run, is_active = (schedule.next_run, schedule.is_active) if schedule else (None, None)
        elif known is not None:
            next_run, is_active = known.next_run, known.is_schedule_active
        else:
            return test
        return replace(test, next_run=next_run, is_schedule_active=is_active)

    def merge_projects(self, known: Mapping[int, Project]) -> Mapping[int, Project]:
        """All projects with their limits. `known` are those of an earlier discovery."""
        projects = known if self._projects is None else self._projects
        known_limits = {id_: project.limits for id_, project in known.items()}
        limits = known_limits if self._limits is None else self._limits
        return {
            id_: replace(project, limits=limits.get(id_, ProjectLimits()))
            for id_, project in projects.items()
        }


def ignore(what: str, error: ApiError) -> None:
    """Logs an error that does not matter. Raises Unauthorized, which every request would meet again."""
    if isinstance(error, Unauthorized):
        raise error
    log.debug("%s not available", what, extra={"error": str(error)})
