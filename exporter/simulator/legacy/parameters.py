"""The query parameters of the legacy API: integers, `order_by`, `page` and `page_size`."""

from collections.abc import Collection
from operator import attrgetter
from typing import TypeVar

from exporter.simulator.http import Request, invalid, not_found, parse_integer
from exporter.simulator.options import Options

T = TypeVar("T")


def get_integer(request: Request, *names: str) -> int | None:
    """The integer given last under any of these names."""
    return next(reversed(get_integers(request, *names)), None)


def get_integers(request: Request, *names: str) -> list[int]:
    """Every integer given under any of these names, without repetitions."""
    numbers = [parse_integer(value) for value in request.values(*names)]
    if None in numbers:
        raise invalid(names[0], "A valid integer is required.")
    return list(dict.fromkeys(number for number in numbers if number is not None))


def sort_items(items: list[T], request: Request, fields: Collection[str]) -> list[T]:
    """Sorted by the one of these fields that `order_by` names (descending after `-`), or else by id.

    Null sorts before every other value.
    """
    order = request.value("order_by") or "id"
    field = order.removeprefix("-")
    if field not in fields:
        raise invalid("order_by", f"Cannot order by {order}.")

    def nulls_first(item: T) -> tuple[bool, float | str]:
        value = attrgetter(field)(item)
        return (value is not None, 0 if value is None else value)

    return sorted(items, key=nulls_first, reverse=order.startswith("-"))


def get_page(items: list[T], request: Request, options: Options) -> list[T]:
    """The requested page. Pages are numbered from 1."""
    page, size = get_integer(request, "page"), get_integer(request, "page_size")
    if page is not None and page < 1:
        raise invalid("page", "Pages are numbered from 1.")
    if size is not None and size < 1:
        raise invalid("page_size", "A page has at least 1 item.")
    size = options.default_page_size if size is None else size
    size = len(items) or 1 if size is None else min(size, options.max_page_size)
    first = ((page or 1) - 1) * size
    if options.missing_page_is_404 and first and first >= len(items):
        raise not_found()
    return items[first : first + size]
