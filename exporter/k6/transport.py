"""Authenticated requests to k6 Cloud, with retries, a rate limit and bounds.

This is the border to httpx: its errors become ours here, and are not known elsewhere.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Protocol

import httpx

from exporter.clock import Clock
from exporter.k6 import decoding, errors
from exporter.k6.connection_errors import Explanation, Target, explain, explain_proxy_status
from exporter.k6.http import HttpClient, Params
from exporter.k6.proxies import Proxy, ProxyError, is_loopback
from exporter.k6.stack import AUTH, Stack
from exporter.k6.status_errors import error_for_status, parse_message, sanitize
from exporter.k6.tls import CaError

log = logging.getLogger(__name__)

NO_HEADERS: Mapping[str, str] = MappingProxyType({})

# As many tries and the same first pause as in k6 itself, https://github.com/grafana/k6. All pauses together
# take about two seconds, which is little of the time that a poll has.
MAX_TRIES = 3
FIRST_BACKOFF = 0.5  # seconds before the second try, doubled before each further one
# A longer pause would use up too much of a poll's deadline.
MAX_BACKOFF = 30.0  # seconds; a longer Retry-After fails the request and those after it
MAX_RETRY_AFTER = 3600.0  # seconds; a longer Retry-After is taken for a mistake
MAX_ERROR_BODY = 2**16  # bytes of the body of an error; a longer one explains nothing
# A check of this many bytes takes a millisecond, which scrapes can wait for; more is checked in a thread.
MAX_CHECKED_ON_LOOP = 2**18


class RateLimiter:
    """Lets at most `per_minute` requests go in any 60 seconds: a sliding window that no burst can exceed.

    It continues the window of `previous`, so that a reload does not double the rate.
    """

    def __init__(self, per_minute: int, clock: Clock, previous: "RateLimiter | None" = None) -> None:
        self._clock = clock
        # With `maxlen`, the first entry is the request that leaves the window next.
        self.send_times: deque[float] = deque(previous.send_times if previous else (), maxlen=per_minute)

    async def acquire(self) -> None:
        """Takes the next free slot and sleeps until it begins."""
        now = self._clock.monotonic()
        is_full = len(self.send_times) == self.send_times.maxlen
        slot = max(now, self.send_times[0] + 60) if is_full else now
        # Taken before the sleep, so that tasks that wait at the same time get different slots.
        self.send_times.append(slot)
        if slot > now:
            await self._clock.sleep(slot - now)


class RequestObserver(Protocol):
    """Is notified of each request, for metrics."""

    def observe_request(self, endpoint: str, code: str, seconds: float) -> None:
        """A request to this endpoint template ended after `seconds`.

        `code` is its HTTP status, or `timeout`, `network`, or `cancelled` if the exporter gave it up.
        """

    def count_retry(self) -> None:
        """A request is about to be sent again."""

    def count_throttled(self) -> None:
        """k6 Cloud answered with status 429."""


class NullObserver:
    """An observer for commands without metrics."""

    def observe_request(self, endpoint: str, code: str, seconds: float) -> None: ...

    def count_retry(self) -> None: ...

    def count_throttled(self) -> None: ...


@dataclass(slots=True)
class Exchange:
    """A request in flight.

    `path` is the endpoint with ids and query. `is_connecting` is known of real connections only. `status` is
    the HTTP status as soon as the headers of the response are here.
    """

    endpoint: str
    path: str
    attempt: int
    request: httpx.Request
    is_connecting: bool = False
    status: str = ""

    async def trace(self, event: str, _: object) -> None:
        """Follows the events of httpcore: https://www.encode.io/httpcore/extensions/#trace."""
        if event.endswith("connect_tcp.started"):
            self.is_connecting = True
        elif event.endswith("send_request_headers.started"):
            self.is_connecting = False

    @property
    def where(self) -> str:
        """The request as errors name it."""
        return f"{self.request.method} {self.endpoint}"

    @property
    def token(self) -> str:
        """The token that was sent, which a server may echo."""
        return str(self.request.headers.get("Authorization", "").partition(" ")[2])

    @property
    def origin(self) -> str:
        """The scheme, host and port that the request goes to; a firewall rule needs the port."""
        url = self.request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        return f"{url.scheme}://{url.netloc.decode().removesuffix(f':{port}')}:{port}"


class Transport:
    """Sends requests to k6 Cloud: authenticates, limits concurrency and rate, retries, maps errors.

    `client` has the base URL. Only a path is ever added to it, and redirects are not followed, so the token
    reaches no other host. `authorize` returns the headers for each try, so that a rotated token is used at
    once; it may raise Unauthorized. `stack` is resolved before the first request. `proxy` is the proxy that
    `client` sends requests through, for errors. `previous` is the transport that this one replaces: its
    requests still count for the rate limit, and its Retry-After still holds.
    """

    def __init__(
        self,
        client: HttpClient,
        authorize: Callable[[], dict[str, str]],
        *,
        clock: Clock,
        timeout: float,
        concurrency: int,
        requests_per_minute: int,
        observer: RequestObserver,
        stack: Stack | None = None,
        proxy: Proxy | None = None,
        previous: "Transport | None" = None,
    ) -> None:
        self._client = client
        self._authorize = authorize
        self._clock = clock
        self._timeout = timeout
        # k6 Cloud documents no limit for requests, so the exporter limits itself.
        self._free_connections = asyncio.LifoQueue[int]()  # by number; the last one used is the next
        for number in range(concurrency):
            self._free_connections.put_nowait(number)
        previous_limiter = previous.rate_limiter if previous else None
        self.rate_limiter: RateLimiter = RateLimiter(requests_per_minute, clock, previous_limiter)
        self._observer = observer
        self._stack = stack or Stack(None)
        self._proxy = proxy
        self.server_time: float | None = None  # Unix seconds, the Date of k6 Cloud's last response
        # Of a request that is sent again, until one succeeds: names the cause if the poll ends before.
        self.retried_error: errors.ApiError | None = None
        self._has_answered = False  # with success
        # Monotonic seconds; set by Retry-After, holds for all requests.
        self.retry_after_until: float = previous.retry_after_until if previous else float("-inf")

    async def get(self, endpoint: str, params: Params = (), **ids: int) -> bytes:
        """Sends a GET and returns the body; failures that may pass are retried. Raises ApiError.

        `endpoint` is a template such as /runs/{id}, filled in from `ids`.
        """
        await self._resolve_stack(endpoint)
        for attempt in range(1, MAX_TRIES):
            try:
                return await self._send("GET", endpoint, params, ids, attempt)
            except errors.TRANSIENT as error:
                await self._pause_before_retry(error, attempt)
        return await self._send("GET", endpoint, params, ids, MAX_TRIES)

    async def _pause_before_retry(self, error: errors.ApiError, attempt: int) -> None:
        """Sleeps after a try that failed; raises its error if the server wants a longer pause."""
        if self._retry_after_remaining() > MAX_BACKOFF:
            raise error
        self.retried_error = error
        self._observer.count_retry()
        # Jitter: exporters that failed together must not come back together.
        pause = FIRST_BACKOFF * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311
        await self._clock.sleep(max(pause, self._retry_after_remaining()))

    async def yield_to_loop(self) -> None:
        """Lets other tasks run, such as scrapes, in the middle of long work."""
        await self._clock.sleep(0)

    async def _resolve_stack(self, endpoint: str) -> None:
        """Requests the ID of a stack that is configured by its URL, unless it is known. Raises ApiError."""
        # Before the tries of a request, so that each failure is repeated three times, not nine times.
        if self._stack.id is None and self._stack.url and endpoint != AUTH:
            await self._stack.resolve(self.get)

    async def _send(
        self,
        method: str,
        endpoint: str,
        params: Params,
        ids: dict[str, int],
        attempt: int = 1,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> bytes:
        """One try, with `headers` in addition to those of every request. Raises ApiError."""
        async with self._take_connection() as connection:
            # Last, right before the request: slots that are taken early would end in a burst.
            await self._wait_for_slot()
            path = endpoint.format(**ids)
            common = self._authorize() | self._stack.headers()
            request = self._client.build_request(method, path, params, {**common, **headers}, connection)
            query = "&".join(f"{name}={value}" for name, value in params)
            exchange = Exchange(endpoint, f"{path}?{query}" if query else path, attempt, request)
            request.extensions["trace"] = exchange.trace
            # httpx limits the time of each read; a body that drips forever needs a limit on the whole.
            with self._observe(exchange):
                async with asyncio.timeout(self._timeout):
                    response = await self._client.transport.handle_async_request(request)
                    exchange.status = str(response.status_code)
                    async with aclosing(response):
                        body = await read_body(response)
        # Before the status is checked: an error has the server's time as well.
        self.server_time = date_of(response) or self.server_time
        # Both can have a Retry-After: https://www.rfc-editor.org/rfc/rfc6585#section-4 (429) and
        # https://www.rfc-editor.org/rfc/rfc9110#section-15.6.4 (503).
        if response.status_code in (429, 503):
            self._apply_retry_after(response)
        self._check_api(exchange, response, body)
        if not response.is_success:
            raise describe_status(exchange, response, body)
        await check_structure(body, endpoint)
        self.retried_error, self._has_answered = None, True
        return body

    def _check_api(self, exchange: Exchange, response: httpx.Response, body: bytes) -> None:
        """Raises ApiError for a response that may not be from k6 Cloud, since api.url is wrong."""
        base = self._client.base_url
        # An endpoint without ids is a list, which exists wherever the API does.
        if response.status_code == 404 and not self._has_answered and "{" not in exchange.endpoint:
            error = describe_status(exchange, response, body)
            raise errors.NotFound(f"{error}; check api.url, which is {base}")
        if response.is_success and body[:100].lstrip().startswith(b"<"):
            raise errors.DecodeError(
                f"{base} is not k6 Cloud: the response is not JSON ({exchange.where}); check api.url"
            )

    @contextmanager
    def _observe(self, exchange: Exchange) -> Iterator[None]:
        """Reports a request to the observer and the log, and raises our errors in place of httpx's."""
        began, code = self._clock.monotonic(), "network"
        try:
            yield
            code = exchange.status
        except asyncio.CancelledError:
            # The poll was cut short or the process ends, which says nothing about k6 Cloud.
            code = "cancelled"
            if exchange.is_connecting and self.retried_error is None:
                self.retried_error = errors.RequestTimeout(self._describe_no_connection(exchange))
            raise
        except (TimeoutError, httpx.TimeoutException) as error:
            code = "timeout"
            raise errors.RequestTimeout(self._describe_timeout(exchange, error)) from error
        except (decoding.BodyTooLarge, decoding.DecodingError) as error:
            # The server did respond, so the request is counted under its status.
            code = exchange.status
            reason = sanitize(str(error), exchange.token)
            raise errors.DecodeError(f"{exchange.where}: the response body is {reason}") from error
        except httpx.TransportError as error:
            raise errors.NetworkError(self._describe_failure(exchange, error)) from error
        finally:
            took = self._clock.monotonic() - began
            self._observer.observe_request(exchange.endpoint, code, took)
            log_request(exchange, code, took)

    def _describe_timeout(self, exchange: Exchange, error: Exception) -> str:
        if exchange.is_connecting or isinstance(error, httpx.ConnectTimeout):
            return self._describe_no_connection(exchange, f" within {self._timeout:g}s")
        host = self._describe_host(exchange)
        return f"no response from {host} within {self._timeout:g}s ({exchange.where}); see api.timeout"

    def _describe_no_connection(self, exchange: Exchange, within: str = "") -> str:
        host, check = self._describe_host(exchange), self._target(exchange).check
        return f"cannot reach {host}: no connection{within}; {check}"

    def _describe_failure(self, exchange: Exchange, error: httpx.TransportError) -> str:
        """Why there is no response, and what to check."""
        target, text = self._target(exchange), sanitize(str(error), exchange.token)
        if isinstance(error.__cause__, CaError | ProxyError):
            explanation = Explanation(text)  # it names the setting
        elif isinstance(error, httpx.ProxyError) and text[:3].isdecimal():
            # httpcore reports the status line of the proxy, and has no type for it.
            explanation = explain_proxy_status(int(text[:3]), target)
        else:
            default = Explanation(text.rstrip(".") or type(error).__name__, target.check)
            explanation = explain(error, target) or default
        reason, host = explanation.reason, self._describe_host(exchange)
        if isinstance(error, httpx.ConnectError | httpx.ProxyError):
            # Without the endpoint: all requests of a poll fail alike, and are logged as one failure.
            return f"cannot reach {host}: {'; '.join(filter(None, explanation))}"
        return f"connection to {host} failed ({exchange.where}): {reason}"

    def _describe_host(self, exchange: Exchange) -> str:
        return f"{exchange.origin} via proxy {self._proxy}" if self._proxy else exchange.origin

    def _target(self, exchange: Exchange) -> Target:
        url = exchange.request.url
        default = "" if is_loopback(url.host) else f"{url.scheme.upper()}_PROXY"
        return Target(url.host, self._proxy.variable if self._proxy else default, self._proxy is not None)

    @asynccontextmanager
    async def _take_connection(self) -> AsyncIterator[int]:
        """Waits for a free connection, and has it during the block."""
        number = await self._free_connections.get()
        try:
            yield number
        finally:
            self._free_connections.put_nowait(number)

    async def _wait_for_slot(self) -> None:
        applied = None
        while applied != self.retry_after_until:
            # The rate limiter can wait for a minute, and another response may bring a Retry-After meanwhile.
            applied = self.retry_after_until
            remaining = self._retry_after_remaining()
            if remaining > MAX_BACKOFF:
                sentence = f"rate limited by k6 Cloud for another {remaining:.0f}s (Retry-After)"
                raise errors.RateLimited(sentence)
            if remaining > 0:
                await self._clock.sleep(remaining)
            await self.rate_limiter.acquire()

    def _retry_after_remaining(self) -> float:
        return self.retry_after_until - self._clock.monotonic()

    def _apply_retry_after(self, response: httpx.Response) -> None:
        if response.status_code == 429:
            self._observer.count_throttled()
        # A date is by the server's clock, and ours may be wrong.
        now = date_of(response) or self._clock.time()
        wait = parse_retry_after(response.headers.get("Retry-After"), now)
        # Responses can overtake each other: a short wait must not end a longer one.
        self.retry_after_until = max(self.retry_after_until, self._clock.monotonic() + wait)


async def read_body(response: httpx.Response) -> bytes:
    """The body of a response. Raises BodyTooLarge, DecodingError and httpx's errors.

    The body of an error only explains its status, so one that cannot be read is empty.
    """
    encoding = response.headers.get("Content-Encoding", "")
    if response.is_success:
        return await decoding.read(response.aiter_raw(), encoding)
    try:
        return await decoding.read(response.aiter_raw(), encoding, limit=MAX_ERROR_BODY)
    except (decoding.BodyTooLarge, decoding.DecodingError, httpx.TransportError):
        return b""


def describe_status(exchange: Exchange, response: httpx.Response, body: bytes) -> errors.ApiError:
    """The error for a response that is not a success."""
    message = sanitize(parse_message(body), exchange.token)
    is_redirect = response.has_redirect_location
    return error_for_status(response.status_code, exchange.where, message, is_redirect=is_redirect)


async def check_structure(body: bytes, endpoint: str) -> None:
    """Raises DecodeError for JSON that is nested too deeply or has too many values, before it is parsed."""
    try:
        if len(body) > MAX_CHECKED_ON_LOOP:
            await asyncio.to_thread(decoding.check_structure, body)
        else:
            decoding.check_structure(body)
    except decoding.BodyTooLarge as error:
        raise errors.DecodeError(f"{endpoint}: the response {error}") from error


def log_request(exchange: Exchange, code: str, seconds: float) -> None:
    """Logs a request at debug: headers are not logged, and paths and queries contain no secrets."""
    fields = {"method": exchange.request.method, "path": exchange.path, "status": code}
    log.debug("request", extra=fields | {"duration": f"{seconds:.3f}s", "attempt": exchange.attempt})


def parse_retry_after(header: str | None, now: float) -> float:
    """Seconds to wait by a Retry-After header, which has seconds or an HTTP date; 0 without a valid one.

    `now` is the Unix time in seconds.
    """
    if header is None:
        return 0.0
    try:
        wait = float(header) if header.strip().isdigit() else parse_http_date(header) - now
    except (ValueError, OverflowError):
        return 0.0
    return min(max(wait, 0.0), MAX_RETRY_AFTER)


def date_of(response: httpx.Response) -> float | None:
    """Unix seconds of the Date header: when the response was made, by the server's clock."""
    try:
        return parse_http_date(response.headers["Date"])
    except (KeyError, ValueError, OverflowError):
        return None


def parse_http_date(text: str) -> float:
    """Unix seconds of an HTTP date; one without a time zone is UTC. Raises ValueError or OverflowError."""
    date = parsedate_to_datetime(text)
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
