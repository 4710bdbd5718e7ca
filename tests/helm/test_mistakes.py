"""What contradicts itself, cannot work or would be ignored is refused in a sentence that says what to set."""

from typing import Any

import pytest

from tests.support.chart import defaults, objects, refusal, with_secret

NO_TOKEN = (
    "k6.existingSecret.name: name a Secret that holds an API token of Grafana Cloud k6 under the "
    "key api-token; "
    "or, less safely, set k6.apiToken"
)
TLS = {"cert_file": "tls.crt", "key_file": "tls.key"}

# What is refused, beside a Secret with the token, and the sentence that it earns.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "two tokens": (
        {"k6": {"existingSecret": {"name": "k6-cloud"}, "apiToken": "x"}},
        "k6.apiToken and k6.existingSecret.name: both say which token to use; leave one of them out",
    ),
    "a token file besides": (
        {"config": {"api": {"token_file": "/vault/token"}}},
        "config.api.token_file and k6.existingSecret.name: both say which token to use; leave one "
        "of them out",
    ),
    "a listen address": (
        {"config": {"web": {"listen_address": ":80"}}},
        "config.web.listen_address: the chart sets this; say the port with containerPort",
    ),
    "a web configuration by its path": (
        {"config": {"web": {"config_file": "web.yml"}}},
        "config.web.config_file: the chart sets this; use webConfig.existingSecret.name or webConfig.content",
    ),
    "shards in the configuration": (
        {"config": {"sharding": {"total": 2}}},
        "config.sharding: the chart sets this; say the number of shards with sharding.total",
    ),
    "the token as a variable": (
        {"extraEnv": [{"name": "K6_CLOUD_TOKEN", "value": "x"}]},
        "extraEnv: K6_CLOUD_TOKEN would go before the mounted token, and could not change without a restart; "
        "leave it out",
    ),
    "two stacks": (
        {"extraEnv": [{"name": "K6_CLOUD_STACK_ID", "value": "1"}], "config": {"api": {"stack": 2}}},
        "extraEnv: K6_CLOUD_STACK_ID and config.api.stack both name the stack; leave one of them out",
    ),
    "a setting as a variable": (
        {"extraEnv": [{"name": "K6_CLOUD_EXPORTER_LOG__LEVEL", "value": "debug"}]},
        "extraEnv: K6_CLOUD_EXPORTER_LOG__LEVEL is a setting; write it under config, where it is checked",
    ),
    "a flag of the chart's": (
        {"extraArgs": ["--web.listen-address=:80"]},
        "extraArgs: --web.listen-address is for the chart to set; use config, containerPort, webConfig or "
        "sharding.total",
    ),
    "a flag beside the setting": (
        {"extraArgs": ["--log.level", "debug"], "config": {"log": {"level": "info"}}},
        "extraArgs: --log.level would go before config.log.level; leave one of them out",
    ),
    "a test beside tests": (
        {"extraArgs": ["--test=1"], "config": {"tests": [{"id": 2}]}},
        "extraArgs: --test would go before config.tests; leave one of them out",
    ),
    "two web configurations": (
        {"webConfig": {"existingSecret": {"name": "web"}, "content": {"tls_server_config": TLS}}},
        "webConfig.existingSecret.name and webConfig.content: both say how to serve; leave one of them out",
    ),
    "a web configuration that cannot be seen": (
        {"webConfig": {"existingSecret": {"name": "web"}}},
        "webConfig.scheme: the chart cannot look into the Secret; say https if it turns on TLS, else http",
    ),
    "http with TLS": (
        {"webConfig": {"scheme": "http", "content": {"tls_server_config": TLS}}},
        "webConfig.scheme: http is not what webConfig.content says; leave it out",
    ),
    "https without a web configuration": (
        {"webConfig": {"scheme": "https"}},
        "webConfig.scheme: there is no web configuration; set webConfig.existingSecret.name or "
        "webConfig.content",
    ),
    "certificates without a web configuration": (
        {"webConfig": {"tlsSecret": "tls"}},
        "webConfig.tlsSecret: nothing uses the certificates; set webConfig.existingSecret.name or "
        "webConfig.content",
    ),
    "a key beside a token file": (
        {
            "k6": {"existingSecret": {"key": "mine"}},
            "config": {"api": {"token_file": "/vault/token"}},
        },
        "k6.existingSecret.key: the token is in config.api.token_file; leave one of them out",
    ),
    "a key of no web configuration": (
        {"webConfig": {"existingSecret": {"key": "mine"}}},
        "webConfig.existingSecret.key: it is for a Secret of your own; set webConfig.existingSecret.name",
    ),
    "how to tell a folder that there is not": (
        {"dashboards": {"enabled": True, "folderAnnotation": "mine"}},
        "dashboards.folderAnnotation: there is no folder to tell; set dashboards.folder",
    ),
    "annotations of no service account": (
        {"serviceAccount": {"create": False, "annotations": {"a": "b"}}},
        "serviceAccount.annotations: they are for a service account that the chart makes; set "
        "serviceAccount.create",
    ),
    "one address for several shards": (
        {"sharding": {"total": 2}, "service": {"type": "NodePort"}},
        "service.type: NodePort would answer for one shard at random; leave it ClusterIP, and "
        "scrape each pod",
    ),
    "two monitors": (
        {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}},
        "serviceMonitor.enabled and podMonitor.enabled: both would scrape the same pods; leave one "
        "of them out",
    ),
    "the job as the name of a label of the Service": (
        {"serviceMonitor": {"enabled": True, "jobLabel": "k6-cloud"}},
        "serviceMonitor.jobLabel: the Service has no label k6-cloud; it is the name of a label, not the job",
    ),
    "the job as the name of a label of the pods": (
        {"podMonitor": {"enabled": True, "jobLabel": "k6-cloud"}},
        "podMonitor.jobLabel: the pods have no label k6-cloud; it is the name of a label, not the job",
    ),
    "a label of the chart's": (
        {"podLabels": {"app.kubernetes.io/name": "mine"}},
        "podLabels: the chart sets app.kubernetes.io/name; leave it out, or see nameOverride",
    ),
    "a scrape that takes longer than until the next": (
        {"serviceMonitor": {"enabled": True, "interval": "1m30s", "scrapeTimeout": "90001ms"}},
        "serviceMonitor.scrapeTimeout: 90001ms is longer than the interval, 1m30s, so that the operator "
        "would pass the monitor over; set it lower, or serviceMonitor.interval higher",
    ),
    "a scrape that takes longer than our interval": (
        {"podMonitor": {"enabled": True, "scrapeTimeout": "30s"}},
        "podMonitor.scrapeTimeout: 30s is longer than the interval, 15s, so that the operator "
        "would pass the monitor over; set it lower, or podMonitor.interval higher",
    ),
    "the label of the sidecar is the chart's": (
        {"dashboards": {"enabled": True, "label": "app.kubernetes.io/component"}},
        "dashboards.label: the chart sets app.kubernetes.io/component; leave it out, or see nameOverride",
    ),
    "an annotation of the chart's": (
        {"podAnnotations": {"checksum/config": "mine"}},
        "podAnnotations: the chart sets checksum/config; leave it out",
    ),
    "an alert both changed and left out": (
        {
            "prometheusRule": {
                "disabled": ["K6CloudTestFailing"],
                "overrides": {"K6CloudTestFailing": {"for": "1m"}},
            }
        },
        "prometheusRule.overrides.K6CloudTestFailing: the alert is disabled; leave one of them out",
    ),
    "a runbook twice": (
        {"prometheusRule": {"runbookUrl": "x", "ruleAnnotations": {"runbook_url": "y"}}},
        "prometheusRule.ruleAnnotations: prometheusRule.runbookUrl sets runbook_url; leave one of them out",
    ),
    "a dashboard twice": (
        {"prometheusRule": {"dashboardUrl": "x", "ruleAnnotations": {"dashboard_url": "y"}}},
        "prometheusRule.ruleAnnotations: prometheusRule.dashboardUrl sets dashboard_url; leave one "
        "of them out",
    ),
    "a folder twice": (
        {"dashboards": {"folder": "x", "annotations": {"grafana_folder": "y"}}},
        "dashboards.annotations: dashboards.folder sets grafana_folder; leave one of them out",
    ),
}


def sentences(values: dict[str, Any]) -> list[str]:
    first, *told = refusal(values)
    assert first.startswith("Error: execution error at (k6-cloud-exporter/templates/workload.yaml")
    return [line for line in told if line != "Use --debug flag to render out invalid YAML"]


def test_nothing_is_installed_without_values_and_one_sentence_says_which_to_set() -> None:
    assert sentences({}) == [NO_TOKEN]


def test_no_default_is_a_token() -> None:
    assert (defaults()["k6"]["apiToken"], defaults()["k6"]["existingSecret"]["name"]) == ("", "")


def test_the_name_of_a_secret_is_all_that_is_needed() -> None:
    assert {found["kind"] for found in objects(with_secret())} == {
        *("ConfigMap", "Deployment", "Service", "ServiceAccount"),
        "Pod",  # of helm test
    }


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_meant_is_refused_in_one_sentence(what: str) -> None:
    values, sentence = REFUSED[what]

    assert sentences(with_secret(**values)) == [sentence]


def test_all_mistakes_are_told_at_once() -> None:
    values, sentence = REFUSED["two monitors"]
    more, another = REFUSED["annotations of no service account"]

    assert sentences(values | more) == [NO_TOKEN, another, sentence]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            {"disabled": ["K6CloudTestFailling"]},
            "prometheusRule.disabled: there is no alert K6CloudTestFailling; ",
        ),
        ({"overrides": {"K6Cloud": {"for": "1m"}}}, "prometheusRule.overrides: there is no alert K6Cloud; "),
    ],
)
def test_an_alert_that_is_none_is_refused_and_told_which_there_are(values: dict[str, Any], says: str) -> None:
    (sentence,) = sentences(with_secret(prometheusRule=values))

    assert sentence.startswith(says + "there are K6CloudTestFailing, K6CloudTestFailingRepeatedly, ")


def test_a_threshold_of_an_alert_that_has_none_is_refused_and_told_which_have_one() -> None:
    overrides = {"K6CloudTestFailing": {"threshold": 2}}

    (sentence,) = sentences(with_secret(prometheusRule={"overrides": overrides}))

    assert sentence.startswith(
        "prometheusRule.overrides.K6CloudTestFailing.threshold: this alert has none; those that have one are "
        "K6CloudApiErrors, "
    )


def test_a_scrape_may_take_as_long_as_the_interval() -> None:
    monitor = {"enabled": True, "interval": "1m30s", "scrapeTimeout": "90s"}

    assert objects(with_secret(serviceMonitor=monitor))


def test_a_token_file_that_something_else_brings_is_used() -> None:
    made = objects({"config": {"api": {"token_file": "/vault/secrets/token"}}})

    (settings,) = (found["data"]["exporter.yaml"] for found in made if found["kind"] == "ConfigMap")
    (workload,) = (found for found in made if found["kind"] == "Deployment")
    assert "token_file: /vault/secrets/token\n" in settings
    assert [volume["name"] for volume in workload["spec"]["template"]["spec"]["volumes"]] == ["config"]
