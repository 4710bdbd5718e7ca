"""The reason of a run: the same word for the same codes, whatever the API version."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.k6.reasons import MAX_MESSAGE, find_reason, redact_reason
from exporter.model import Reason, Run


def word(status: int | None, processing: int = 2, result: int = 0, code: int | None = None) -> str:
    reason = find_reason(status, processing, result, code=code, message="")
    return reason.word if reason else ""


def redacted_message(message: str) -> str:
    run = Run(1, 7, reason=find_reason(7, 2, 0, code=None, message=message))
    reason = redact_reason(run, lambda text: text.replace("TOKEN" * 4, "***")).reason
    assert reason
    return reason.message


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (4, "timed_out"),
        (5, "aborted_by_user"),
        (6, "aborted_by_system"),
        (7, "script_error"),
        (8, "aborted_by_threshold"),
        (9, "limit_exceeded"),
    ],
)
def test_status_gives_the_reason_without_a_code(status: int, expected: str) -> None:
    assert word(status) == expected


@pytest.mark.parametrize(
    ("processing", "result", "expected"),
    [
        (2, 0, ""),
        (2, 1, "thresholds_failed"),
        (3, 1, "thresholds_failed"),
        (3, 0, "processing_error"),
        (2, 2, "execution_error"),
        (1, 1, ""),
    ],
)
def test_result_gives_the_reason_of_a_finished_run(processing: int, result: int, expected: str) -> None:
    assert word(3, processing, result) == expected


@pytest.mark.parametrize("status", [-2, -1, 0, 1, 2, 10, 77, None])
def test_run_that_did_not_end_badly_has_no_reason(status: int | None) -> None:
    assert find_reason(status, 1, 0, code=8035, message="late") is None


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (8030, "setup_error"),
        (8035, "script_exception"),
        (8034, "aborted_by_system"),
        (8036, "aborted_by_system"),
        (1234, "code_1234"),
        (0, "aborted_by_system"),
        (-1, "aborted_by_system"),
        (10**12, "aborted_by_system"),
    ],
)
def test_known_code_is_more_precise_than_the_status(code: int, expected: str) -> None:
    assert word(6, code=code) == expected


@pytest.mark.parametrize("status", [5, 8])
def test_stop_by_user_or_threshold_ignores_the_code(status: int) -> None:
    assert word(status, code=8035) == word(status)


def test_message_is_one_line_of_limited_length() -> None:
    message = redacted_message("  boom\n\tat \x1b[31mx\u2028" + "y" * 9999)

    assert message.startswith("boom at [31mx yyy")
    assert len(message) == MAX_MESSAGE


@pytest.mark.parametrize("position", range(MAX_MESSAGE - 20, MAX_MESSAGE + 1, 4))
def test_secret_is_redacted_before_the_message_is_cut(position: int) -> None:
    message = redacted_message("y" * position + "TOKEN" * 4 + "z" * 99)

    assert message.strip("yz") in "***"


@given(st.integers(), st.integers(0, 3), st.integers(0, 2), st.one_of(st.none(), st.integers()), st.text())
def test_every_reason_is_bounded(status: int, processing: int, result: int, code: int, text: str) -> None:
    reason = find_reason(status, processing, result, code=code, message=text)

    assert reason is None or isinstance(reason, Reason)
    if reason:
        assert len(reason.word) <= 20
        assert reason.message.isprintable()
