"""Four shards of a thousand tests, then three, with a real Prometheus."""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from exporter.simulator import Simulator, World
from tests.grafana.conftest import Prometheus
from tests.support.dashboards import panel_queries
from tests.support.processes import eventually, exporter_command, free_port, run_process
from tests.support.simulator_server import serve_simulator

TESTS = 1000


@contextmanager
def serve_cloud() -> Iterator[str]:
    """The URL of a simulated k6 Cloud whose tests have all passed within the hour."""
    world, now = World(), time.time()
    for i in range(TESTS):
        world.add_run(world.add_test(f"test {i}"), created=now - 3600 + i)
    with serve_simulator(Simulator(world, tokens=["t"])) as url:
        yield url


def is_ready(address: str) -> bool:
    return httpx.get(f"http://{address}/-/ready").is_success


@contextmanager
def shards(total: int, url: str, folder: Path) -> Iterator[list[str]]:
    """The addresses of this many exporters that share the tests, once all are ready."""
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(total)]
    settings = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "K6_CLOUD_TOKEN": "t",
        "K6_CLOUD_STACK_ID": "1",
        "K6_CLOUD_EXPORTER_API__URL": url,
        "K6_CLOUD_EXPORTER_API__REQUESTS_PER_MINUTE": "6000",
        "K6_CLOUD_EXPORTER_RUNS__KEEP": "1",
    }
    with ExitStack() as stack:
        for index, address in enumerate(addresses):
            flags = ("--shard", f"pod-{index}", "--total-shards", str(total), "--web.listen-address", address)
            log = folder / f"{index}-of-{total}.log"
            stack.enter_context(run_process(*exporter_command("serve", *flags), log=log, **settings))
        eventually(lambda: all(is_ready(address) for address in addresses), seconds=60)
        yield addresses


@contextmanager
def scraping(program: str, folder: Path) -> Iterator[tuple[Prometheus, Path]]:
    """A Prometheus, and the file in which it looks for its targets."""
    targets, port = folder / "targets.json", free_port()
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        "scrape_configs:\n"
        "  - job_name: k6-cloud\n"
        f"    file_sd_configs: [{{files: [{targets}], refresh_interval: 1s}}]\n"
    )
    with run_process(
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        log=folder / "prometheus.log",
    ):
        yield Prometheus(f"http://127.0.0.1:{port}"), targets


def tile(dashboard: str, title: str) -> str:
    (query,) = (one for one in panel_queries() if (one.dashboard, one.title) == (dashboard, title))
    return query.with_variables()


def watched_tests(address: str) -> set[str]:
    page = httpx.get(f"http://{address}/metrics").text
    return {line.split('test_id="')[1].split('"')[0] for line in page.splitlines() if "test_info{" in line}


def test_resharding_counts_every_test_once(prometheus_program: str, tmp_path: Path) -> None:
    passing = tile("k6-cloud-overview", "Passing")
    tests = tile("k6-cloud-exporter", "Tests")
    with (
        serve_cloud() as url,
        scraping(prometheus_program, tmp_path) as (prometheus, targets),
        ExitStack() as old,
    ):

        def scrape(*addresses: str) -> None:
            targets.write_text(json.dumps([{"targets": addresses}]))
            targets_up = {("up", address) for address in addresses}
            eventually(lambda: targets_up <= ups())

        def ups() -> set[tuple[str, str]]:
            return {("up", sample["metric"]["instance"]) for sample in prometheus.query("up == 1")}

        def query(expression: str) -> float:
            answer = prometheus.query(expression)
            return float(answer[0]["value"][1]) if answer else 0

        four = old.enter_context(shards(4, url, tmp_path))
        shares = [watched_tests(address) for address in four]
        scrape(*four)

        assert set(Counter(test for share in shares for test in share).values()) == {1}
        assert sum(map(len, shares)) == TESTS
        assert all(200 <= len(share) <= 300 for share in shares)
        assert (query(passing), query(tests)) == (TESTS, TESTS)

        with shards(3, url, tmp_path) as three:
            scrape(*four, *three)
            assert query(passing) == TESTS
            old.close()
            assert query(passing) == TESTS
            scrape(*three)
            assert eventually(lambda: query(tests) == TESTS)
            assert query(passing) == TESTS
