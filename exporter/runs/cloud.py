"""k6 Cloud as the commands see it: what both generations can tell and do, under the same names."""

from exporter.asking import inquiry
from exporter.clock import Clock
from exporter.config import Config
from exporter.k6.acts import ActingTransport, LegacyActs, V6Acts
from exporter.k6.errors import ApiError
from exporter.k6.legacy import LegacyApi
from exporter.k6.v6 import V6Api
from exporter.model import LoadTest, Run
from exporter.polling.findings import Findings
from exporter.store import State

DATES_ARE_EXACT_TO = 2.0  # seconds; the Date header of an answer has no fractions


class Cloud:
    """The configured generation of the API. Every call raises ApiError."""

    def __init__(self, config: Config, transport: ActingTransport, clock: Clock) -> None:
        is_v6 = config.api.generation == "v6"
        self.config = config
        self.clock = clock
        self.api: LegacyApi | V6Api = V6Api(transport) if is_v6 else LegacyApi(transport)
        self._acts: LegacyActs | V6Acts = V6Acts(transport) if is_v6 else LegacyActs(transport)
        self._transport = transport
        self._ahead = 0.0
        self._dated: float | None = None

    @property
    def now(self) -> float:
        """The present by k6 Cloud's clock, in Unix seconds: it dates the runs, and ours may be wrong."""
        if self._transport.cloud_time not in (None, self._dated):
            self._dated = self._transport.cloud_time
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

    async def find_tests(self) -> Findings:
        """The tests that the configuration means, and what went wrong in finding them; raises nothing."""
        findings = Findings()
        try:
            await inquiry(self.config, self._transport).discover(State(), findings)
        except ApiError as error:
            findings.fail(error)
        return findings
