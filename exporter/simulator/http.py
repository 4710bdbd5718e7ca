"""Requests and responses as plain values, without sockets."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

Item = dict[str, object]


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `at` is when it arrived, in Unix seconds; header names are lower case.

    scheme: http or https, as the client reached the server.
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
        """Path and query without percent-encoding."""
        query = "&".join(f"{name}={value}" for name, value in self.query)
        return f"{self.path}?{query}" if query else self.path

    def values(self, *names: str) -> list[str]:
        return [value for name, value in self.query if name in names]

    def value(self, *names: str) -> str | None:
        """The last value given under any of these names."""
        return next(reversed(self.values(*names)), None)


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a response is sent: seconds to wait before the headers and between headers and body, or a failure.

    hang: nothing is ever sent. reset: the connection is reset before anything is sent. cut: the connection
    closes in the middle of the body.
    """

    before: float = 0.0
    between: float = 0.0
    hang: bool = False
    reset: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """One response: a JSON value in `body`, unless `raw` holds the bytes themselves."""

    status: int = 200
    body: object = None
    raw: bytes | None = None
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    delivery: Delivery = Delivery()

    @property
    def payload(self) -> bytes:
        return json.dumps(self.body, ensure_ascii=False).encode() if self.raw is None else self.raw


@dataclass(eq=False)
class HTTPError(Exception):
    """Ends the handling of a request. Each API turns it into a body of its own form.

    target: the parameter, header or field that is wrong; `reason` says why. code: replaces the one that
    goes with the status in the legacy API.
    """

    status: int
    message: str
    target: str = ""
    reason: str = ""
    code: int | None = None
    headers: tuple[tuple[str, str], ...] = ()


def not_found() -> HTTPError:
    return HTTPError(404, "Not found")


def invalid(target: str, reason: str) -> HTTPError:
    return HTTPError(400, "Validation error", target, reason)


def parse_integer(text: str) -> int | None:
    """The integer that a text is, or None."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None
