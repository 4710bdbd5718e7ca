"""The series that a scrape must show for a simulated world, and those that it shows."""

from collections import Counter

from prometheus_client.parser import text_string_to_metric_families

from exporter.simulator import EndStatus, RunState

# A metric, a test id, and the label value that selects one of the test's series.
SeriesKey = tuple[str, str, str]

FINISHED, LAST = "k6_cloud_test_runs_finished_total", "k6_cloud_test_last_outcome"
ACTIVE, STATUS = "k6_cloud_test_active_runs", "k6_cloud_run_status"
OUTCOMES = ("passed", "failed", "aborted", "timed_out", "error", "none")
ACTIVE_PHASES = ("created", "validated", "queued", "initializing", "running", "processing")
# What v6 reports where it has no word of its own. The README documents these differences.
V6_PHASES, V6_STATUSES = {"validated": "created"}, {-1: -2, 4: 6, 9: 6}


def expected_outcome(run: RunState, api_version: str) -> str:
    plan, timed_out = run.run.plan, "timed_out" if api_version == "legacy" else "error"
    if plan.crosses_threshold:
        return "failed"
    if plan.ending is EndStatus.FINISHED:
        return "error" if plan.processing_fails else "passed"
    return {EndStatus.TIMED_OUT: timed_out, EndStatus.ABORTED_BY_USER: "aborted"}.get(plan.ending, "error")


def count_finished(runs: list[RunState], api_version: str, since: float) -> Counter[SeriesKey]:
    """The runs that finished after that time, by test and outcome."""
    finished = (run for run in runs if run.finished is not None and run.finished > since)
    return Counter((FINISHED, str(run.test_id), expected_outcome(run, api_version)) for run in finished)


def expected_series(runs: list[RunState], test: int, api_version: str) -> dict[SeriesKey, float]:
    """The series of a test, without its counters."""
    of_test = sorted((run for run in runs if run.test_id == test), key=lambda run: (run.created, run.id))
    finished = [run for run in of_test if run.finished is not None]
    active = [run for run in of_test if run.finished is None]
    last = expected_outcome(finished[-1], api_version) if finished else "none"
    phases, statuses = (V6_PHASES, V6_STATUSES) if api_version == "v6" else ({}, {})
    counts = Counter(phases.get(run.phase, str(run.phase)) for run in active)
    return (
        {(LAST, str(test), outcome): float(outcome == last) for outcome in OUTCOMES}
        | {(ACTIVE, str(test), phase): float(counts[phase]) for phase in ACTIVE_PHASES}
        | {
            (STATUS, str(test), str(run.id)): statuses.get(run.status, run.status)
            for run in active + finished[-3:]
        }
    )


def parse_series(page: str) -> dict[SeriesKey, float]:
    """The same series from a scrape. AssertionError for a duplicate."""
    series: dict[SeriesKey, float] = {}
    names = (FINISHED, LAST, ACTIVE, STATUS)
    lines = [line for line in page.split("\n") if line.partition("{")[0] in names]
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for name, labels, value, *_ in family.samples:
            key = (name, labels["test_id"], labels.get("run_id") or labels.get("outcome") or labels["status"])
            assert key not in series
            series[key] = value
    return series
