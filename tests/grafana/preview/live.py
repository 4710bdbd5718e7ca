"""The demo, scraped by a real Prometheus."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.processes import eventually, exporter_command, free_port, run_process

SCRAPE_INTERVAL = 2  # seconds, as often as the demo polls
CONFIGURATION = """
global: {{scrape_interval: {interval}s}}
scrape_configs:
  - job_name: k6-cloud
    static_configs: [{{targets: ["127.0.0.1:{demo}"]}}]
"""


@contextmanager
def serve_demo(folder: Path, *, prometheus: str) -> Iterator[str]:
    """The URL of a Prometheus that scrapes `k6-cloud-exporter demo`, while the block lasts."""
    demo, port = free_port(), free_port()
    configuration = folder / "prometheus.yml"
    configuration.write_text(CONFIGURATION.format(demo=demo, interval=SCRAPE_INTERVAL), encoding="utf-8")
    serving = ("demo", "--api.version", "v6", "--web.listen-address", f"127.0.0.1:{demo}")
    scraping = (
        *(prometheus, f"--config.file={configuration}", f"--storage.tsdb.path={folder / 'data'}"),
        f"--web.listen-address=127.0.0.1:{port}",
    )
    with (
        run_process(*exporter_command(*serving), log=folder / "demo.log"),
        run_process(*scraping, log=folder / "prometheus.log"),
    ):
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: httpx.get(f"{url}/-/ready").status_code == 200)
        yield url


def wait_for_data(url: str, seconds: int) -> float:
    """Wait until the demo has been scraped for so many seconds. Returns the time of the last scrape."""
    query = f"max(timestamp(up)) - min(min_over_time(timestamp(up == 1)[{2 * seconds}s:{SCRAPE_INTERVAL}s]))"

    def is_long_enough() -> bool:
        result = httpx.get(f"{url}/api/v1/query", params={"query": query}).json()["data"]["result"]
        return bool(result) and float(result[0]["value"][1]) >= seconds

    eventually(is_long_enough, seconds=seconds + 60)
    return time.time() - SCRAPE_INTERVAL
