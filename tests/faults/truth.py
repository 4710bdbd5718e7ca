"""What there is to tell, as the simulated world has it, and the same as a scrape tells it."""

from collections import Counter

from prometheus_client.parser import text_string_to_metric_families

from exporter.simulator import EndStatus, RunState

Fact = tuple[str, str, str]  # a metric, a test, and which of the test's series it is

FINISHED, LAST = "k6_cloud_test_runs_finished_total", "k6_cloud_test_last_outcome"
ACTIVE, STATUS = "k6_cloud_test_active_runs", "k6_cloud_run_status"
OUTCOMES = ("passed", "failed", "aborted", "timed_out", "error", "none")
ACTIVITIES = ("created", "validated", "queued", "initializing", "running", "processing")
# What v6 says where it has no word of its own; the README tells these differences.
V6_WORDS, V6_CODES = {"validated": "created"}, {-1: -2, 4: 6, 9: 6}


def outcome(run: RunState, api_version: str) -> str:
    plan, limit = run.run.plan, "timed_out" if api_version == "legacy" else "error"
    if plan.crosses_threshold:
        return "failed"
    if plan.ending is EndStatus.FINISHED:
        return "error" if plan.processing_fails else "passed"
    return {EndStatus.TIMED_OUT: limit, EndStatus.ABORTED_BY_USER: "aborted"}.get(plan.ending, "error")


def counts(runs: list[RunState], api_version: str, since: float) -> Counter[Fact]:
    """Those that came to their end after that moment."""
    news = (run for run in runs if run.finished is not None and run.finished > since)
    return Counter((FINISHED, str(run.test_id), outcome(run, api_version)) for run in news)


def truth(runs: list[RunState], test: int, api_version: str) -> dict[Fact, float]:
    """What there is to tell of a test, counts aside."""
    of_test = sorted((run for run in runs if run.test_id == test), key=lambda run: (run.created, run.id))
    over, moving = ([run for run in of_test if (run.finished is None) is moves] for moves in (False, True))
    last = outcome(over[-1], api_version) if over else "none"
    words, codes = (V6_WORDS, V6_CODES) if api_version == "v6" else ({}, {})
    doing = Counter(words.get(run.phase, str(run.phase)) for run in moving)
    return (
        {(LAST, str(test), word): float(word == last) for word in OUTCOMES}
        | {(ACTIVE, str(test), word): float(doing[word]) for word in ACTIVITIES}
        | {(STATUS, str(test), str(run.id)): codes.get(run.status, run.status) for run in moving + over[-3:]}
    )


def told(page: str) -> dict[Fact, float]:
    """What a scrape tells of the same; no series twice."""
    facts: dict[Fact, float] = {}
    names = (FINISHED, LAST, ACTIVE, STATUS)
    lines = [line for line in page.split("\n") if line.partition("{")[0] in names]
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for name, labels, value, *_ in family.samples:
            which = labels.get("run_id") or labels.get("outcome") or labels["status"]
            assert (name, labels["test_id"], which) not in facts
            facts[name, labels["test_id"], which] = value
    return facts
