"""Why a run did not pass: a word for labels, made from the codes of k6 Cloud, and its own message.

No complete list of the codes is published. Sources of those below:
https://github.com/grafana/k6-operator (pkg/cloud) and https://github.com/grafana/k6 (provisioning).
"""

from collections.abc import Callable

from msgspec.structs import replace

from exporter.model import STILL_PROCESSING, ProcessingStatus, Reason, ResultStatus, Run, RunStatus

MAX_MESSAGE = 500  # characters
MAX_CODE = 99_999  # codes known so far have four digits; a larger number is no code

WORDS_BY_CODE = {
    2004: "vus_over_limit",
    8030: "setup_error",
    8031: "teardown_error",
    8032: "out_of_memory",
    8033: "panic",
    8035: "script_exception",
    8050: "runners_not_started",
    8051: "runners_aborted",
    8052: "runners_failed",
}
# Sent for different reasons, so the status of the run says more: 8034 for time-outs and failed outputs, 8036
# for stops by a user and by a threshold.
AMBIGUOUS_CODES = frozenset({8034, 8036})
WORDS_BY_STATUS = {
    RunStatus.TIMED_OUT: "timed_out",
    RunStatus.ABORTED_BY_USER: "aborted_by_user",
    RunStatus.ABORTED_BY_SYSTEM: "aborted_by_system",
    RunStatus.ABORTED_BY_SCRIPT_ERROR: "script_error",
    RunStatus.ABORTED_BY_THRESHOLD: "aborted_by_threshold",
    RunStatus.ABORTED_BY_LIMIT: "limit_exceeded",
}
KNOWN_WORDS = (
    *("thresholds_failed", "execution_error", "processing_error"),  # of a run whose load ended normally
    *WORDS_BY_STATUS.values(),
    *WORDS_BY_CODE.values(),
)


def find_reason(
    status: int | None, processing: int | None, result: int | None, *, code: int | None, message: str
) -> Reason | None:
    """The reason of a run with these codes; None for one that passed or is active."""
    word = reason_word(status, processing, result, code)
    return Reason(word, code, join_lines(message)) if word else None


def redact_reason(run: Run, redact: Callable[[str], str]) -> Run:
    """The run with the message of its reason as it may be shown: without secrets, and of limited length."""
    if run.reason is None or not run.reason.message:
        return run
    # Cut last: part of a secret, at the end of a cut message, would not be recognized.
    return replace(run, reason=replace(run.reason, message=redact(run.reason.message)[:MAX_MESSAGE]))


def reason_word(status: int | None, processing: int | None, result: int | None, code: int | None) -> str:
    """The word for a reason; empty for a run that passed or is active."""
    if status == RunStatus.FINISHED:
        by_state = finished_word(processing, result)
    else:
        by_state = WORDS_BY_STATUS.get(RunStatus(status), "") if status in set(RunStatus) else ""
    if not by_state or code is None or code in AMBIGUOUS_CODES:
        return by_state
    # A stop by a user and failed thresholds need no further reason.
    if by_state in ("aborted_by_user", "aborted_by_threshold", "thresholds_failed"):
        return by_state
    return WORDS_BY_CODE.get(code, f"code_{code}" if 0 < code <= MAX_CODE else by_state)


def finished_word(processing: int | None, result: int | None) -> str:
    """The word for a run whose load ended normally."""
    if processing in STILL_PROCESSING:
        return ""
    if result == ResultStatus.FAILED:
        return "thresholds_failed"
    if processing == ProcessingStatus.ERROR:
        return "processing_error"
    return "execution_error" if result == ResultStatus.ERROR else ""


def join_lines(message: str) -> str:
    """A message of k6 Cloud on one line of printable characters: it can contain what a script printed."""
    line = "".join(c if c.isprintable() else " " for c in message)
    return " ".join(line.split())
