"""The chart on a real API server, with Helm 3 and 4; each namespace enforces Pod Security "restricted".

The tests show what the API server accepts, defaults and refuses, and what its controllers do with it. They do
not show the exporter in its pods, since no container runs.
"""

import json
from typing import Any

import pytest

from tests.cluster.cluster import Release
from tests.support.chart import CI, HELMS, OF_OPERATOR, Tree, ci, objects, with_secret
from tests.support.processes import eventually

RESOURCES = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}
# Each pod in a namespace with such a quota must set all four.
QUOTA = {"requests.cpu": "2", "requests.memory": "1Gi", "limits.cpu": "4", "limits.memory": "2Gi"}
CHANGED = "example.com/changed"
# By field of a pod, the object that it names.
NAMED: dict[str, Tree] = {
    "priorityClassName": {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 1},
    "runtimeClassName": {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": "runc"},
}


def prepare_cluster(release: Release, values: Tree) -> int:
    """Creates what the values name, and without which no pod is admitted or scheduled.

    Returns the number of pods that the values demand.
    """
    (workload,) = (found for found in objects(values) if found["kind"] in {"Deployment", "StatefulSet"})
    spec = workload["spec"]["template"]["spec"]
    for key, named in NAMED.items():
        if key in spec:
            release.cluster.apply(named | {"metadata": {"name": spec[key]}})
    for label, value in spec.get("nodeSelector", {}).items():
        release.cluster.kubectl("label", "nodes", "--all", "--overwrite", f"{label}={value}")
    total: int = workload["spec"]["replicas"]
    return total


def set_quota(release: Release) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "quota", "namespace": release.name},
        "spec": {"hard": QUOTA},
    }
    release.cluster.apply(quota)
    # Until its controller has counted, the quota refuses every pod.
    eventually(lambda: release.live([quota])[0].get("status", {}).get("used"))


def with_annotation(values: Tree) -> Tree:
    return values | {"podAnnotations": values.get("podAnnotations", {}) | {CHANGED: "yes"}}


def changed(pods: list[Tree]) -> set[bool]:
    """Whether the pods have the annotation."""
    return {CHANGED in pod["metadata"].get("annotations", {}) for pod in pods}


def contains(found: Any, expected: Any) -> bool:
    """Whether the first tree has all that the second has."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(contains(found.get(key), expected[key]) for key in expected)
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(contains, found, expected))
    return bool(found == expected)


def refusal(release: Release) -> str:
    """Why the API server refuses the pods of the workload."""

    def find() -> str:
        conditions = release.workload().get("status", {}).get("conditions", [])
        return "".join(one["message"] for one in conditions if one["type"] == "ReplicaFailure")

    return eventually(find)


@pytest.mark.parametrize("name", CI)
def test_ci_values_roll_in_a_restricted_namespace(name: str, release: Release) -> None:
    values = ci(name)
    total = prepare_cluster(release, values)

    release.install(values)
    assert len(release.live(release.manifest())) == len(release.manifest())
    assert changed(release.pods(total)) == {False}
    release.test()
    release.upgrade(with_annotation(values))
    assert changed(release.pods(total)) == {True}
    release.roll_back(1)
    assert changed(release.pods(total)) == {False}
    release.uninstall()


@pytest.mark.parametrize("name", CI)
def test_applied_chart_has_no_difference(name: str, release: Release) -> None:
    found = release.render(ci(name))

    for options in ((), ("--server-side",)):
        release.kubectl("apply", *options, found=found)
        # It would exit with 1 if there were a difference.
        assert release.kubectl("diff", *options, found=found) == ""
        release.kubectl("delete", found=found)


def test_shards_replace_the_workload_and_back(release: Release) -> None:
    def expect(kind: str, total: int) -> None:
        release.pods(total)
        assert release.workload()["kind"] == kind

    release.install(with_secret())
    expect("Deployment", 1)
    for total, kind in [(3, "StatefulSet"), (2, "StatefulSet"), (1, "Deployment")]:
        release.upgrade(with_secret(sharding={"total": total}), f"upgrade to sharding.total {total}")
        expect(kind, total)
    release.roll_back(2)
    expect("StatefulSet", 3)
    release.roll_back(1)
    expect("Deployment", 1)
    release.uninstall()


def test_strategy_changes_and_back(release: Release) -> None:
    # Fields of one strategy are invalid in the other, and Helm 4 removes only fields that it has set.
    release.install(with_secret())
    release.upgrade(with_secret(strategy={"type": "RollingUpdate"}), "upgrade to RollingUpdate")
    assert release.workload()["spec"]["strategy"]["type"] == "RollingUpdate"
    release.upgrade(with_secret(), "upgrade to Recreate")
    assert release.workload()["spec"]["strategy"] == {"type": "Recreate"}
    release.uninstall()


def test_quota_admits_the_exporter_and_its_test(release: Release) -> None:
    set_quota(release)

    release.install(with_secret(resources=RESOURCES))
    release.test()
    release.upgrade(with_annotation(with_secret(resources=RESOURCES)))
    assert changed(release.pods(1)) == {True}
    release.uninstall()


def test_quota_refuses_pods_without_resources(release: Release) -> None:
    set_quota(release)

    release.install(with_secret(helmTest={"resources": None}), options=())

    assert "must specify limits.cpu" in refusal(release)
    with pytest.raises(AssertionError, match="must specify"):
        release.test()
    release.uninstall()


def test_restricted_namespace_refuses_a_root_user(release: Release) -> None:
    with pytest.raises(AssertionError, match="would violate PodSecurity"):
        release.install(with_secret(podSecurityContext={"runAsNonRoot": False}), options=())

    assert "violates PodSecurity" in refusal(release)
    release.uninstall()


def test_operator_objects_keep_all_fields(release: Release) -> None:
    found = [one for name in CI for one in release.render(ci(name)) if one["kind"] in OF_OPERATOR]

    for one in found:
        made = release.kubectl("create", "--dry-run=server", "--output=json", found=[one])
        assert contains(json.loads(made), one)
    assert {one["kind"] for one in found} == OF_OPERATOR


def test_helm_versions_alternate_on_one_release(release: Release) -> None:
    # Helm 4 applies on the server, Helm 3 merges by itself.
    first = release.program
    (second,) = set(HELMS) - {first}

    release.install(with_secret())
    release.program = second
    release.upgrade(with_annotation(with_secret()), f"upgrade by {second}")
    assert changed(release.pods(1)) == {True}
    release.program = first
    release.upgrade(with_secret(), f"upgrade by {first}")
    assert changed(release.pods(1)) == {False}
    release.uninstall()
