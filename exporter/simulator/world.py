"""The contents of the simulated k6 Cloud: organizations, projects, tests, schedules and runs.

Nothing here reads a clock: every call passes its own time, in Unix seconds. Two worlds with the same seed and
the same calls are equal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random
from typing import Any

from exporter.simulator.recurrence import Interval, Rule
from exporter.simulator.runs import EndStatus, Phases, Run, RunScript, RunState, ScriptFile
from exporter.simulator.schedules import Schedule, Timetable
from exporter.simulator.scripts import Script, speed_up
from exporter.simulator.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Organization:
    id: int
    name: str
    owner_id: int
    is_default: bool
    created: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a project; None: unlimited. Virtual user hours, virtual users, and seconds."""

    vuh_max_per_month: int | None = None
    vu_max_per_test: int | None = None
    vu_browser_max_per_test: int | None = None
    duration_max_per_test: int | None = None


@dataclass(frozen=True, slots=True)
class Project:
    id: int
    organization_id: int
    name: str
    created: float
    is_default: bool
    updated: float
    folder_uid: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = Limits()
    load_zone_ids: tuple[int, ...] = ()  # the private ones that it may use


@dataclass(frozen=True, slots=True)
class Test:
    """A load test.

    plans: the runs that a user starts, in turn; empty: those of its schedule, or drawn from the seed.
    script: what a client uploaded.
    """

    id: int
    project_id: int
    name: str
    user_id: int
    created: float
    updated: float
    plans: tuple[RunScript, ...] = ()
    script: ScriptFile | None = None
    baseline_run_id: int | None = None
    k6_version: int | None = None


_KEY_SECONDS = 600.0  # "The key is valid for 10 minutes."


class World:
    """Everything that exists, and the calls that change it. KeyError for an unknown id.

    A stop takes effect `stop_delay` seconds after its request. Runs of uploaded scripts, and those that are
    drawn from the seed, are `speed` times as fast as their scripts say.
    """

    def __init__(self, seed: int = 0, *, stop_delay: float = 5.0, speed: float = 1.0) -> None:
        self.seed = seed
        self.stop_delay = stop_delay
        self.speed = speed
        self.owner_id = 501
        self.owner_email = "owner@example.com"
        self.organizations: dict[int, Organization] = {}
        self.projects: dict[int, Project] = {}
        self.tests: dict[int, Test] = {}
        self.runs: dict[int, Run] = {}
        self._runs_of: dict[int, list[int]] = {}
        self._timelines: dict[int, Timeline] = {}  # of each test
        self._timeline = Timeline()
        self._timetable = Timetable()
        self._starts: dict[int, int] = {}  # how many runs of a test users have started
        self._keys: dict[tuple[int, str], tuple[float, int]] = {}  # time of use, run id
        # Far apart, so that an id of one kind is never a valid id of another.
        self._organization_ids = count(2_001)
        self._project_ids = count(30_001)
        self._test_ids = count(400_001)
        self._run_ids = count(5_000_001)
        self._schedule_ids = count(60_001)
        self.default_organization_id = self.add_organization("Simulated organization")
        self.default_project_id = next(iter(self.projects))

    @property
    def schedules(self) -> dict[int, Schedule]:
        return self._timetable.schedules

    def add_organization(self, name: str) -> int:
        """A new organization with its default project."""
        organization_id = next(self._organization_ids)
        is_default = not self.organizations
        self.organizations[organization_id] = Organization(organization_id, name, self.owner_id, is_default)
        self.add_project("Default project", organization_id=organization_id)
        return organization_id

    def add_project(
        self, name: str, *, organization_id: int | None = None, created: float = 0.0, **facts: Any
    ) -> int:
        """A new project, by default in the default organization. Its first project is its default.

        facts: further fields of `Project`.
        """
        if organization_id is None:
            organization_id = self.default_organization_id
        is_default = all(it.organization_id != organization_id for it in self.projects.values())
        project_id = next(self._project_ids)
        self.projects[project_id] = Project(
            project_id, organization_id, name, created, is_default, created, **facts
        )
        return project_id

    def update_project(self, project_id: int, now: float, **facts: Any) -> None:
        """Change these fields of the project."""
        self.projects[project_id] = replace(self.projects[project_id], updated=now, **facts)

    def delete_project(self, project_id: int) -> None:
        """Also deletes its tests."""
        for test in [it for it in self.tests.values() if it.project_id == project_id]:
            self.delete_test(test.id)
        del self.projects[project_id]

    def add_test(
        self, name: str, *, project_id: int | None = None, created: float = 0.0, plan: RunScript | None = None
    ) -> int:
        """A new test, by default in the default project."""
        project = self.projects[self.default_project_id if project_id is None else project_id]
        test_id = next(self._test_ids)
        plans = () if plan is None else (plan,)
        self.tests[test_id] = Test(test_id, project.id, name, self.owner_id, created, created, plans)
        self._runs_of[test_id] = []
        self._timelines[test_id] = Timeline()
        self._starts[test_id] = 0
        return test_id

    def rename_test(self, test_id: int, name: str, now: float | None = None) -> None:
        self.update_test(test_id, self.tests[test_id].updated if now is None else now, name=name)

    def update_test(self, test_id: int, now: float, **facts: Any) -> None:
        """Change these fields of the test."""
        self.tests[test_id] = replace(self.tests[test_id], updated=now, **facts)

    def upload_script(self, test_id: int, script: Script) -> None:
        """The runs that start from now on are those of the script."""
        plans = script.plans(self.speed)
        self.tests[test_id] = replace(self.tests[test_id], script=script.file, plans=plans)

    def delete_test(self, test_id: int) -> None:
        """Also deletes its runs and its schedules."""
        for run_id in list(self._runs_of[test_id]):
            self.delete_run(run_id)
        del self.tests[test_id], self._runs_of[test_id], self._timelines[test_id], self._starts[test_id]
        self._timetable.remove_test(test_id)

    def delete_run(self, run_id: int) -> None:
        run = self.runs.pop(run_id)
        self._runs_of[run.test_id].remove(run_id)
        self._timelines[run.test_id].remove(run.created, run_id)
        self._timeline.remove(run.created, run_id)

    def add_run(
        self,
        test_id: int,
        *,
        created: float,
        ending: EndStatus = EndStatus.FINISHED,
        failed: bool = False,
        processing_fails: bool = False,
        phases: Phases = Phases(),  # noqa: B008  frozen, so sharing it is harmless
        vus: int = 50,
        duration: int | None = None,
        note: str = "",
        public_id: str | None = None,
        starred: bool = False,
    ) -> int:
        """A run with this script. One created in the future does not exist before that time."""
        plan = RunScript(ending, failed, processing_fails, phases, vus, duration, note)
        run_id = self.create_run(test_id, created, plan)
        self.runs[run_id] = replace(self.runs[run_id], public_id=public_id, starred=starred)
        return run_id

    def start(self, test_id: int, now: float, *, key: str | None = None) -> int:
        """The owner starts the test. Starts with the same `key` within ten minutes are one start."""
        self.advance(now)
        used, run_id = self._keys.get((test_id, key or ""), (-_KEY_SECONDS, 0))
        if run_id in self.runs and now < used + _KEY_SECONDS:
            return run_id
        run_id = self.create_run(test_id, now, self._next_plan(test_id), self.owner_id)
        if key:
            self._keys[test_id, key] = (now, run_id)
        return run_id

    def stop(self, run_id: int, now: float) -> None:
        """The owner stops a run: it is aborted after `stop_delay` seconds, or when its execution ends."""
        self.runs[run_id] = self.runs[run_id].with_stop(now, self.stop_delay, self.owner_id)

    def schedule(
        self,
        test_id: int,
        *,
        every: float,
        first: float,
        endings: Sequence[EndStatus | RunScript | None] = (EndStatus.FINISHED,),
        phases: Phases = Phases(),  # noqa: B008  frozen, so sharing it is harmless
        vus: int = 50,
        times: int | None = None,
    ) -> int:
        """Start a run of the test every `every` seconds, `times` times; the runs end in turn as listed.

        `phases` and `vus` apply to endings without a script. None: the slot is missed, no run starts.
        """
        if every <= 0 or not endings:
            raise ValueError(f"every={every}, endings={endings}: a schedule needs a period and an ending")
        plans = tuple(
            RunScript(it, phases=phases, vus=vus) if isinstance(it, EndStatus) else it for it in endings
        )
        return self.add_schedule(test_id, first, Interval(every), plans=plans, times=times)

    def add_schedule(
        self, test_id: int, first: float, rule: Rule, *, since: float | None = None, **facts: Any
    ) -> int:
        """Start runs by the rule. facts: further fields of `Schedule`.

        since: nothing is due before this time; None: before `first`, so that a world can begin with a past.
        """
        self.tests[test_id]  # KeyError if it does not exist
        schedule = Schedule(next(self._schedule_ids), test_id, first, rule, **facts)
        self._timetable.add(schedule, 0 if since is None else schedule.next_number(since))
        return schedule.id

    def deactivate_schedule(self, schedule_id: int, now: float, *, deactivated: bool = True) -> None:
        """No more runs start from now on; or they do again."""
        self.advance(now)
        self._timetable.set_deactivated(schedule_id, deactivated=deactivated)

    def miss_slots(self, schedule_id: int, now: float, *, missed: bool = True) -> None:
        """No more runs start although the schedule is active, as if k6 Cloud failed; or they do again."""
        self.advance(now)
        self._timetable.set_misses_slots(schedule_id, misses_slots=missed)

    def delete_schedule(self, schedule_id: int, now: float) -> None:
        self.advance(now)
        self._timetable.remove(schedule_id)

    def advance(self, now: float) -> None:
        """Create every scheduled run that is due, oldest first."""
        while (due := self._timetable.pop_due(now)) is not None:
            time, schedule, plan = due
            self.create_run(schedule.test_id, time, plan or self._next_plan(schedule.test_id))

    def at(self, run_id: int, now: float) -> RunState:
        """A run at that time; KeyError before it was created."""
        run = self.runs[run_id]
        if run.created > now:
            raise KeyError(run_id)
        return run.at(now)

    def update_run(self, run_id: int, **facts: Any) -> None:
        """Change these fields of the run."""
        self.runs[run_id] = replace(self.runs[run_id], **facts)

    def run_ids(self, test_id: int, now: float) -> list[int]:
        """The runs of the test created until now, oldest id first."""
        return [run_id for run_id in self._runs_of[test_id] if self.runs[run_id].created <= now]

    def run_ids_between(
        self, since: float | None, before: float | None, now: float, test_id: int | None = None
    ) -> list[int]:
        """The runs created from `since` to just before `before` that exist now, oldest first."""
        timeline = self._timeline if test_id is None else self._timelines[test_id]
        return timeline.between(since, before, until=now)

    def last_run_id(self, test_id: int, now: float) -> int | None:
        newest_first = reversed(self._runs_of[test_id])
        return next((run_id for run_id in newest_first if self.runs[run_id].created <= now), None)

    def describe_plan(self, test_id: int) -> RunScript:
        """A run of the test as its script would plan it."""
        return next(iter(self._plans_of(test_id)), RunScript())

    def _plans_of(self, test_id: int) -> tuple[RunScript, ...]:
        """The runs that users start, in turn: those of the test, or else those of its schedules."""
        if self.tests[test_id].plans:
            return self.tests[test_id].plans
        schedules = (it for it in self.schedules.values() if it.test_id == test_id)
        return tuple(plan for it in schedules for plan in it.plans if plan is not None)

    def _next_plan(self, test_id: int) -> RunScript | None:
        """What the next run that a user starts does; None if nothing says so."""
        plans = self._plans_of(test_id)
        number, self._starts[test_id] = self._starts[test_id], self._starts[test_id] + 1
        return plans[number % len(plans)] if plans else None

    def create_run(
        self, test_id: int, created: float, plan: RunScript | None, started_by: int | None = None
    ) -> int:
        """A run of the test. plan: None: drawn from the seed. started_by: a user id; None: a schedule."""
        runs = self._runs_of[test_id]
        run_id = next(self._run_ids)
        plan = plan or speed_up(_draw_plan(Random(f"{self.seed}/{run_id}")), self.speed)
        # A scripted abort by a user comes without a stop request, but the API names a user all the same,
        # unless the error says that k6 was interrupted where it ran.
        is_stopped = plan.ending is EndStatus.ABORTED_BY_USER and plan.error is None
        stopped_by = self.owner_id if is_stopped else None
        steps = plan.steps(created)
        script = self.tests[test_id].script
        self.runs[run_id] = Run(run_id, test_id, created, plan, steps, started_by, stopped_by, script=script)
        runs.append(run_id)
        self._timelines[test_id].add(created, run_id)
        self._timeline.add(created, run_id)
        return run_id


# Most runs finish; each other ending is rare.
_WEIGHTS = {
    EndStatus.FINISHED: 14,
    EndStatus.TIMED_OUT: 1,
    EndStatus.ABORTED_BY_SYSTEM: 1,
    EndStatus.ABORTED_BY_SCRIPT_ERROR: 1,
    EndStatus.ABORTED_BY_THRESHOLD: 2,
    EndStatus.ABORTED_BY_LIMIT: 1,
}


def _draw_plan(draw: Random) -> RunScript:
    [ending] = draw.choices(list(_WEIGHTS), weights=list(_WEIGHTS.values()))
    phases = Phases(
        queued=draw.uniform(2, 8), initializing=draw.uniform(5, 15), running=draw.uniform(30, 120)
    )
    failed = ending is EndStatus.FINISHED and draw.random() < 0.25
    return RunScript(ending, failed=failed, phases=phases, vus=draw.randrange(10, 210, 10), duration=120)
