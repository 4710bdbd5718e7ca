"""Runs, tests, projects and organizations as the legacy API writes them.

Runs follow the samples of the vendor's page "Test Runs Legacy API"; tests, projects and organizations follow
its sibling pages on the deprecated REST API.
"""

from collections.abc import Collection

from exporter.simulator.api import Context
from exporter.simulator.http import Item, Request
from exporter.simulator.runs import Phase, Result, RunState
from exporter.simulator.world import Organization, Project, Test

# Not in any documented body, but a client was seen to select these fields by name.
_UNDOCUMENTED = {"execution_duration", "test_name", "vuh_cost"}


def select_fields(context: Context, request: Request, item: Item, *, without: Collection[str] = ()) -> Item:
    """The fields that `$select` names, or all that are documented. Unknown names are ignored.

    The page writes `$select` in one example and `select` in another.
    """
    selected = request.value("$select", "select")
    hidden = set(without)
    if selected is None or context.options.documented_only:
        hidden |= _UNDOCUMENTED
    names = item if selected is None else {name.strip() for name in selected.split(",")}
    return {name: value for name, value in item.items() if name in names and name not in hidden}


def serialize_run(context: Context, state: RunState) -> Item:
    run, time = state.run, context.options.timestamp
    test = context.world.tests[state.test_id]
    # The vendor's sample of a run that crossed a threshold at its end has no error.
    error = None if state.phase is Phase.COMPLETED else state.error
    return {
        "config": {},
        "created": time(state.created),
        "duration": run.plan.planned_seconds,
        "ended": time(state.ended),
        "error_code": error and error.code,
        "error_detail": error and error.message,
        "export": None,
        "id": run.id,
        "is_baseline": False,
        "k6_archive": f"https://archives.example.com/{run.id}.tar",
        # Milliseconds, once there are metrics. Any number would do; it only must not change.
        "load_time": None if state.finished is None or state.started is None else 50.0 + run.id % 100,
        "note": run.plan.note,
        "organization_id": context.world.projects[test.project_id].organization_id,
        "processing_status": state.processing,
        "project_id": test.project_id,
        "public_id": run.public_id,
        "request_builder_config": None,
        # Also 0 before there is a result and after most aborts: the vendor's page warns of this.
        "result_status": int(state.result is Result.FAILED),
        "run_process": "k6 to Cloud",
        "run_status": state.status,
        "script": "",
        "started": time(state.started),
        "stopped_by_id": state.stopped_by or 0,
        "test_id": run.test_id,
        "user_id": run.started_by or test.user_id,
        "version": 2,
        "vus": run.plan.vus,
        "vus_per_instance": 0,
        "execution_duration": state.executed,
        "test_name": test.name,
        "vuh_cost": state.vuh,
    }


def serialize_test(context: Context, test: Test) -> Item:
    last_run_id = context.world.last_run_id(test.id, context.now)
    return {
        "created": context.options.timestamp(test.created),
        "id": test.id,
        # The documents show it as a string.
        "last_test_run_id": None if last_run_id is None else str(last_run_id),
        "name": test.name,
        "project_id": test.project_id,
        "script": "",
        "test_run_ids": context.world.run_ids(test.id, context.now),
        "updated": context.options.timestamp(test.updated),
        "user_id": test.user_id,
    }


def serialize_project(context: Context, project: Project) -> Item:
    return {
        "created": context.options.timestamp(project.created),
        "description": "",
        "id": project.id,
        "is_default": project.is_default,
        "name": project.name,
        "organization_id": project.organization_id,
        "updated": context.options.timestamp(project.created),
    }


def serialize_organization(context: Context, organization: Organization) -> Item:
    return {
        "billing_address": None,
        "billing_country": None,
        "billing_email": None,
        "created": context.options.timestamp(organization.created),
        "description": "",
        "id": organization.id,
        "is_default": organization.is_default,
        "name": organization.name,
        "owner_id": organization.owner_id,
        "updated": context.options.timestamp(organization.created),
        "vat_number": None,
    }
