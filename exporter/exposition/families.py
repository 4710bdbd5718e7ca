"""The table of all metric families about tests and runs; adding a metric is adding an entry.

No other module of the exporter contains their names.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

from exporter.model import ActiveState, Outcome, ProcessingStatus, Project, ResultStatus, Run, RunStatus
from exporter.store import TestState

Labels = tuple[tuple[str, str], ...]  # pairs of name and value
Samples = Iterable[tuple[Labels, float]]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric family: name, HELP text, and how to get its samples from a run, a test or a project.

    `subject` is what the samples are about: each exposed run of a test, the test itself, or a project. A
    family has either `value`, which returns the one sample of a subject or None for no sample, or `samples`,
    which returns several values with labels of their own. `labels` names these labels; those that identify
    the subject, such as test_id, are added when rendering.
    """

    name: str
    help: str
    subject: Literal["run", "test", "project"]
    value: Callable[[Any], float | None] | None = None
    samples: Callable[[Any], Samples] | None = None
    labels: tuple[str, ...] = ()
    type: Literal["gauge", "counter"] = "gauge"


# The kinds of family with one value: of a project, a run, a test, its newest run and its newest finished run.
def project_gauge(name: str, help_: str, value: Callable[[Project], float | None]) -> Family:
    return Family(name, help_, "project", value)


def run_gauge(name: str, help_: str, value: Callable[[Run], float | None]) -> Family:
    return Family(name, help_, "run", value)


def test_gauge(name: str, help_: str, value: Callable[[TestState], float | None]) -> Family:
    return Family(name, help_, "test", value)


def last_run_gauge(name: str, help_: str, value: Callable[[Run], float | None]) -> Family:
    return Family(name, help_, "test", lambda test: value(run) if (run := test.last_run) else None)


def last_finished_run_gauge(name: str, help_: str, value: Callable[[Run], float | None]) -> Family:
    return Family(name, help_, "test", lambda test: value(run) if (run := test.last_finished_run) else None)


def sample(value: float, **labels: str) -> tuple[Labels, float]:
    """A value with labels beyond those of its run or test."""
    return tuple(labels.items()), value


def describe_enum(known: type[IntEnum]) -> str:
    """The codes of an enumeration with their names, for HELP texts."""
    return ", ".join(f"{code.value} {code.name}" for code in known)


STATUS = f"{describe_enum(RunStatus)}; unknown codes are exposed unchanged"
PROCESSING = describe_enum(ProcessingStatus)
# The APIs report PASSED for some aborted runs, so the outcome is the safer thing to alert on.
RESULT = f"{describe_enum(ResultStatus)}; the legacy API also reports 0 for most aborted runs"
AS_CONFIGURED = "as configured in k6 Cloud"


def build_families(app_url: str, api: str) -> tuple[Family, ...]:
    """All metric families about tests and runs, in the order of the exposition.

    `app_url` is the base URL of the k6 app, to which labels link. `api` is the API version, "legacy" or "v6".
    """
    # Series of results and of real durations exist only for finished runs: before, k6 Cloud reports a result
    # of 0, which means passed, and estimates.
    return (
        run_gauge("k6_cloud_run_status", f"Status code of the run: {STATUS}.", lambda run: run.status),
        run_gauge(
            "k6_cloud_run_processing_status",
            f"Processing status code of the run's metrics: {PROCESSING}.",
            lambda run: run.processing,
        ),
        run_gauge(
            "k6_cloud_run_result_status",
            f"Result code of the finished run: {RESULT}.",
            lambda run: run.final_result,
        ),
        run_gauge(
            "k6_cloud_run_duration_seconds",
            f"Planned duration of the run in seconds, {AS_CONFIGURED}.",
            lambda run: run.duration,
        ),
        run_gauge(
            "k6_cloud_run_vus",
            f"Maximum number of virtual users of the run, {AS_CONFIGURED}.",
            lambda run: run.vus,
        ),
        run_gauge(
            "k6_cloud_run_execution_seconds",
            "Actual duration of the finished run in seconds.",
            lambda run: run.execution if run.is_finished else None,
        ),
        run_gauge(
            "k6_cloud_run_created_timestamp_seconds",
            "Creation time of the run in Unix seconds.",
            lambda run: run.created,
        ),
        run_gauge(
            "k6_cloud_run_started_timestamp_seconds",
            "Time at which the run started to generate load, in Unix seconds.",
            lambda run: run.started,
        ),
        run_gauge(
            "k6_cloud_run_ended_timestamp_seconds",
            "End time of the run in Unix seconds.",
            lambda run: run.ended,
        ),
        run_gauge(
            "k6_cloud_run_vuh",
            "Virtual user hours consumed by the finished run (v6 only).",
            lambda run: run.vuh if run.is_finished else None,
        ),
        Family(
            "k6_cloud_run_info",
            "Run metadata (API version, URL in the k6 app); always 1.",
            "run",
            samples=lambda run: [sample(1, api=api, url=run.page_url(app_url))],
            labels=("api", "url"),
        ),
        Family(
            "k6_cloud_test_info",
            "Test metadata (URL in the k6 app); always 1.",
            "test",
            samples=lambda test_state: [sample(1, url=f"{app_url}/tests/{test_state.test.id}")],
            labels=("url",),
        ),
        test_gauge(
            "k6_cloud_test_schedule_active",
            "Whether the schedule of the test is active: 1, or 0 if it is deactivated; absent without a "
            "schedule (v6 only).",
            lambda test_state: test_state.test.is_schedule_active,
        ),
        test_gauge(
            "k6_cloud_test_schedule_next_run_timestamp_seconds",
            "Next scheduled start of the test in Unix seconds (v6 only, if the token can read schedules).",
            lambda test_state: test_state.test.next_run,
        ),
        test_gauge(
            "k6_cloud_test_schedule_due_timestamp_seconds",
            "Latest scheduled start of the test that has passed, in Unix seconds (v6 only, as observed).",
            lambda test_state: test_state.schedule_due,
        ),
        last_run_gauge("k6_cloud_test_last_run_id", "ID of the newest run.", lambda run: run.id),
        last_run_gauge(
            "k6_cloud_test_last_run_status",
            f"Status code of the newest run: {STATUS}.",
            lambda run: run.status,
        ),
        last_run_gauge(
            "k6_cloud_test_last_run_processing_status",
            f"Processing status code of the newest run's metrics: {PROCESSING}.",
            lambda run: run.processing,
        ),
        last_run_gauge(
            "k6_cloud_test_last_run_result_status",
            f"Result code of the newest run, absent until it has finished: {RESULT}.",
            lambda run: run.final_result,
        ),
        last_run_gauge(
            "k6_cloud_test_last_run_duration_seconds",
            f"Planned duration of the newest run in seconds, {AS_CONFIGURED}.",
            lambda run: run.duration,
        ),
        last_run_gauge(
            "k6_cloud_test_last_run_vus",
            f"Maximum number of virtual users of the newest run, {AS_CONFIGURED}.",
            lambda run: run.vus,
        ),
        last_run_gauge(
            "k6_cloud_test_last_run_created_timestamp_seconds",
            "Creation time of the newest run in Unix seconds.",
            lambda run: run.created,
        ),
        last_run_gauge(
            "k6_cloud_test_last_run_started_timestamp_seconds",
            "Time at which the newest run started to generate load, in Unix seconds.",
            lambda run: run.started,
        ),
        last_run_gauge(
            "k6_cloud_test_last_run_ended_timestamp_seconds",
            "End time of the newest run in Unix seconds.",
            lambda run: run.ended,
        ),
        Family(
            "k6_cloud_test_last_run_phase_seconds",
            "Duration of each completed phase of the newest run in seconds (legacy: only running).",
            "test",
            samples=lambda test_state: (
                sample(seconds, phase=phase)
                for phase, seconds in (test_state.last_run.phases.items() if test_state.last_run else ())
            ),
            labels=("phase",),
        ),
        Family(
            "k6_cloud_test_last_outcome",
            "Outcome of the last finished run: 1 for the current outcome, 0 for the others "
            "(none: no finished run, or no known result).",
            "test",
            samples=last_outcome_samples,
            labels=("outcome",),
        ),
        test_gauge(
            "k6_cloud_test_last_passed_timestamp_seconds",
            "End time of the last passed run in Unix seconds.",
            lambda test_state: test_state.last_passed_time,
        ),
        last_finished_run_gauge(
            "k6_cloud_test_last_finished_run_id",
            "ID of the last finished run, to which k6_cloud_test_last_outcome refers.",
            lambda run: run.id,
        ),
        last_finished_run_gauge(
            "k6_cloud_test_last_finished_timestamp_seconds",
            "End time of the last finished run in Unix seconds.",
            lambda run: run.ended,
        ),
        Family(
            "k6_cloud_test_last_finished_info",
            "End time of the last finished run in Unix seconds, with its outcome, the reason if it did not "
            "pass, and its URL in the k6 app.",
            "test",
            samples=lambda test_state: last_finished_info_samples(test_state, app_url),
            labels=("outcome", "reason", "run_id", "url"),
        ),
        test_gauge(
            "k6_cloud_test_consecutive_failures",
            "Number of runs that failed in a row, up to the last finished run (failed, timed out or error; "
            "runs aborted by a user do not matter).",
            lambda test_state: streak.failures if (streak := test_state.streak) else None,
        ),
        test_gauge(
            "k6_cloud_test_failing_since_timestamp_seconds",
            "End time of the first of the runs that failed in a row, in Unix seconds; absent after a pass.",
            lambda test_state: streak.since if (streak := test_state.streak) else None,
        ),
        Family(
            "k6_cloud_test_active_runs",
            "Number of active runs by status.",
            "test",
            samples=active_runs_samples,
            labels=("status",),
        ),
        Family(
            "k6_cloud_test_runs_finished_total",
            "Total number of runs that finished since the exporter started, by outcome.",
            "test",
            samples=lambda test_state: (
                sample(count, outcome=outcome) for outcome, count in test_state.finished_counts
            ),
            labels=("outcome",),
            type="counter",
        ),
        Family(
            "k6_cloud_test_vuh_total",
            "Total virtual user hours of runs that finished since the exporter started (v6 only).",
            "test",
            lambda test_state: test_state.finished_vuh if api == "v6" else None,
            type="counter",
        ),
    )


def build_project_families(label_names: Sequence[str] = ()) -> tuple[Family, ...]:
    """All metric families about projects. `label_names` are the labels of projects that are exposed."""
    return (
        Family(
            "k6_cloud_project_info",
            "Project metadata (name, folder in Grafana, chosen labels); always 1.",
            "project",
            samples=lambda project: [project_info_sample(project, label_names)],
            labels=("folder_uid", "project_name", *label_names),
        ),
        project_gauge(
            "k6_cloud_project_limit_vuh_per_month",
            "Limit of the project for virtual user hours in a month (v6 only).",
            lambda project: project.limits.vuh_per_month,
        ),
        project_gauge(
            "k6_cloud_project_limit_vus_per_test",
            "Limit of the project for virtual users of a test (v6 only).",
            lambda project: project.limits.vus_per_test,
        ),
        project_gauge(
            "k6_cloud_project_limit_duration_seconds",
            "Limit of the project for the duration of a test in seconds (v6 only).",
            lambda project: project.limits.duration,
        ),
    )


def project_info_sample(project: Project, label_names: Sequence[str]) -> tuple[Labels, float]:
    """A sample with the name and the chosen labels of a project; a label that it lacks is empty."""
    labels = dict(project.labels)
    chosen = {name: labels.get(name, "") for name in label_names}
    return sample(1, folder_uid=project.folder_uid, project_name=project.name, **chosen)


def last_finished_info_samples(test_state: TestState, app_url: str) -> Samples:
    """A sample for the last finished run; without an end time, its creation time is the value."""
    run = test_state.last_finished_run
    if run is None:
        return []
    timestamp = run.ended if run.ended is not None else run.created
    labels = {
        "outcome": run.outcome or Outcome.NONE,
        "reason": run.reason.word if run.reason else "",
        "run_id": str(run.id),
        "url": run.page_url(app_url),
    }
    return [] if timestamp is None else [sample(timestamp, **labels)]


def last_outcome_samples(test_state: TestState) -> Samples:
    """A sample for each outcome, so that a change of the outcome adds no series."""
    last = test_state.last_finished_run
    current = (last.outcome if last else None) or Outcome.NONE
    return (sample(outcome == current, outcome=outcome) for outcome in Outcome)


def active_runs_samples(test_state: TestState) -> Samples:
    """A sample for each state, 0 included. Runs of unknown status are in none of them."""
    states = [run.active_state for run in test_state.active_runs]
    return (sample(states.count(state), status=state) for state in ActiveState)
