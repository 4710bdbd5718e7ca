"""What can go wrong between a client and k6 Cloud, on demand and without randomness.

A fault is a value: which requests it applies to, how many of them, and how it changes their responses.
Several faults apply to the same request in the order in which they were added. An example:

    faults.add(error(503, retry_after=2).on("/loadtests/v2/runs?*test_id=7*", times=3))
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from fnmatch import fnmatchcase

from exporter.simulator.apis import find_api
from exporter.simulator.http import HTTPError, Item, Request, Response
from exporter.simulator.shapes import map_objects, map_page, map_values

_HTML = (
    b"<!DOCTYPE html><html><head><title>Error</title></head><body><h1>Something went wrong</h1></body></html>"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """How the responses to matching requests change.

    instead: the fault alone answers the request, which is never acted on.
    rewrite: changes the request before it is handled.
    path: a shell pattern (`*`, `?`, `[...]`) for the path, or for the path and its query, decoded.
    times: how many matching requests it applies to; None: all of them until it is cleared.
    """

    change: Callable[[Request, Response], Response]
    instead: bool = False
    rewrite: Callable[[Request], Request] | None = None
    path: str = "*"
    method: str = "*"
    times: int | None = None

    def on(self, path: str = "*", *, method: str = "*", times: int | None = None) -> "Fault":
        """The same fault for these requests only."""
        return replace(self, path=path, method=method, times=times)

    def matches(self, request: Request) -> bool:
        if not fnmatchcase(request.method, self.method):
            return False
        return fnmatchcase(request.path, self.path) or fnmatchcase(request.target, self.path)


class Faults:
    """The active faults."""

    def __init__(self) -> None:
        self._active: list[Fault] = []

    def __len__(self) -> int:
        return len(self._active)

    def add(self, *faults: Fault) -> None:
        self._active.extend(faults)

    def clear(self) -> None:
        self._active.clear()

    def take_matching(self, request: Request) -> list[Fault]:
        """The faults that apply to this request. Each of them has one time less afterwards."""
        matching = [fault for fault in self._active if fault.matches(request)]
        remaining = (
            replace(fault, times=fault.times - 1) if fault in matching and fault.times else fault
            for fault in self._active
        )
        self._active = [fault for fault in remaining if fault.times != 0]
        return matching


def error(
    status: int,
    *,
    message: str = "Something went wrong",
    html: bool = False,
    retry_after: int | None = None,
    retry_after_as_date: bool = False,
) -> Fault:
    """An error status with a JSON body in the form of the requested API, or with an HTML body.

    retry_after: in seconds, sent as a number or as a date.
    """

    def change(request: Request, _: Response) -> Response:
        response = find_api(request).error_response(HTTPError(status, message))
        if html:
            response = Response(status, raw=_HTML, content_type="text/html")
        if retry_after is None:
            return response
        # RFC 9110 (10.2.3) allows both forms, and a client must read both.
        date = format_datetime(datetime.fromtimestamp(request.at + retry_after, UTC), usegmt=True)
        header = ("retry-after", date if retry_after_as_date else str(retry_after))
        return replace(response, headers=(header,))

    return Fault(change, instead=True)


def redirect(location: str, *, status: int = 302) -> Fault:
    """A redirect, for example to another host."""
    response = Response(status, raw=b"", headers=(("location", location),))
    return Fault(lambda *_: response, instead=True)


def header(name: str, value: str) -> Fault:
    """A header with this value, such as a wrong `date`."""

    def change(_: Request, response: Response) -> Response:
        others = tuple(it for it in response.headers if it[0] != name)
        return replace(response, headers=(*others, (name, value)))

    return Fault(change)


def not_json() -> Fault:
    """200 with the content type of JSON and the body of a web page."""
    return Fault(lambda _, response: replace(response, raw=_HTML))


def content_type(value: str = "text/html") -> Fault:
    """The correct body with a wrong content type."""
    return Fault(lambda _, response: replace(response, content_type=value))


def empty_body() -> Fault:
    return Fault(lambda _, response: replace(response, raw=b""))


def cut_json() -> Fault:
    """The first half of the body, with a Content-Length that matches."""
    return Fault(lambda _, response: replace(response, raw=response.payload[: len(response.payload) // 2]))


def truncated() -> Fault:
    """The Content-Length of the whole body, half of the body, then the connection closes."""
    return _deliver(cut=True)


def slow(*, before: float = 0.0, between: float = 0.0) -> Fault:
    """Seconds to wait before the headers, and between headers and body."""
    return _deliver(before=before, between=between)


def hang() -> Fault:
    """The request is never answered, nor acted on."""
    return replace(_deliver(hang=True), instead=True)


def reset() -> Fault:
    """The connection is reset before anything is sent; the request is not acted on."""
    return replace(_deliver(reset=True), instead=True)


def field(name: str, value: object) -> Fault:
    """This value in every object that has the field, and in the envelope.

    An unknown status code, a word instead of a number, null: `field("run_status", 42)`,
    `field("@nextLink", "")`.
    """
    return _change_objects(lambda item: item | {name: value} if name in item else item)


def replaced_word(old: str, new: str) -> Fault:
    """Another word wherever a text is exactly `old`: `replaced_word("running", "paused")`."""
    return _change_body(lambda body: map_values(body, lambda value: new if value == old else value))


def missing_field(name: str) -> Fault:
    """Every object lacks this field, and so does the envelope."""
    return _change_objects(lambda item: {key: value for key, value in item.items() if key != name})


def unknown_keys() -> Fault:
    """A key that is in no document, in the envelope and in each object."""
    return _change_objects(lambda item: item | {"undocumented": {"added": [1, "two", None]}})


def numbers_as_strings() -> Fault:
    def quote(value: object) -> object:
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value

    return _change_body(lambda body: map_values(body, quote))


def invalid_item() -> Fault:
    """The first item of the page is a text instead of an object."""
    return _change_page(lambda page: ["invalid", *page[1:]])


def unexpected_run() -> Fault:
    """A run of another test in the list of one: a copy of the page's last, with other ids."""

    def change_ids(item: object) -> object:
        if not isinstance(item, dict):
            return item
        return item | {name: item[name] + 77 for name in ("id", "test_id") if name in item}

    return _change_page(lambda page: [*page, *(change_ids(item) for item in page[-1:])])


def duplicate() -> Fault:
    """The first object of the page comes again at its end."""
    return _change_page(lambda page: page + page[:1])


def empty_page() -> Fault:
    """A page without objects, despite its count."""
    return _change_page(lambda _: [])


def repeated_page() -> Fault:
    """The first page, whichever page is requested."""

    def rewrite(request: Request) -> Request:
        # A client that follows links without a check would never finish.
        kept = tuple(it for it in request.query if it[0] not in ("page", "$skip"))
        return replace(request, query=kept)

    return Fault(lambda _, response: response, rewrite=rewrite)


_BY_KIND: dict[str, Callable[..., Fault]] = {
    make.__name__: make
    for make in (
        *(error, redirect, header, not_json, content_type, empty_body, cut_json, truncated, slow, hang),
        *(
            reset,
            field,
            replaced_word,
            missing_field,
            unknown_keys,
            numbers_as_strings,
            invalid_item,
            unexpected_run,
        ),
        *(duplicate, empty_page, repeated_page),
    )
}


def from_json(body: object) -> list[Fault]:
    """Faults from the JSON that the control path receives; ValueError says which is wrong.

    Each is an object with the name of a function above, its arguments, and those of `Fault.on`:
    `{"kind": "error", "status": 503, "retry_after": 2, "path": "/loadtests/v2/runs*", "times": 3}`.
    """
    if not isinstance(body, list) or not all(isinstance(item, Mapping) for item in body):
        raise ValueError("faults must be a list of objects")
    return [_from_item(dict(item)) for item in body]


def _from_item(item: Item) -> Fault:
    path, method, times = item.pop("path", "*"), item.pop("method", "*"), item.pop("times", None)
    if not isinstance(path, str):
        raise ValueError(f"path: {path!r} is not a string")
    if not isinstance(method, str):
        raise ValueError(f"method: {method!r} is not a string")
    if times is not None and not isinstance(times, int):
        raise ValueError(f"times: {times!r} is not an integer")
    make = _BY_KIND.get(str(item.pop("kind", None)))
    if make is None:
        raise ValueError(f"the kind of a fault must be one of {', '.join(_BY_KIND)}")
    try:
        return make(**item).on(path, method=method, times=times)
    except TypeError as error:
        raise ValueError(str(error)) from error


def _deliver(**changes: float) -> Fault:
    return Fault(
        lambda _, response: replace(response, delivery=replace(response.delivery, **changes))  # type: ignore[arg-type]
    )


def _change_body(change: Callable[[object], object]) -> Fault:
    """Only the JSON of a success changes."""

    def change_success(_: Request, response: Response) -> Response:
        return replace(response, body=change(response.body)) if response.status < 400 else response

    return Fault(change_success)


def _change_page(change: Callable[[list[object]], list[object]]) -> Fault:
    return _change_body(lambda body: map_page(body, change))


def _change_objects(change: Callable[[Item], Item]) -> Fault:
    return _change_body(lambda body: map_objects(body, change))
