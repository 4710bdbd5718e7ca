"""Values as an API may write them, and what they mean."""

import math
import time
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.k6.coerce import (
    share_number,
    to_amount,
    to_duration,
    to_float,
    to_id,
    to_id_or_none,
    to_int,
    to_planned_duration,
    to_str,
    to_timestamp,
)
from exporter.k6.transport import parse_retry_after

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, None),
        ("", None),
        (0, 0),
        (75, 75),
        (75.5, 75.5),
        (-2, -2),
        ("75", 75),
        ("75.0", 75),
        ("-1.5", -1.5),
        ("1e3", 1000),
        (" 3 ", 3),
        (5e-324, 5e-324),
        (1e308, 1e308),
        ("1e308", 1e308),
    ],
)
def test_a_number_may_come_in_a_string(raw: object, expected: float | None) -> None:
    assert to_float(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        True,
        False,
        [],
        [3],
        {},
        {"a": 1},
        "abc",
        "0x10",
        "1,5",
        "12 34",
        "NaN",
        "nan",
        "Infinity",
        "-inf",
        "1e999",
        math.nan,
        math.inf,
        -math.inf,
        10**400,
        "9" * 5000,
        "\ud800",
        "\0",
        b"3",
        " ",
    ],
    ids=repr,
)
def test_what_is_not_a_finite_number_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        to_float(raw)
    with pytest.raises(ValueError, match=r"."):
        to_int(raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, None),
        ("", None),
        (3, 3),
        (3.0, 3),
        ("3", 3),
        ("3.0", 3),
        (" +3 ", 3),
        (-2, -2),
        ("-2", -2),
        (-0.0, 0),
        (2**53 + 1, 9007199254740993),
        ("9007199254740993", 9007199254740993),
        (str(2**62 + 1), 2**62 + 1),
    ],
)
def test_a_whole_number_is_exact(raw: object, expected: int | None) -> None:
    read = to_int(raw)

    assert read == expected
    assert type(read) is (int if expected is not None else type(None))


@pytest.mark.parametrize("raw", [3.5, "3.5", 1e-9, 2**63, -(2**64), "9223372036854775808", 1e300, "1e300"])
def test_fraction_or_too_large_integer_is_rejected(raw: object) -> None:
    with pytest.raises(ValueError, match=r"is not a whole number$"):
        to_int(raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, None),
        ("", None),
        ("2020-08-18T13:33:41", 1597757621),
        ("2020-08-18T13:33:41Z", 1597757621),
        ("2020-08-18T13:33:41+00:00", 1597757621),
        ("2020-08-18T13:33:41-00:00", 1597757621),
        ("2020-08-18T13:33:41+0000", 1597757621),
        ("2020-08-18T15:33:41+02:00", 1597757621),
        ("2020-08-18T08:33:41-05:00", 1597757621),
        ("2020-08-18T19:03:41+05:30", 1597757621),
        ("2020-08-18 13:33:41", 1597757621),
        ("2020-08-18T13:33:41.5", 1597757621.5),
        ("2020-08-18T13:33:41.25Z", 1597757621.25),
        ("2020-08-18T13:33:41.125+00:00", 1597757621.125),
        ("2020-08-18T13:33:41.000001Z", 1597757621.000001),
        ("2020-08-18T13:33:41.123456789Z", 1597757621.123456),
        ("2020-08-18T13:33:41.12345678901234567890", 1597757621.123456),
        ("1970-01-01T00:00:00Z", 0),
    ],
)
def test_a_moment_without_a_zone_is_utc(raw: object, expected: float | None) -> None:
    assert to_timestamp(raw) == expected


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu"])
def test_time_does_not_depend_on_local_zone(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert to_timestamp("2020-08-18T13:33:41") == 1597757621
        assert to_timestamp("2020-03-08T02:30:00") == 1583634600  # an hour that New York skipped
        assert parse_retry_after("Mon, 21 Sep 2026 14:13:50", 1_790_000_000) == 30
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "raw",
    [
        1597757621,
        1597757621.5,
        True,
        False,
        [],
        {},
        ["2020-08-18T13:33:41"],
        "yesterday",
        "2020-13-01T00:00:00",
        "2020-02-30T00:00:00",
        "2020-08-18T25:00:00",
        "2020-08-18T13:33:41+99:00",
        "99999-01-01T00:00:00Z",
        "-2020-08-18T13:33:41",
        "18/08/2020",
        "1597757621000000",
        "2020-08-18T13:33:41" * 100_000,
        "\ud800",
        "\0",
    ],
    ids=lambda raw: repr(raw)[:40],
)
def test_invalid_time_is_rejected_briefly(raw: object) -> None:
    with pytest.raises(ValueError, match=r"ISO 8601") as refused:
        to_timestamp(raw)

    assert len(str(refused.value)) < 100


@pytest.mark.parametrize("raw", ["x" * 1_000_000, ["x" * 1000] * 1000, {"a": ["x"] * 1000}, "9" * 100_000])
def test_rejection_of_a_large_value_is_short(raw: object) -> None:
    with pytest.raises(ValueError, match=r"number$") as refused:
        to_int(raw)

    assert len(str(refused.value)) < 300


@settings(derandomize=True, deadline=None, max_examples=500)
@given(ANYTHING)
def test_anything_is_read_or_refused_with_a_value_error(raw: object) -> None:
    for read in (to_float, to_int, to_timestamp):
        try:
            value = read(raw)
        except ValueError:
            continue
        assert value is None or math.isfinite(value)


@pytest.mark.parametrize(
    "raw",
    [
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_time_before_1970_or_after_5138_is_rejected(raw: str) -> None:
    with pytest.raises(ValueError, match=r"1970"):
        to_timestamp(raw)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.datetimes(datetime(1971, 1, 1), datetime(5000, 1, 1)).map(lambda moment: moment.isoformat()),  # noqa: DTZ001
    st.integers(-839, 839),
)
def test_an_offset_shifts_a_moment_by_just_that(raw: str, minutes: int) -> None:
    sign, hours, rest = "-" if minutes < 0 else "+", abs(minutes) // 60, abs(minutes) % 60
    naive, shifted = to_timestamp(raw), to_timestamp(f"{raw}{sign}{hours:02}:{rest:02}")

    assert naive is not None
    assert shifted == pytest.approx(naive - minutes * 60, abs=1e-5)


@pytest.mark.parametrize(
    ("raw", "expected"), [("checkout", "checkout"), ("", ""), (None, ""), (7, ""), (["a"], ""), ({}, "")]
)
def test_a_text_is_a_string_or_nothing(raw: object, expected: str) -> None:
    assert to_str(raw) == expected


@pytest.mark.parametrize("raw", [None, "", 0, -1, "0", "-1", 0.0, -1.0])
def test_run_without_defined_length_has_no_duration(raw: object) -> None:
    assert to_planned_duration(raw) is None


@pytest.mark.parametrize("raw", [-2, "-60", -0.5, 1.1e9, 1e300, "abc", True, [60]])
def test_impossible_planned_duration_is_rejected(raw: object) -> None:
    with pytest.raises(ValueError, match=r"is negative|is not a|longer than"):
        to_planned_duration(raw)


@pytest.mark.parametrize("raw", [0, 1, "90", 0.5, 1e9])
def test_possible_duration_is_kept(raw: object) -> None:
    assert to_duration(raw) == to_float(raw)


@pytest.mark.parametrize("raw", [-1, "-1", -1e-9, -1e300])
def test_negative_amount_or_duration_is_rejected(raw: object) -> None:
    for convert in (to_amount, to_duration):
        with pytest.raises(ValueError, match="is negative"):
            convert(raw)


def test_negative_id_is_rejected() -> None:
    assert to_id(0, "no id") == 0
    with pytest.raises(ValueError, match="-5"):
        to_id(-5, "no id")


@pytest.mark.parametrize("raw", [None, "", 0, "0", -1, "x", 2**64, []])
def test_no_id_is_none(raw: object) -> None:
    assert to_id_or_none(raw) is None


def test_amount_has_no_negative_zero() -> None:
    assert [str(to_amount(raw)) for raw in (-0.0, "-0", 0)] == ["0.0", "0.0", "0.0"]


def test_equal_numbers_of_a_type_share_an_object() -> None:
    first, second = float("75.5"), float("75.5")

    assert first is not second
    assert share_number(first) is share_number(second)


def test_equal_numbers_of_other_types_stay_what_they_are() -> None:
    assert [type(share_number(value)) for value in (1, 1.0, True, None)] == [int, float, bool, type(None)]
