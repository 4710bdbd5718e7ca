"""The Compose files and the provisioned files, checked without starting containers.

Paths exist, the programs know the flags and settings, and names and ports are the same in all files.
"""

import json
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from exporter.config import load
from tests.support import compose
from tests.support.compose import ACCOUNT, CLOUD_FILES, find_mounts, run_compose
from tests.support.dashboards import DASHBOARDS, ROOT
from tests.support.documents import DOCS, read_example
from tests.support.exporter_process import Process
from tests.support.processes import eventually, free_port, run_process
from tests.support.programs import require_program
from tests.support.public_names import load_commands

PROVISIONED = ROOT / "grafana" / "provisioning"
PORTS = {"exporter": 10565, "simulator": 10566, "prometheus": 9090, "alertmanager": 9093, "grafana": 3000}
PROJECTS = {"demo": compose.demo, "cloud": compose.cloud}


def read_provisioned(path: str) -> Any:
    return yaml.safe_load((PROVISIONED / path).read_text(encoding="utf-8"))


def read_own_file(name: str) -> Any:
    """A Compose file as it is, without others."""
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.fixture(params=PROJECTS)
def project(request: pytest.FixtureRequest) -> compose.Project:
    return PROJECTS[request.param]()


@pytest.fixture
def services(project: compose.Project) -> dict[str, Any]:
    found: dict[str, Any] = project["services"]
    return found


def test_demo_and_cloud_have_the_expected_services() -> None:
    assert compose.demo()["services"].keys() == PORTS.keys()
    assert compose.cloud()["services"].keys() == PORTS.keys() - {"simulator"}


def test_mounted_paths_exist_and_are_read_only(project: compose.Project) -> None:
    for service in project["services"].values():
        assert all((ROOT / path).exists() for path in find_mounts(service).values())
        for volume in service.get("volumes", []):
            assert volume["read_only"] if volume["type"] == "bind" else volume["source"] in project["volumes"]


def test_services_publish_their_port_on_loopback_only(services: dict[str, Any]) -> None:
    published = {
        name: (port["host_ip"], int(port["published"]), port["target"])
        for name, service in services.items()
        for port in service.get("ports", [])
    }

    assert published == {
        name: ("127.0.0.1", PORTS[name], PORTS[name]) for name in PORTS if name != "simulator"
    }


def test_images_are_pinned(services: dict[str, Any]) -> None:
    for service in services.values():
        image = service["image"]
        assert image == "k6-cloud-exporter:latest" or re.fullmatch(r"[\w/-]+:v?\d+\.\d+\.\d+", image)


def test_services_run_with_least_privilege(services: dict[str, Any]) -> None:
    for service in services.values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert 0 < int(service["mem_limit"]) <= 2**30
        assert "privileged" not in service


def test_services_wait_until_others_are_healthy(services: dict[str, Any]) -> None:
    waits = {
        name: {on: wait["condition"] for on, wait in service["depends_on"].items()}
        for name, service in services.items()
        if "depends_on" in service
    }

    expected = {"prometheus": "exporter", "grafana": "prometheus"}
    expected |= {"exporter": "simulator"} if "simulator" in services else {}
    assert waits == {name: {on: "service_healthy"} for name, on in expected.items()}


def find_health_check(name: str) -> list[str]:
    """The command of a health check without CMD; the first part is the name of the program."""
    command: list[str] = compose.demo()["services"][name]["healthcheck"]["test"]
    assert command[0] == "CMD"
    return command[1:]


def run_health_check(program: str | Path, arguments: list[str]) -> int:
    return subprocess.run([program, *arguments], capture_output=True, timeout=30, check=False).returncode


def test_health_check_of_the_simulator_needs_its_port() -> None:
    program, *arguments = find_health_check("simulator")

    with Process("simulator", "--web.listen-address=127.0.0.1:0") as process:
        port = process.url().rpartition(":")[2]
        arguments = [argument.replace(str(PORTS["simulator"]), port) for argument in arguments]
        assert run_health_check(sys.executable, arguments) == 0

    assert program == "python"
    assert run_health_check(sys.executable, arguments) == 1


# By service: the Debian package, which is also the name of its program, a configuration and the flags.
SERVERS = {
    "prometheus": ("prometheus", "{}", ["--storage.tsdb.path={folder}"]),
    "alertmanager": (
        "prometheus-alertmanager",
        "{route: {receiver: none}, receivers: [{name: none}]}",
        ["--storage.path={folder}", "--cluster.listen-address="],
    ),
}


@pytest.mark.parametrize("name", SERVERS)
def test_health_check_needs_the_program(name: str, tmp_path: Path) -> None:
    package, settings, flags = SERVERS[name]
    config, port = tmp_path / "config.yml", free_port()
    config.write_text(settings, encoding="utf-8")
    server = [require_program(package, package), f"--config.file={config}"]
    server += [flag.format(folder=tmp_path / "data") for flag in flags]
    client, *arguments = find_health_check(name)
    arguments = [argument.replace(str(PORTS[name]), str(port)) for argument in arguments]
    client = require_program(client, package)

    with run_process(*server, f"--web.listen-address=127.0.0.1:{port}", log=tmp_path / "log"):
        eventually(lambda: run_health_check(client, arguments) == 0)

    assert run_health_check(client, arguments) == 1


def test_health_check_of_grafana_uses_no_proxy() -> None:
    command = find_health_check("grafana")

    assert command[-1] == f"http://localhost:{PORTS['grafana']}/api/health"
    assert {"curl", "--fail", "--noproxy"} <= set(command)


@pytest.mark.parametrize("service", ["simulator", "exporter"])
def test_commands_and_flags_of_the_exporter_exist(service: str) -> None:
    name, *flags = compose.demo()["services"][service]["command"]
    known = {option for parameter in load_commands()[name].params for option in parameter.opts}

    assert {flag.split("=")[0] for flag in flags} <= known
    assert f"--web.listen-address=:{PORTS[service]}" in flags


def test_health_check_of_the_image_is_for_its_port() -> None:
    checked = re.search(r"HTTPConnection\('127\.0\.0\.1', (\d+)", (ROOT / "Dockerfile").read_text())
    services = compose.demo()["services"]

    assert checked
    assert PORTS["exporter"] == int(checked[1])
    assert "test" not in services["exporter"]["healthcheck"]
    assert str(PORTS["simulator"]) in " ".join(services["simulator"]["healthcheck"]["test"])


def test_demo_polls_the_simulator() -> None:
    config, _ = load(None, compose.demo()["services"]["exporter"]["environment"], {})

    assert config.api.url == f"http://simulator:{PORTS['simulator']}"
    assert config.api.stack == 1


def test_documented_steps_for_an_account_drop_demo_settings() -> None:
    """The demo's files may only add services and settings that the file for an account does not have."""
    example = read_example(DOCS / "install-and-upgrade.md", "compose-cloud")
    documented = tuple(re.findall(r"--file (\S+)", example))
    exported = dict.fromkeys(re.findall(r"^export (\w+)=", example, re.MULTILINE), "12345")
    environment = compose.load_project(*documented, **exported)["services"]["exporter"]["environment"]

    config, _ = load(None, environment, {})
    default, _ = load(None, exported, {})

    assert documented == CLOUD_FILES
    assert exported.keys() == ACCOUNT.keys()
    assert config == default
    assert environment == exported


def test_account_has_no_settings_data_or_access_of_the_demo() -> None:
    override = read_own_file("compose.override.yaml")
    demo, cloud = compose.demo(), compose.cloud()

    assert demo["name"] != cloud["name"]  # the volumes have the name as their prefix
    for name, service in override["services"].items():
        settings = service.get("environment", {}).items()
        assert not settings & cloud["services"].get(name, {}).get("environment", {}).items()
    for service in cloud["services"].values():
        assert not [path for path in find_mounts(service).values() if "demo" in path]
    assert not [name for name in cloud["services"]["grafana"]["environment"] if "AUTH" in name]


@pytest.mark.parametrize("name", ACCOUNT)
def test_account_needs_its_variables(name: str) -> None:
    environment = {known: value for known, value in ACCOUNT.items() if known != name}

    result = run_compose(*CLOUD_FILES, **environment)

    assert result.returncode == 1
    assert name in result.stderr


def test_flags_of_prometheus_exist() -> None:
    help_text = subprocess.run(
        [require_program("prometheus", "prometheus"), "--help"], capture_output=True, text=True, check=False
    )
    flags = [flag.split("=")[0] for flag in compose.cloud()["services"]["prometheus"]["command"]]

    assert all(f"{flag}=" in help_text.stdout + help_text.stderr for flag in flags)


def test_prometheus_uses_mounted_files_and_other_services(services: dict[str, Any], promtool: str) -> None:
    mounts = find_mounts(services["prometheus"])
    file = ROOT / mounts["/etc/prometheus/prometheus.yml"]
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    (manager,) = config["alerting"]["alertmanagers"]
    (scraped,) = config["scrape_configs"]

    assert "--config.file=/etc/prometheus/prometheus.yml" in services["prometheus"]["command"]
    assert mounts[config["rule_files"][0]] == "grafana/alerts.yaml"
    assert manager["static_configs"] == [{"targets": [f"alertmanager:{PORTS['alertmanager']}"]}]
    assert scraped["static_configs"] == [{"targets": [f"exporter:{PORTS['exporter']}"]}]
    subprocess.run([promtool, "check", "config", "--syntax-only", file], check=True)


def test_alertmanager_routes_to_an_existing_receiver(services: dict[str, Any]) -> None:
    config = read_provisioned("alertmanager/alertmanager.yml")

    assert "--config.file=/etc/alertmanager/alertmanager.yml" in services["alertmanager"]["command"]
    assert (
        find_mounts(services["alertmanager"])["/etc/alertmanager/alertmanager.yml"]
        == "grafana/provisioning/alertmanager/alertmanager.yml"
    )
    assert config["route"]["receiver"] in {receiver["name"] for receiver in config["receivers"]}


def read_data_source(services: dict[str, Any]) -> Any:
    """The only data source of Grafana."""
    folder = ROOT / find_mounts(services["grafana"])["/etc/grafana/provisioning/datasources"]
    (source,) = yaml.safe_load((folder / "prometheus.yaml").read_text(encoding="utf-8"))["datasources"]
    return source


def test_grafana_has_the_data_source_and_dashboards(services: dict[str, Any]) -> None:
    mounts = find_mounts(services["grafana"])
    source = read_data_source(services)
    (provider,) = read_provisioned("dashboards/k6-cloud.yaml")["providers"]

    assert mounts["/etc/grafana/provisioning/dashboards"] == "grafana/provisioning/dashboards"
    assert mounts[provider["options"]["path"]] == "grafana/dashboards"
    assert provider["allowUiUpdates"] is False
    assert (source["type"], source["url"]) == ("prometheus", f"http://prometheus:{PORTS['prometheus']}")
    assert source["isDefault"] is True


def test_grafana_can_write_where_it_must(services: dict[str, Any]) -> None:
    volumes = {volume["target"] for volume in services["grafana"]["volumes"] if volume["type"] == "volume"}

    assert volumes == {"/var/lib/grafana"}
    assert services["grafana"]["tmpfs"] == ["/tmp"]


def test_grafana_home_is_the_overview(services: dict[str, Any]) -> None:
    environment = services["grafana"]["environment"]
    home = PurePosixPath(environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])

    assert find_mounts(services["grafana"])[str(home.parent)] == "grafana/dashboards"
    assert home.stem in DASHBOARDS


def read_intervals(services: dict[str, Any]) -> tuple[str, str, str]:
    """How often Prometheus scrapes and evaluates, and the interval that Grafana assumes."""
    file = ROOT / find_mounts(services["prometheus"])["/etc/prometheus/prometheus.yml"]
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))["global"]
    assumed = read_data_source(services)["jsonData"]["timeInterval"]
    return settings["scrape_interval"], settings["evaluation_interval"], assumed


def test_grafana_has_the_scrape_interval_of_prometheus() -> None:
    assert read_intervals(compose.demo()["services"]) == ("5s", "5s", "5s")
    assert read_intervals(compose.cloud()["services"]) == ("15s", "15s", "15s")


@pytest.mark.parametrize("name", ["prometheus/prometheus.yml", "datasources/prometheus.yaml"])
def test_files_of_the_demo_differ_in_intervals_only(name: str) -> None:
    demo = {"prometheus/prometheus.yml": "demo/prometheus.yml"}.get(name, f"demo/{name}")

    def drop_intervals(path: str) -> str:
        return re.sub(r'"\w*[iI]nterval": "\w+"', "", json.dumps(read_provisioned(path)))

    assert drop_intervals(demo) == drop_intervals(name)
    assert read_provisioned(demo) != read_provisioned(name)


def test_grafana_of_the_demo_is_read_only_without_login() -> None:
    environment = compose.demo()["services"]["grafana"]["environment"]

    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "true"
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"


def test_files_copied_into_the_image_exist() -> None:
    built = [name for name, service in compose.demo()["services"].items() if "build" in service]
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
