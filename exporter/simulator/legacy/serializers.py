"""How the legacy API words a run, a test, a project and an organization.

Runs follow the samples of the vendor's page "Test Runs Legacy API"; tests, projects and organizations follow
its sibling pages on the deprecated REST API.
"""

from collections.abc import Callable, Collection

from exporter.simulator.http import Item
from exporter.simulator.options import Options
from exporter.simulator.runs import Result, RunState
from exporter.simulator.world import Organization, Project, Test, World

Wording = Callable[["Serializer", RunState], object]


class Serializer:
    """Words the things of one world as they are at one moment."""

    def __init__(self, world: World, options: Options, now: float) -> None:
        self.world = world
        self.options = options
        self.now = now

    def run(self, state: RunState, fields: Collection[str]) -> Item:
        return {name: RUN_FIELDS[name](self, state) for name in fields}

    def test(self, test: Test, fields: Collection[str]) -> Item:
        return {name: TEST_FIELDS[name](self, test) for name in fields}

    def project(self, project: Project) -> Item:
        return {
            "created": self.time(project.created),
            "description": "",
            "id": project.id,
            "is_default": project.is_default,
            "name": project.name,
            "organization_id": project.organization_id,
            "updated": self.time(project.created),
        }

    def organization(self, organization: Organization) -> Item:
        return {
            "billing_address": None,
            "billing_country": None,
            "billing_email": None,
            "created": self.time(organization.created),
            "description": "",
            "id": organization.id,
            "is_default": organization.is_default,
            "name": organization.name,
            "owner_id": organization.owner_id,
            "updated": self.time(organization.created),
            "vat_number": None,
        }

    def time(self, moment: float | None) -> str | None:
        return self.options.timestamp(moment)

    def test_of(self, state: RunState) -> Test:
        return self.world.tests[state.test_id]

    def project_of(self, state: RunState) -> Project:
        return self.world.projects[self.test_of(state).project_id]

    def last_run_id(self, test: Test) -> str | None:
        """The documents show it as a string."""
        last = self.world.last_run_id(test.id, self.now)
        return None if last is None else str(last)


def _load_time(_: Serializer, state: RunState) -> float | None:
    """Milliseconds, once there are metrics. Any number would do; this one is the same at each asking."""
    return None if state.finished is None or state.started is None else 50.0 + state.id % 100


RUN_FIELDS: dict[str, Wording] = {
    "config": lambda _t, _s: {},
    "created": lambda t, s: t.time(s.created),
    "duration": lambda _, s: s.run.plan.planned_seconds,
    "ended": lambda t, s: t.time(s.ended),
    "error_code": lambda _, s: s.error and s.error.code,
    "error_detail": lambda _, s: s.error and s.error.message,
    "export": lambda _t, _s: None,
    "id": lambda _, s: s.id,
    "is_baseline": lambda _t, _s: False,
    "k6_archive": lambda _, s: f"https://archives.example.com/{s.id}.tar",
    "load_time": _load_time,
    "note": lambda _, s: s.run.plan.note,
    "organization_id": lambda t, s: t.project_of(s).organization_id,
    "processing_status": lambda _, s: s.processing,
    "project_id": lambda t, s: t.test_of(s).project_id,
    "public_id": lambda _, s: s.run.public_id,
    "request_builder_config": lambda _t, _s: None,
    # 0 also while nothing is decided and after most aborts: the trap the vendor's page warns of.
    "result_status": lambda _, s: int(s.result is Result.FAILED),
    "run_process": lambda _t, _s: "k6 to Cloud",
    "run_status": lambda _, s: s.status,
    "script": lambda _t, _s: "",
    "started": lambda t, s: t.time(s.started),
    "stopped_by_id": lambda _, s: s.stopped_by or 0,
    "test_id": lambda _, s: s.test_id,
    "user_id": lambda t, s: s.run.started_by or t.test_of(s).user_id,
    "version": lambda _t, _s: 2,
    "vus": lambda _, s: s.run.plan.vus,
    "vus_per_instance": lambda _t, _s: 0,
    # Not in any documented body: a client was seen to ask for these by name.
    "execution_duration": lambda _, s: s.executed,
    "test_name": lambda t, s: t.test_of(s).name,
    "vuh_cost": lambda _, s: s.vuh,
}
ONLY_WHEN_SELECTED = {"execution_duration", "test_name", "vuh_cost"}

READ_FIELDS = tuple(name for name in RUN_FIELDS if name not in ONLY_WHEN_SELECTED)
LIST_FIELDS = tuple(name for name in READ_FIELDS if name != "export")
START_FIELDS = tuple(
    name for name in LIST_FIELDS if name not in {"is_baseline", "request_builder_config", "vus_per_instance"}
)

TEST_FIELDS: dict[str, Callable[[Serializer, Test], object]] = {
    "created": lambda t, test: t.time(test.created),
    "id": lambda _, test: test.id,
    "last_test_run_id": lambda t, test: t.last_run_id(test),
    "name": lambda _, test: test.name,
    "project_id": lambda _, test: test.project_id,
    "script": lambda _t, _test: "",
    "test_run_ids": lambda t, test: t.world.run_ids(test.id, t.now),
    "updated": lambda t, test: t.time(test.updated),
    "user_id": lambda _, test: test.user_id,
}
