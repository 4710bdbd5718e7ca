"""A simulated period of a world, as Prometheus would have scraped it.

A real exporter polls the simulator and is scraped once for each step of a clock that is set by hand. What it
exposes is imported into a real Prometheus. So hours of data are there within seconds, and are the same each
time.
"""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from exporter.simulator import World
from tests.support.lab import START, Lab
from tests.support.processes import eventually, free_port, run_process

SCRAPE_INTERVAL = 60  # seconds, as of Grafana Cloud
HOUR = 3600
LABELS = 'instance="k6-cloud-exporter:10565",job="k6-cloud"'

# What happens at a time, in seconds before the end of the recording: called once when it has passed.
Event = tuple[float, Callable[[Lab], None]]


@dataclass(frozen=True, slots=True)
class Scene:
    """A world whose last `seconds` up to START are recorded; nothing is if there is no exporter."""

    world: World
    seconds: int = 24 * HOUR
    events: tuple[Event, ...] = ()
    has_exporter: bool = True
    api: str = "v6"


def record(scene: Scene, file: Path) -> None:
    """Write what the exporter exposes during the scene, as OpenMetrics with timestamps."""
    settings = {"url": "http://k6.test", "stack": 1, "version": scene.api, "requests_per_minute": 6000}
    with file.open("w", encoding="utf-8") as output, Lab(scene.world, api=settings) as lab:
        due = sorted(scene.events, key=lambda event: -event[0])
        for before_end in range(scene.seconds, -1, -SCRAPE_INTERVAL):
            lab.at(-before_end)
            while due and due[0][0] >= before_end:
                due.pop(0)[1](lab)
            lab.poll()
            if scene.has_exporter:
                output.writelines(stamp_samples(lab.get().text, START - before_end))
        output.write("# EOF\n")


def stamp_samples(exposition: str, time: float) -> Iterator[str]:
    """The samples with a timestamp in Unix seconds and what Prometheus adds: its labels, and `up`."""
    for line in exposition.splitlines():
        if found := re.match(r"(\w+)(?:{(.*)})? (\S+)$", line):
            name, labels, value = found.groups()
            yield f"{name}{{{LABELS}{',' + labels if labels else ''}}} {value} {time:.0f}\n"
    yield f"up{{{LABELS}}} 1 {time:.0f}\n"


@contextmanager
def serve_recording(scene: Scene, folder: Path, *, prometheus: str, promtool: str) -> Iterator[str]:
    """The URL of a Prometheus that has recorded the scene, while the block lasts."""
    file, data, configuration = folder / "scene.om", folder / "data", folder / "prometheus.yml"
    record(scene, file)
    data.mkdir()
    if scene.has_exporter:
        blocks = ("tsdb", "create-blocks-from", "--max-block-duration=24h", "openmetrics", file, data)
        subprocess.run([promtool, *blocks], check=True, stdout=subprocess.DEVNULL)
    file.unlink()
    configuration.write_text("scrape_configs: []\n")
    port = free_port()
    command = (
        *(prometheus, f"--config.file={configuration}", f"--storage.tsdb.path={data}"),
        f"--web.listen-address=127.0.0.1:{port}",
        "--storage.tsdb.retention.time=100y",
        # Imported samples have no staleness markers, so series end with the lookback.
        f"--query.lookback-delta={SCRAPE_INTERVAL + 30}s",
    )
    with run_process(*command, log=folder / "prometheus.log"):
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: httpx.get(f"{url}/-/ready").status_code == 200)
        yield url
