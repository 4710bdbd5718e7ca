"""Lists of the v6 API: filters and order from the query, and pages with `value`, `@count` and `@nextLink`."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import quote, urlencode

from exporter.simulator.http import Item, Request, Response, invalid, parse_integer
from exporter.simulator.options import NextLink
from exporter.simulator.v6.stack import Stack

T = TypeVar("T")
Key = Callable[[T], float | str]


def make_page(
    stack: Stack, request: Request, items: Sequence[T], serialize: Callable[[Stack, T], Item]
) -> Response:
    """The page at `$skip`, of `$top` items."""
    options = stack.options
    skip, top = _get_integer(request, "$skip", 0, smallest=0), _get_top(stack, request)
    envelope: Item = {}
    # Only on request, so a client must not need it.
    if get_flag(request, "$count"):
        envelope["@count"] = len(items)
    if options.next_link is NextLink.LOOP:
        envelope["@nextLink"] = _make_link(request, skip, top, options.next_link)
    # The last page has no link: a client that follows links ends here.
    elif skip + top < len(items):
        envelope["@nextLink"] = _make_link(request, skip + top, top, options.next_link)
    elif options.next_link is NextLink.EMPTY_AT_END:
        envelope["@nextLink"] = ""
    return Response(body=envelope | {"value": [serialize(stack, it) for it in items[skip : skip + top]]})


def _get_top(stack: Stack, request: Request) -> int:
    # No document says what $top=0 means. It is refused, since the next page would have the same link.
    most = stack.options.max_top
    top = _get_integer(request, "$top", most, smallest=1)
    if top > most and not stack.options.clamp_top:
        raise invalid("$top", f"At most {most}.")
    return min(top, most)


def _make_link(request: Request, skip: int, top: int, form: NextLink) -> str:
    """The same request for another page. The document's samples end in `$skip` and `$top`."""
    kept = [(name, value) for name, value in request.query if name not in ("$skip", "$top")]
    query = urlencode(
        [*kept, ("$skip", skip), ("$top", top)],
        safe=":" if form is NextLink.ENCODED else "$:",
        quote_via=quote,
    )
    host = request.headers.get("host", "api.k6.io")
    origin = {
        NextLink.HTTP: f"http://{host}",
        NextLink.RELATIVE: "",
        NextLink.OTHER_HOST: "https://elsewhere.example.com",
    }.get(form, f"{request.scheme}://{host}")
    return f"{origin}{request.path}?{query}"


def _get_integer(request: Request, name: str, default: int, *, smallest: int) -> int:
    text = request.value(name)
    number = default if text is None else parse_integer(text)
    if number is None or number < smallest:
        raise invalid(name, f"An integer of at least {smallest} is required.")
    return number


def get_flag(request: Request, name: str) -> bool | None:
    """True for true or 1, False for false or 0, None without the parameter."""
    text = request.value(name)
    if text is None:
        return None
    if text.lower() not in {"true", "1", "false", "0"}:
        raise invalid(name, "A valid boolean is required.")
    return text.lower() in {"true", "1"}


def get_time(request: Request, name: str) -> float | None:
    """A time in Unix seconds. A time without a zone is refused, since RFC 3339 has none."""
    text = request.value(name)
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            return time.astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        pass
    # Often a + that was not percent-encoded and arrives as a space.
    raise invalid(name, "A date and time with a zone is required.")


def sort_items(items: list[T], request: Request, keys: Mapping[str, Key[T]]) -> list[T]:
    """Sorted by the fields that `$orderby` lists, each ascending unless `desc` follows it."""
    order = request.value("$orderby")
    if order is None:
        return items
    for part in reversed(order.split(",")):
        field, _, direction = part.strip().partition(" ")
        if field not in keys or direction not in {"", "asc", "desc"}:
            raise invalid("$orderby", f"Cannot order by {part.strip()}.")
        items = sorted(items, key=keys[field], reverse=direction == "desc")
    return items
