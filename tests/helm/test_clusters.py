"""The objects fit clusters with restrictions: quotas, Pod Security, several releases in one namespace."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.chart import (
    CHART,
    CI,
    HELMS,
    Tree,
    ci,
    identity,
    objects,
    one,
    pod,
    run,
    settings_file,
    with_secret,
)

SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}


def pod_specs(values: Tree) -> Iterator[Tree]:
    """The specification of each pod: of the exporter, and of `helm test`."""
    yield pod(values)
    yield one("Pod", values)["spec"]


def test_spread_constraint_selects_the_pods_by_default() -> None:
    values = with_secret(topologySpreadConstraints=[SPREAD | {"matchLabelKeys": ["pod-template-hash"]}])
    [made] = pod(values)["topologySpreadConstraints"]
    workload = one("Deployment", values)["spec"]

    assert made.pop("labelSelector") == workload["selector"]
    assert made == SPREAD | {"matchLabelKeys": ["pod-template-hash"]}


@pytest.mark.parametrize("selector", [{}, {"matchLabels": {"team": "load"}}])
def test_spread_constraint_keeps_its_own_selector(selector: Tree) -> None:
    values = with_secret(topologySpreadConstraints=[SPREAD | {"labelSelector": selector}, SPREAD])
    own, default = pod(values)["topologySpreadConstraints"]

    assert own["labelSelector"] == selector
    assert default["labelSelector"] == one("Deployment", values)["spec"]["selector"]


def test_test_pod_has_requests_and_limits() -> None:
    """A ResourceQuota rejects a pod without them."""
    (made,) = one("Pod", with_secret())["spec"]["containers"]

    assert {kind: set(amounts) for kind, amounts in made["resources"].items()} == {
        "requests": {"cpu", "memory"},
        "limits": {"cpu", "memory"},
    }


def test_test_pod_has_its_own_metadata_and_resources() -> None:
    made = one("Pod", ci("full"))
    values = ci("full")["helmTest"]

    assert values["labels"].items() <= made["metadata"]["labels"].items()
    assert made["metadata"]["annotations"] == values["annotations"] | {
        "helm.sh/hook": "test",
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
    }
    assert made["spec"]["containers"][0]["resources"] == values["resources"]


@pytest.mark.parametrize("resources", [None, {"requests": None, "limits": None}])
def test_resources_of_the_test_pod_can_be_removed(resources: Tree | None) -> None:
    (made,) = one("Pod", with_secret(helmTest={"resources": resources}))["spec"]["containers"]

    assert "resources" not in made


@pytest.mark.parametrize("name", CI)
def test_test_pod_is_scheduled_like_the_exporter(name: str) -> None:
    exporter, tested = pod_specs(ci(name))

    for field in ("nodeSelector", "tolerations", "priorityClassName", "runtimeClassName", "imagePullSecrets"):
        assert exporter.get(field) == tested.get(field)


def restricted_violations(spec: Tree) -> list[str]:
    """What Pod Security "restricted" would reject; see
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted."""
    found = [field for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field)]
    allowed = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim"}
    allowed |= {"projected", "secret", "name"}
    found += [f"volume {volume['name']}" for volume in spec.get("volumes", []) if set(volume) - allowed]
    of_pod = spec.get("securityContext", {})
    for container in spec["containers"] + spec.get("initContainers", []):
        context: dict[str, Any] = of_pod | container.get("securityContext", {})
        capabilities = context.get("capabilities", {})
        checks = {
            "privileged": not context.get("privileged"),
            "allowPrivilegeEscalation": context.get("allowPrivilegeEscalation") is False,
            "capabilities": "ALL" in capabilities.get("drop", [])
            and set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"},
            "runAsNonRoot": context.get("runAsNonRoot") is True,
            "runAsUser": context.get("runAsUser") != 0,
            "seccompProfile": context.get("seccompProfile", {}).get("type")
            in {"RuntimeDefault", "Localhost"},
            "hostPort": not [port for port in container.get("ports", []) if port.get("hostPort")],
        }
        found += [check for check, passed in checks.items() if not passed]
    return found


@pytest.mark.parametrize(
    "name", ["existing-secret", "full", "dual-stack", "openshift", "restricted", "sharded"]
)
def test_restricted_namespace_accepts_all_pods(name: str) -> None:
    assert [restricted_violations(spec) for spec in pod_specs(ci(name))] == [[], []]


@pytest.mark.parametrize(
    ("values", "violations"),
    [
        ({"podSecurityContext": None}, ["runAsNonRoot", "seccompProfile"]),
        ({"securityContext": None}, ["allowPrivilegeEscalation", "capabilities"]),
        ({"podSecurityContext": {"runAsUser": 0}}, ["runAsUser"]),
    ],
)
def test_restricted_namespace_rejects_weaker_pods(values: Tree, violations: list[str]) -> None:
    assert [restricted_violations(spec) for spec in pod_specs(with_secret(**values))] == [violations] * 2


def all_names(release: str, values: Tree, program: str) -> set[tuple[str, str, str]]:
    rendered = run(
        *("template", release, CHART, "--namespace", "obs", "--values", "-"),
        program=program,
        stdin=yaml.safe_dump(values),
    )
    assert rendered.returncode == 0, rendered.stderr
    return {identity(found) for found in yaml.safe_load_all(rendered.stdout) if found}


@pytest.mark.parametrize("program", HELMS)
@pytest.mark.parametrize("suffix", ["test", "exporter", "overview", "token", "web"])
def test_names_of_two_releases_do_not_collide(suffix: str, program: str) -> None:
    values = {"k6": {"apiToken": "x"}, "dashboards": {"enabled": True}}
    first, second = (
        all_names(name, values, program) for name in ("k6-cloud-exporter", f"k6-cloud-exporter-{suffix}")
    )

    assert len(first) == len(second)
    assert not first & second


def test_dashboard_config_maps_are_named_after_the_release() -> None:
    names = {found["metadata"]["name"] for found in objects(ci("operator")) if found["kind"] == "ConfigMap"}

    assert {f"rel-k6-cloud-exporter-dashboard-{name}" for name in ("exporter", "overview", "test")} < names


def test_openshift_assigns_user_and_group() -> None:
    for spec in pod_specs(ci("openshift")):
        for context in (spec["securityContext"], spec["containers"][0]["securityContext"]):
            assert not {"runAsUser", "runAsGroup", "fsGroup"} & context.keys()


def test_air_gapped_images_come_from_the_mirror() -> None:
    for spec in pod_specs(ci("air-gapped")):
        images = [container["image"] for container in spec["containers"]]
        assert all(image.startswith("registry.example.com/") for image in images)
        assert spec["imagePullSecrets"] == [{"name": "registry"}]


def test_dual_stack_service_and_exporter_have_both_families() -> None:
    service = one("Service", ci("dual-stack"))["spec"]

    assert (service["ipFamilyPolicy"], service["ipFamilies"]) == ("RequireDualStack", ["IPv6", "IPv4"])
    # Without a host, the exporter listens on IPv4 and IPv6.
    assert settings_file(ci("dual-stack"))["web"]["listen_address"] == ":10565"
