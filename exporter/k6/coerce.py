"""Reading values out of answers whose types cannot be trusted: numbers in strings, times without zones.

Each function gives None for "not said" and raises ValueError for what it cannot understand.
"""

import math
from datetime import UTC, datetime
from reprlib import repr as brief  # what cannot be understood can be megabytes, and ends in a log

LARGEST = 2**63 - 1
END_OF_TIME = 1e11  # seconds; the year 5138
LONGEST_TEXT = 1000  # characters; the name of a test stands in each of its series


def to_int(value: object) -> int | None:
    """An integer: 3, 3.0 or "3"."""
    read = to_float(value)
    if read is None:
        return None
    if not read.is_integer() or abs(read) > LARGEST:
        raise ValueError(f"{brief(value)} is not a whole number")
    # By way of float an id beyond 2**53 would be another id.
    return (
        int(value)
        if isinstance(value, int | str) and str(value).strip().lstrip("+-").isdigit()
        else int(read)
    )


def to_int_or_none(value: object) -> int | None:
    """An integer, or None for what cannot be understood."""
    try:
        return to_int(value)
    except ValueError:
        return None


def to_float(value: object) -> float | None:
    """A finite number: 75, 75.0 or "75.0"."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{brief(value)} is not a number")
    try:
        read = float(value if isinstance(value, int | float) else value.replace("_", "?"))
    except OverflowError as error:
        raise ValueError("a number beyond all bounds") from error
    except ValueError as error:
        raise ValueError(f"{brief(value)} is not a number") from error
    if not math.isfinite(read):
        raise ValueError(f"{brief(value)} is not a finite number")
    return read


def to_timestamp(value: object) -> float | None:
    """Unix seconds of an ISO 8601 time; one without a zone is UTC."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError(f"{brief(value)} is not a time")
    try:
        read = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{brief(value)} is not a time") from error
    seconds = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    if not 0 <= seconds < END_OF_TIME:
        raise ValueError(f"{brief(value)} is no time at which a test can have run")
    return seconds


def to_str(value: object) -> str:
    """A string, the beginning of one that is too long; anything else, also nothing, is empty."""
    return value[:LONGEST_TEXT] if isinstance(value, str) else ""
