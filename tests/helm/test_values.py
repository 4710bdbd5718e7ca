"""Every value is declared, validated and used, and every used value is declared."""

import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import pytest

from tests.support.chart import CHART, Tree, ci, defaults, errors, objects, one, run, template, with_secret

SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))

# Another valid value, for values that do not accept everything.
OTHERS: dict[str, Any] = {
    "config": {"app_url": "https://other.example.com"},
    "webConfig.content": {"http_server_config": {"http2": False}},
    "webConfig.scheme": "http",
    "image.digest": "sha256:" + "0" * 64,
    "image.pullPolicy": "Never",
    "service.type": "LoadBalancer",
    "replicas": 0,
    "probes.liveness": {"periodSeconds": 7},
    "probes.readiness": {"httpGet": {"path": "/-/healthy"}},
    "probes.startup": {"periodSeconds": 7},
    "dnsPolicy": "Default",
    "service.ipFamilyPolicy": "SingleStack",
    "service.ipFamilies": ["IPv4"],
    "ingress.hosts": [{"host": "other.example.com"}],
    "httpRoute.hostnames": ["other.example.com"],
    "podDisruptionBudget.minAvailable": 1,
    "podDisruptionBudget.maxUnavailable": 2,
    "podDisruptionBudget.unhealthyPodEvictionPolicy": "AlwaysAllow",
    "verticalPodAutoscaler.controlledResources": ["cpu"],
    "verticalPodAutoscaler.controlledValues": "RequestsAndLimits",
    **{f"{monitor}Monitor.bodySizeLimit": "7MB" for monitor in ("service", "pod")},
    **{
        f"{monitor}Monitor.authorization": {"credentials": {"name": "other", "key": "other"}}
        for monitor in ("service", "pod")
    },
    "imagePullSecrets": [{"name": "other"}],
    "global.imagePullSecrets": ["other"],
    "service.labels": {"job": "other"},
    "extraArgs": ["--log.format=logfmt"],
    "serviceMonitor.jobLabel": "app.kubernetes.io/instance",
    "podMonitor.jobLabel": "app.kubernetes.io/instance",
    "serviceMonitor.targetLabels": ["other"],
    "podMonitor.podTargetLabels": ["other"],
    "serviceMonitor.interval": "17s",
    "podMonitor.interval": "17s",
    "serviceMonitor.scrapeTimeout": "7s",
    "podMonitor.scrapeTimeout": "7s",
    "serviceMonitor.scheme": "http",
    "podMonitor.scheme": "http",
    "serviceMonitor.basicAuth": {"username": {"name": "other", "key": "other"}},
    "podMonitor.basicAuth": {"username": {"name": "other", "key": "other"}},
    "prometheusRule.disabled": ["K6CloudTestRunOverdue"],
    "prometheusRule.overrides": {"K6CloudTestFailing": {"severity": "other"}},
    "extraObjects": ["{apiVersion: v1, kind: ConfigMap, metadata: {name: other}}"],
}
# Maps that are passed through, or that the exporter reads. All others reject unknown keys.
PASSED_THROUGH = {
    *("webConfig.content", "resources", "podSecurityContext", "securityContext", "affinity", "dnsConfig"),
    *("serviceMonitor.tlsConfig", "podMonitor.tlsConfig", "helmTest.resources"),
    *("strategy", "updateStrategy", "lifecycle"),
    *(f"verticalPodAutoscaler.{name}" for name in ("updatePolicy", "minAllowed", "maxAllowed")),
}
# Maps whose keys are all optional, and not in values.yaml.
OPTIONAL = ("basicAuth", "authorization", "config")
# Maps that replace each other as a whole, so each is one value. They reject unknown keys.
WHOLE = {"probes.liveness", "probes.readiness", "probes.startup"}


def leaves(tree: Tree, place: str = "") -> Iterator[tuple[str, Any]]:
    """Each value with its name. A map that is passed through or replaced as a whole is one value."""
    for key, value in tree.items():
        name = f"{place}.{key}".removeprefix(".")
        if isinstance(value, dict) and value and name not in PASSED_THROUGH | WHOLE:
            yield from leaves(value, name)
        else:
            yield name, value


LEAVES = dict(leaves(defaults()))


def other(name: str, now: Any) -> Any:
    """A value that differs from this one."""
    if name in OTHERS:
        return OTHERS[name]
    match now:
        case bool():
            return not now
        case int():
            return now + 1
        case str():
            return f"{now}x"
        case list():
            return [{"name": "other"}]
    return {"other": "other"}


def at(tree: Any, name: str) -> Any:
    """The value of a name; None if it is not set."""
    for key in name.split("."):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def changed(tree: Tree, name: str, value: Any) -> Tree:
    """The tree with one value replaced."""
    key, _, rest = name.partition(".")
    return tree | {key: changed(tree.get(key, {}), rest, value) if rest else value}


def around(name: str) -> Tree:
    """The values in which one is changed, without the two sections that take longest to render."""
    tree = ci(beside(name))
    if name == "service.loadBalancerClass":
        tree = changed(tree, "service.type", "LoadBalancer")
    for section in {"dashboards", "prometheusRule"} - {name.partition(".")[0]}:
        tree = changed(tree, f"{section}.enabled", value=False)
    return tree


@cache
def usual(values: str) -> str:
    return template(json.loads(values)).stdout


def shows(name: str) -> bool:
    """Whether changing the value changes the rendered objects."""
    values = around(name)
    now = at(values, name)
    value = other(name, LEAVES[name] if now is None else now)
    rendered = template(changed(values, name, value))
    return rendered.returncode == 0 and rendered.stdout != usual(json.dumps(values))


@pytest.fixture(scope="module")
def shown() -> dict[str, bool]:
    """Whether each value changes the rendered objects."""
    with ThreadPoolExecutor(os.cpu_count()) as several:
        return dict(zip(LEAVES, several.map(shows, LEAVES), strict=True))


@pytest.mark.parametrize("name", LEAVES)
def test_each_value_changes_the_rendered_objects(name: str, shown: dict[str, bool]) -> None:
    assert shown[name]


def beside(name: str) -> str:
    """The file in ci/ with the values that this value needs."""
    special = {
        "k6.apiToken": "inline-token",
        "serviceAccount.create": "existing-secret",
        "strategy": "extras",
        "updateStrategy": "sharded-extras",
        "serviceMonitor.authorization": "extras",
        "podMonitor.authorization": "sharded-extras",
        "sharding.total": "sharded",
        "webConfig.content": "web-config",
    }
    sections = {
        "ingress": "extras",
        "httpRoute": "extras",
        "verticalPodAutoscaler": "extras",
        "podDisruptionBudget": "sharded-extras",
        "podMonitor": "pod-monitor",
    }
    return special.get(name, sections.get(name.partition(".")[0], "full"))


def used_by_templates() -> set[str]:
    text = "".join(path.read_text(encoding="utf-8") for path in (CHART / "templates").rglob("*.*"))
    return set(
        re.findall(
            r"(?:\.Values|\$values|\$rule)\.((?:\w+\.)*\w+)", text.replace("$rule.", "$rule.prometheusRule.")
        )
    )


def test_templates_use_only_declared_values() -> None:
    known = set(LEAVES) | {name.rsplit(".", depth)[0] for name in LEAVES for depth in (1, 2)}

    used = {name for name in used_by_templates() if not name.startswith("config.")}
    assert used
    assert used <= known


def declared(schema: Tree, place: str = "") -> Iterator[str]:
    for key, inner in schema.get("properties", {}).items():
        if inner == {"$ref": "#/definitions/otherChart"}:
            continue
        name = f"{place}.{key}".removeprefix(".")
        resolved = SCHEMA["definitions"][inner["$ref"].rpartition("/")[2]] if "$ref" in inner else inner
        nested = "properties" in resolved and name not in WHOLE and not name.endswith(OPTIONAL)
        yield from declared(resolved, name) if nested else (name,)


def test_schema_has_exactly_the_declared_values() -> None:
    named = {name for name in declared(SCHEMA) if name != "enabled"}

    assert named == set(LEAVES)


def opened(schema: Tree, place: str = "") -> Iterator[str]:
    """Each map in a schema that accepts any key."""
    kinds = schema.get("type", [])
    if "object" in kinds and schema.get("additionalProperties") is not False and schema.keys() != {"$ref"}:
        yield place
    for key, inner in schema.get("properties", {}).items():
        resolved = SCHEMA["definitions"][inner["$ref"].rpartition("/")[2]] if "$ref" in inner else inner
        yield from opened(resolved, f"{place}.{key}".removeprefix("."))


def test_only_passed_through_maps_accept_any_key() -> None:
    of_text = {name for name, value in LEAVES.items() if value == {}} - {"config"}

    assert set(opened(SCHEMA)) <= PASSED_THROUGH | of_text | {"prometheusRule.overrides", "global"}
    assert set(opened(SCHEMA)) >= PASSED_THROUGH


MISSPELLED = [f"{name}x" for name in LEAVES if not name.startswith("global.")] + [
    *("config.api.stackid", "config.tset", "config.poll.intervall"),
    *("prometheusRule.overrides.K6CloudTestFailing.sevrity", "serviceMonitor.basicAuth.user"),
    *("probes.liveness.initialDelay", "probes.readiness.httpGet.url", "probes.startup.exec.args"),
]


def test_misspelled_value_is_rejected() -> None:
    tree = with_secret()
    for name in MISSPELLED:
        tree = changed(tree, name, "misspelled")
    lines = [line.strip() for line in errors(tree)]

    for name in MISSPELLED:
        place, _, key = name.rpartition(".")
        where = f"at '/{place.replace('.', '/')}'" if place else "at ''"
        line = next((line for line in lines if line.startswith(f"- {where}: additional")), "")
        assert f"'{key}'" in line, name


def test_helm_3_rejects_a_misspelled_value() -> None:
    refused = template(with_secret(dashboards={"enabld": True}), program="helm-3")

    assert refused.returncode != 0
    assert "additional properties 'enabld' not allowed" in refused.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fullnameOverride", "Bad_Name"),
        ("nameOverride", "-k6"),
        ("replicas", 2),
        ("sharding.total", 0),
        ("containerPort", 70000),
        ("image.tag", True),
        ("image.digest", "latest"),
        ("dashboards.labelValue", 1),
        ("prometheusRule.overrides", {"K6CloudTestFailing": {"for": "5 minutes"}}),
        ("prometheusRule.overrides", {"K6CloudTestFailing": {}}),
        ("serviceMonitor.interval", "15"),
        ("serviceMonitor.interval", "1.5m"),
        ("podMonitor.scrapeTimeout", "30s1m"),
        ("podLabels", {"number": 1}),
        ("config", {"api": {"stack": True}}),
    ],
)
def test_invalid_value_is_rejected_by_the_schema(name: str, value: Any) -> None:
    assert f"- at '/{name.replace('.', '/')}" in "\n".join(errors(changed(with_secret(), name, value)))


def test_globals_of_other_charts_are_accepted() -> None:
    assert objects(with_secret(**{"global": {"storageClass": "x"}})) == objects(with_secret())


def test_large_numbers_stay_integers() -> None:
    values = with_secret(
        config={"api": {"stack": 123456789}, "tests": [{"id": 98765432109}]},
        revisionHistoryLimit=1_000_000,
        terminationGracePeriodSeconds=2_000_000,
    )

    made = one("ConfigMap", values)["data"]["exporter.yaml"]
    assert "stack: 123456789\n" in made
    assert "- id: 98765432109\n" in made
    assert "revisionHistoryLimit: 1000000\n" in template(values).stdout
    assert "terminationGracePeriodSeconds: 2000000\n" in template(values).stdout


def test_empty_sections_are_accepted() -> None:
    values = with_secret(config={"poll": None, "web": None, "api": None, "tests": None})

    assert "listen_address" in one("ConfigMap", values)["data"]["exporter.yaml"]


def test_helm_shows_the_committed_values() -> None:
    shown = run("show", "values", CHART)

    assert shown.stdout.rstrip("\n") == (CHART / "values.yaml").read_text(encoding="utf-8").rstrip("\n")
