"""k6 Cloud as the commands see it: what both generations can tell and do, under the same names."""

from exporter.clock import Clock
from exporter.config import Config
from exporter.k6.errors import ApiError
from exporter.k6.factory import build_api_client
from exporter.k6.v6.client import V6Client
from exporter.k6.write import LegacyWriter, V6Writer, WriteTransport
from exporter.model import LoadTest, Run
from exporter.polling.factory import build_source
from exporter.polling.result import PollResult
from exporter.store import State

DATES_ARE_EXACT_TO = 2.0  # seconds; the Date header of an answer has no fractions


class RunsClient:
    """The configured generation of the API. Every call raises ApiError."""

    def __init__(self, config: Config, transport: WriteTransport, clock: Clock) -> None:
        self.config = config
        self.clock = clock
        self.api = build_api_client(config, transport)
        is_v6 = isinstance(self.api, V6Client)
        self._acts: LegacyWriter | V6Writer = V6Writer(transport) if is_v6 else LegacyWriter(transport)
        self._transport = transport
        self._ahead = 0.0
        self._dated: float | None = None

    @property
    def server_now(self) -> float:
        """The present by k6 Cloud's clock, in Unix seconds: it dates the runs, and ours may be wrong."""
        if self._transport.server_time not in (None, self._dated):
            self._dated = self._transport.server_time
            ahead = (self._dated or 0.0) - self.clock.time()
            self._ahead = ahead if abs(ahead) > DATES_ARE_EXACT_TO else 0.0
        return self.clock.time() + self._ahead

    async def read_run(self, run_id: int) -> Run:
        return await self.api.read_run(run_id)

    async def read_test(self, test_id: int) -> LoadTest:
        return await self.api.read_test(test_id)

    async def start(self, test_id: int) -> Run:
        return await self._acts.start_run(test_id)

    async def stop(self, run_id: int) -> None:
        await self._acts.stop_run(run_id)

    async def find_tests(self) -> PollResult:
        """The tests that the configuration means, and what went wrong in finding them; raises nothing."""
        poll_result = PollResult()
        try:
            await build_source(self.config, self.api).discover(State(), poll_result)
        except ApiError as error:
            poll_result.add_failure(error)
        return poll_result
