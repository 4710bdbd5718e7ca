"""Lists as the v6 API wraps them: `value`, `@count` on request, `@nextLink` while more is to come."""

from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import quote, urlencode

from exporter.simulator.http import Item, Request, Response
from exporter.simulator.options import NextLink, V6Options
from exporter.simulator.v6.errors import invalid
from exporter.simulator.v6.parameters import flag, whole

Thing = TypeVar("Thing")


def page(
    request: Request, things: Sequence[Thing], tell: Callable[[Thing], Item], options: V6Options
) -> Response:
    """The page that `$skip` and `$top` ask for."""
    skip = whole(request, "$skip", default=0, smallest=0)
    top = _top(request, options)
    envelope: Item = {}
    if flag(request, "$count"):
        envelope["@count"] = str(len(things)) if options.count_as_string else len(things)
    link = _next_link(request, skip, top, more=skip + top < len(things), form=options.next_link)
    if link is not None:
        envelope["@nextLink"] = link
    return Response(body=envelope | {"value": [tell(thing) for thing in things[skip : skip + top]]})


def _top(request: Request, options: V6Options) -> int:
    # No document says what $top=0 means; refused, since the link to its next page would go on for ever.
    top = whole(request, "$top", default=options.max_top, smallest=1)
    if top > options.max_top and not options.clamp_top:
        raise invalid("$top", f"At most {options.max_top}.")
    return min(top, options.max_top)


def _next_link(request: Request, skip: int, top: int, *, more: bool, form: NextLink) -> str | None:
    if form is NextLink.LOOP:
        return _link(request, skip, top, form)
    if more:
        return _link(request, skip + top, top, form)
    return "" if form is NextLink.EMPTY_AT_END else None


def _link(request: Request, skip: int, top: int, form: NextLink) -> str:
    """The same question from another page on; the document's samples end in `$skip` and `$top`."""
    kept = [(name, value) for name, value in request.query if name not in ("$skip", "$top")]
    query = urlencode(
        [*kept, ("$skip", skip), ("$top", top)],
        safe=":" if form is NextLink.ENCODED else "$:",
        quote_via=quote,
    )
    scheme, host = request.scheme, request.headers.get("host", "api.k6.io")
    origin = {
        NextLink.HTTP: f"http://{host}",
        NextLink.RELATIVE: "",
        NextLink.FOREIGN: "https://elsewhere.example.com",
    }.get(form, f"{scheme}://{host}")
    return f"{origin}{request.path}?{query}"
