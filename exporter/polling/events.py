"""Log events of polls: discoveries that change something, runs that did not pass, and each result."""

import logging
from collections.abc import Callable, Sequence

from exporter.formatting import escape_unprintable, format_list
from exporter.model import LoadTest, Outcome, Run
from exporter.polling.result import PollResult
from exporter.store import State, find_newly_finished

log = logging.getLogger(__name__)

MAX_LISTED = 5  # tests or entries in a log line
MAX_RUNS = 20  # runs that one poll logs; in an outage, every run may fail


def log_discovery(before: State, after: State, redact: Callable[[str], str]) -> None:
    """Logs which tests a poll has added, removed or renamed; nothing if they are the same."""
    old, new = before.members, after.members
    known = set(before.unresolved)
    unresolved = [str(entry) for entry in after.unresolved if entry not in known]
    if unresolved:
        log.warning("entries of tests select no test", extra={"entries": redact(join(unresolved))})
    if before.updated_at is None:
        log.info("tests discovered", extra={"tests": len(new), "unresolved": len(after.unresolved)})
        return
    changes = {
        "added": [f"{id_} {test.name}" for id_, test in new.items() if id_ not in old],
        "removed": [f"{id_} {test.name}" for id_, test in old.items() if id_ not in new],
        "renamed": [
            f"{id_} {old[id_].name} to {test.name}"
            for id_, test in new.items()
            if id_ in old and old[id_].name != test.name
        ],
    }
    fields = {change: redact(join(tests)) for change, tests in changes.items() if tests}
    if fields:
        log.info("tests changed", extra={"tests": len(new), **fields})


def find_unsuccessful_runs(poll_result: PollResult, before: State) -> list[tuple[LoadTest, Run]]:
    """The runs that have finished without a pass since the state before the poll, by id, with their tests.

    Runs that had already finished when their test was first fetched are not among them.
    """
    unsuccessful = [
        (before.tests[id_].test, run)
        for id_, test_update in poll_result.updates.items()
        if id_ in before.tests
        for run in find_newly_finished(before.tests[id_], {run.id: run for run in test_update.runs}.values())
        if run.outcome != Outcome.PASSED
    ]
    return sorted(unsuccessful, key=lambda pair: pair[1].id)


def log_unsuccessful_runs(unsuccessful: Sequence[tuple[LoadTest, Run]], redact: Callable[[str], str]) -> None:
    """Logs runs that have finished without a pass."""
    for test, run in unsuccessful[:MAX_RUNS]:
        fields = {
            "test_id": test.id,
            "test_name": redact(escape_unprintable(test.name)),
            "run_id": run.id,
            "outcome": run.outcome,
            "reason": run.reason.word if run.reason else "",
            "details": run.reason.message if run.reason else "",
        }
        log.info("run finished", extra={name: value for name, value in fields.items() if value != ""})
    if len(unsuccessful) > MAX_RUNS:
        log.info("more runs finished without a pass", extra={"runs": len(unsuccessful) - MAX_RUNS})


def log_poll(poll_result: PollResult, state: State, seconds: float) -> None:
    """Logs how a poll went, at the level debug; `seconds` is its duration."""
    fields = {
        "outcome": poll_result.outcome,
        "tests": len(state.tests),
        "updated": len(poll_result.updates),
        "discovery": str(poll_result.members is not None).lower(),
        "duration": f"{seconds:.3f}s",
    }
    log.debug("poll finished", extra=fields)


def join(items: Sequence[str]) -> str:
    """The first few items, and the number of the others."""
    return format_list([escape_unprintable(item) for item in items], MAX_LISTED)
