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
# The least that is needed.
SECRET = {"k6": {"existingSecret": {"name": "k6-cloud"}}}

Tree = dict[str, Any]
# The one in C is ten times as fast, where there is one.
Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def helm(name: str = "helm-4") -> Path:
    """The program. One that is missing is skipped, under CI a failure."""
    path = ROOT / ".tools" / name
    if not path.exists() and os.environ.get("CI") == "true":
        pytest.fail(f"{name} is missing; make tools")
    if not path.exists():
        pytest.skip(f"{name} is not installed here: make tools gets it where there is Linux on x86-64")
    return path


def run(*arguments: str | Path, program: str = "helm-4", given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [helm(program), *arguments], input=given, capture_output=True, text=True, timeout=60, check=False
    )


def template(
    values: Mapping[str, Any], *, program: str = "helm-4", chart: Path = CHART
) -> subprocess.CompletedProcess[str]:
    return run(
        *("template", "rel", chart, "--namespace", "obs", "--values", "-"),
        program=program,
        given=json.dumps(values),
    )


def objects(values: Mapping[str, Any], *, program: str = "helm-4", chart: Path = CHART) -> list[Tree]:
    """What is rendered, in an order of its own: Helm 3 and 4 differ in theirs."""
    return deepcopy(rendered(json.dumps(values), program, chart))


@cache
def rendered(values: str, program: str, chart: Path) -> list[Tree]:
    made = template(json.loads(values), program=program, chart=chart)
    assert made.returncode == 0, made.stderr
    return sorted(filter(None, yaml.load_all(made.stdout, Loader=Loader)), key=identity)


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
    (only,) = pod(values)["containers"]
    found: Tree = only
    return found


def settings_file(values: Mapping[str, Any]) -> Tree:
    """The exporter's configuration file."""
    made = [found.get("data", {}) for found in objects(values) if found["kind"] == "ConfigMap"]
    (text,) = (data["exporter.yaml"] for data in made if "exporter.yaml" in data)
    tree: Tree = yaml.safe_load(text)
    return tree


def refusal(values: Mapping[str, Any]) -> list[str]:
    """The lines with which values are refused."""
    refused = template(values)
    assert refused.returncode != 0, "it is not refused"
    return [line for line in refused.stderr.splitlines() if line and not line.startswith("level=INFO")]


@cache
def ci(name: str) -> Tree:
    """The values of a file in ci/."""
    values: Tree = yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text(encoding="utf-8"))
    return values


@cache
def defaults() -> Tree:
    values: Tree = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return values
