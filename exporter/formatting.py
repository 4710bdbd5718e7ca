"""Text for people: durations, times and run states, worded the same wherever a user reads them.

Every place that prints one of these uses this module, so that `check`, `runs`, the status page and error
messages agree. It imports nothing of ours but the model.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from exporter.model import ActiveState, Outcome, ProcessingStatus, Reason, Run, RunStatus

# Each unit with the next smaller one, in seconds.
DURATION_UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
# Units in which settings are written, in seconds.
SETTING_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
MAX_QUOTED_LENGTH = 100  # characters; longer values would hide the rest of an error message
MAX_MESSAGE_LENGTH = 500  # characters of a reason's message

OUTCOME_NAMES = {outcome: outcome.value for outcome in Outcome} | {
    Outcome.TIMED_OUT: "timed out",
    Outcome.NONE: "no result",
}


def describe_run(run: Run) -> str:
    """The state of a run in a few words: "running", "finished, passed", "aborted by user"."""
    if run.active_state == ActiveState.PROCESSING:
        return "finished, processing results"
    if run.status == RunStatus.FINISHED and run.processing == ProcessingStatus.ERROR:
        return "finished, processing failed"
    if run.status == RunStatus.FINISHED:
        return f"finished, {OUTCOME_NAMES[run.outcome or Outcome.NONE]}"
    if run.status is None:
        return "status not reported"
    if run.status not in set(RunStatus):
        return f"unknown status {run.status}"
    return RunStatus(run.status).name.lower().replace("_", " ")


def describe_reason(reason: Reason) -> str:
    """Why a run did not pass, in a word and the message of k6 Cloud: "script exception: TypeError: ..."."""
    # The message can contain what a script printed.
    message = escape_unprintable(reason.message, MAX_MESSAGE_LENGTH)
    return ": ".join(filter(None, (reason.word.replace("_", " "), message)))


def format_duration(seconds: float) -> str:
    """A duration in its largest unit and the next smaller one: 3725 is "1 h 2 min"."""
    whole = round(seconds)
    for size, unit, next_size, next_unit in DURATION_UNITS:
        if whole >= size:
            rest = whole % size // next_size
            return f"{whole // size} {unit} {rest} {next_unit}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def format_setting_duration(seconds: float) -> str:
    """A duration as it is written in settings, without rounding: 604800 is "7d", 90 is "90s"."""
    for unit in "dhms":
        if seconds >= SETTING_UNITS[unit] and seconds % SETTING_UNITS[unit] == 0:
            return f"{seconds / SETTING_UNITS[unit]:.0f}{unit}"
    return f"{seconds:.10g}s"


def format_age(timestamp: float, now: float) -> str:
    """The time since a timestamp, both in Unix seconds: "5 min ago". A future timestamp is "0 s ago"."""
    return f"{format_duration(max(now - timestamp, 0.0))} ago"


def format_timestamp(timestamp: float) -> str:
    """Unix seconds for people: "2026-09-21 14:13:20 UTC"."""
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M:%S} UTC"


def format_iso_timestamp(timestamp: float) -> str:
    """Unix seconds for programs, with the fraction if there is one: "2026-09-21T14:13:20Z"."""
    return datetime.fromtimestamp(timestamp, UTC).isoformat().replace("+00:00", "Z")


def pluralize(count: int, noun: str) -> str:
    """A count with its noun: "1 test", "3 tests"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def format_list(items: Sequence[str], maximum: int) -> str:
    """The first `maximum` items, and the number of the others: "a, b and 3 more"."""
    text = ", ".join(items[:maximum])
    return f"{text} and {len(items) - maximum} more" if len(items) > maximum else text


def escape_unprintable(text: str, max_length: int = MAX_QUOTED_LENGTH) -> str:
    """The text on one line: unprintable characters are escaped, and it is cut after `max_length` characters.

    Names of tests and keys of settings come from other people: a newline or a terminal escape in one must
    not be able to forge a line of output.
    """
    cut = text if len(text) <= max_length else text[:max_length] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def quote_value(value: object) -> str:
    """A configured value for an error message, on one line of bounded length.

    Lists and mappings are only named, because secrets may be among their items.
    """
    match value:
        case str():
            return f'"{escape_unprintable(value)}"'
        case list() | tuple() | set():
            return "a list"
        case dict():
            return "a group of settings"
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        # Python refuses to print integers of more than 4300 digits.
        case int() if value.bit_length() > 1000:
            return "a number of more than 300 digits"
    return escape_unprintable(str(value))
