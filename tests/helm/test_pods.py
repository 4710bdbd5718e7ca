"""Values of the pods that other charts have too: strategies, probes, containers, templates in values."""

from typing import Any

import httpx
import pytest
import yaml

from tests.support.chart import CHART, Tree, ci, container, objects, one, pod, with_secret
from tests.support.documents import read_example
from tests.support.exporter_process import Process
from tests.support.processes import free_port


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


@pytest.mark.parametrize("total", [1, 3])
def test_readiness_of_the_readme_ignores_an_outage(total: int) -> None:
    values = yaml.safe_load(read_example(CHART / "README.md", "example: readiness"))
    default = container(with_secret())["readinessProbe"]["httpGet"]["path"]
    changed = container(values | {"sharding": {"total": total}})["readinessProbe"]["httpGet"]["path"]
    unreachable = {"K6_CLOUD_TOKEN": "x", "K6_CLOUD_EXPORTER_API__URL": f"http://127.0.0.1:{free_port()}"}

    with Process("--web.listen-address", "127.0.0.1:0", **unreachable) as process:
        url = process.url()
        assert httpx.get(url + changed, trust_env=False).status_code == 200
        assert httpx.get(url + default, trust_env=False).status_code == 503


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


def test_rolling_update_has_all_fields() -> None:
    """Helm 4 removes only fields that it has set; the API server rejects any of these with Recreate."""
    updates = [{"type": "RollingUpdate"}, {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}}]
    made = [one("Deployment", with_secret(strategy=update))["spec"]["strategy"] for update in updates]

    assert [strategy["rollingUpdate"] for strategy in made] == [
        {"maxSurge": "25%", "maxUnavailable": "25%"},
        {"maxSurge": "25%", "maxUnavailable": 0},
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}),
        ({"rollingUpdate": {"partition": 1}}, {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}),
        ({"type": "OnDelete"}, {"type": "OnDelete"}),
    ],
)
def test_update_of_shards_has_all_fields(values: Tree, expected: Tree) -> None:
    made = one("StatefulSet", with_secret(sharding={"total": 2}, updateStrategy=values))

    assert made["spec"]["updateStrategy"] == expected


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


def test_template_of_vault_is_kept_as_the_readme_shows() -> None:
    values = yaml.safe_load(read_example(CHART / "README.md", "example: vault"))
    annotations = one("Deployment", values)["spec"]["template"]["metadata"]["annotations"]

    text = annotations["vault.hashicorp.com/agent-inject-template-token"]
    assert text == '{{ with secret "secret/data/k6" }}{{ .Data.data.token }}{{ end }}'
