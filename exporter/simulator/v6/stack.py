"""The part of the world that a Grafana stack shows.

A stack belongs to one organization: here the default one. An upload without an execution (`ARCHIVED` in the
legacy API) is no test run in v6.
"""

from collections.abc import Callable

from exporter.simulator.http import not_found
from exporter.simulator.options import Options
from exporter.simulator.runs import EndStatus, Run, RunState
from exporter.simulator.schedules import Schedule
from exporter.simulator.world import Project, Test, World


class Stack:
    """The objects of the stack at one time, oldest first; 404 for one that is not there."""

    def __init__(self, world: World, options: Options, now: float) -> None:
        self.world = world
        self._all_options = options
        self.options = options.v6
        self.now = now
        self._projects = {
            project.id: project
            for project in world.projects.values()
            if project.organization_id == world.default_organization_id and project.created <= now
        }

    def reload(self) -> "Stack":
        """The stack after a change of its projects, which are read once for each request."""
        return Stack(self.world, self._all_options, self.now)

    def projects(self) -> list[Project]:
        return sorted(self._projects.values(), key=lambda it: (it.created, it.id))

    def project(self, project_id: int) -> Project:
        if project_id not in self._projects:
            raise not_found()
        return self._projects[project_id]

    def tests(self, project_id: int | None = None) -> list[Test]:
        tests = (it for it in self.world.tests.values() if project_id in (None, it.project_id))
        return sorted(filter(self._has_test, tests), key=lambda it: (it.created, it.id))

    def test(self, test_id: int) -> Test:
        test = self.world.tests.get(test_id)
        if test is None or not self._has_test(test):
            raise not_found()
        return test

    def runs(self, since: float | None, before: float | None, test_id: int | None = None) -> list[Run]:
        """The runs created from `since` to just before `before`."""
        run_ids = self.world.run_ids_between(since, before, self.now, test_id)
        return [run for run_id in run_ids if self._has_run(run := self.world.runs[run_id])]

    def run(self, run_id: int) -> RunState:
        run = self.world.runs.get(run_id)
        if run is None or not self._has_run(run):
            raise not_found()
        return run.at(self.now)

    def schedules(self) -> list[Schedule]:
        tests = self.world.tests
        return [it for it in self.world.schedules.values() if self._has_test(tests[it.test_id])]

    def schedule(self, schedule_id: int) -> Schedule:
        return self._find_schedule(lambda it: it.id == schedule_id)

    def schedule_of(self, test_id: int) -> Schedule:
        """The schedule of a test. A simulated test may have several, a real one has at most one."""
        return self._find_schedule(lambda it: it.test_id == test_id)

    def _find_schedule(self, matches: Callable[[Schedule], bool]) -> Schedule:
        schedule = next(filter(matches, self.schedules()), None)
        if schedule is None:
            raise not_found()
        return schedule

    def is_running(self, test_id: int) -> bool:
        """Whether a run of the test has not finished."""
        return any(run.at(self.now).finished is None for run in self.runs(None, None, test_id))

    def _has_test(self, test: Test) -> bool:
        return test.project_id in self._projects and test.created <= self.now

    def _has_run(self, run: Run) -> bool:
        return (
            run.plan.ending is not EndStatus.ARCHIVED
            and run.created <= self.now
            and self.world.tests[run.test_id].project_id in self._projects
        )
