"""Converts values of responses whose types vary: numbers in strings, times without a time zone.

Each function returns None for an absent value and raises ValueError for one that it cannot convert.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from reprlib import repr as short_repr  # a value can have megabytes, and ends in a log
from typing import TypeVar, cast

T = TypeVar("T")

# Ids of the v6 API are integers of 64 bits.
MAX_INT = 2**63 - 1
MAX_TIMESTAMP = 1e11  # Unix seconds, in the year 5138
MAX_DURATION = 1e9  # seconds, 31 years
MAX_TEXT = 1000  # characters; the name of a test is a label of each of its series


@lru_cache(maxsize=4096, typed=True)
def _first_equal(value: object) -> object:
    return value


def share_number(value: T) -> T:
    """One object for all equal numbers of a type, to save memory: each takes 32 bytes.

    For numbers that many runs have in common. The 4096 that were used last are remembered.
    """
    return cast("T", _first_equal(value))


class FieldConverter:
    """Converts the fields of an item; the names of those that it cannot convert are in `invalid`."""

    def __init__(self) -> None:
        self.invalid: list[str] = []

    def __call__(self, field: str, to: Callable[[object], T | None], value: object) -> T | None:
        """The converted value; None if it is absent or `to` raises ValueError."""
        try:
            return None if value is None else to(value)
        except ValueError:
            self.invalid.append(field)
            return None


def to_id(value: object, error: str) -> int:
    """An id. Raises ValueError, with this message if the id is absent."""
    id_ = to_int(value)
    if id_ is None:
        raise ValueError(error)
    # Examples of the vendor have the id 0.
    if id_ < 0:
        raise ValueError(f"{short_repr(value)} is not an id")
    return id_


def to_id_or_none(value: object) -> int | None:
    """An id, such as that of a last run; None also for 0, which means none, and for what is not an id."""
    id_ = to_int_or_none(value)
    return id_ if id_ is not None and id_ > 0 else None


def to_int(value: object) -> int | None:
    """An integer: 3, 3.0 or "3"."""
    number = to_float(value)
    if number is None:
        return None
    if not number.is_integer() or abs(number) > MAX_INT:
        raise ValueError(f"{short_repr(value)} is not a whole number")
    # As a float, an id beyond 2**53 would become another id.
    return (
        int(value)
        if isinstance(value, int | str) and str(value).strip().lstrip("+-").isdigit()
        else int(number)
    )


def to_int_or_none(value: object) -> int | None:
    """An integer; None also for a value that cannot be converted."""
    try:
        return to_int(value)
    except ValueError:
        return None


def to_float(value: object) -> float | None:
    """A finite number: 75, 75.0 or "75.0"."""
    if value is None or value == "":
        return None
    # True is an int in Python, and would become 1.
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{short_repr(value)} is not a number")
    try:
        # Python would accept underscores between digits.
        number = float(value if isinstance(value, int | float) else value.replace("_", "?"))
    except OverflowError as error:
        raise ValueError("the number is too large") from error
    except ValueError as error:
        raise ValueError(f"{short_repr(value)} is not a number") from error
    # float() also accepts "nan" and "inf", which would end up in the exposition.
    if not math.isfinite(number):
        raise ValueError(f"{short_repr(value)} is not a finite number")
    return number


def to_amount(value: object) -> float | None:
    """A number that is not negative."""
    number = to_float(value)
    if number is not None and number < 0:
        raise ValueError(f"{short_repr(value)} is negative")
    return None if number is None else abs(number)  # -0.0 passes the check; abs() makes it 0.0


def to_duration(value: object) -> float | None:
    """Seconds."""
    seconds = to_amount(value)
    if seconds is not None and seconds > MAX_DURATION:
        raise ValueError(f"{short_repr(value)} seconds are longer than 31 years")
    return seconds


def to_planned_duration(value: object) -> float | None:
    """Seconds; None also for the API's -1 (unknown) and 0 (no end is planned)."""
    number = to_float(value)
    return None if number in (-1, 0) else to_duration(number)


def to_timestamp(value: object) -> float | None:
    """Unix seconds of an ISO 8601 time; one without a zone is UTC."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError(f"{short_repr(value)} is not an ISO 8601 time")
    try:
        time = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{short_repr(value)} is not an ISO 8601 time") from error
    # Examples of the legacy API have times without a zone:
    # https://grafana.com/docs/grafana-cloud/testing/k6/reference/cloud-rest-api/deprecated-rest-api/test-runs/
    seconds = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    if not 0 <= seconds < MAX_TIMESTAMP:
        raise ValueError(f"{short_repr(value)} is not between the years 1970 and 5138")
    return seconds


def to_str(value: object) -> str:
    """A string, cut to a limited length; empty for any other value."""
    # A name of another type is the fault of one field, and no reason to lose the test.
    return value[:MAX_TEXT] if isinstance(value, str) else ""
