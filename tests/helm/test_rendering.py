"""Helm 3 and 4 accept the chart; Kubernetes and the operator accept the rendered objects."""

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest

from tests.support.chart import CHART, CI, HELMS, OF_OPERATOR, ROOT, Tree, ci, objects, one, run, with_secret
from tests.support.crds import read_schema, require_built

VERSIONS = [f"1.{minor}" for minor in range(25, 38)]
OPERATOR = ROOT / ".tools" / "operator" / "node_modules"
# Definitions of custom resources of which there is no package of npm with the current version.
WITH_CRD = {
    "HTTPRoute": ROOT / ".tools" / "crds" / "gateway.networking.k8s.io_httproutes.yaml",
    "VerticalPodAutoscaler": ROOT / ".tools" / "crds" / "vpa-v1-crd-gen.yaml",
}
SCRIPT = Path(__file__).parent / "node" / "validate.mjs"


@pytest.mark.parametrize("program", HELMS)
@pytest.mark.parametrize("name", CI)
def test_strict_lint_has_no_messages(name: str, program: str) -> None:
    linted = run("lint", "--strict", CHART, "--values", CHART / "ci" / f"{name}-values.yaml", program=program)

    messages = [line for line in linted.stdout.splitlines() if line.startswith("[")]
    assert (linted.returncode, messages) == (0, [])


@pytest.mark.parametrize("name", CI)
def test_helm_3_and_helm_4_render_the_same(name: str) -> None:
    assert objects(ci(name), program="helm-3") == objects(ci(name), program="helm-4")


@cache
def has_custom_schema(kind: str) -> bool:
    """Whether a kind is not built into Kubernetes."""
    return kind in OF_OPERATOR | WITH_CRD.keys() | {"Certificate"}


def builtin_objects(name: str) -> list[Tree]:
    return [found for found in objects(ci(name)) if not has_custom_schema(found["kind"])]


@pytest.mark.parametrize("version", VERSIONS)
def test_each_kubernetes_accepts_the_full_values(version: str) -> None:
    for found in builtin_objects("full"):
        kubernetes_validate.validate(found, version, strict=True)


@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])
@pytest.mark.parametrize("name", [name for name in CI if name != "full"])
def test_oldest_and_newest_kubernetes_accept_all_values(name: str, version: str) -> None:
    for found in builtin_objects(name):
        if "dashboard" not in found["metadata"]["name"]:
            kubernetes_validate.validate(found, version, strict=True)


def test_unknown_kubernetes_field_is_found() -> None:
    (workload,) = (found for found in builtin_objects("existing-secret") if found["kind"] == "Deployment")
    workload["spec"]["template"]["spec"]["servicAccount"] = "misspelled"

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(workload, VERSIONS[0], strict=True)


def operator_errors(found: list[Tree]) -> list[list[str]]:
    """The errors of each object by the schemas of the operator."""
    node = shutil.which("node")
    if node is None or not OPERATOR.exists():
        pytest.skip("the schemas of the operator are missing: make tools installs them with npm")
    result = subprocess.run(
        [node, SCRIPT, OPERATOR],
        input=json.dumps(found),
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    errors: list[list[str]] = json.loads(result.stdout)
    return errors


def test_prometheus_operator_accepts_its_objects() -> None:
    made = [found for name in CI for found in objects(ci(name)) if found["kind"] in OF_OPERATOR]

    assert {found["kind"] for found in made} == OF_OPERATOR
    assert operator_errors(made) == [[] for _ in made]


def test_unknown_operator_field_is_found() -> None:
    (monitor,) = (found for found in objects(ci("operator")) if found["kind"] == "ServiceMonitor")
    monitor["spec"]["joblabel"] = "misspelled"
    (rule,) = (found for found in objects(ci("operator")) if found["kind"] == "PrometheusRule")
    rule["spec"]["groups"][0]["rules"][0]["expr"] = None

    assert operator_errors([monitor, rule])[0] == ["/spec/joblabel is unknown"]
    assert operator_errors([rule])[0]


@pytest.mark.parametrize(("kind", "file"), WITH_CRD.items())
def test_definitions_accept_the_custom_resources(kind: str, file: Path) -> None:
    require_built(file, f"the definition of {kind}")
    found = [each for name in CI for each in objects(ci(name)) if each["kind"] == kind]

    assert found
    for each in found:
        jsonschema.validate(each, read_schema(file, kind))
    found[0]["spec"]["misspelled"] = 1
    with pytest.raises(jsonschema.ValidationError, match="'misspelled' was unexpected"):
        jsonschema.validate(found[0], read_schema(file, kind))


def test_load_balancer_class_is_accepted() -> None:
    """Not in ci/, since Helm 3 waits for the address of a load balancer."""
    service = {"type": "LoadBalancer", "loadBalancerClass": "example.com/internal"}
    made = one("Service", with_secret(service=service))

    assert made["spec"]["loadBalancerClass"] == "example.com/internal"
    for version in VERSIONS:
        kubernetes_validate.validate(made, version, strict=True)


def test_eviction_policy_is_accepted_from_1_26_on() -> None:
    values = {"enabled": True, "minAvailable": 2, "unhealthyPodEvictionPolicy": "AlwaysAllow"}
    made = one("PodDisruptionBudget", with_secret(sharding={"total": 3}, podDisruptionBudget=values))

    assert made["spec"]["minAvailable"] == 2
    assert "maxUnavailable" not in made["spec"]
    for version in VERSIONS[1:]:
        kubernetes_validate.validate(made, version, strict=True)
