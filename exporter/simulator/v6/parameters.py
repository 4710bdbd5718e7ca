"""What the query parameters of the v6 API mean: `$orderby`, `created_after`, `is_starred` and their kind."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from exporter.simulator.http import Request
from exporter.simulator.v6.errors import invalid

Thing = TypeVar("Thing")
Key = Callable[[Thing], float | str]


def integer(text: str) -> int | None:
    """The whole number that a text is, or None."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None


def whole(request: Request, name: str, default: int, smallest: int) -> int:
    given = request.value(name)
    if given is None:
        return default
    number = integer(given)
    if number is None or number < smallest:
        raise invalid(name, f"A whole number of at least {smallest} is required.")
    return number


def flag(request: Request, name: str) -> bool | None:
    """true or 1, false or 0, or None where nothing is said."""
    given = request.value(name)
    if given is None:
        return None
    if given.lower() not in {"true", "1", "false", "0"}:
        raise invalid(name, "A valid boolean is required.")
    return given.lower() in {"true", "1"}


def moment(request: Request, name: str) -> float | None:
    """A point in time in Unix seconds. One without a zone is refused: RFC 3339 knows none."""
    given = request.value(name)
    if given is None:
        return None
    try:
        told = datetime.fromisoformat(given)
        if told.tzinfo is not None:
            return told.astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        pass
    # Often a + that was not percent-encoded and arrives as a space.
    raise invalid(name, "A date and time with a zone is required.")


def ordered(things: list[Thing], request: Request, keys: Mapping[str, Key[Thing]]) -> list[Thing]:
    """By the fields that `$orderby` lists, each ascending unless `desc` follows it; else as they are."""
    wanted = request.value("$orderby")
    if wanted is None:
        return things
    for item in reversed(wanted.split(",")):
        field, _, direction = item.strip().partition(" ")
        if field not in keys or direction not in {"", "asc", "desc"}:
            raise invalid("$orderby", f"Cannot order by {item.strip()}.")
        things = sorted(things, key=keys[field], reverse=direction == "desc")
    return things
