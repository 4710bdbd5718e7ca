"""The README is short and true. `make golden` rewrites its generated parts; read the diff."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.simulator import Phases, World
from tests.support.documents import DOCS, README, ROOT, read_document, read_example, read_section
from tests.support.golden import assert_section
from tests.support.lab import START, Lab
from tests.support.programs import require_program

ALERTS = ROOT / "grafana" / "alerts.yaml"
CHART = ROOT / "helm" / "k6-cloud-exporter" / "Chart.yaml"
SHOWN = re.compile(
    r"k6_cloud_run_(status|result_status|vus|started_timestamp_seconds|execution_seconds)\{"
    r"|k6_cloud_test_(last_outcome|runs_finished_total)\{outcome=\"(passed|failed)\""
)


def exposition() -> str:
    """Ten lines of /metrics: a test whose last finished run failed, and its active run."""
    world = World()
    test = world.add_test("checkout-soak", created=START - 86400)
    world.add_run(test, created=START + 10, failed=True, vus=200, phases=Phases(running=600))
    world.add_run(test, created=START + 900, vus=200, phases=Phases(running=600))
    stack = {"version": "v6", "stack": 1}
    with Lab(world, api={"url": "http://k6.test"} | stack, runs={"keep": 1}) as lab:
        for seconds in (0, 800, 1000):
            lab.at(seconds).poll()
        lines = lab.get().text.splitlines()
    shown = [line for line in lines if SHOWN.match(line)]
    return "```text\n" + "\n".join(shown[:3] + shown[-5:]) + "\n```"


def alert(name: str) -> str:
    """An alert as it is in grafana/alerts.yaml."""
    text = read_document(ALERTS)
    found = re.search(rf"^      - alert: {name}\n(?:        .*\n)+", text, re.MULTILINE)
    assert found
    lines = [line.removeprefix("      ") for line in found[0].splitlines()]
    return "```yaml\n" + "\n".join(lines) + "\n```"


def test_readme_shows_a_real_exposition() -> None:
    assert_section(README, "exposition", exposition())


def test_readme_shows_a_real_alert() -> None:
    assert_section(README, "alert", alert("K6CloudTestFailingRepeatedly"))


def test_readme_has_at_most_150_lines() -> None:
    assert len(read_document(README).splitlines()) <= 150


def test_readme_configuration_is_valid(tmp_path: Path) -> None:
    from exporter.config import load  # noqa: PLC0415 (only used here)

    [example] = re.findall("```yaml\n(api:\n.*?)```", read_document(README), re.DOTALL)
    file = tmp_path / "exporter.yaml"
    file.write_text(example)

    config, _ = load(file, {"K6_CLOUD_TOKEN": "x"}, {})

    assert [entry.id for entry in config.tests] == [1234, None]


def test_readme_scrape_config_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(read_example(README, "scrape-config"))

    subprocess.run(
        [require_program("promtool", "prometheus"), "check", "config", file], check=True, capture_output=True
    )


def test_every_document_is_in_the_index() -> None:
    index = read_document(DOCS / "README.md")

    for path in DOCS.glob("*.md"):
        assert path.name == "README.md" or f"]({path.name})" in index


@pytest.fixture(scope="module")
def compatibility() -> dict[str, str]:
    """The rows of the table."""
    rows = [line.strip("| ").split(" | ") for line in read_section(README, "compatibility").splitlines()[2:]]
    return {row[0]: row[1] for row in rows}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    loaded: dict[str, Any] = tomllib.loads(read_document(ROOT / "pyproject.toml"))
    return loaded


def test_compatible_python_versions_are_the_declared_ones(
    compatibility: dict[str, str], project: dict[str, Any]
) -> None:
    declared = re.findall(r"Python :: (3\.\d+)", "\n".join(project["project"]["classifiers"]))
    workflow = yaml.safe_load(read_document(ROOT / ".github" / "workflows" / "ci.yml"))

    assert compatibility["Python"].split(", ") == declared
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == declared


def test_compatible_kubernetes_is_that_of_the_chart(compatibility: dict[str, str]) -> None:
    [version] = re.findall(r"([\d.]+) or later", compatibility["Kubernetes"])

    assert yaml.safe_load(read_document(CHART))["kubeVersion"] == f">={version}.0-0"


def test_compatible_grafana_is_that_of_the_builder(
    compatibility: dict[str, str], project: dict[str, Any]
) -> None:
    [version] = re.findall(r"([\d.]+) or later", compatibility["Grafana"])
    [builder] = (
        line for line in project["dependency-groups"]["dev"] if line.startswith("grafana-foundation")
    )

    assert builder.endswith(f"!{version}.0")
