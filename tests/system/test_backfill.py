"""The commands of docs/backfill.md for nine days of history, with a real Prometheus."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from exporter.simulator import Simulator, World
from tests.commands.backfill.harness import API_VERSIONS, DAY, build_world
from tests.support.exporter_process import environment
from tests.support.processes import eventually, exporter_command, free_port, run_process
from tests.support.simulator_server import serve_simulator
from tests.system.test_prometheus import CONFIGURATION, Demo

PAGE = Path(__file__).parent.parent.parent / "docs" / "backfill.md"
HOUR = 3600.0


@dataclass(frozen=True)
class Scene:
    """A simulated world with history, the time of the backfill, and the Prometheus that has imported it."""

    api_version: str
    world: World
    now: float
    demo: Demo

    def count_finished(self, since: float, until: float) -> int:
        ends = [run.steps[-1].entered for run in self.world.runs.values()]
        return sum(since < end <= until for end in ends)


def documented_commands() -> str:
    found = re.search("<!-- backfill -->\n```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(scope="module", params=API_VERSIONS)
def scene(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    prometheus_program: str,
    promtool: str,
) -> Iterator[Scene]:
    folder, now = tmp_path_factory.mktemp("backfill"), float(int(time.time()))
    simulated = build_world(days=10, tests=1, every=4 * HOUR, present=now)
    simulated.advance(now)
    port, prometheus_port = free_port(), free_port()
    (folder / "prometheus.yml").write_text(CONFIGURATION.format(port=port))
    with serve_simulator(Simulator(simulated, tokens=["demo"])) as cloud:
        path = f"{Path(sys.executable).parent}:{Path(promtool).parent}:/usr/bin:/bin"
        settings = environment(
            PATH=path,
            K6_CLOUD_TOKEN="demo",
            K6_CLOUD_EXPORTER_API__URL=cloud,
            K6_CLOUD_EXPORTER_POLL__INTERVAL="1s",
        )
        if request.param == "v6":
            settings["K6_CLOUD_STACK_ID"] = "1"
        script = documented_commands().replace("localhost:10565", f"127.0.0.1:{port}").replace("30d", "9d")
        done = subprocess.run(
            ["sh", "-e", "-c", script], cwd=folder, env=settings, capture_output=True, text=True, check=False
        )
        assert (done.returncode, "samples of 2 tests and" in done.stderr) == (0, True), done.stderr
        prometheus = (
            prometheus_program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--storage.tsdb.retention.time=90d",
            f"--web.listen-address=127.0.0.1:{prometheus_port}",
        )
        with (
            run_process(
                *exporter_command("--web.listen-address", f"127.0.0.1:{port}"),
                log=folder / "exporter.logs",
                **settings,
            ),
            run_process(*prometheus, log=folder / "prometheus.log"),
        ):
            there = f"http://127.0.0.1:{prometheus_port}"
            eventually(lambda: httpx.get(f"{there}/-/ready").is_success)
            demo = Demo(f"http://127.0.0.1:{port}", cloud, there)
            eventually(lambda: demo.query("k6_cloud_test_info"))
            yield Scene(request.param, simulated, now, demo)


def test_backfilled_states_are_true(scene: Scene) -> None:
    seen = set()
    chosen = [
        run for run in scene.world.runs.values() if scene.now - 8 * DAY < run.created < scene.now - 4 * HOUR
    ]
    for run in chosen[::9]:
        ends = [step.entered for step in run.steps[1:]] + [run.steps[-1].entered + 120]
        for step, end in zip(run.steps, ends, strict=True):
            moment = (step.entered + end) / 2
            state = run.at(moment)
            # Phases that an API version does not have of past runs are exported as created.
            unavailable = (-1, 0, 1) if scene.api_version == "legacy" else (-1,)
            expected = -2 if state.status in unavailable else state.status
            names = '{__name__=~"k6_cloud_run_status|k6_cloud_test_last_run_status"}'
            assert scene.demo.values(names, "__name__", at=moment) == {
                "k6_cloud_run_status": expected,
                "k6_cloud_test_last_run_status": expected,
            }
            seen.add(expected)

    assert seen == ({-2, 2, 3, 5, 8} if scene.api_version == "legacy" else {-2, 0, 1, 2, 3, 5, 8})


def test_backfilled_runs_are_counted_once(scene: Scene) -> None:
    until = scene.now - 3 * HOUR
    counted = scene.demo.query("sum(last_over_time(k6_cloud_test_runs_finished_total[2h]))", at=until)

    # The command is some seconds younger than the world; no run ends within them.
    assert float(counted[0]["value"][1]) == scene.count_finished(until - 9 * DAY + 3 * HOUR, until)


def test_live_series_continue_backfilled_ones(scene: Scene) -> None:
    past = scene.demo.query("last_over_time(k6_cloud_test_info[2h])", at=scene.now - 5 * HOUR)
    present = scene.demo.query("k6_cloud_test_info")
    ever = scene.demo.query("count_over_time(k6_cloud_test_info[31d])")

    assert len(past) == 1
    assert len(present) == len(ever) == 2  # with the test that never ran
    metrics = [sample["metric"] for sample in present]
    assert all(sample["metric"] in metrics for sample in past)
