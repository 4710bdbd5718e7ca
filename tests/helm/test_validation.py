"""Values that contradict each other, cannot work or would be ignored fail with one error each.

The exact messages are in messages.txt; see test_messages.py.
"""

import functools
import json
from typing import Any

import pytest

from tests.support.chart import defaults, errors, objects, with_secret

TLS = {"cert_file": "tls.crt", "key_file": "tls.key"}

# Values beside a Secret with the token, and the value that the error names.
INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "disabled dependency": ({"enabled": False}, "enabled"),
    "value of other charts": (
        {"prometheusRule": {"additionalLabels": {"release": "prometheus"}}},
        "prometheusRule.additionalLabels",
    ),
    "tag with dropped zero": ({"image": {"tag": 1.10}}, "image.tag"),
    "tag with exponent": ({"image": {"tag": 1234e56}}, "image.tag"),
    "hook annotation": (
        {"helmTest": {"annotations": {"helm.sh/hook-delete-policy": "hook-succeeded"}}},
        "helmTest.annotations",
    ),
    "two tokens": (
        {"k6": {"existingSecret": {"name": "k6-cloud"}, "apiToken": "x"}},
        "k6.apiToken and k6.existingSecret.name",
    ),
    "secret and token file": (
        {"config": {"api": {"token_file": "/vault/token"}}},
        "config.api.token_file and k6.existingSecret.name",
    ),
    "listen address": ({"config": {"web": {"listen_address": ":80"}}}, "config.web.listen_address"),
    "web config by path": ({"config": {"web": {"config_file": "web.yml"}}}, "config.web.config_file"),
    "shards in config": ({"config": {"sharding": {"total": 2}}}, "config.sharding"),
    "token as variable": ({"extraEnv": [{"name": "K6_CLOUD_TOKEN", "value": "x"}]}, "extraEnv"),
    "two stacks": (
        {"extraEnv": [{"name": "K6_CLOUD_STACK_ID", "value": "1"}], "config": {"api": {"stack": 2}}},
        "extraEnv",
    ),
    "setting as variable": (
        {"extraEnv": [{"name": "K6_CLOUD_EXPORTER_LOG__LEVEL", "value": "debug"}]},
        "extraEnv",
    ),
    "flag of the chart": ({"extraArgs": ["--web.listen-address=:80"]}, "extraArgs"),
    "flag and setting": (
        {"extraArgs": ["--log.level", "debug"], "config": {"log": {"level": "info"}}},
        "extraArgs",
    ),
    "test flag and tests": ({"extraArgs": ["--test=1"], "config": {"tests": [{"id": 2}]}}, "extraArgs"),
    "two web configs": (
        {"webConfig": {"existingSecret": {"name": "web"}, "content": {"tls_server_config": TLS}}},
        "webConfig.existingSecret.name and webConfig.content",
    ),
    "web config of unknown scheme": ({"webConfig": {"existingSecret": {"name": "web"}}}, "webConfig.scheme"),
    "http with TLS": (
        {"webConfig": {"scheme": "http", "content": {"tls_server_config": TLS}}},
        "webConfig.scheme",
    ),
    "https without TLS": (
        {"webConfig": {"scheme": "https", "content": {"basic_auth_users": {"prometheus": "hash"}}}},
        "webConfig.scheme",
    ),
    "https without web config": ({"webConfig": {"scheme": "https"}}, "webConfig.scheme"),
    "certificates without web config": ({"webConfig": {"tlsSecret": "tls"}}, "webConfig.tlsSecret"),
    "secret key and token file": (
        {"k6": {"existingSecret": {"key": "mine"}}, "config": {"api": {"token_file": "/vault/token"}}},
        "k6.existingSecret.key",
    ),
    "web config key without secret": (
        {"webConfig": {"existingSecret": {"key": "mine"}}},
        "webConfig.existingSecret.key",
    ),
    "folder annotation without folder": (
        {"dashboards": {"enabled": True, "folderAnnotation": "mine"}},
        "dashboards.folderAnnotation",
    ),
    "annotations without service account": (
        {"serviceAccount": {"create": False, "annotations": {"a": "b"}}},
        "serviceAccount.annotations",
    ),
    "NodePort with shards": ({"sharding": {"total": 2}, "service": {"type": "NodePort"}}, "service.type"),
    "strategy of a Deployment with shards": (
        {"sharding": {"total": 2}, "strategy": {"type": "RollingUpdate"}},
        "strategy",
    ),
    "disruption budget for one pod": (
        {"podDisruptionBudget": {"enabled": True}},
        "podDisruptionBudget.enabled",
    ),
    "Ingress without host": ({"ingress": {"enabled": True}}, "ingress.hosts"),
    "Ingress without webhook": (
        {"ingress": {"enabled": True, "hosts": [{"host": "k6.example.com"}]}},
        "ingress.hosts",
    ),
    "HTTPRoute without Gateway": (
        {"httpRoute": {"enabled": True, "rules": [{}]}},
        "httpRoute.parentRefs",
    ),
    "HTTPRoute without webhook": (
        {"httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]}},
        "httpRoute.rules",
    ),
    "Ingress with shards": (
        {
            "sharding": {"total": 2},
            "ingress": {"enabled": True, "hosts": [{"host": "x", "paths": [{"path": "/"}]}]},
        },
        "ingress.enabled",
    ),
    "HTTPRoute with shards": (
        {
            "sharding": {"total": 2},
            "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}], "rules": [{}]},
        },
        "httpRoute.enabled",
    ),
    "node port of a cluster IP": ({"service": {"nodePort": 30000}}, "service.nodePort"),
    "load balancer class of a node port": (
        {"service": {"type": "NodePort", "loadBalancerClass": "internal"}},
        "service.loadBalancerClass",
    ),
    "two authorizations": (
        {
            "podMonitor": {
                "basicAuth": {"username": {"name": "a", "key": "b"}},
                "authorization": {"credentials": {"name": "a", "key": "b"}},
            }
        },
        "podMonitor.basicAuth and podMonitor.authorization",
    ),
    "update strategy without shards": ({"updateStrategy": {"type": "OnDelete"}}, "updateStrategy"),
    "two monitors": (
        {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}},
        "serviceMonitor.enabled and podMonitor.enabled",
    ),
    "unknown job label of the Service": (
        {"serviceMonitor": {"enabled": True, "jobLabel": "k6-cloud"}},
        "serviceMonitor.jobLabel",
    ),
    "unknown job label of the pods": (
        {"podMonitor": {"enabled": True, "jobLabel": "k6-cloud"}},
        "podMonitor.jobLabel",
    ),
    "label of the chart": ({"podLabels": {"app.kubernetes.io/name": "mine"}}, "podLabels"),
    "label of the chart on an Ingress": (
        {"ingress": {"labels": {"app.kubernetes.io/name": "mine"}}},
        "ingress.labels",
    ),
    "label of the chart on an HTTPRoute": (
        {"httpRoute": {"labels": {"app.kubernetes.io/name": "mine"}}},
        "httpRoute.labels",
    ),
    "timeout above interval": (
        {"serviceMonitor": {"enabled": True, "interval": "1m30s", "scrapeTimeout": "90001ms"}},
        "serviceMonitor.scrapeTimeout",
    ),
    "timeout above default interval": (
        {"podMonitor": {"enabled": True, "scrapeTimeout": "30s"}},
        "podMonitor.scrapeTimeout",
    ),
    "sidecar label of the chart": (
        {"dashboards": {"enabled": True, "label": "app.kubernetes.io/component"}},
        "dashboards.label",
    ),
    "annotation of the chart": ({"podAnnotations": {"checksum/config": "mine"}}, "podAnnotations"),
    "alert disabled and changed": (
        {
            "prometheusRule": {
                "disabled": ["K6CloudTestFailing"],
                "overrides": {"K6CloudTestFailing": {"for": "1m"}},
            }
        },
        "prometheusRule.overrides.K6CloudTestFailing",
    ),
    "two runbook URLs": (
        {"prometheusRule": {"runbookUrl": "x", "ruleAnnotations": {"runbook_url": "y"}}},
        "prometheusRule.ruleAnnotations",
    ),
    "two dashboard URLs": (
        {"prometheusRule": {"grafanaUrl": "x", "ruleAnnotations": {"dashboard_url": "y"}}},
        "prometheusRule.ruleAnnotations",
    ),
    "two folders": (
        {"dashboards": {"folder": "x", "annotations": {"grafana_folder": "y"}}},
        "dashboards.annotations",
    ),
    "unknown disabled alert": (
        {"prometheusRule": {"disabled": ["K6CloudTestFailling"]}},
        "prometheusRule.disabled",
    ),
    "unknown changed alert": (
        {"prometheusRule": {"overrides": {"K6Cloud": {"for": "1m"}}}},
        "prometheusRule.overrides",
    ),
    "alert without threshold": (
        {"prometheusRule": {"overrides": {"K6CloudTestFailing": {"threshold": 2}}}},
        "prometheusRule.overrides.K6CloudTestFailing.threshold",
    ),
}


def validation_errors(values: dict[str, Any]) -> list[str]:
    """The messages without Helm's own lines."""
    return _validation_errors(json.dumps(values))


@functools.cache
def _validation_errors(values: str) -> list[str]:
    first, *messages = errors(json.loads(values))
    assert first.startswith("Error: execution error at (k6-cloud-exporter/templates/workload.yaml")
    return [line for line in messages if line != "Use --debug flag to render out invalid YAML"]


@pytest.mark.parametrize("name", INVALID)
def test_invalid_values_fail_with_one_error(name: str) -> None:
    values, setting = INVALID[name]

    [message] = validation_errors(with_secret(**values))

    assert message.startswith(f"{setting}: ")


def test_all_errors_are_reported_at_once() -> None:
    monitors, _ = INVALID["two monitors"]
    annotations, _ = INVALID["annotations without service account"]

    messages = validation_errors(monitors | annotations)

    assert [message.split(":")[0] for message in messages] == [
        "k6.existingSecret.name",
        "serviceAccount.annotations",
        "serviceMonitor.enabled and podMonitor.enabled",
    ]


def test_unknown_alert_error_lists_all_alerts() -> None:
    [message] = validation_errors(with_secret(**INVALID["unknown disabled alert"][0]))

    assert ": K6CloudTestFailing, K6CloudTestRunAborted, " in message


def test_threshold_error_lists_alerts_with_threshold() -> None:
    [message] = validation_errors(with_secret(**INVALID["alert without threshold"][0]))

    assert ": K6CloudApiErrors, " in message


def test_default_values_contain_no_token() -> None:
    assert (defaults()["k6"]["apiToken"], defaults()["k6"]["existingSecret"]["name"]) == ("", "")


def test_secret_name_is_the_only_required_value() -> None:
    assert {found["kind"] for found in objects(with_secret())} == {
        *("ConfigMap", "Deployment", "Service", "ServiceAccount"),
        "Pod",  # of helm test
    }


def test_scrape_timeout_can_equal_the_interval() -> None:
    monitor = {"enabled": True, "interval": "1m30s", "scrapeTimeout": "90s"}

    assert objects(with_secret(serviceMonitor=monitor))


def test_token_file_from_elsewhere_is_used() -> None:
    rendered = objects({"config": {"api": {"token_file": "/vault/secrets/token"}}})

    [settings] = (found["data"]["exporter.yaml"] for found in rendered if found["kind"] == "ConfigMap")
    [workload] = (found for found in rendered if found["kind"] == "Deployment")
    assert "token_file: /vault/secrets/token\n" in settings
    assert [volume["name"] for volume in workload["spec"]["template"]["spec"]["volumes"]] == ["config"]
