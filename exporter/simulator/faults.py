"""What can go wrong between a client and k6 Cloud, each on request and without chance.

A fault is a value: which requests it strikes, how many of them, and what becomes of their answer. Several
faults strike the same request together, in the order they were added. An example:

    faults.add(error(503, retry_after=2).on("/loadtests/v2/runs?*test_id=7*", times=3))
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from fnmatch import fnmatchcase

from exporter.simulator import legacy, shapes, v6
from exporter.simulator.http import Item, Request, Response

Spoil = Callable[[Request, Response], Response]
_HTML = (
    b"<!DOCTYPE html><html><head><title>Error</title></head><body><h1>Something went wrong</h1></body></html>"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of the answers to matching requests.

    instead: the request is answered by the fault alone and is never acted on.
    rewrite: what the request becomes before it is answered.
    path: a shell pattern (`*`, `?`, `[...]`) for the path, or for the path and its query, decoded.
    times: how many matching requests it strikes; None: all of them until it is cleared.
    """

    spoil: Spoil
    instead: bool = False
    rewrite: Callable[[Request], Request] | None = None
    path: str = "*"
    method: str = "*"
    times: int | None = None

    def on(self, path: str = "*", *, method: str = "*", times: int | None = None) -> "Fault":
        """The same fault for these requests only."""
        return replace(self, path=path, method=method, times=times)

    def strikes(self, request: Request) -> bool:
        if not fnmatchcase(request.method, self.method):
            return False
        return fnmatchcase(request.path, self.path) or fnmatchcase(request.target, self.path)

    def once_less(self) -> "Fault":
        return self if self.times is None else replace(self, times=self.times - 1)


class Faults:
    """The faults in force."""

    def __init__(self) -> None:
        self._in_force: list[Fault] = []

    def __len__(self) -> int:
        return len(self._in_force)

    def add(self, *faults: Fault) -> None:
        self._in_force.extend(faults)

    def clear(self) -> None:
        self._in_force.clear()

    def striking(self, request: Request) -> list[Fault]:
        """The faults that strike this request; each has one time less afterwards."""
        striking = [fault for fault in self._in_force if fault.strikes(request)]
        left = (fault.once_less() if fault in striking else fault for fault in self._in_force)
        self._in_force = [fault for fault in left if fault.times != 0]
        return striking


def error(
    status: int,
    *,
    message: str = "Something went wrong",
    code: int | str | None = None,
    html: bool = False,
    retry_after: int | None = None,
    retry_after_as_date: bool = False,
) -> Fault:
    """An error status with a JSON body in the words of the API that was asked, or an HTML body.

    retry_after: in seconds, sent as number or as date. code: legacy has numbers and v6 has words.
    """

    def spoil(request: Request, _: Response) -> Response:
        told = _worded(request, status, message, code)
        if html:
            told = Response(status, raw=_HTML, content_type="text/html")
        if retry_after is None:
            return told
        date = format_datetime(datetime.fromtimestamp(request.at + retry_after, UTC), usegmt=True)
        return replace(told, headers=(("retry-after", date if retry_after_as_date else str(retry_after)),))

    return Fault(spoil, instead=True)


def _worded(request: Request, status: int, message: str, code: int | str | None) -> Response:
    if v6.is_for(request):
        return v6.error(status, message, None if code is None else str(code))
    return legacy.error(status, message, None if code is None else int(code))


def redirect(location: str, *, status: int = 302) -> Fault:
    """Sent elsewhere, for example to another host."""
    told = Response(status, raw=b"", headers=(("location", location),))
    return Fault(lambda _asked, _answer: told, instead=True)


def not_json() -> Fault:
    """200, said to be JSON, and a web page."""
    return Fault(lambda _, answer: replace(answer, raw=_HTML))


def content_type(value: str = "text/html") -> Fault:
    """The right body under a wrong name."""
    return Fault(lambda _, answer: replace(answer, content_type=value))


def empty_body() -> Fault:
    return Fault(lambda _, answer: replace(answer, raw=b""))


def cut_json() -> Fault:
    """Half of the body, announced as if it were all."""
    return Fault(lambda _, answer: replace(answer, raw=answer.payload[: len(answer.payload) // 2]))


def truncated() -> Fault:
    """The whole body is announced, half of it arrives, then the connection closes."""
    return _delivery(lambda answer: replace(answer.delivery, cut=True))


def slow(*, before: float = 0.0, between: float = 0.0) -> Fault:
    """Seconds of waiting before the headers, and between headers and body."""
    return _delivery(lambda answer: replace(answer.delivery, before=before, between=between))


def hang() -> Fault:
    """The request is never answered, nor acted on."""
    return _delivery(lambda answer: replace(answer.delivery, hang=True), instead=True)


def reset() -> Fault:
    """The connection is reset before anything is sent; the request is not acted on."""
    return _delivery(lambda answer: replace(answer.delivery, reset=True), instead=True)


def field(name: str, value: object) -> Fault:
    """This value in every object told that has the field, and in the envelope, whatever the truth.

    A status code nobody knows, a word in place of a number, null: `field("run_status", 42)`,
    `field("@nextLink", "")`.
    """
    return _body(lambda body: shapes.with_field(body, name, value))


def replaced_word(old: str, new: str) -> Fault:
    """Another word wherever a text is exactly `old`: `replaced_word("running", "paused")`."""
    return _body(lambda body: shapes.with_word(body, old, new))


def missing_field(name: str) -> Fault:
    """Every object told lacks this field, and so does the envelope."""
    return _body(lambda body: shapes.without_field(body, name))


def numbers_as_strings() -> Fault:
    return _body(shapes.with_numbers_as_strings)


def invalid_item() -> Fault:
    """The first object of the page is not an object at all."""
    return _page(lambda page: ["unreadable", *page[1:]])


def unexpected_run() -> Fault:
    """Among the runs of one test comes one of another: a copy of the page's last, with other ids."""
    return _page(lambda page: [*page, *(_stranger(item) for item in page[-1:])])


def duplicate() -> Fault:
    """The first object of the page comes a second time at its end."""
    return _page(lambda page: page + page[:1])


def empty_page() -> Fault:
    """A page without objects, whatever its count says."""
    return _page(lambda _: [])


def repeated_page() -> Fault:
    """Whatever page is asked for, the first one is told."""
    return Fault(lambda _, answer: answer, rewrite=_without_page)


_BY_KIND: dict[str, Callable[..., Fault]] = {
    make.__name__: make
    for make in (
        error,
        redirect,
        not_json,
        content_type,
        empty_body,
        cut_json,
        truncated,
        slow,
        hang,
        reset,
        field,
        replaced_word,
        missing_field,
        numbers_as_strings,
        invalid_item,
        unexpected_run,
        duplicate,
        empty_page,
        repeated_page,
    )
}


def from_json(told: object) -> list[Fault]:
    """Faults as they are put over HTTP; ValueError says which is wrong.

    Each is an object with the name of a function above, its arguments, and those of `Fault.on`:
    `{"kind": "error", "status": 503, "retry_after": 2, "path": "/loadtests/v2/runs*", "times": 3}`.
    """
    if not isinstance(told, list) or not all(isinstance(item, Mapping) for item in told):
        raise ValueError("faults are a list of objects")
    return [_from_item(dict(item)) for item in told]


def _from_item(item: Item) -> Fault:
    path, method, times = item.pop("path", "*"), item.pop("method", "*"), item.pop("times", None)
    if not isinstance(path, str):
        raise ValueError(f"path: {path!r} is not a string")
    if not isinstance(method, str):
        raise ValueError(f"method: {method!r} is not a string")
    if times is not None and not isinstance(times, int):
        raise ValueError(f"times: {times!r} is not a whole number")
    make = _BY_KIND.get(str(item.pop("kind", None)))
    if make is None:
        raise ValueError(f"the kind of a fault is one of {', '.join(_BY_KIND)}")
    try:
        return make(**item).on(path, method=method, times=times)
    except TypeError as wrong:
        raise ValueError(str(wrong)) from wrong


def _delivery(change: Callable[[Response], object], *, instead: bool = False) -> Fault:
    return Fault(lambda _, answer: replace(answer, delivery=change(answer)), instead=instead)  # type: ignore[arg-type]


def _body(change: Callable[[object], object]) -> Fault:
    """Only what is told in JSON and in success is changed."""

    def spoil(_: Request, answer: Response) -> Response:
        return replace(answer, body=change(answer.body)) if answer.status < 400 else answer

    return Fault(spoil)


def _page(change: Callable[[shapes.Page], shapes.Page]) -> Fault:
    return _body(lambda body: shapes.on_page(body, change))


def _stranger(item: object) -> object:
    if not isinstance(item, dict):
        return item
    return item | {name: item[name] + 77 for name in ("id", "test_id") if name in item}


def _without_page(request: Request) -> Request:
    return replace(request, query=tuple(it for it in request.query if it[0] not in ("page", "$skip")))


def spoiled(answer: Response, request: Request, faults: Iterable[Fault]) -> Response:
    for fault in faults:
        answer = fault.spoil(request, answer)
    return answer
