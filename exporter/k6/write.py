"""The calls that change something in k6 Cloud: starting a test and stopping a run.

Nothing that serves imports this module: polls get a Transport, which can only read.
"""

from uuid import uuid4

from exporter.k6 import errors
from exporter.k6.legacy.schema import decode_run
from exporter.k6.pagination import decode_item
from exporter.k6.transport import MAX_TRIES, NO_HEADERS, Transport
from exporter.k6.v6.schema import RunBody, parse_run
from exporter.model import Run

# A start belongs to a test, and a stop to a run:
# https://grafana.com/docs/grafana-cloud/testing/k6/reference/cloud-rest-api/deprecated-rest-api/test-runs/
LEGACY_START = "/loadtests/v2/tests/{id}/start-testrun"
LEGACY_STOP = "/loadtests/v2/runs/{id}/stop"
V6_START = "/cloud/v6/load_tests/{id}/start"
V6_ABORT = "/cloud/v6/test_runs/{id}/abort"

# A start with a key that was used before returns the run of the first start. The key has at most 36
# characters and is valid for 10 minutes: https://github.com/grafana/k6-cloud-openapi-client-go
IDEMPOTENCY_KEY = "K6-Idempotency-Key"
# Half of that, since a try can wait for the rate limit and for a Retry-After before it is sent.
MAX_REPEAT_AGE = 300.0  # seconds from the first try to the last pause


class WriteTransport(Transport):
    """A transport that can also send a POST."""

    async def post(self, endpoint: str, key: str = "", /, **ids: int) -> bytes:
        """Sends a POST and returns the body. Raises ApiError.

        It is sent once, because a repeated start would be a second run. With an idempotency `key`, failures
        that may pass are retried, as those of a GET: k6 Cloud acts on the first request of a key only.
        """
        await self._resolve_stack(endpoint)
        headers = {IDEMPOTENCY_KEY: key} if key else NO_HEADERS
        began, tries = self._clock.monotonic(), MAX_TRIES if key else 1
        for attempt in range(1, tries):
            try:
                return await self._send("POST", endpoint, (), ids, attempt, headers=headers)
            except errors.TRANSIENT as error:
                if self._clock.monotonic() - began > MAX_REPEAT_AGE:
                    raise  # k6 Cloud may soon forget the key
                await self._pause_before_retry(error, attempt)
        return await self._send("POST", endpoint, (), ids, tries, headers=headers)


class LegacyWriter:
    """The writing calls of the legacy API. All raise ApiError."""

    def __init__(self, transport: WriteTransport) -> None:
        self._transport = transport

    async def start_run(self, test_id: int) -> Run:
        """Starts a test and returns its new run. The request is never repeated."""
        return decode_run(await self._transport.post(LEGACY_START, id=test_id), LEGACY_START)

    async def stop_run(self, run_id: int) -> None:
        """Stops a run; some seconds later it has the status ABORTED_BY_USER."""
        await self._transport.post(LEGACY_STOP, id=run_id)


class V6Writer:
    """The writing calls of the v6 API. All raise ApiError."""

    def __init__(self, transport: WriteTransport) -> None:
        self._transport = transport

    async def start_run(self, test_id: int) -> Run:
        """Starts a test and returns its new run. A lost response never leads to a second run."""
        body = await self._transport.post(V6_START, str(uuid4()), id=test_id)
        return decode_item(body, RunBody, parse_run, V6_START)

    async def stop_run(self, run_id: int) -> None:
        """Aborts a run. Raises Conflict if it has ended."""
        await self._transport.post(V6_ABORT, id=run_id)
