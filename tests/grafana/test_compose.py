"""compose.yaml and the provisioned files, checked without starting containers.

Paths exist, the programs know the flags and settings, and names and ports are the same in all files.
"""

import re
import subprocess
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from exporter.config import load
from tests.support.dashboards import DASHBOARDS, ROOT
from tests.support.programs import require_program
from tests.support.public_names import load_commands

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
PROVISIONED = ROOT / "grafana" / "provisioning"

PORTS = {"exporter": 10565, "simulator": 10566, "prometheus": 9090, "alertmanager": 9093, "grafana": 3000}


def read_provisioned(path: str) -> Any:
    return yaml.safe_load((PROVISIONED / path).read_text(encoding="utf-8"))


def find_mounts(service: str) -> dict[str, str]:
    """The path in this repository of each mounted path in the container."""
    split = [volume.split(":") for volume in SERVICES[service].get("volumes", [])]
    return {parts[1]: parts[0].removeprefix("./") for parts in split if parts[0].startswith("./")}


@pytest.mark.parametrize("service", SERVICES)
def test_mounted_paths_exist_and_are_read_only(service: str) -> None:
    for path in find_mounts(service).values():
        assert (ROOT / path).exists()
    for volume in SERVICES[service].get("volumes", []):
        source, _, mode = volume.split(":") if volume.count(":") == 2 else (*volume.split(":"), "")
        assert mode == "ro" if source.startswith("./") else source in COMPOSE["volumes"]


@pytest.mark.parametrize("service", SERVICES)
def test_services_publish_their_port_on_loopback_only(service: str) -> None:
    for published in SERVICES[service].get("ports", []):
        assert published == f"127.0.0.1:{PORTS[service]}:{PORTS[service]}"


@pytest.mark.parametrize("service", SERVICES)
def test_dependencies_exist_and_images_are_pinned(service: str) -> None:
    image = SERVICES[service]["image"]

    assert set(SERVICES[service].get("depends_on", [])) <= set(SERVICES)
    assert image == "k6-cloud-exporter:latest" or re.fullmatch(r"[\w/-]+:v?\d+\.\d+\.\d+", image)


@pytest.mark.parametrize("service", ["simulator", "exporter"])
def test_commands_and_flags_of_the_exporter_exist(service: str) -> None:
    name, *flags = SERVICES[service]["command"]
    known = {option for parameter in load_commands()[name].params for option in parameter.opts}

    assert {flag.split("=")[0] for flag in flags} <= known
    assert f"--web.listen-address=:{PORTS[service]}" in flags


def test_health_check_is_disabled_for_other_ports() -> None:
    built = {name: service for name, service in SERVICES.items() if service.get("build") == "."}
    checked = re.search(r"HTTPConnection\('127\.0\.0\.1', (\d+)", (ROOT / "Dockerfile").read_text())
    assert checked

    for name, service in built.items():
        disabled = service.get("healthcheck") == {"disable": True}
        assert disabled != (PORTS[name] == int(checked[1]))


def test_exporter_is_configured_for_the_simulator() -> None:
    config, _ = load(None, SERVICES["exporter"]["environment"], {})

    assert config.api.url == f"http://simulator:{PORTS['simulator']}"
    assert config.api.stack == 1


def test_flags_of_prometheus_exist() -> None:
    help_text = subprocess.run(
        [require_program("prometheus", "prometheus"), "--help"], capture_output=True, text=True, check=False
    )
    flags = [flag.split("=")[0] for flag in SERVICES["prometheus"]["command"]]

    assert all(f"{flag}=" in help_text.stdout + help_text.stderr for flag in flags)


def test_prometheus_uses_mounted_files_and_other_services(promtool: str) -> None:
    config = read_provisioned("prometheus/prometheus.yml")
    file = find_mounts("prometheus")["/etc/prometheus/prometheus.yml"]
    (manager,) = config["alerting"]["alertmanagers"]
    (scraped,) = config["scrape_configs"]

    assert "--config.file=/etc/prometheus/prometheus.yml" in SERVICES["prometheus"]["command"]
    assert find_mounts("prometheus")[config["rule_files"][0]] == "grafana/alerts.yaml"
    assert manager["static_configs"] == [{"targets": [f"alertmanager:{PORTS['alertmanager']}"]}]
    assert scraped["static_configs"] == [{"targets": [f"exporter:{PORTS['exporter']}"]}]
    subprocess.run([promtool, "check", "config", "--syntax-only", ROOT / file], check=True)


def test_alertmanager_routes_to_an_existing_receiver() -> None:
    config = read_provisioned("alertmanager/alertmanager.yml")

    assert "--config.file=/etc/alertmanager/alertmanager.yml" in SERVICES["alertmanager"]["command"]
    assert (
        find_mounts("alertmanager")["/etc/alertmanager/alertmanager.yml"]
        == "grafana/provisioning/alertmanager/alertmanager.yml"
    )
    assert config["route"]["receiver"] in {receiver["name"] for receiver in config["receivers"]}


def test_grafana_has_the_data_source_and_dashboards() -> None:
    mounts = find_mounts("grafana")
    (source,) = read_provisioned("datasources/prometheus.yaml")["datasources"]
    (provider,) = read_provisioned("dashboards/k6-cloud.yaml")["providers"]

    assert mounts["/etc/grafana/provisioning/datasources"] == "grafana/provisioning/datasources"
    assert mounts["/etc/grafana/provisioning/dashboards"] == "grafana/provisioning/dashboards"
    assert mounts[provider["options"]["path"]] == "grafana/dashboards"
    assert provider["allowUiUpdates"] is False
    assert (source["type"], source["url"]) == ("prometheus", f"http://prometheus:{PORTS['prometheus']}")
    assert source["isDefault"] is True


def test_grafana_home_is_the_overview() -> None:
    environment = SERVICES["grafana"]["environment"]
    home = PurePosixPath(environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])

    assert find_mounts("grafana")[str(home.parent)] == "grafana/dashboards"
    assert home.stem in DASHBOARDS
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "true"


def test_grafana_has_the_scrape_interval_of_prometheus() -> None:
    (source,) = read_provisioned("datasources/prometheus.yaml")["datasources"]

    assert (
        source["jsonData"]["timeInterval"]
        == read_provisioned("prometheus/prometheus.yml")["global"]["scrape_interval"]
    )


def test_files_copied_into_the_image_exist() -> None:
    built = [name for name, service in SERVICES.items() if service.get("build") == "."]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    included = (ROOT / ".dockerignore").read_text().split()

    assert sorted(built) == ["exporter", "simulator"]
    for name in " ".join(copied).split():
        assert (ROOT / name).exists()
        assert f"!{name}" in included


def test_alertmanager_inhibits_as_the_runbooks_say() -> None:
    runbooks = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    example = re.search(r"<!-- alertmanager -->\n```yaml\n(.*?)```", runbooks, re.DOTALL)

    assert example
    assert (
        read_provisioned("alertmanager/alertmanager.yml")["inhibit_rules"]
        == yaml.safe_load(example[1])["inhibit_rules"]
    )
