"""The one table of metric families about tests and runs; adding a metric is adding an entry.

Nothing else in the exporter spells their names.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

from exporter.model import ActiveState, Outcome, ProcessingStatus, ResultStatus, Run, RunStatus
from exporter.store import TestState

Labels = tuple[tuple[str, str], ...]
Samples = Iterable[tuple[Labels, float]]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric family, whose subjects are the shown runs or the test.

    It says one thing of its subject, `value`, None being no sample; or several `samples`, each a value with
    labels beyond those of the subject, which are named in `labels`.
    """

    name: str
    help: str
    subject: Literal["run", "test"]
    value: Callable[[Any], float | None] | None = None
    samples: Callable[[Any], Samples] | None = None
    labels: tuple[str, ...] = ()
    type: Literal["gauge", "counter"] = "gauge"


def run_gauge(name: str, help_: str, value: Callable[[Run], float | None]) -> Family:
    return Family(name, help_, "run", value)


def test_gauge(name: str, help_: str, value: Callable[[TestState], float | None]) -> Family:
    return Family(name, help_, "test", value)


def last_run_gauge(name: str, help_: str, value: Callable[[Run], float | None]) -> Family:
    return Family(
        name, help_, "test", lambda test_state: value(test_state.last_run) if test_state.last_run else None
    )


def last_finished_run_gauge(name: str, help_: str, value: Callable[[Run], float | None]) -> Family:
    return Family(
        name,
        help_,
        "test",
        lambda test_state: value(test_state.last_finished_run) if test_state.last_finished_run else None,
    )


def describe_enum(known: type[IntEnum]) -> str:
    return ", ".join(f"{code.value} {code.name}" for code in known)


STATUS = f"{describe_enum(RunStatus)}; an unknown code as it comes"
PROCESSING = describe_enum(ProcessingStatus)
RESULT = (
    f"{describe_enum(ResultStatus)}. Absent until the run is over; an aborted run can say PASSED, "
    "so look at the status or the outcome as well"
)
PLANNED = "Planned length of"
VUS = "Configured maximum of virtual users of"


def build_families(app_url: str, api: str) -> tuple[Family, ...]:
    """Every metric about tests and runs. `app_url` is where the k6 app shows them, `api` who told us."""
    return (
        run_gauge("k6_cloud_run_status", f"How far the run has come: {STATUS}.", lambda run: run.status),
        run_gauge(
            "k6_cloud_run_processing_status",
            f"How far the metrics of the run are processed: {PROCESSING}.",
            lambda run: run.processing,
        ),
        run_gauge(
            "k6_cloud_run_result_status", f"Verdict on the run: {RESULT}.", lambda run: run.final_result
        ),
        run_gauge("k6_cloud_run_duration_seconds", f"{PLANNED} the run.", lambda run: run.duration),
        run_gauge("k6_cloud_run_vus", f"{VUS} the run.", lambda run: run.vus),
        run_gauge(
            "k6_cloud_run_execution_seconds",
            "How long the run really ran, once it is over.",
            lambda run: run.execution if run.is_finished else None,
        ),
        run_gauge(
            "k6_cloud_run_created_timestamp_seconds", "When the run was created.", lambda run: run.created
        ),
        run_gauge(
            "k6_cloud_run_started_timestamp_seconds",
            "When the load of the run began.",
            lambda run: run.started,
        ),
        run_gauge("k6_cloud_run_ended_timestamp_seconds", "When the run ended.", lambda run: run.ended),
        run_gauge(
            "k6_cloud_run_vuh",
            "Virtual user hours that the run cost, once it is over (v6).",
            lambda run: run.vuh if run.is_finished else None,
        ),
        Family(
            "k6_cloud_run_info",
            "The run's page in the k6 app, and the API generation that told of it; always 1.",
            "run",
            samples=lambda run: (((("api", api), ("url", f"{app_url}/runs/{run.id}")), 1),),
            labels=("api", "url"),
        ),
        Family(
            "k6_cloud_test_info",
            "The test's page in the k6 app; always 1.",
            "test",
            samples=lambda test_state: (((("url", f"{app_url}/tests/{test_state.test.id}"),), 1),),
            labels=("url",),
        ),
        test_gauge(
            "k6_cloud_test_schedule_next_run_timestamp_seconds",
            "When a schedule will start the test next (v6, if the token may see schedules).",
            lambda test_state: test_state.test.next_run,
        ),
        last_run_gauge("k6_cloud_test_last_run_id", "Id of the newest run.", lambda run: run.id),
        last_run_gauge(
            "k6_cloud_test_last_run_status",
            f"How far the newest run has come: {STATUS}.",
            lambda run: run.status,
        ),
        last_run_gauge(
            "k6_cloud_test_last_run_processing_status",
            f"How far the metrics of the newest run are processed: {PROCESSING}.",
            lambda run: run.processing,
        ),
        last_run_gauge(
            "k6_cloud_test_last_run_result_status",
            f"Verdict on the newest run: {RESULT}.",
            lambda run: run.final_result,
        ),
        last_run_gauge(
            "k6_cloud_test_last_run_duration_seconds", f"{PLANNED} the newest run.", lambda run: run.duration
        ),
        last_run_gauge("k6_cloud_test_last_run_vus", f"{VUS} the newest run.", lambda run: run.vus),
        last_run_gauge(
            "k6_cloud_test_last_run_created_timestamp_seconds",
            "When the newest run was created.",
            lambda run: run.created,
        ),
        last_run_gauge(
            "k6_cloud_test_last_run_started_timestamp_seconds",
            "When the load of the newest run began.",
            lambda run: run.started,
        ),
        last_run_gauge(
            "k6_cloud_test_last_run_ended_timestamp_seconds",
            "When the newest run ended.",
            lambda run: run.ended,
        ),
        Family(
            "k6_cloud_test_last_run_phase_seconds",
            "Time that the newest run spent in each phase that is behind it; legacy tells only of running.",
            "test",
            samples=lambda test_state: (
                ((("phase", phase),), seconds)
                for phase, seconds in (test_state.last_run.phases if test_state.last_run else ())
            ),
            labels=("phase",),
        ),
        Family(
            "k6_cloud_test_last_outcome",
            "1 for what became of the newest run that has finished, 0 for the other outcomes; "
            "none if no run has, or none with a verdict that is known.",
            "test",
            samples=last_outcome,
            labels=("outcome",),
        ),
        test_gauge(
            "k6_cloud_test_last_passed_timestamp_seconds",
            "When the newest run that is known to have passed ended.",
            lambda test_state: test_state.last_passed_time,
        ),
        last_finished_run_gauge(
            "k6_cloud_test_last_finished_run_id",
            "Id of the newest run that has finished, the one k6_cloud_test_last_outcome speaks of.",
            lambda run: run.id,
        ),
        last_finished_run_gauge(
            "k6_cloud_test_last_finished_timestamp_seconds",
            "When the newest run that has finished ended.",
            lambda run: run.ended,
        ),
        Family(
            "k6_cloud_test_active_runs",
            "Runs that are not over, by what they are doing.",
            "test",
            samples=active_runs,
            labels=("status",),
        ),
        Family(
            "k6_cloud_test_runs_finished_total",
            "Runs seen to finish since the exporter started, by outcome; runs older than that do not count.",
            "test",
            samples=lambda test_state: (
                ((("outcome", outcome),), count) for outcome, count in test_state.finished_counts
            ),
            labels=("outcome",),
            type="counter",
        ),
    )


def last_outcome(test_state: TestState) -> Samples:
    last = test_state.last_finished_run
    became = (last.outcome if last else None) or Outcome.NONE
    return (((("outcome", outcome),), outcome == became) for outcome in Outcome)


def active_runs(test_state: TestState) -> Samples:
    doing = [run.active_state for run in test_state.active_runs]
    return (((("status", activity),), doing.count(activity)) for activity in ActiveState)
