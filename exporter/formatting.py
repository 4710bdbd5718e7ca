"""Runs and lengths of time in words, the same wherever people read of them."""

from exporter.model import ActiveState, Outcome, ProcessingStatus, Run, RunStatus

UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
WORDS = {outcome: outcome.value for outcome in Outcome} | {
    Outcome.TIMED_OUT: "timed out",
    Outcome.NONE: "no verdict",
}


def describe_run(run: Run) -> str:
    """How a run stands, in words."""
    if run.active_state == ActiveState.PROCESSING:
        return "finished, processing results"
    if run.status == RunStatus.FINISHED and run.processing == ProcessingStatus.ERROR:
        return "finished, results could not be processed"
    if run.status == RunStatus.FINISHED:
        return f"finished, {WORDS[run.outcome or Outcome.NONE]}"
    if run.status is None:
        return "status not told"
    if run.status not in set(RunStatus):
        return f"unknown status {run.status}"
    return RunStatus(run.status).name.lower().replace("_", " ")


def format_duration(seconds: float) -> str:
    """A length of time in its largest unit and the next."""
    whole = round(seconds)
    for size, unit, smaller, next_unit in UNITS:
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit} {rest} {next_unit}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"
