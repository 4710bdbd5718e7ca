"""The chart as Helm renders it."""

import json
import os
import subprocess
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
CHART = ROOT / "helm" / "k6-cloud-exporter"
HELMS = ("helm-3", "helm-4")
CI = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))
OF_OPERATOR = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
# The minimum.
SECRET = {"k6": {"existingSecret": {"name": "k6-cloud"}}}

Tree = dict[str, Any]
# The C loader, if available, is ten times as fast.
Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def helm(name: str = "helm-4") -> Path:
    """The program. If it is missing, the test is skipped; in CI it fails."""
    path = ROOT / ".tools" / name
    if not path.exists() and os.environ.get("CI") == "true":
        pytest.fail(f"{name} is missing; run make tools")
    if not path.exists():
        pytest.skip(f"{name} is not installed; make tools downloads it on Linux on x86-64")
    return path


def run(*arguments: str | Path, program: str = "helm-4", stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [helm(program), *arguments], input=stdin, capture_output=True, text=True, timeout=300, check=False
    )


def template(
    values: Mapping[str, Any], *, program: str = "helm-4", chart: Path = CHART
) -> subprocess.CompletedProcess[str]:
    return run(
        *("template", "rel", chart, "--namespace", "obs", "--values", "-"),
        program=program,
        stdin=json.dumps(values),
    )


def objects(values: Mapping[str, Any], *, program: str = "helm-4", chart: Path = CHART) -> list[Tree]:
    """The rendered objects, sorted, since Helm 3 and 4 order them differently."""
    return deepcopy(render(json.dumps(values), program, chart))


@cache
def render(values: str, program: str, chart: Path) -> list[Tree]:
    result = template(json.loads(values), program=program, chart=chart)
    assert result.returncode == 0, result.stderr
    return sorted(filter(None, yaml.load_all(result.stdout, Loader=Loader)), key=identity)


def identity(found: Tree) -> tuple[str, str, str]:
    return found["kind"], found["metadata"].get("namespace", ""), found["metadata"]["name"]


def one(kind: str, values: Mapping[str, Any]) -> Tree:
    """The only object of a kind."""
    (found,) = (found for found in objects(values) if found["kind"] == kind)
    return found


def with_secret(**values: Any) -> Tree:
    return SECRET | values


def pod(values: Mapping[str, Any]) -> Tree:
    """The specification of the exporter's pods."""
    (workload,) = (found for found in objects(values) if found["kind"] in {"Deployment", "StatefulSet"})
    spec: Tree = workload["spec"]["template"]["spec"]
    return spec


def container(values: Mapping[str, Any]) -> Tree:
    """The exporter's container; there can be others beside it."""
    found: Tree
    (found,) = (each for each in pod(values)["containers"] if each["name"] == "exporter")
    return found


def settings_file(values: Mapping[str, Any]) -> Tree:
    """The exporter's configuration file."""
    maps = [found.get("data", {}) for found in objects(values) if found["kind"] == "ConfigMap"]
    (text,) = (data["exporter.yaml"] for data in maps if "exporter.yaml" in data)
    tree: Tree = yaml.safe_load(text)
    return tree


def errors(values: Mapping[str, Any]) -> list[str]:
    """The lines that Helm prints for invalid values."""
    result = template(values)
    assert result.returncode != 0, "the values are accepted"
    return [line for line in result.stderr.splitlines() if line and not line.startswith("level=INFO")]


@cache
def ci(name: str) -> Tree:
    """The values of a file in ci/."""
    values: Tree = yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text(encoding="utf-8"))
    return values


@cache
def defaults() -> Tree:
    values: Tree = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return values
