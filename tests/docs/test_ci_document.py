"""docs/ci.md: its pipelines are valid and run against the simulator, and its exit codes are right."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter import __version__
from exporter.commands.runs import exit_codes
from exporter.commands.runs.actions import EXIT_CODES
from exporter.model import Outcome
from exporter.simulator import EndStatus, Phases, RunScript, Simulator, World
from tests.automation.test_workflows import ACTIONLINT
from tests.support.documents import DOCS, read_document, read_example, read_section
from tests.support.exporter_process import COMMAND_TIMEOUT, environment
from tests.support.processes import eventually
from tests.support.simulator_server import serve_simulator

PAGE = DOCS / "ci.md"
IMAGE = f"ghcr.io/k6-cloud-exporter/k6-cloud-exporter:{__version__}"
SHORT = Phases(created=0.1, validated=0.1, queued=0.1, initializing=0.1, running=1, processing=0.1)
LONG = Phases(created=0.1, validated=0.1, queued=0.1, initializing=0.1, running=3600)


@dataclass(frozen=True)
class Pipeline:
    """The shell of a CI service, and the lines that start and that stop a run."""

    shell: tuple[str, ...]
    start: str
    stop: str
    variables: dict[str, str]


def read_yaml(name: str) -> Any:
    return yaml.safe_load(read_example(PAGE, name))


def github() -> Pipeline:
    job = read_yaml("github")["jobs"]["load-test"]
    _, start, stop = (step["run"] for step in job["steps"])
    # https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax
    return Pipeline(("bash", "-e"), start, stop, {"K6_TEST": job["env"]["K6_TEST"]})


def docker() -> Pipeline:
    pipeline, command = github(), read_example(PAGE, "docker").strip()
    start, stop = (re.sub(r"\bk6-cloud-exporter\b", command, it) for it in (pipeline.start, pipeline.stop))
    return Pipeline(pipeline.shell, start, stop, pipeline.variables)


def gitlab() -> Pipeline:
    job = read_yaml("gitlab")["load-test"]
    start, stop = ("\n".join(job[key]) for key in ("script", "after_script"))
    return Pipeline(("sh", "-e"), start, stop, job["variables"] | {"CI_JOB_STATUS": "failed"})


PIPELINES = {"github": github, "docker": docker, "gitlab": gitlab}


@dataclass
class Runner:
    """A folder in which the lines of pipelines are run, and the simulated k6 Cloud that they use."""

    folder: Path
    world: World
    environment: dict[str, str]

    def start(self, pipeline: Pipeline, lines: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*pipeline.shell, "-c", lines],
            cwd=self.folder,
            env=self.environment | pipeline.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, pipeline: Pipeline, lines: str) -> tuple[int, str]:
        """The exit code and the output."""
        with self.start(pipeline, lines) as process:
            output, _ = process.communicate(timeout=COMMAND_TIMEOUT)
        return process.returncode, output

    def plan(self, script: RunScript) -> None:
        self.world.add_test("checkout-soak", plan=script)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    programs, folder = tmp_path / "bin", tmp_path / "job"
    programs.mkdir()
    folder.mkdir()
    command = f'exec "{sys.executable}" -m exporter "$@"\n'
    # Stands for Docker: it runs the program of the image with the arguments after the name of the image.
    skip = f'while [ "$1" != "{IMAGE}" ]; do shift; done\nshift\n'
    for name, lines in (("k6-cloud-exporter", command), ("docker", skip + command)):
        (programs / name).write_text(f"#!/bin/sh\n{lines}", encoding="utf-8")
        (programs / name).chmod(0o755)
    world = World(stop_delay=0.5)
    with serve_simulator(Simulator(world, tokens=["secret-token"], clock=time.time)) as url:
        yield Runner(
            folder,
            world,
            environment(
                PATH=f"{programs}:{os.environ['PATH']}",
                PYTHONPATH=str(DOCS.parent),
                K6_CLOUD_TOKEN="secret-token",
                K6_CLOUD_STACK_ID="1",
                K6_CLOUD_EXPORTER_API__URL=url,
            ),
        )


@pytest.mark.parametrize("name", PIPELINES)
def test_pipeline_starts_and_watches_the_run(name: str, runner: Runner) -> None:
    pipeline = PIPELINES[name]()
    runner.plan(RunScript(phases=SHORT, failed=True))

    code, output = runner.run(pipeline, pipeline.start)

    assert code == exit_codes.FAILED, output
    assert "started run 5000001" in output
    *_, last = (runner.folder / "run.jsonl").read_text(encoding="utf-8").splitlines()
    assert '"outcome": "failed"' in last
    code, output = runner.run(pipeline, pipeline.stop)
    assert (code, "already ended" in output) == (0, True)
    assert "secret-token" not in output


@pytest.mark.parametrize("name", PIPELINES)
def test_killed_job_leaves_a_run_that_the_last_step_stops(name: str, runner: Runner) -> None:
    pipeline, file = PIPELINES[name](), runner.folder / "run.jsonl"
    file.touch()
    runner.plan(RunScript(phases=LONG))

    with runner.start(pipeline, pipeline.start) as process:
        try:
            eventually(lambda: file.read_text(encoding="utf-8"))
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    code, output = runner.run(pipeline, pipeline.stop)

    assert code == 0, output
    assert "stopping run 5000001" in output
    eventually(lambda: runner.world.runs[5000001].at(time.time()).status == EndStatus.ABORTED_BY_USER)


@pytest.mark.parametrize("name", PIPELINES)
def test_last_step_without_a_run_succeeds(name: str, runner: Runner) -> None:
    pipeline = PIPELINES[name]()
    (runner.folder / "run.jsonl").touch()

    assert runner.run(pipeline, pipeline.stop) == (0, "")


def test_github_workflow_passes_actionlint(tmp_path: Path) -> None:
    if not ACTIONLINT.exists():
        pytest.skip("actionlint is not built here: make tools does so where there is Go")
    workflow = tmp_path / "load-test.yml"
    workflow.write_text(read_example(PAGE, "github"), encoding="utf-8")

    result = subprocess.run(
        [ACTIONLINT, "-no-color", "-shellcheck=", "-pyflakes=", workflow],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_watching_ends_before_the_job_does() -> None:
    github_job = read_yaml("github")["jobs"]["load-test"]
    gitlab_job = read_yaml("gitlab")["load-test"]

    [timeout] = set(re.findall(r"--timeout (\d+)m", github().start + gitlab().start))
    assert int(timeout) < github_job["timeout-minutes"]
    assert gitlab_job["timeout"] == "1 hour"
    assert int(timeout) < 60


def test_pipelines_pin_the_present_version() -> None:
    text = read_document(PAGE)

    assert set(re.findall(r"k6-cloud-exporter==(\S+?)[`\s]", text)) == {__version__}
    assert read_yaml("gitlab")["load-test"]["image"]["name"] == IMAGE
    assert IMAGE in read_example(PAGE, "docker")


def test_exit_codes_are_those_of_the_code() -> None:
    rows = read_section(PAGE, "exit-codes").splitlines()[2:]
    ours = [int(re.split(r"\D", row.split("|")[2].strip())[0]) for row in rows]

    expected = [
        EXIT_CODES[Outcome.PASSED],
        EXIT_CODES[Outcome.FAILED],
        exit_codes.ERROR,
        exit_codes.USAGE,
        exit_codes.ERROR,
        exit_codes.TIMED_OUT,
        exit_codes.INTERRUPTED,
    ]
    assert ours == expected
