"""The rendered objects: secure by default, and as the values say."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
import yaml

from exporter import __version__
from tests.support.certificates import issue_certificate
from tests.support.chart import (
    CHART,
    CI,
    ROOT,
    Tree,
    ci,
    container,
    objects,
    one,
    pod,
    settings_file,
    with_secret,
)
from tests.support.exporter_process import Cloud, Process
from tests.support.processes import eventually, exporter_command, free_port, run_process
from tests.system.conftest import cloud, shared_cloud

__all__ = ["cloud", "shared_cloud"]

TLS = {"cert_file": "/etc/k6-cloud-exporter/tls/tls.crt", "key_file": "/etc/k6-cloud-exporter/tls/tls.key"}


def mounts(values: Tree) -> dict[str, Tree]:
    return {mount["mountPath"]: mount for mount in container(values)["volumeMounts"]}


def volumes(values: Tree) -> dict[str, Tree]:
    return {volume["name"]: volume for volume in pod(values)["volumes"]}


def annotations(values: Tree) -> dict[str, str]:
    found: dict[str, str] = one("Deployment", values)["spec"]["template"]["metadata"]["annotations"]
    return found


def with_token(token: str, **values: Any) -> Tree:
    return {"k6": {"apiToken": token}} | values


def test_pod_is_hardened_by_default() -> None:
    made, spec = container(with_secret()), pod(with_secret())

    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert made["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False


@pytest.mark.parametrize("name", CI)
def test_pods_get_no_role_and_no_account_token(name: str) -> None:
    for found in objects(ci(name)):
        assert "Role" not in found["kind"]
        assert found.get("automountServiceAccountToken") in {None, False}
        if found["kind"] == "Pod":
            assert found["spec"]["automountServiceAccountToken"] is False


def test_helm_test_pod_is_a_hardened_hook() -> None:
    tested = one("Pod", with_secret())["spec"]

    assert one("Pod", with_secret())["metadata"]["annotations"] == {
        "helm.sh/hook": "test",
        "helm.sh/hook-delete-policy": "before-hook-creation",
    }
    assert tested["securityContext"] == pod(with_secret())["securityContext"]
    assert tested["containers"][0]["securityContext"] == container(with_secret())["securityContext"]
    assert tested["containers"][0]["image"] == container(with_secret())["image"]


def test_token_secret_is_mounted_as_a_file() -> None:
    values = {"k6": {"existingSecret": {"name": "mine", "key": "the.key"}}}

    assert settings_file(values)["api"]["token_file"] == "/etc/k6-cloud-exporter/token/the.key"
    assert volumes(values)["token"]["secret"] == {"secretName": "mine"}
    assert "env" not in container(values)
    assert not [found for found in objects(values) if found["kind"] == "Secret"]


@pytest.mark.parametrize("name", CI)
def test_no_volume_is_mounted_by_sub_path(name: str) -> None:
    assert not [mount for mount in mounts(ci(name)).values() if "subPath" in mount]


def test_inline_token_is_only_in_its_secret() -> None:
    values = with_token("a-token-to-look-for")
    (secret,) = (found for found in objects(values) if found["kind"] == "Secret")

    assert base64.b64decode(secret["data"]["api-token"]) == b"a-token-to-look-for"
    assert volumes(values)["token"]["secret"]["secretName"] == secret["metadata"]["name"]
    assert "a-token-to-look-for" not in json.dumps(objects(values))


def test_config_and_inline_token_changes_replace_the_pod() -> None:
    same = annotations(with_token("x"))

    assert annotations(with_token("y"))["checksum/token"] != same["checksum/token"]
    assert annotations(with_token("y"))["checksum/config"] == same["checksum/config"]
    assert (
        annotations(with_token("x", config={"runs": {"keep": 4}}))["checksum/config"]
        != same["checksum/config"]
    )
    assert annotations(with_token("x", service={"port": 1})) == same
    served = [
        annotations(with_token("x", webConfig={"content": {"http_server_config": {"http2": http2}}}))
        for http2 in (True, False)
    ]
    assert served[0]["checksum/web-config"] != served[1]["checksum/web-config"]
    assert set(annotations(with_secret())) == {"checksum/config"}


def test_chart_version_does_not_replace_the_pod() -> None:
    labels = one("Deployment", with_secret())["spec"]["template"]["metadata"]["labels"]

    assert set(labels) == {f"app.kubernetes.io/{name}" for name in ("name", "instance", "component")}


def test_deployment_never_runs_two_pods() -> None:
    made = one("Deployment", with_secret())["spec"]

    assert (made["replicas"], made["strategy"]) == (1, {"type": "Recreate"})


@pytest.mark.parametrize("name", CI)
def test_objects_have_common_labels_and_namespace(name: str) -> None:
    usual = {f"app.kubernetes.io/{label}" for label in ("name", "instance", "version", "managed-by")}
    of_users = {"rel-k6-proxies", "rel-text", "rel-tls"}

    for found in objects(ci(name)):
        if found["metadata"]["name"] not in of_users:
            assert usual | {"helm.sh/chart"} <= set(found["metadata"]["labels"])
            assert found["metadata"]["namespace"] in {"obs", "load", "monitoring"}


def test_selectors_match_only_exporter_pods() -> None:
    values = ci("network-policy") | {"serviceMonitor": {"enabled": True}}
    labels = one("Deployment", values)["spec"]["template"]["metadata"]["labels"]
    tested = one("Pod", values)["metadata"]["labels"]

    for kind, found in [
        ("Service", one("Service", values)["spec"]["selector"]),
        ("Deployment", one("Deployment", values)["spec"]["selector"]["matchLabels"]),
        ("NetworkPolicy", one("NetworkPolicy", values)["spec"]["podSelector"]["matchLabels"]),
    ]:
        assert found.items() <= labels.items(), kind
        assert not found.items() <= tested.items(), kind
    monitored = one("ServiceMonitor", values)["spec"]["selector"]["matchLabels"]
    assert monitored.items() <= one("Service", values)["metadata"]["labels"].items()
    pods = one("PodMonitor", with_secret(podMonitor={"enabled": True}))["spec"]["selector"]["matchLabels"]
    assert pods.items() <= labels.items()
    assert not pods.items() <= tested.items()


def test_service_port_targets_the_pod_port_by_name() -> None:
    values = with_secret(containerPort=9, service={"port": 80})
    (led,), (there,) = one("Service", values)["spec"]["ports"], container(values)["ports"]

    assert (led["port"], led["targetPort"], there["containerPort"]) == (80, there["name"], 9)


def test_service_publishes_pods_that_are_not_ready() -> None:
    assert one("Service", with_secret())["spec"]["publishNotReadyAddresses"] is True


def test_shards_are_a_stateful_set_with_ordinals() -> None:
    values = with_secret(sharding={"total": 3})
    made = one("StatefulSet", values)["spec"]

    assert (made["replicas"], made["serviceName"]) == (3, one("Service", values)["metadata"]["name"])
    assert one("Service", values)["spec"]["clusterIP"] == "None"
    assert container(values)["env"] == [
        {
            "name": "K6_CLOUD_EXPORTER_SHARDING__SHARD",
            "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}},
        },
        {"name": "K6_CLOUD_EXPORTER_SHARDING__TOTAL", "value": "3"},
    ]
    # A shard that is not ready, because k6 Cloud is down, must not block the others.
    assert made["podManagementPolicy"] == "Parallel"
    assert not [found for found in objects(values) if found["kind"] == "Deployment"]


def test_headless_service_has_another_name() -> None:
    names = [one("Service", with_secret(sharding={"total": n}))["metadata"]["name"] for n in (1, 2)]

    assert names == ["rel-k6-cloud-exporter", "rel-k6-cloud-exporter-shards"]


def test_replicas_zero_stops_all_shards() -> None:
    assert one("StatefulSet", with_secret(sharding={"total": 3}, replicas=0))["spec"]["replicas"] == 0


def test_web_config_secret_is_mounted_as_a_directory() -> None:
    values = with_secret(webConfig={"existingSecret": {"name": "web", "key": "web.yml"}, "scheme": "https"})

    assert settings_file(values)["web"]["config_file"] == "/etc/k6-cloud-exporter/web/web.yml"
    assert volumes(values)["web"]["secret"] == {"secretName": "web"}
    assert mounts(values)["/etc/k6-cloud-exporter/web"]["readOnly"] is True


def test_inline_web_config_with_tls_switches_to_https() -> None:
    values = with_secret(
        webConfig={"content": {"tls_server_config": TLS}, "tlsSecret": "tls"},
        serviceMonitor={"enabled": True},
    )
    (secret,) = (found for found in objects(values) if found["kind"] == "Secret")

    assert yaml.safe_load(base64.b64decode(secret["data"]["web-config.yml"])) == {"tls_server_config": TLS}
    assert settings_file(values)["web"]["config_file"] == "/etc/k6-cloud-exporter/web/web-config.yml"
    assert "/etc/k6-cloud-exporter/tls" in mounts(values)
    assert container(values)["livenessProbe"]["httpGet"]["scheme"] == "HTTPS"
    assert container(values)["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"
    assert one("ServiceMonitor", values)["spec"]["endpoints"][0]["scheme"] == "https"


@pytest.mark.parametrize("content", [{"basic_auth_users": {"me": "$2y$10$x"}}, {"tls_server_config": {}}])
def test_web_config_without_tls_keeps_http(content: Tree) -> None:
    values = with_secret(webConfig={"content": content})

    assert container(values)["livenessProbe"]["httpGet"]["scheme"] == "HTTP"


def test_probes_need_no_client_certificate(cloud: Cloud, tmp_path: Path) -> None:
    issue_certificate(tmp_path, authority := trustme.CA())
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    tls = {"cert_file": "tls.crt", "key_file": "tls.key", "client_ca_file": "ca.crt"}
    content = {"tls_server_config": tls | {"client_auth_type": "RequireAndVerifyClientCert"}}
    values = with_secret(webConfig={"content": content})
    file = tmp_path / "web.yml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    probes = [container(values)[f"{name}Probe"]["httpGet"] for name in ("liveness", "readiness")]

    with Process(
        *("--web.config.file", str(file), "--web.listen-address", "127.0.0.1:0"), **cloud.environment()
    ) as process:
        url = process.url()
        urls = [url.replace("https", probe["scheme"].lower()) + probe["path"] for probe in probes]
        eventually(lambda: all(httpx.get(one, verify=False).is_success for one in urls))
        tested = helm_test(values, url, "/metrics")

    assert (tested.returncode, tested.stdout) == (
        0,
        "Ready. The metrics require a password or a client certificate, which this test does not have.\n",
    ), tested.stderr


@pytest.mark.parametrize(
    ("kind", "values", "endpoints"),
    [
        ("ServiceMonitor", {"serviceMonitor": {"enabled": True}}, "endpoints"),
        ("PodMonitor", {"podMonitor": {"enabled": True}}, "podMetricsEndpoints"),
    ],
)
def test_monitor_selects_target_label_and_namespace(kind: str, values: Tree, endpoints: str) -> None:
    made = one(kind, with_secret(**values))["spec"]
    target = one("Service" if kind == "ServiceMonitor" else "Deployment", with_secret(**values))
    labels = (
        target["metadata"]["labels"]
        if kind == "ServiceMonitor"
        else target["spec"]["template"]["metadata"]["labels"]
    )

    assert labels[made["jobLabel"]] == "k6-cloud-exporter"
    assert made["namespaceSelector"] == {"matchNames": ["obs"]}
    assert made[endpoints] == [
        {"port": "metrics", "path": "/metrics", "scheme": "http", "honorLabels": False, "interval": "15s"}
    ]


def test_templates_do_not_query_the_cluster() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (CHART / "templates").rglob("*.*"))

    assert "Capabilities" not in text
    assert "lookup" not in text


def test_dashboards_are_config_maps_for_the_sidecar() -> None:
    made = [found for found in objects(ci("operator")) if "grafana_dashboard" in found["metadata"]["labels"]]
    files = {path.name: path for path in (ROOT / "grafana" / "dashboards").glob("*.json")}

    assert len(made) == len(files) == 3
    for found in made:
        ((name, text),) = found["data"].items()
        assert text.strip() == files.pop(name).read_text(encoding="utf-8").strip()
        assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert found["metadata"]["annotations"] == {"grafana_folder": "Load tests"}
        assert len(json.dumps(found)) < 1024 * 1024
    assert not files


def test_network_policy_allows_scrapes_and_k6_cloud() -> None:
    made = one("NetworkPolicy", with_secret(networkPolicy={"enabled": True}, service={"port": 80}))["spec"]

    assert made["policyTypes"] == ["Ingress", "Egress"]
    assert made["ingress"] == [{"ports": [{"port": 10565, "protocol": "TCP"}]}]
    assert made["egress"] == [
        {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
        {"ports": [{"port": 443, "protocol": "TCP"}]},
    ]


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("https://k6.example.com", 443),
        ("http://cloud", 80),
        ("http://cloud:10566", 10566),
        ("https://[::1]:8443", 8443),
    ],
)
def test_network_policy_uses_the_port_of_the_api_url(url: str, port: int) -> None:
    values = with_secret(networkPolicy={"enabled": True}, config={"api": {"url": url}})

    assert one("NetworkPolicy", values)["spec"]["egress"][1]["ports"][0]["port"] == port


def test_network_policy_with_peers_allows_helm_test() -> None:
    values = ci("network-policy")
    *_, last = one("NetworkPolicy", values)["spec"]["ingress"][0]["from"]

    assert last["podSelector"]["matchLabels"].items() <= one("Pod", values)["metadata"]["labels"].items()


def test_network_policy_egress_can_be_disabled() -> None:
    values = with_secret(networkPolicy={"enabled": True, "egress": {"enabled": False}})

    assert one("NetworkPolicy", values)["spec"]["policyTypes"] == ["Ingress"]
    assert "egress" not in one("NetworkPolicy", values)["spec"]


def test_extra_objects_can_be_maps_text_and_templates() -> None:
    names = {found["metadata"]["name"] for found in objects(ci("full"))}

    assert {"rel-k6-proxies", "rel-text"} <= names


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ({}, f"ghcr.io/k6-cloud-exporter/k6-cloud-exporter:{__version__}"),
        ({"tag": "1.2"}, "ghcr.io/k6-cloud-exporter/k6-cloud-exporter:1.2"),
        (
            {"digest": "sha256:" + "a" * 64},
            "ghcr.io/k6-cloud-exporter/k6-cloud-exporter@sha256:" + "a" * 64,
        ),
        (
            {"tag": "1.2", "digest": "sha256:" + "a" * 64},
            "ghcr.io/k6-cloud-exporter/k6-cloud-exporter:1.2@sha256:" + "a" * 64,
        ),
        ({"registry": "localhost", "repository": "x"}, f"localhost/x:{__version__}"),
        ({"tag": 20261125}, "ghcr.io/k6-cloud-exporter/k6-cloud-exporter:20261125"),
        ({"tag": 20261125143000}, "ghcr.io/k6-cloud-exporter/k6-cloud-exporter:20261125143000"),
        ({"tag": 0}, "ghcr.io/k6-cloud-exporter/k6-cloud-exporter:0"),
    ],
)
def test_image_is_named_by_tag_or_digest(values: Tree, image: str) -> None:
    assert container(with_secret(image=values))["image"] == image


def test_long_names_are_truncated_to_63_characters() -> None:
    values = with_secret(fullnameOverride="x" * 90, k6={"apiToken": "x"}, dashboards={"enabled": True})

    for found in objects(values):
        # Only the name of a ConfigMap is used in no label.
        assert len(found["metadata"]["name"]) <= (253 if found["kind"] == "ConfigMap" else 63)


def helm_test_arguments(values: Tree) -> list[str]:
    """The arguments of python in the pod of `helm test`."""
    (only,) = one("Pod", values)["spec"]["containers"]
    assert only["command"] == ["python", "-c"]
    found: list[str] = only["args"]
    return found


@pytest.mark.parametrize(
    ("values", "arguments"),
    [
        ({}, ["http://rel-k6-cloud-exporter.obs:10565", "/metrics"]),
        ({"service": {"port": 80}}, ["http://rel-k6-cloud-exporter.obs:80", "/metrics"]),
        # A headless Service does not translate ports.
        (
            {"service": {"port": 80}, "sharding": {"total": 2}, "config": {"web": {"telemetry_path": "/m"}}},
            ["http://rel-k6-cloud-exporter-shards.obs:10565", "/m"],
        ),
        (
            {"webConfig": {"content": {"tls_server_config": TLS}}},
            ["https://rel-k6-cloud-exporter.obs:10565", "/metrics"],
        ),
    ],
)
def test_helm_test_requests_the_exporter(values: Tree, arguments: list[str]) -> None:
    assert helm_test_arguments(with_secret(**values))[1:] == arguments


def helm_test(values: Tree, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the script of the pod of `helm test` with these arguments."""
    script = helm_test_arguments(values)[0]
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=90, check=False
    )


def test_helm_test_succeeds_only_with_metrics(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    url = f"http://{address}"

    with run_process(*exporter_command("demo", "--web.listen-address", address), log=tmp_path / "log"):
        eventually(lambda: httpx.get(f"{url}/-/ready").status_code == 200)
        found = helm_test(with_secret(), url, "/metrics")
        elsewhere = helm_test(with_secret(), url, "/elsewhere")

    assert (found.returncode, found.stdout) == (0, "Ready, and metrics are exposed.\n"), found.stderr
    assert elsewhere.returncode == 1
    assert "returned 404" in elsewhere.stderr
