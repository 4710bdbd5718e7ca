"""The report of `check` for several configurations, in report.txt, and its exit status."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from exporter.cli import main
from exporter.simulator import Phases, Simulator, World
from tests.support.golden import assert_golden
from tests.support.simulator_server import serve_simulator

SECONDS_AGO = 600
LOW_LIMIT = {"K6_CLOUD_EXPORTER_API__REQUESTS_PER_MINUTE": "8", "K6_CLOUD_EXPORTER_POLL__INTERVAL": "5s"}
V6 = {"K6_CLOUD_STACK_ID": "1"}
LONG = Phases(running=100_000)


def build_world() -> World:
    """Two projects with two tests each, of which three have run once."""
    world, now = World(), time.time()
    shop, payments = world.add_project("shop"), world.add_project("payments")
    for name, project in (("checkout-soak", shop), ("Login", shop), ("login", payments)):
        test = world.add_test(name, project_id=project)
        world.add_run(test, created=now - SECONDS_AGO)
    world.add_test("never run \x1b[31m", project_id=payments)
    return world


@pytest.fixture
def cloud() -> Iterator[tuple[World, str]]:
    simulated = build_world()
    with serve_simulator(Simulator(simulated, tokens=["demo"])) as url:
        yield simulated, url


def run_check(url: str, *arguments: str, **environ: str) -> tuple[int, str]:
    """The exit status and the report, with URL for the address of the simulated k6 Cloud."""
    own: dict[str, str | None] = {name: None for name in os.environ if name.startswith("K6_CLOUD_")}
    given: dict[str, str | None] = {"K6_CLOUD_TOKEN": "demo", "K6_CLOUD_EXPORTER_API__URL": url, **environ}
    result = CliRunner().invoke(main, ["check", *arguments], env=own | given)
    return result.exit_code, result.stdout.replace(url, "URL")


def test_golden_reports(cloud: tuple[World, str]) -> None:
    simulated, url = cloud
    first, login, *_ = simulated.tests
    project, other = sorted({test.project_id for test in simulated.tests.values()})
    run = min(simulated.runs)
    wrong = (f"--test={project}", f"--test={run}", "--test=7", f"--test={first}0", f"--project={login}")
    patterns = f"[{{include: ^Checkout}}, {{project: {other}, include: soak}}, {{include: chekout_soak}}, "
    patterns += "{include: zebra}, {include: login, exclude: .}, {project: 7}]"
    reports = {
        "legacy, all tests": run_check(url),
        "v6, all tests": run_check(url, **V6),
        "legacy although a stack is set": run_check(url, "--api.version=legacy", f"--test={first}", **V6),
        "a test and a project": run_check(url, f"--test={first}", f"--project={other}", **V6),
        "shard": run_check(url, "--shard=1", "--total-shards=2", **V6),
        "low rate limit": run_check(url, **LOW_LIMIT, **V6),
        "wrong token": run_check(url, K6_CLOUD_TOKEN="canary"),
        "id of another stack": run_check(url, K6_CLOUD_STACK_ID="2"),
        "wrong ids": run_check(url, *wrong),
        "a name": run_check(url, "--test=checkout-soak", **V6),
        "wrong names": run_check(url, "--test=Checkout-soak", "--test=login", "--test=zebra"),
        "a project by name": run_check(url, "--project=shop", **V6),
        "wrong names of projects": run_check(url, "--project=Shop", "--project=login", "--project=zebra"),
        "wrong patterns": run_check(url, K6_CLOUD_EXPORTER_TESTS=patterns, **V6),
    }
    for _ in range(2):
        simulated.add_run(first, created=time.time() - SECONDS_AGO, phases=LONG)
    reports["active runs"] = run_check(url, f"--test={first}", **V6)
    for project_id in (project, other):
        simulated.add_test("same", project_id=project_id)
    simulated.add_project("shop")
    reports["ambiguous project"] = run_check(url, "--project=shop", **V6)
    reports["ambiguous name"] = run_check(url, "--test=same", **V6)

    sections = [f"[{name}] exit status {status}\n{text}" for name, (status, text) in reports.items()]
    assert_golden(Path(__file__).with_name("report.txt"), "\n".join(sections))
