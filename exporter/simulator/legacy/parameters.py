"""What the query parameters of the legacy API mean: `$select`, `ids[]`, `order_by`, `page` and their kind."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

from exporter.simulator.http import Request
from exporter.simulator.legacy.errors import invalid, not_found
from exporter.simulator.options import Options

Thing = TypeVar("Thing")
Key = Callable[[Thing], float | str | None]


def whole(request: Request, *names: str) -> int | None:
    """The integer given last under any of these names."""
    given = wholes(request, *names)
    return given[-1] if given else None


def wholes(request: Request, *names: str) -> list[int]:
    """Every integer given under any of these names, each once."""
    try:
        return list(dict.fromkeys(int(value) for value in request.values(*names)))
    except ValueError:
        raise invalid(names[0], "A valid integer is required.") from None


def selected(request: Request, default: Sequence[str], known: Collection[str]) -> Sequence[str]:
    """The fields `$select` names, or else the default ones. Names nobody knows are passed over.

    The page writes `$select` in one example and `select` in another.
    """
    wanted = request.value("$select", "select")
    if wanted is None:
        return default
    names = {name.strip() for name in wanted.split(",")}
    return tuple(name for name in known if name in names)


def ordered(things: list[Thing], request: Request, keys: Mapping[str, Key[Thing]]) -> list[Thing]:
    """By the field `order_by` names, `-` before it for descending; ascending ids when it names none.

    Where the field is null a thing counts as smallest.
    """
    wanted = request.value("order_by") or "id"
    key = keys.get(wanted.removeprefix("-"))
    if key is None:
        raise invalid("order_by", f"Cannot order by {wanted}.")

    def nulls_first(thing: Thing) -> tuple[bool, float | str]:
        value = key(thing)
        return (value is not None, 0 if value is None else value)

    return sorted(things, key=nulls_first, reverse=wanted.startswith("-"))


def paged(things: list[Thing], request: Request, options: Options) -> list[Thing]:
    """The page asked for; pages count from 1."""
    page = 1 if request.value("page") is None else whole(request, "page")
    size = options.default_page_size if request.value("page_size") is None else whole(request, "page_size")
    if page is None or page < 1:
        raise invalid("page", "Pages count from 1.")
    if size is None:
        size = len(things) or 1
    elif size < 1:
        raise invalid("page_size", "A page holds at least 1.")
    else:
        size = min(size, options.max_page_size)
    first = (page - 1) * size
    if options.missing_page_is_404 and page > 1 and first >= len(things):
        raise not_found()
    return things[first : first + size]
