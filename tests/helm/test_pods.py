"""Values of the pods that other charts have too: strategies, probes, containers, templates in values."""

from typing import Any

import pytest

from tests.support.chart import Tree, ci, container, objects, one, pod, with_secret


def probes(**values: Any) -> Tree:
    made = container(with_secret(probes=values))
    return {name.removesuffix("Probe"): made[name] for name in made if name.endswith("Probe")}


def test_probe_handler_replaces_the_default_request() -> None:
    made = probes(liveness={"tcpSocket": {"port": "metrics"}})["liveness"]

    assert made["tcpSocket"] == {"port": "metrics"}
    assert "httpGet" not in made
    assert made["failureThreshold"] == 6


def test_readiness_path_alone_can_be_replaced() -> None:
    """So that a rollout does not wait for k6 Cloud."""
    made = probes(readiness={"httpGet": {"path": "/-/healthy"}})["readiness"]

    assert made["httpGet"] == probes()["liveness"]["httpGet"]
    assert made["failureThreshold"] == 3


def test_startup_probe_requests_the_health_by_default() -> None:
    assert "startup" not in probes()
    assert probes(startup={"failureThreshold": 30})["startup"] == {
        "failureThreshold": 30,
        "httpGet": probes()["liveness"]["httpGet"],
    }


def test_null_probes_keep_the_default_requests() -> None:
    made = container(with_secret(probes={"liveness": None, "readiness": None, "startup": None}))

    assert made["livenessProbe"]["httpGet"]["path"] == "/-/healthy"
    assert made["readinessProbe"]["httpGet"]["path"] == "/-/ready"


@pytest.mark.parametrize(
    ("name", "kind", "key"),
    [("extras", "Deployment", "strategy"), ("sharded-extras", "StatefulSet", "updateStrategy")],
)
def test_update_strategy_is_passed_through(name: str, kind: str, key: str) -> None:
    assert one(kind, ci(name))["spec"][key] == ci(name)[key]


def test_further_containers_are_beside_the_exporter() -> None:
    made = pod(ci("extras"))

    assert [found["name"] for found in made["containers"]] == ["exporter", "proxy"]
    assert [found["name"] for found in made["initContainers"]] == ["wait-for-proxy"]


def texts(tree: object) -> list[str]:
    """All strings in a tree."""
    if isinstance(tree, dict):
        return [text for item in tree.items() for each in item for text in texts(each)]
    if isinstance(tree, list):
        return [text for each in tree for text in texts(each)]
    return [tree] if isinstance(tree, str) else []


@pytest.mark.parametrize("name", ["extras", "sharded-extras"])
def test_templates_in_values_are_rendered(name: str) -> None:
    assert any("{{" in text for text in texts(ci(name)))
    for found in objects(ci(name)):
        assert not [text for text in texts(found) if "{{" in text], found["kind"]


def test_templates_in_labels_reach_objects_and_pods() -> None:
    made = one("Deployment", ci("extras"))

    assert made["metadata"]["labels"]["release"] == "rel"
    assert made["metadata"]["annotations"] == {"example.com/namespace": "obs"}
    assert made["spec"]["template"]["metadata"]["labels"]["release-of-pod"] == "rel"
    (token,) = (volume for volume in pod(ci("extras"))["volumes"] if volume["name"] == "token")
    assert token["secret"]["secretName"] == "rel-token"


def test_template_for_another_program_can_be_escaped() -> None:
    """The README shows this for the annotations of Vault."""
    text = '{{ with secret "k6/token" }}{{ .Data.data.token }}{{ end }}'
    made = one("Deployment", with_secret(podAnnotations={"a": f"{{{{ `{text}` }}}}"}))

    assert made["spec"]["template"]["metadata"]["annotations"]["a"] == text
