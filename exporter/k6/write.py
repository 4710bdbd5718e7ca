"""The calls that change something in k6 Cloud: starting a test and stopping a run.

Nothing that serves imports this module: polls get a Transport, which can only read.
"""

from exporter.k6.legacy.schema import decode_run
from exporter.k6.pagination import decode_item
from exporter.k6.transport import Transport
from exporter.k6.v6.schema import RunBody, parse_run
from exporter.model import Run

# A start belongs to a test, and a stop to a run:
# https://grafana.com/docs/grafana-cloud/testing/k6/reference/cloud-rest-api/deprecated-rest-api/test-runs/
LEGACY_START = "/loadtests/v2/tests/{id}/start-testrun"
LEGACY_STOP = "/loadtests/v2/runs/{id}/stop"
V6_START = "/cloud/v6/load_tests/{id}/start"
V6_ABORT = "/cloud/v6/test_runs/{id}/abort"


class WriteTransport(Transport):
    """A transport that can also send a POST."""

    async def post(self, endpoint: str, **ids: int) -> bytes:
        """Sends a POST once, without retries: a repeated start would be a second run. Raises ApiError."""
        await self._resolve_stack(endpoint)
        return await self._send("POST", endpoint, (), ids)


class LegacyWriter:
    """The writing calls of the legacy API. All raise ApiError."""

    def __init__(self, transport: WriteTransport) -> None:
        self._transport = transport

    async def start_run(self, test_id: int) -> Run:
        """Starts a test and returns its new run."""
        return decode_run(await self._transport.post(LEGACY_START, id=test_id), LEGACY_START)

    async def stop_run(self, run_id: int) -> None:
        """Stops a run; some seconds later it has the status ABORTED_BY_USER."""
        await self._transport.post(LEGACY_STOP, id=run_id)


class V6Writer:
    """The writing calls of the v6 API. All raise ApiError."""

    def __init__(self, transport: WriteTransport) -> None:
        self._transport = transport

    async def start_run(self, test_id: int) -> Run:
        """Starts a test and returns its new run."""
        return decode_item(await self._transport.post(V6_START, id=test_id), RunBody, parse_run, V6_START)

    async def stop_run(self, run_id: int) -> None:
        """Aborts a run. Raises Conflict if it has ended."""
        await self._transport.post(V6_ABORT, id=run_id)
