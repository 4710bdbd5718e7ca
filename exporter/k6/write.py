"""The calls that change something in k6 Cloud: starting a test and stopping a run.

Nothing that serves imports this: polls are given a Transport, which can only ask.
"""

from exporter.k6.legacy.schema import decode_run
from exporter.k6.transport import Transport
from exporter.k6.v6.client import decode_one
from exporter.k6.v6.schema import RunBody, parse_run
from exporter.model import Run

LEGACY_START = "/loadtests/v2/tests/{id}/start-testrun"
LEGACY_STOP = "/loadtests/v2/runs/{id}/stop"
V6_START = "/cloud/v6/load_tests/{id}/start"
V6_ABORT = "/cloud/v6/test_runs/{id}/abort"


class WriteTransport(Transport):
    """A transport that can also tell k6 Cloud to do something."""

    async def post(self, endpoint: str, **ids: int) -> bytes:
        """Tell it once: a repeated start would be a second run. Raises ApiError."""
        return await self._try("POST", endpoint, (), ids)


class LegacyWriter:
    """The legacy calls that act. All raise ApiError."""

    def __init__(self, transport: WriteTransport) -> None:
        self._transport = transport

    async def start_run(self, test_id: int) -> Run:
        """Start a test; the run that this makes."""
        return decode_run(await self._transport.post(LEGACY_START, id=test_id), LEGACY_START)

    async def stop_run(self, run_id: int) -> None:
        """Ask for the end of a run; it comes a few moments later, as ABORTED_BY_USER."""
        await self._transport.post(LEGACY_STOP, id=run_id)


class V6Writer:
    """The v6 calls that act. All raise ApiError."""

    def __init__(self, transport: WriteTransport) -> None:
        self._transport = transport

    async def start_run(self, test_id: int) -> Run:
        """Start a test; the run that this makes."""
        return decode_one(await self._transport.post(V6_START, id=test_id), RunBody, parse_run, V6_START)

    async def stop_run(self, run_id: int) -> None:
        """Ask for the end of a run; Conflict if it has none to come."""
        await self._transport.post(V6_ABORT, id=run_id)
