"""Runs the command `backfill` in process, without sockets, against the simulator; and parses its output."""

from pathlib import Path
from typing import Any

import httpx
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample, Timestamp

from exporter.commands.backfill.options import BackfillOptions, parse_options
from exporter.commands.backfill.run import run_backfill
from exporter.config import Config
from exporter.credentials import Secret
from exporter.polling.factory import open_source
from exporter.simulator import EndStatus, Fault, Options, Phases, RunScript, Simulator, World
from tests.support.lab import START, TOKEN, ManualClock, add_date_header

DAY = 86400.0
API_VERSIONS: dict[str, dict[str, Any]] = {"legacy": {}, "v6": {"stack": 1}}
PHASES = Phases(created=10, validated=10, queued=30, initializing=40, running=600, processing=50)
ENDINGS = (
    EndStatus.FINISHED,
    RunScript(failed=True, phases=PHASES),
    EndStatus.ABORTED_BY_THRESHOLD,
    EndStatus.ABORTED_BY_USER,
)

Samples = dict[str, list[tuple[float, float]]]  # by series: timestamps and values


def build_world(
    *, days: float = 2, tests: int = 2, every: float = 4 * 3600.0, present: float = START
) -> World:
    """Tests that run every few hours, and one that never runs."""
    world = World()
    for i in range(tests):
        test = world.add_test(f"soak {i}")
        first = present - days * DAY + 1000 * i
        world.schedule(test, every=every, first=first, endings=ENDINGS, phases=PHASES, vus=50)
    world.add_test("never run")
    return world


def parse_flags(**flags: Any) -> BackfillOptions:
    """The options of these flags at START; flags that are not given have their defaults."""
    defaults = {"until": "3h", "step": "4m", "idle_step": "1h", "label": (), "split": None}
    return parse_options(START, **({"since": "1d", "output": "past.om"} | defaults | flags))


def run_command(
    world: World,
    output: Path,
    api_version: str = "legacy",
    *,
    options: Options | None = None,
    faults: tuple[Fault, ...] = (),
    settings: dict[str, Any] | None = None,
    **flags: Any,
) -> tuple[int, Simulator]:
    """Run the command at START; its exit code, and the simulator with the requests."""
    now = ManualClock()
    simulator = Simulator(
        world,
        tokens=[TOKEN],
        clock=now.read,
        options=options or Options(),
        sleep=now.sleep,
        connection_error=httpx.ReadError,
    )
    for fault in faults:
        simulator.faults.add(fault)
    api = {"url": "http://k6.test", "requests_per_minute": 100_000} | API_VERSIONS[api_version]
    config, token = Config.model_validate({"api": api} | (settings or {})), Secret(TOKEN)
    transport = httpx.ASGITransport(add_date_header(simulator))
    connection = open_source(config, token, clock=now.clock, transport=transport)
    return run_backfill(config, token, parse_flags(output=str(output), **flags), connection), simulator


def parse_families(text: str) -> list[Metric]:
    """Parsed by prometheus-client, which checks the order of families, series and timestamps."""
    return list(text_string_to_metric_families(text))


def parse_samples(text: str) -> Samples:
    samples: Samples = {}
    for family in parse_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            series = f"{sample.name}{{{labels}}}"
            samples.setdefault(series, []).append((timestamp_of(sample), sample.value))
    return samples


def timestamp_of(sample: Sample) -> float:
    assert isinstance(sample.timestamp, float | Timestamp)
    return float(sample.timestamp)
