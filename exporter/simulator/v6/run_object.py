"""How the v6 API words a test run: the schema's TestRun, field by field.

It has no number for anything: words for the status, a history of them, and a result apart.
"""

from exporter.simulator.http import Item
from exporter.simulator.runs import EndStatus, Phase, Result, RunError, RunState, Step
from exporter.simulator.v6.serializers import Serializer

_WORDS = {
    Phase.CREATED: "created",
    Phase.VALIDATED: "created",  # v6 does not tell validation from creation
    Phase.QUEUED: "queued",
    Phase.INITIALIZING: "initializing",
    Phase.RUNNING: "running",
    Phase.PROCESSING: "processing_metrics",
    Phase.COMPLETED: "completed",
    Phase.ABORTED: "aborted",
}
_NOT_YET_PLACED = {Phase.CREATED, Phase.VALIDATED, Phase.QUEUED, Phase.ABORTED}
_KEPT_SECONDS = 30 * 86_400

# k6 tells the cloud 8036 for a breached threshold, and for an abort by its user just the same.
_THRESHOLD_TROUBLE = RunError(8036, "A threshold was crossed")
_PROCESSING_TROUBLE = RunError(None, "The metrics could not be processed")


def run_object(serializer: Serializer, state: RunState) -> Item:
    """The run as it is told in lists and alone."""
    run, plan, validated = state.run, state.run.plan, state.validated
    history = _history(serializer, state)
    return {
        "id": run.id,
        "test_id": run.test_id,
        "project_id": serializer.world.tests[run.test_id].project_id,
        # Null for a run that its schedule started.
        "started_by": None if run.started_by is None else serializer.world.email(run.started_by),
        "created": serializer.time(run.created),
        # The document's sample ends with the last status, ten seconds after the execution did.
        "ended": serializer.time(state.finished),
        "note": plan.note,
        "retention_expiry": serializer.time((state.finished or run.created) + _KEPT_SECONDS),
        "cost": _cost(serializer, state),
        "status": _WORDS[state.phase],
        "status_details": history[-1],
        "status_history": history,
        "distribution": _distribution(state),
        "result": state.result,
        "result_details": _result_details(serializer, state),
        "options": _options(serializer, state) if validated else None,
        "k6_dependencies": {"k6": ">=v1.0"},
        "k6_versions": {"k6": "v2.2.0"},
        "max_vus": plan.vus if validated else None,
        "max_browser_vus": 0 if validated else None,
        "estimated_duration": plan.planned_seconds if validated else None,
        "execution_duration": int(state.executed),
        "is_starred": run.starred,
    }


def started_run_object(serializer: Serializer, state: RunState) -> Item:
    """What a start answers: the run, and where a person can look at it."""
    page = f"{serializer.options.stack_url.rstrip('/')}/a/k6-app/runs/{state.id}"
    return run_object(serializer, state) | {"test_run_details_page_url": page}


def cost(vuh: float, *, as_strings: bool) -> Item:
    """The schema's TestCost, with no reductions: each number may be a string."""
    zero, total = 0, round(vuh, 6)

    def number(value: float) -> float | str:
        return str(value) if as_strings else value

    return {
        "total_vuh": number(total),
        "breakdown": {
            "protocol_vuh": number(total),
            "browser_vuh": number(zero),
            "base_total_vuh": number(total),
            "reduction_rate": number(zero),
            "reduction_rate_breakdown": None,
        },
    }


def _cost(serializer: Serializer, state: RunState) -> Item | None:
    return None if state.vuh is None else cost(state.vuh, as_strings=serializer.options.cost_as_strings)


def _trouble(state: RunState) -> RunError | None:
    if state.ending is EndStatus.ABORTED_BY_THRESHOLD:
        return _THRESHOLD_TROUBLE
    if state.result is Result.ERROR and state.phase is Phase.COMPLETED:
        return _PROCESSING_TROUBLE
    return state.error


def _history(serializer: Serializer, state: RunState) -> list[Item]:
    """Each status once, at the moment it was entered."""
    first = {_WORDS[step.phase]: step for step in reversed(state.history)}
    return [_status(serializer, state, step) for step in reversed(first.values())]


def _status(serializer: Serializer, state: RunState, step: Step) -> Item:
    told: Item = {"type": _WORDS[step.phase], "entered": serializer.time(step.entered)}
    extra = _extra(serializer, state) if step.phase is Phase.ABORTED else None
    return told if extra is None and not serializer.options.null_extra else told | {"extra": extra}


def _extra(serializer: Serializer, state: RunState) -> Item:
    """Who or what aborted the run. The official client demands all three keys."""
    trouble = _trouble(state)
    return {
        "by_user": None if state.stopped_by is None else serializer.world.email(state.stopped_by),
        "message": trouble and trouble.message,
        "code": trouble and trouble.code,
    }


def _result_details(serializer: Serializer, state: RunState) -> Item | None:
    if state.result is None:
        return {} if serializer.options.empty_result_details else None
    trouble = _trouble(state)
    return {"type": state.result, "message": trouble and trouble.message, "code": trouble and trouble.code}


def _distribution(state: RunState) -> list[Item] | None:
    if all(step.phase in _NOT_YET_PLACED for step in state.history):
        return None
    return [{"load_zone": "amazon:us:ashburn", "percent": 100}]


def _options(serializer: Serializer, state: RunState) -> Item:
    return {
        "vus": state.run.plan.vus,
        "duration": f"{state.run.plan.planned_seconds}s",
        "cloud": {"projectID": serializer.world.tests[state.test_id].project_id},
    }
