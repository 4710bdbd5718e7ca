"""A client of a scripted server, with a clock that is a number and a log of requests."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import httpx

from exporter.clock import Clock
from exporter.k6.http import HttpClient
from exporter.k6.stack import Stack
from exporter.k6.write import WriteTransport
from tests.support.lab import START, ManualClock

T = TypeVar("T")
TOKEN = "canary-5d1f0b"
RUNS = "/loadtests/v2/runs"


@dataclass
class RequestLog:
    """An observer that records what it receives."""

    requests: list[tuple[str, str]] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    retries: int = 0
    throttles: int = 0

    def observe_request(self, endpoint: str, code: str, seconds: float) -> None:
        self.requests.append((endpoint, code))
        self.took.append(seconds)

    def count_retry(self) -> None:
        self.retries += 1

    def count_throttled(self) -> None:
        self.throttles += 1


class Network(httpx.AsyncBaseTransport):
    """The network between a client and a scripted server: a response in memory arrives as a stream."""

    def __init__(self, server: httpx.AsyncBaseTransport) -> None:
        self._server = server

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._server.handle_async_request(request)
        if not response.is_stream_consumed:
            return response
        body = httpx.ByteStream(response.content)
        return httpx.Response(response.status_code, headers=response.headers.raw, stream=body)


class TransportClient:
    """Sends requests: `TransportClient(server).get(RUNS)`. `pauses` are the seconds it slept."""

    def __init__(
        self,
        server: httpx.AsyncBaseTransport,
        *,
        timeout: float = 5.0,
        concurrency: int = 10,
        requests_per_minute: int = 300,
        authorize: Callable[[], dict[str, str]] = lambda: {"Authorization": f"Token {TOKEN}"},
        clock: Clock | None = None,
        stack: Stack | None = None,
    ) -> None:
        self.now = ManualClock()
        self.log = RequestLog()
        self.pauses: list[float] = []
        self.client = HttpClient(Network(server), base_url="https://k6.test", timeout=timeout)
        self.transport = WriteTransport(
            self.client,
            authorize,
            clock=clock or replace(self.now.clock, sleep=self._sleep),
            timeout=timeout,
            concurrency=concurrency,
            requests_per_minute=requests_per_minute,
            observer=self.log,
            stack=stack,
        )

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await self.now.sleep(seconds)

    def get(self, endpoint: str = RUNS, **ids: int) -> bytes:
        return self.run(self.transport.get(endpoint, (), **ids))

    def post(self, endpoint: str, **ids: int) -> bytes:
        return self.run(self.transport.post(endpoint, **ids))

    def run(self, work: Awaitable[T]) -> T:
        async def scene() -> T:
            return await work

        return asyncio.run(scene())

    @property
    def elapsed(self) -> float:
        return self.now.value - START


class SkippingSelector(selectors.DefaultSelector):
    """Does not wait for timeouts, but adds up how long it would have waited."""

    waited = 0.0
    threads = 0  # that are at work, and whose end wakes the loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # A thread takes real time. If time were skipped meanwhile, what waits for it would time out.
        if self.threads and timeout:
            timeout = None
        events = super().select(None if timeout is None else 0)
        if not events and timeout:
            self.waited += timeout
        return events


class SkippingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time starts at 0 and skips idle time."""

    def run_in_executor(  # type: ignore[override]  # typed with what func takes and returns
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = super().run_in_executor(executor, func, *args)
        self._skipping.threads += 1
        future.add_done_callback(self._thread_ended)
        return future

    def _thread_ended(self, _: object) -> None:
        self._skipping.threads -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        """Without a time-out: since Python 3.12 there is one, which this loop would skip."""
        self._skipping.threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._skipping.threads -= 1

    def __init__(self) -> None:
        self._skipping = SkippingSelector()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.waited


def run_skipping(scene: Coroutine[Any, Any, T]) -> T:
    """Run a scene in a loop that skips idle time; its clock is CLOCK."""
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(scene)


def loop_time() -> float:
    return asyncio.get_running_loop().time()


CLOCK = Clock(time=lambda: START + loop_time(), monotonic=loop_time)


class Script(httpx.AsyncBaseTransport):
    """A server that sends these responses in turn, the last one repeatedly; `got` are its requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers = list(answers)
        self.got: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.got.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        # A new body, so that a response can be sent several times.
        return httpx.Response(answer.status_code, headers=raw(answer), content=answer.content)


def raw(answer: httpx.Response) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in answer.headers.raw if name.lower() != b"content-length"]


def answers(*codes: int, **headers: str) -> Iterable[httpx.Response]:
    """Responses with these statuses; underscores in the names of headers become hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return [httpx.Response(code, headers=named, content=b"{}") for code in codes]


def refusal(code: int, message: str) -> httpx.Response:
    return httpx.Response(code, json={"error": {"message": message, "code": 1}})
