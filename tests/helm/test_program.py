"""Ports, paths, flags, settings and version in the chart are those of the exporter."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.routing import Route

import exporter
from exporter.config import Config, TestSelector, settings
from exporter.config.load import variable
from exporter.web.app import Sources, application
from exporter.web.security.web_config import read_web_config
from tests.support.chart import (
    CHART,
    CI,
    ROOT,
    Tree,
    ci,
    container,
    defaults,
    objects,
    settings_file,
    with_secret,
)
from tests.support.public_names import load_commands

SETTINGS = {setting.name: setting for setting in settings()}
# Set by the chart. The schema has them, so that the error is ours and not that of the schema.
BY_THE_CHART = {"sharding.shard", "sharding.total", "web.config_file", "web.listen_address"}


def schema() -> Tree:
    found: Tree = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))["properties"][
        "config"
    ]
    return found


def schema_settings() -> set[str]:
    """The settings that the schema allows under `config`."""
    found = set()
    for name, inner in schema()["properties"].items():
        found |= {f"{name}.{key}" for key in inner["properties"]} if "properties" in inner else {name}
    return found


def test_chart_version_is_the_exporter_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))

    assert chart["appVersion"] == chart["version"] == exporter.__version__


def test_config_schema_has_all_settings() -> None:
    assert schema_settings() - BY_THE_CHART == SETTINGS.keys() - BY_THE_CHART


def test_config_schema_has_all_selector_fields() -> None:
    assert set(schema()["properties"]["tests"]["items"]["properties"]) == set(TestSelector.model_fields)


@pytest.mark.parametrize("name", [name for name, setting in SETTINGS.items() if setting.choices])
def test_config_schema_has_all_choices(name: str) -> None:
    section, key = name.split(".")

    assert schema()["properties"][section]["properties"][key]["enum"] == [*SETTINGS[name].choices, None]


@pytest.mark.parametrize("name", CI)
def test_rendered_configuration_is_valid(name: str) -> None:
    made = settings_file(ci(name))

    assert (
        Config.model_validate(made)
        .web.listen_address[0]
        .endswith(str(container(ci(name))["ports"][0]["containerPort"]))
    )


def test_rendered_web_config_is_valid(tmp_path: Path) -> None:
    (secret,) = (one for one in objects(ci("web-config")) if "web-config.yml" in one.get("data", {}))
    file = tmp_path / "web-config.yml"
    file.write_bytes(base64.b64decode(secret["data"]["web-config.yml"]))
    made = settings_file(ci("web-config"))

    assert list(read_web_config(file).basic_auth_users) == ["prometheus"]
    assert Path(made["web"]["config_file"]).name == file.name


def test_documented_example_is_valid_under_config() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    (example,) = re.findall("<!-- example -->\n```yaml\n(.*?)```", text, re.DOTALL)
    config = yaml.safe_load(example)

    assert settings_file({"config": config}) == config | {"web": {"listen_address": ":10565"}}


def test_default_port_is_that_of_the_exporter() -> None:
    assert SETTINGS["web.listen_address"].default == f":{defaults()['containerPort']}"
    assert defaults()["service"]["port"] == defaults()["containerPort"]


def exporter_paths() -> set[str]:
    """The paths of the exporter."""

    def nothing(*_: object) -> Any: ...

    sources = Sources(
        metrics_page=nothing,
        status=nothing,
        liveness_problem=nothing,
        readiness_problem=nothing,
    )
    app = application(sources, SETTINGS["web.telemetry_path"].default)
    return {route.path for route in app.routes if isinstance(route, Route)}


def test_probes_and_monitors_use_existing_paths() -> None:
    made = container(with_secret())
    monitored = [found for found in objects(ci("operator")) if found["kind"] == "ServiceMonitor"]
    paths = {made[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")}

    assert paths == {"/-/healthy", "/-/ready"}
    assert paths | {monitored[0]["spec"]["endpoints"][0]["path"]} <= exporter_paths()


def flags() -> set[str]:
    """The flags of `serve`."""
    return {flag for parameter in load_commands()["serve"].params for flag in parameter.opts}


@pytest.mark.parametrize("name", CI)
def test_container_arguments_are_existing_flags(name: str) -> None:
    command, *arguments = container(ci(name))["args"]

    assert command == "serve"
    assert {argument.split("=")[0] for argument in arguments} <= flags()


def test_chart_knows_every_flag_of_serve() -> None:
    """Each is set by the chart, selects tests, or is named after its setting."""
    own = {
        flag
        for flag in flags()
        if flag.startswith(("--web.", "--config.")) or flag in {"--shard", "--total-shards"}
    }
    named = {flag for flag in flags() if flag.removeprefix("--").replace("-", "_") in SETTINGS}

    assert flags() - own - named == {"--test", "--project"}


def test_container_variables_are_settings() -> None:
    set_ = {found["name"] for found in container(ci("sharded"))["env"]}

    assert set_ == {variable("sharding.shard"), variable("sharding.total")}


def test_pod_name_is_a_valid_shard() -> None:
    assert (
        Config.model_validate({"sharding": {"shard": "rel-k6-cloud-exporter-2", "total": "3"}}).sharding.shard
        == 2
    )


def test_pod_and_image_have_the_same_user() -> None:
    (user,) = re.findall(
        r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
    context = defaults()["podSecurityContext"]

    assert (str(context["runAsUser"]), str(context["runAsGroup"])) == user
