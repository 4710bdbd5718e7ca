"""The Grafana Cloud stack of requests to v6: its ID, or its URL, for which k6 Cloud returns the ID."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from exporter.k6.errors import ApiError, BadRequest, DecodeError, Forbidden, NotFound

AUTH = "/cloud/v6/auth"


class AuthBody(msgspec.Struct):
    """The response of AUTH: https://github.com/grafana/k6-cloud-openapi-client-go."""

    stack_id: int


class Stack:
    """The stack that requests are about. `id` is None until a URL is resolved, and without a stack."""

    def __init__(self, configured: int | str | None) -> None:
        self.url = configured if isinstance(configured, str) else ""
        self.id = configured if isinstance(configured, int) else None
        self._lock = asyncio.Lock()
        self._failure: ApiError | None = None  # the last one

    def headers(self) -> dict[str, str]:
        """The header that names the stack; AUTH is the only request that takes the URL."""
        if self.id is not None:
            return {"X-Stack-Id": str(self.id)}
        return {"X-Stack-Url": self.url} if self.url else {}

    async def resolve(self, get: Callable[[str], Awaitable[bytes]]) -> None:
        """Requests the ID with `get`, once for all that wait at the same time. Raises ApiError."""
        known = self._failure
        async with self._lock:
            if self._failure and self._failure is not known:
                # It failed while this request waited. Trying once for each would take minutes.
                raise type(self._failure)(str(self._failure)) from self._failure
            if self.id is None:
                try:
                    self.id = parse_stack_id(await get(AUTH))
                except ApiError as error:
                    self._failure = self._explain(error)
                    raise self._failure from error

    def _explain(self, error: ApiError) -> ApiError:
        if not isinstance(error, BadRequest | Forbidden | NotFound):
            return error
        # Not with the words of the error, whose advice is about tests.
        return type(error)(
            f"k6 Cloud finds no stack {self.url} for this token; check api.stack or K6_CLOUD_STACK_ID, and "
            "that the token is for this stack"
        )


def parse_stack_id(body: bytes) -> int:
    """The ID in the response of AUTH. Raises DecodeError."""
    try:
        return msgspec.json.decode(body, type=AuthBody).stack_id
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DecodeError(f"{AUTH}: the response has no stack_id: {error}") from error
