"""Log events of polls: discoveries that change something, and the result of each poll."""

import logging
from collections.abc import Callable, Sequence

from exporter.formatting import escape_unprintable, format_list
from exporter.polling.result import PollResult
from exporter.store import State

log = logging.getLogger(__name__)

MAX_LISTED = 5  # tests or entries in a log line


def log_discovery(before: State, after: State, redact: Callable[[str], str]) -> None:
    """Logs which tests a poll has added, removed or renamed; nothing if they are the same."""
    old, new = before.members, after.members
    unresolved = [str(entry) for entry in after.unresolved if entry not in before.unresolved]
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
