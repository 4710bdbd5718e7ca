"""Test runs as the v6 API writes them: the schema's TestRun, field by field.

Unlike legacy it has no numeric codes: words for the status, a history of them, and a separate result.
"""

from exporter.simulator.http import Item
from exporter.simulator.runs import Phase, RunState, Step
from exporter.simulator.v6.stack import Stack

_STATUSES = {
    Phase.CREATED: "created",
    Phase.VALIDATED: "created",  # v6 does not distinguish validation from creation
    Phase.QUEUED: "queued",
    Phase.INITIALIZING: "initializing",
    Phase.RUNNING: "running",
    Phase.PROCESSING: "processing_metrics",
    Phase.COMPLETED: "completed",
    Phase.ABORTED: "aborted",
}
_NOT_YET_DISTRIBUTED = {Phase.CREATED, Phase.VALIDATED, Phase.QUEUED, Phase.ABORTED}
_RETENTION_SECONDS = 30 * 86_400


def serialize_run(stack: Stack, state: RunState) -> Item:
    """The run as it is in lists and alone."""
    run, plan, time = state.run, state.run.plan, stack.options.timestamp
    # Each status once, at the time when it was entered.
    first_steps = {_STATUSES[step.phase]: step for step in reversed(state.history)}
    history = [_serialize_status(stack, state, step) for step in reversed(first_steps.values())]
    project_id = stack.world.tests[run.test_id].project_id
    item: Item = {
        "id": run.id,
        "test_id": run.test_id,
        "project_id": project_id,
        # Null for a run that its schedule started.
        "started_by": None if run.started_by is None else stack.world.owner_email,
        "created": time(run.created),
        # The document's sample ends with the last status, ten seconds after the execution did.
        "ended": time(state.finished),
        "note": plan.note,
        # Null for a saved run.
        "retention_expiry": None if run.saved else time((state.finished or run.created) + _RETENTION_SECONDS),
        "cost": None if state.vuh is None else serialize_cost(state.vuh),
        "status": _STATUSES[state.phase],
        "status_details": history[-1],
        "status_history": history,
        "distribution": None,
        "result": state.result,
        "result_details": None,
        "options": None,
        "k6_dependencies": {"k6": ">=v1.0"},
        "k6_versions": {"k6": "v2.2.0"},
        "max_vus": None,
        "max_browser_vus": None,
        "estimated_duration": None,
        "execution_duration": int(state.executed),
        "is_starred": run.starred,
    }
    if any(step.phase not in _NOT_YET_DISTRIBUTED for step in state.history):
        item["distribution"] = [{"load_zone": "amazon:us:ashburn", "percent": 100}]
    if state.result is not None:
        item["result_details"] = {"type": state.result, **_serialize_error(state)}
    if state.validated:
        cloud = {"projectID": project_id}
        item |= {
            "options": {"vus": plan.vus, "duration": f"{plan.planned_seconds}s", "cloud": cloud},
            "max_vus": plan.vus,
            "max_browser_vus": 0,
            "estimated_duration": plan.planned_seconds,
        }
    return item


def serialize_cost(vuh: float) -> Item:
    """The schema's TestCost, without reductions."""
    total = round(vuh, 6)
    breakdown = {
        "protocol_vuh": total,
        "browser_vuh": 0,
        "base_total_vuh": total,
        "reduction_rate": 0,
        "reduction_rate_breakdown": None,
    }
    return {"total_vuh": total, "breakdown": breakdown}


def _serialize_status(stack: Stack, state: RunState, step: Step) -> Item:
    item: Item = {"type": _STATUSES[step.phase], "entered": stack.options.timestamp(step.entered)}
    if step.phase is Phase.ABORTED:
        # The official client requires all three keys.
        user = None if state.stopped_by is None else stack.world.owner_email
        item["extra"] = {"by_user": user, **_serialize_error(state)}
    elif stack.options.null_extra:
        item["extra"] = None
    return item


def _serialize_error(state: RunState) -> Item:
    error = state.error
    return {"message": error and error.message, "code": error and error.code}
