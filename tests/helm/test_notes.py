"""The notes after `helm install`. The exact text is in messages.txt; see test_messages.py."""

import functools
import json

import pytest

from tests.support.chart import CHART, Tree, defaults, run, with_secret

TLS = {"cert_file": "/etc/k6-cloud-exporter/tls/tls.crt", "key_file": "/etc/k6-cloud-exporter/tls/tls.key"}
CASES: dict[str, Tree] = {
    "defaults": {},
    "shards with TLS": {"sharding": {"total": 2}, "webConfig": {"content": {"tls_server_config": TLS}}},
    "stopped, with a monitor": {"replicas": 0, "serviceMonitor": {"enabled": True}},
    "inline token": {"k6": {"apiToken": "x"}},
    "configured tests": {"config": {"tests": [{"id": 1}]}},
    "disabled section": {"dashboards": {"namespace": "grafana"}},
}


def notes(values: Tree) -> str:
    return _notes(json.dumps(with_secret() | values))


@functools.cache
def _notes(values: str) -> str:
    # Helm 4 needs no cluster for this.
    command = ("install", "rel", CHART, "--namespace", "obs", "--dry-run=client", "--values", "-")
    result = run(*command, stdin=values)
    assert result.returncode == 0, result.stderr
    return result.stdout.partition("\nNOTES:\n")[2]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "exec deployment/rel-k6-cloud-exporter -- k6-cloud-exporter check --config.file="),
        ({}, "port-forward deployment/rel-k6-cloud-exporter 10565"),
        ({}, "helm test rel --namespace obs --logs"),
        ({}, "serviceMonitor.enabled=true"),
        ({"sharding": {"total": 2}}, "exec statefulset/rel-k6-cloud-exporter -- "),
        ({"webConfig": {"content": {"tls_server_config": TLS}}}, "https://localhost:10565/"),
        ({"replicas": 0}, "replicas: 0"),
        ({"k6": {"apiToken": "x"}}, "k6.existingSecret"),
    ],
)
def test_notes_name_the_next_commands(values: Tree, text: str) -> None:
    assert text in notes(values)


SECTIONS = [name for name, value in defaults().items() if isinstance(value, dict) and "enabled" in value]


# What a section needs once it is enabled.
NEEDED: dict[str, Tree] = {
    "ingress": {"hosts": [{"host": "k6.example.com", "paths": [{"path": "/"}]}]},
    "httpRoute": {"parentRefs": [{"name": "public"}], "rules": [{}]},
}


@pytest.mark.parametrize("section", SECTIONS)
def test_notes_name_disabled_sections_with_values(section: str) -> None:
    others = {
        "networkPolicy": ("ingress", {"from": [{}]}),
        "ingress": ("className", "public"),
        "httpRoute": ("hostnames", ["k6.example.com"]),
        "podDisruptionBudget": ("maxUnavailable", 2),
        "verticalPodAutoscaler": ("maxAllowed", {"memory": "1Gi"}),
    }
    key, value = others.get(section, ("namespace", "mine"))
    reason = f"because {section}.enabled is false"

    assert reason in notes({section: {key: value}})
    enabled = {section: {key: value, "enabled": True} | NEEDED.get(section, {})}
    shards = {"sharding": {"total": 2}} if section == "podDisruptionBudget" else {}
    assert "because" not in notes(enabled | shards)
    assert "because" not in notes({})


def test_notes_name_unused_egress_peers() -> None:
    egress = {"enabled": False, "to": [{"podSelector": {}}]}

    text = notes({"networkPolicy": {"enabled": True, "egress": egress}})

    assert "because networkPolicy.egress.enabled is false" in text


def test_notes_with_a_monitor_do_not_mention_scraping() -> None:
    assert "scrape" in notes({})
    assert "scrape" not in notes({"serviceMonitor": {"enabled": True}})
