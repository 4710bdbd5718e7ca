"""A request as it came and an answer as it will be sent: plain values, nothing of a socket in them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

Item = dict[str, object]


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `at` is when it came, in Unix seconds; header names are lower case.

    scheme: http or https, as the server was reached.
    """

    at: float
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    scheme: str = "http"

    @property
    def target(self) -> str:
        """Path and query as a person would type them, nothing percent-encoded."""
        typed = "&".join(f"{name}={value}" for name, value in self.query)
        return f"{self.path}?{typed}" if typed else self.path

    def values(self, *names: str) -> list[str]:
        return [value for name, value in self.query if name in names]

    def value(self, *names: str) -> str | None:
        """The last value given under any of these names."""
        return next(reversed(self.values(*names)), None)


@dataclass(frozen=True, slots=True)
class ResponseFault:
    """How an answer travels: seconds of waiting before the headers and before the body, or something worse.

    hang: nothing is ever sent. reset: the connection breaks before anything is sent. cut: it breaks within
    the body.
    """

    before: float = 0.0
    between: float = 0.0
    hang: bool = False
    reset: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """One answer: a JSON value in `body`, unless `raw` holds the bytes themselves."""

    status: int = 200
    body: object = None
    raw: bytes | None = None
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    delivery: ResponseFault = ResponseFault()

    @property
    def payload(self) -> bytes:
        return json.dumps(self.body, ensure_ascii=False).encode() if self.raw is None else self.raw


class HTTPError(Exception):
    """Ends the handling of a request; its answer is what the client gets."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status)
        self.answer = answer
