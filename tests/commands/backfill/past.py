"""A past to tell, and how tests ask for it: the simulator, the command's own function, no socket."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed
from prometheus_client.samples import Sample, Timestamp

from exporter.commands.backfill import DEFAULTS, parse_options, run_backfill
from exporter.config import Config
from exporter.credentials import Secret
from exporter.polling.factory import open_client
from exporter.simulator import EndStatus, Options, Phases, RunScript, Simulator, World
from tests.support.lab import START, TOKEN, Now, dated

DAY = 86400.0
GENERATIONS: dict[str, dict[str, Any]] = {"legacy": {}, "v6": {"stack_id": 1}}
PHASES = Phases(created=10, validated=10, queued=30, initializing=40, running=600, processing=50)
ENDINGS = (
    EndStatus.FINISHED,
    RunScript(failed=True, phases=PHASES),
    EndStatus.ABORTED_BY_THRESHOLD,
    EndStatus.ABORTED_BY_USER,
)

Samples = dict[str, list[tuple[float, float]]]  # by series: moments and values


def world(*, days: float = 2, tests: int = 2, every: float = 4 * 3600.0, present: float = START) -> World:
    """Tests that have been running every so often, and one that never does."""
    made = World()
    for i in range(tests):
        test = made.add_test(f"soak {i}")
        first = present - days * DAY + 1000 * i
        made.schedule(test, every=every, first=first, endings=ENDINGS, phases=PHASES, vus=50)
    made.add_test("never run")
    return made


def told(
    made: World,
    output: Path,
    api_version: str = "legacy",
    *,
    options: Options | None = None,
    faults: Any = (),
    settings: dict[str, Any] | None = None,
    **flags: Any,
) -> tuple[int, Simulator]:
    """Run the command at START; its exit status, and who was asked."""
    now = Now()
    simulator = Simulator(
        made,
        tokens=[TOKEN],
        clock=now.read,
        options=options or Options(),
        sleep=now.sleep,
        connection_error=httpx.ReadError,
    )
    for fault in faults:
        simulator.faults.add(fault)
    api = {"url": "http://k6.test", "requests_per_minute": 100_000} | GENERATIONS[api_version]
    config, token = Config.model_validate({"api": api} | (settings or {})), Secret(TOKEN)
    given = {"since": "1d", "until": None, "label": (), "split": None} | DEFAULTS | flags
    wished = parse_options(output=str(output), now=START, **given)
    connected = open_client(config, token, clock=now.clock, transport=httpx.ASGITransport(dated(simulator)))
    return run_backfill(config, token, wished, connected, run=asyncio.run), simulator


def families_of(text: str) -> list[Metric]:
    """Read by prometheus-client, which minds the order of families, series and moments."""
    return list(parsed(text))


def samples_of(text: str) -> Samples:
    found: Samples = {}
    for family in families_of(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found.setdefault(f"{sample.name}{{{labels}}}", []).append((moment_of(sample), sample.value))
    return found


def moment_of(sample: Sample) -> float:
    assert isinstance(sample.timestamp, float | Timestamp)
    return float(sample.timestamp)
