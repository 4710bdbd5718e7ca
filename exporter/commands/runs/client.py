"""k6 Cloud as the commands under `runs` use it."""

from collections.abc import Callable
from dataclasses import replace

from exporter.clock import Clock
from exporter.config import Config
from exporter.k6.errors import DecodeError, NetworkError, RateLimited, RequestTimeout, ServerError
from exporter.k6.factory import build_api_client
from exporter.k6.v6.client import V6Client
from exporter.k6.write import LegacyWriter, V6Writer, WriteTransport
from exporter.model import Run

DATE_PRECISION = 2.0  # seconds; the Date header of a response has no fractions
# After these, k6 Cloud may have done what was requested or not. A DecodeError may come from a proxy that
# answers for k6 Cloud.
AMBIGUOUS_ERRORS = (RequestTimeout, NetworkError, DecodeError, ServerError)
TRANSIENT_ERRORS = (*AMBIGUOUS_ERRORS, RateLimited)  # these may pass by themselves


class RunsClient:
    """The configured API version: `api` reads, `writer` starts and stops runs. Both raise ApiError.

    `redact` removes secrets from a text.
    """

    def __init__(
        self, config: Config, transport: WriteTransport, clock: Clock, redact: Callable[[str], str]
    ) -> None:
        self.config = config
        self.clock = clock
        self.api = build_api_client(config, transport)
        self.writer = V6Writer(transport) if isinstance(self.api, V6Client) else LegacyWriter(transport)
        self._transport = transport
        self._redact = redact
        self._last_server_time: float | None = None
        # A Unix time by k6 Cloud's clock, and the monotonic time at which that clock showed it.
        self._server_now = (clock.time(), clock.monotonic())

    async def read_run(self, run_id: int) -> Run:
        """One run, without secrets in its reason. Raises ApiError."""
        return self.redact_reason(await self.api.read_run(run_id))

    def redact_reason(self, run: Run) -> Run:
        """The run without secrets in the message of its reason, which can contain what a script printed."""
        if run.reason is None:
            return run
        message = self._redact(run.reason.message)
        return replace(run, reason=replace(run.reason, message=message))

    @property
    def server_now(self) -> float:
        """The current time by k6 Cloud's clock, in Unix seconds."""
        # The timestamps of runs come from that clock, and the clock of this machine may be wrong.
        server_time = self._transport.server_time
        if server_time is not None and server_time != self._last_server_time:
            self._last_server_time = server_time
            # A smaller difference is only the rounding of the header; correcting it would make ages jump.
            ours = self.clock.time()
            is_same = abs(server_time - ours) <= DATE_PRECISION
            self._server_now = (ours if is_same else server_time, self.clock.monotonic())
        server_now, monotonic = self._server_now
        return server_now + self.clock.monotonic() - monotonic
