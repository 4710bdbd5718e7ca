"""One authenticated question to k6 Cloud, asked as often as it takes and not more often than allowed.

The border: httpx and its errors are known on this side only.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import UTC
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Protocol

import httpx

from exporter.clock import Clock
from exporter.k6 import decoding as body
from exporter.k6.errors import (
    ApiError,
    BadRequest,
    Conflict,
    DecodeError,
    Forbidden,
    NetworkError,
    NotFound,
    RateLimited,
    RequestTimeout,
    ServerError,
    Unauthorized,
)
from exporter.nesting import parse_json

Params = Sequence[tuple[str, str | int]]

MAX_TRIES = 3
FIRST_BACKOFF = 0.5  # seconds before the second try, doubled before each further one
MAX_BACKOFF = 30.0  # seconds; a longer Retry-After ends the question and holds back those after it
MAX_RETRY_AFTER = 3600.0  # seconds; a Retry-After beyond an hour is taken for a mistake
MAX_ERROR_BODY = 2**16  # bytes of the body of a refusal; a longer one explains nothing


class RateLimiter:
    """Lets at most `per_minute` requests go in any 60 seconds: a sliding window that no burst can exceed."""

    def __init__(self, per_minute: int, clock: Clock, previous: "RateLimiter | None" = None) -> None:
        self._clock = clock
        self.send_times: deque[float] = deque(previous.send_times if previous else (), maxlen=per_minute)

    async def acquire(self) -> None:
        """Take the next free place and sleep until it comes."""
        now = self._clock.monotonic()
        full = len(self.send_times) == self.send_times.maxlen
        departure = max(now, self.send_times[0] + 60) if full else now
        self.send_times.append(departure)
        if departure > now:
            await self._clock.sleep(departure - now)


class RequestObserver(Protocol):
    """Who is told of each request: its template, its HTTP status (or timeout or network), its seconds."""

    def observe_request(self, endpoint: str, code: str, took: float) -> None: ...

    def count_retry(self) -> None: ...

    def count_throttled(self) -> None: ...


class NullObserver:
    """A witness for who keeps no metrics."""

    def observe_request(self, endpoint: str, code: str, took: float) -> None: ...

    def count_retry(self) -> None: ...

    def count_throttled(self) -> None: ...


class Transport:
    """Asks k6 Cloud: authenticates, bounds concurrency and rate, retries what may pass, names what may not.

    `client` carries the base URL; a path is all that is ever added to it, and redirects are not followed, so
    the token goes to no other host. `authorize` makes the headers anew for each try: a rotated token is used
    at once. It may raise Unauthorized. `after` is the transport in whose place this one steps: requests that
    went through it count, and what k6 Cloud has asked of it holds.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        authorize: Callable[[], dict[str, str]],
        *,
        clock: Clock,
        timeout: float,
        concurrency: int,
        requests_per_minute: int,
        observer: RequestObserver,
        previous: "Transport | None" = None,
    ) -> None:
        # A cookie is of no use here, and one that is not ASCII would break every request after it.
        client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
        self._client = client
        self._authorize = authorize
        self._clock = clock
        self._timeout = timeout
        self._semaphore = asyncio.Semaphore(concurrency)
        self.rate_limiter: RateLimiter = RateLimiter(
            requests_per_minute, clock, previous.rate_limiter if previous else None
        )
        self._observer = observer
        self.server_time: float | None = None  # Unix seconds by k6 Cloud's own clock, when it last answered
        # Monotonic; set by Retry-After, holds for all questions.
        self.retry_after_until: float = previous.retry_after_until if previous else float("-inf")

    async def get(self, endpoint: str, params: Params = (), **ids: int) -> bytes:
        """Ask until answered or out of tries; `endpoint` is a template such as /runs/{id}, filled from `ids`.

        Raises ApiError.
        """
        for pause in (FIRST_BACKOFF * 2**n for n in range(MAX_TRIES - 1)):
            try:
                return await self._try("GET", endpoint, params, ids)
            except (RateLimited, ServerError, RequestTimeout, NetworkError):
                # Jitter: exporters that failed together must not come back together.
                pause *= random.uniform(0.5, 1.5)  # noqa: S311, PLW2901
                if self._retry_after_remaining() > MAX_BACKOFF:
                    raise
                self._observer.count_retry()
            await self._clock.sleep(max(pause, self._retry_after_remaining()))
        return await self._try("GET", endpoint, params, ids)

    async def yield_to_loop(self) -> None:
        """Let everything else have its turn, in the midst of work that is long."""
        await self._clock.sleep(0)

    async def _try(self, method: str, endpoint: str, params: Params, ids: dict[str, int]) -> bytes:
        async with self._semaphore:
            await self._wait_for_turn()
            response, told = await self._send(method, endpoint, params, ids)
        if response.status_code in (429, 503):
            self._apply_retry_after(response)
        if not response.is_success:
            raise error_for_response(response, told, f"{method} {endpoint}")
        return told

    async def _wait_for_turn(self) -> None:
        heeded = None
        while heeded != self.retry_after_until:
            # The budget can hold back for a minute; another question may be told to wait meanwhile.
            heeded = self.retry_after_until
            await self._wait_retry_after()
            await self.rate_limiter.acquire()

    async def _wait_retry_after(self) -> None:
        silence = self._retry_after_remaining()
        if silence > MAX_BACKOFF:
            raise RateLimited(f"k6 Cloud asked not to be asked for another {silence:.0f}s")
        if silence > 0:
            await self._clock.sleep(silence)

    def _retry_after_remaining(self) -> float:
        return self.retry_after_until - self._clock.monotonic()

    def _apply_retry_after(self, response: httpx.Response) -> None:
        if response.status_code == 429:
            self._observer.count_throttled()
        wait = retry_after(response.headers.get("Retry-After"), self._clock.time())
        self.retry_after_until = max(self.retry_after_until, self._clock.monotonic() + wait)

    async def _send(
        self, method: str, endpoint: str, params: Params, ids: dict[str, int]
    ) -> tuple[httpx.Response, bytes]:
        headers = {"Accept-Encoding": body.ACCEPTED} | self._authorize()
        request = self._client.build_request(
            method, endpoint.format(**ids), params=list(params) or None, headers=headers
        )
        where = f"{method} {endpoint}"
        began, code = self._clock.monotonic(), "network"
        try:
            # httpx bounds each read; a body that drips for ever needs a bound on the whole.
            async with asyncio.timeout(self._timeout):
                response = await self._client.send(request, stream=True, follow_redirects=False)
                async with aclosing(response):
                    told = await read_body(response)
            code = str(response.status_code)
            self.server_time = date_of(response) or self.server_time
        except (TimeoutError, httpx.TimeoutException) as error:
            code = "timeout"
            raise RequestTimeout(f"no answer to {where} within {self._timeout:g}s") from error
        except (body.BodyTooLarge, body.DecodingError) as error:
            code = str(response.status_code)
            raise DecodeError(f"{where}: the body is {_sanitize(str(error), request)}") from error
        except httpx.TransportError as error:
            raise NetworkError(
                f"{where}: {_sanitize(str(error), request) or type(error).__name__}"
            ) from error
        finally:
            self._observer.observe_request(endpoint, code, self._clock.monotonic() - began)
        return response, told


async def read_body(response: httpx.Response) -> bytes:
    """The body; of a refusal, whose status says all, only if it comes as it should.

    Raises TooLong, WronglyEncoded and what httpx raises.
    """
    coding = response.headers.get("Content-Encoding", "")
    if response.is_success:
        return await body.read(response, coding)
    try:
        return await body.read(response, coding, most=MAX_ERROR_BODY)
    except (body.BodyTooLarge, body.DecodingError, httpx.TransportError):
        return b""


def retry_after(header: str | None, now: float) -> float:
    """Seconds that a Retry-After header asks to wait, given as seconds or as an HTTP date; 0 without one."""
    if header is None:
        return 0.0
    try:
        wait = float(header) if header.strip().isdigit() else http_date(header) - now
    except (ValueError, OverflowError):
        return 0.0
    return min(max(wait, 0.0), MAX_RETRY_AFTER)


def date_of(response: httpx.Response) -> float | None:
    """The moment at which a response was made, by the server's clock, in Unix seconds."""
    try:
        return http_date(response.headers["Date"])
    except (KeyError, ValueError, OverflowError):
        return None


def http_date(text: str) -> float:
    """Unix seconds of an HTTP date; one without a zone is UTC."""
    read = parsedate_to_datetime(text)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


REFUSALS: dict[int, tuple[type[ApiError], str]] = {
    400: (BadRequest, "k6 Cloud does not understand the question {at}"),
    401: (
        Unauthorized,
        "k6 Cloud refuses the token {at}; "
        "put a valid one into K6_CLOUD_TOKEN, or into the file that api.token_file names",
    ),
    403: (
        Forbidden,
        "the token may not do this {at}; "
        "use one that may see these tests, or configure only tests that it may see",
    ),
    404: (NotFound, "k6 Cloud knows no such thing, or not for this token {at}"),
    409: (Conflict, "k6 Cloud cannot do this now {at}"),
    429: (RateLimited, "k6 Cloud is asked too often {at}; lower api.requests_per_minute"),
}
IN_TROUBLE = (ServerError, "k6 Cloud is in trouble {at}")
REDIRECTED = (
    ApiError,
    "k6 Cloud redirects {at}; so that the token stays home this is not followed: "
    "set api.url to the API's own address",
)
REFUSED = (ApiError, "k6 Cloud refuses {at}")


def error_for_response(response: httpx.Response, told: bytes, where: str) -> ApiError:
    """The error that a response and its body stand for, in a sentence that says what to do."""
    status = response.status_code
    otherwise = REDIRECTED if response.has_redirect_location else IN_TROUBLE if status >= 500 else REFUSED
    error, sentence = REFUSALS.get(status, otherwise)
    return error(sentence.format(at=f"({status} at {where}{_error_message(told, response.request)})"))


def _error_message(told: bytes, request: httpx.Request) -> str:
    """What the body says, as both generations phrase it: {"error": {"message": ...}}; else nothing."""
    try:
        parsed: Any = parse_json(told)
        message = str(parsed["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {_sanitize(message, request)}" if message else ""


def _sanitize(text: str, request: httpx.Request) -> str:
    """What a server said, as one printable line of bounded length."""
    # A server may echo what it was sent. The token must not come back through a log.
    _, _, token = request.headers.get("Authorization", "").partition(" ")
    if token:
        text = text.replace(token, "***")
    return "".join(c if c.isprintable() else " " for c in text)[:200].strip()
