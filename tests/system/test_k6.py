"""A real k6 uses the simulated k6 Cloud, and the exporter exposes the run that it starts."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.processes import eventually, exporter_command, free_port, run_process

BUILT = Path(__file__).parent.parent.parent / ".tools" / "k6"
SCRIPT = """
export const options = { vus: 3, duration: "5s" };
export default function () {}
"""


@pytest.fixture(scope="module")
def k6() -> str:
    """A k6 for the v6 API; `make tools` builds it where Go is installed."""
    if BUILT.exists():
        return str(BUILT)
    if os.environ.get("CI") == "true" and shutil.which("go"):
        pytest.fail("k6 is missing; build it with make tools")
    pytest.skip("k6 is not built; make tools builds it where Go is installed")


@dataclass(frozen=True)
class Scene:
    """A simulated k6 Cloud, the exporter that polls it, and a k6 that is logged in to it."""

    exporter: str
    k6: str
    environment: dict[str, str]

    def cloud(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.k6, "cloud", *arguments],
            env=self.environment,
            cwd=self.environment["HOME"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def run_json(self, *arguments: str) -> Any:
        done = self.cloud(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def statuses(self, test_name: str) -> list[float]:
        """The status codes that the exporter exposes for the runs of a test."""
        lines = httpx.get(f"{self.exporter}/metrics").text.splitlines()
        return [
            float(line.rsplit(" ", 1)[1])
            for line in lines
            if line.startswith("k6_cloud_run_status{") and f'test_name="{test_name}"' in line
        ]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, k6: str) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("k6")
    (folder / "script.js").write_text(SCRIPT)
    cloud, exporter = free_port(), free_port()
    settings = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "K6_CLOUD_TOKEN": "demo",
        "K6_CLOUD_STACK_ID": "1",
        "K6_CLOUD_EXPORTER_API__URL": f"http://127.0.0.1:{cloud}",
        "K6_CLOUD_EXPORTER_POLL__INTERVAL": "500ms",
        "K6_CLOUD_EXPORTER_POLL__IDLE_INTERVAL": "500ms",
        "K6_CLOUD_EXPORTER_POLL__DISCOVERY_INTERVAL": "500ms",
        "K6_CLOUD_EXPORTER_API__REQUESTS_PER_MINUTE": "6000",
    }
    client = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "K6_CLOUD_HOST_V6": f"http://127.0.0.1:{cloud}",
        "K6_CLOUD_TOKEN": "demo",
        "K6_CLOUD_STACK_ID": "1",
        "K6_CLOUD_PROJECT_ID": "30001",
        "K6_NO_USAGE_REPORT": "true",
    }
    with (
        run_process(
            *exporter_command("simulator", "--web.listen-address", f"127.0.0.1:{cloud}"),
            log=folder / "simulator.log",
        ),
        run_process(
            *exporter_command("--web.listen-address", f"127.0.0.1:{exporter}"),
            log=folder / "exporter.logs",
            **settings,
        ),
    ):
        url = f"http://127.0.0.1:{exporter}"
        eventually(lambda: httpx.get(f"{url}/-/ready").status_code == 200)
        yield Scene(url, k6, client)


def test_k6_lists_simulated_projects_and_tests(scene: Scene) -> None:
    projects = {project["name"]: project["id"] for project in scene.run_json("project", "list")}
    tests = scene.run_json("test", "list", "--project-id", str(projects["payments"]))

    assert projects.keys() >= {"shop", "payments", "platform"}
    assert {test["name"] for test in tests} >= {"login-spike", "refund-stress"}


def test_run_started_by_k6_is_exposed(scene: Scene) -> None:
    started = subprocess.Popen(
        [scene.k6, "cloud", "run", "--show-logs=false", "script.js"],
        env=scene.environment | {"K6_CLOUD_NAME": "from-k6"},
        cwd=scene.environment["HOME"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        eventually(lambda: 2 in scene.statuses("from-k6"), seconds=30)
        output, _ = started.communicate(timeout=60)
    finally:
        started.kill()

    assert (started.returncode, "test status: Finished" in output) == (0, True), output
    eventually(lambda: scene.statuses("from-k6") == [3])


def write_script(scene: Scene, outcome: str, *, seconds: int) -> None:
    script = f"// simulate: {outcome}\n{SCRIPT.replace('5s', f'{seconds}s')}"
    Path(scene.environment["HOME"], f"{outcome}.js").write_text(script)


@pytest.mark.parametrize(
    ("outcome", "exit_code", "status"),
    [("failed", 99, 3), ("aborted_by_threshold", 99, 8), ("aborted_by_script_error", 97, 7)],
)
def test_outcome_in_a_script_reaches_k6_and_metrics(
    scene: Scene, outcome: str, exit_code: int, status: int
) -> None:
    write_script(scene, outcome, seconds=2)
    scene.environment["K6_CLOUD_NAME"] = outcome

    done = scene.cloud("run", "--show-logs=false", f"{outcome}.js")

    assert done.returncode == exit_code, done.stdout + done.stderr
    eventually(lambda: scene.statuses(outcome) == [status])


def test_ctrl_c_in_k6_aborts_the_uploaded_run(scene: Scene) -> None:
    write_script(scene, "passed", seconds=300)
    k6 = subprocess.Popen(
        [scene.k6, "cloud", "run", "--show-logs=false", "passed.js"],
        env=scene.environment | {"K6_CLOUD_NAME": "interrupted"},
        cwd=scene.environment["HOME"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        eventually(lambda: 2 in scene.statuses("interrupted"), seconds=30)
        k6.send_signal(signal.SIGINT)
        output, _ = k6.communicate(timeout=60)
    finally:
        k6.kill()

    assert k6.returncode == 97, output
    eventually(lambda: scene.statuses("interrupted") == [5])
