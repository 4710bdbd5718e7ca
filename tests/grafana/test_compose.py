"""compose.yaml and what it provisions, by reading: nothing here can start a container.

What can be checked without one is: paths exist, flags and settings are those of the programs, names and ports
of one file are those of the other.
"""

import re
import subprocess
from pathlib import PurePosixPath
from typing import Any

import click
import pytest
import yaml

from exporter.cli import main
from exporter.config import load
from tests.support.dashboards import DASHBOARDS, ROOT
from tests.support.programs import program

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
PROVISIONED = ROOT / "grafana" / "provisioning"

LISTENS = {"exporter": 10565, "simulator": 10566, "prometheus": 9090, "alertmanager": 9093, "grafana": 3000}


def read(path: str) -> Any:
    return yaml.safe_load((PROVISIONED / path).read_text(encoding="utf-8"))


def mounts(service: str) -> dict[str, str]:
    """Where in the container each path of ours is."""
    split = [volume.split(":") for volume in SERVICES[service].get("volumes", [])]
    return {parts[1]: parts[0].removeprefix("./") for parts in split if parts[0].startswith("./")}


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_mounted_exists_and_cannot_be_written(service: str) -> None:
    for path in mounts(service).values():
        assert (ROOT / path).exists()
    for volume in SERVICES[service].get("volumes", []):
        source, _, how = volume.split(":") if volume.count(":") == 2 else (*volume.split(":"), "")
        assert how == "ro" if source.startswith("./") else source in COMPOSE["volumes"]


@pytest.mark.parametrize("service", SERVICES)
def test_only_this_machine_reaches_a_service_and_on_the_port_it_listens_on(service: str) -> None:
    for published in SERVICES[service].get("ports", []):
        assert published == f"127.0.0.1:{LISTENS[service]}:{LISTENS[service]}"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_depends_on_services_and_has_a_fixed_image(service: str) -> None:
    image = SERVICES[service]["image"]

    assert set(SERVICES[service].get("depends_on", [])) <= set(SERVICES)
    assert image == "k6-cloud-exporter:latest" or re.fullmatch(r"[\w/-]+:v?\d+\.\d+\.\d+", image)


@pytest.mark.parametrize("service", ["simulator", "exporter"])
def test_our_commands_and_flags_are_those_of_the_program(service: str) -> None:
    assert isinstance(main, click.Group)
    name, *flags = SERVICES[service]["command"]
    known = {option for parameter in main.commands[name].params for option in parameter.opts}

    assert {flag.split("=")[0] for flag in flags} <= known
    assert f"--web.listen-address=:{LISTENS[service]}" in flags


def test_only_what_serves_where_the_image_looks_is_checked_for_health() -> None:
    built = {name: service for name, service in SERVICES.items() if service.get("build") == "."}
    looked_at = re.search(r"HTTPConnection\('127\.0\.0\.1', (\d+)", (ROOT / "Dockerfile").read_text())
    assert looked_at

    for name, service in built.items():
        disabled = service.get("healthcheck") == {"disable": True}
        assert disabled != (LISTENS[name] == int(looked_at[1]))


def test_the_exporter_is_configured_for_the_simulator() -> None:
    config, _ = load(None, SERVICES["exporter"]["environment"], {})

    assert config.api.url == f"http://simulator:{LISTENS['simulator']}"
    assert config.api.stack == 1


def test_the_flags_of_prometheus_are_those_it_has() -> None:
    told = subprocess.run(
        [program("prometheus", "prometheus"), "--help"], capture_output=True, text=True, check=False
    )
    flags = [flag.split("=")[0] for flag in SERVICES["prometheus"]["command"]]

    assert all(f"{flag}=" in told.stdout + told.stderr for flag in flags)


def test_prometheus_reads_the_mounted_files_and_finds_its_neighbours(promtool: str) -> None:
    config = read("prometheus/prometheus.yml")
    file = mounts("prometheus")["/etc/prometheus/prometheus.yml"]
    (manager,) = config["alerting"]["alertmanagers"]
    (scraped,) = config["scrape_configs"]

    assert "--config.file=/etc/prometheus/prometheus.yml" in SERVICES["prometheus"]["command"]
    assert mounts("prometheus")[config["rule_files"][0]] == "grafana/alerts.yaml"
    assert manager["static_configs"] == [{"targets": [f"alertmanager:{LISTENS['alertmanager']}"]}]
    assert scraped["static_configs"] == [{"targets": [f"exporter:{LISTENS['exporter']}"]}]
    subprocess.run([promtool, "check", "config", "--syntax-only", ROOT / file], check=True)


def test_alertmanager_reads_the_mounted_file_and_routes_to_a_receiver_that_there_is() -> None:
    config = read("alertmanager/alertmanager.yml")

    assert "--config.file=/etc/alertmanager/alertmanager.yml" in SERVICES["alertmanager"]["command"]
    assert (
        mounts("alertmanager")["/etc/alertmanager/alertmanager.yml"]
        == "grafana/provisioning/alertmanager/alertmanager.yml"
    )
    assert config["route"]["receiver"] in {receiver["name"] for receiver in config["receivers"]}


def test_grafana_is_given_its_data_source_and_the_dashboards() -> None:
    placed = mounts("grafana")
    (source,) = read("datasources/prometheus.yaml")["datasources"]
    (provider,) = read("dashboards/k6-cloud.yaml")["providers"]

    assert placed["/etc/grafana/provisioning/datasources"] == "grafana/provisioning/datasources"
    assert placed["/etc/grafana/provisioning/dashboards"] == "grafana/provisioning/dashboards"
    assert placed[provider["options"]["path"]] == "grafana/dashboards"
    assert provider["allowUiUpdates"] is False
    assert (source["type"], source["url"]) == ("prometheus", f"http://prometheus:{LISTENS['prometheus']}")
    assert source["isDefault"] is True


def test_grafana_opens_with_the_overview() -> None:
    environment = SERVICES["grafana"]["environment"]
    home = PurePosixPath(environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])

    assert mounts("grafana")[str(home.parent)] == "grafana/dashboards"
    assert home.stem in DASHBOARDS
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "true"


def test_the_scrape_interval_is_the_one_grafana_reckons_with() -> None:
    (source,) = read("datasources/prometheus.yaml")["datasources"]

    assert (
        source["jsonData"]["timeInterval"] == read("prometheus/prometheus.yml")["global"]["scrape_interval"]
    )


def test_the_image_is_built_from_files_that_there_are() -> None:
    built = [name for name, service in SERVICES.items() if service.get("build") == "."]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    sent = (ROOT / ".dockerignore").read_text().split()

    assert sorted(built) == ["exporter", "simulator"]
    for name in " ".join(copied).split():
        assert (ROOT / name).exists()
        assert f"!{name}" in sent


def test_alertmanager_holds_back_what_the_runbooks_say() -> None:
    runbooks = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    told = re.search(r"<!-- alertmanager -->\n```yaml\n(.*?)```", runbooks, re.DOTALL)

    assert told
    assert read("alertmanager/alertmanager.yml")["inhibit_rules"] == yaml.safe_load(told[1])["inhibit_rules"]
