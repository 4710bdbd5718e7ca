"""docs/proxy-and-ca.md agrees with the code and the chart: its table is tried, its examples are used."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from exporter.config import load
from exporter.config.load import variable
from exporter.k6.proxies import find_proxy, find_variable
from tests.support import compose
from tests.support.chart import objects
from tests.support.documents import DOCS, read_document, read_example, read_section

PAGE = DOCS / "proxy-and-ca.md"
PROXY = "http://proxy.example.com:3128"
ROWS = [
    [re.findall(r"`([^`]+)`", cell) for cell in row.strip("|").split("|")]
    for row in read_section(PAGE, "no-proxy").splitlines()[2:]
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][0])
def test_no_proxy_matches_what_the_table_says(row: list[list[str]]) -> None:
    [entry], matched, unmatched = row
    environ = {"HTTPS_PROXY": PROXY, "NO_PROXY": entry}

    for host in matched or ["any.example.com", "192.0.2.1"]:
        assert find_proxy(f"https://{host}", environ) is None
    for host in unmatched:
        assert find_proxy(f"https://{host}", environ)


def test_variables_of_the_table_are_read() -> None:
    text = read_document(PAGE).split("## Proxy\n")[1].split("## CA")[0]
    named = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)

    assert named == ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"]
    assert find_variable("https", dict.fromkeys(named, PROXY)) == "HTTPS_PROXY"
    assert find_variable("http", dict.fromkeys(named, PROXY)) == "HTTP_PROXY"
    assert find_variable("https", {"ALL_PROXY": PROXY, "HTTP_PROXY": PROXY}) == "ALL_PROXY"


def test_configuration_with_a_ca_file_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(read_example(PAGE, "ca-file"))

    config, _ = load(file, {"K6_CLOUD_TOKEN": "x"}, {})

    assert config.api.ca_file == Path("/etc/k6-cloud-exporter/ca.pem")


def test_systemd_reads_the_documented_environment_file() -> None:
    section = read_document(PAGE).split("## systemd")[1].split("## Docker")[0]
    unit = read_document(DOCS / "k6-cloud-exporter.service")
    [(written, text)] = re.findall(
        r"install -m 600 /dev/stdin (\S+) <<'EOF'\n(.*?)^EOF", section, re.MULTILINE | re.DOTALL
    )
    environment = dict(line.split("=", 1) for line in text.splitlines())

    config, _ = load(None, environment | {"K6_CLOUD_TOKEN": "x"}, {})

    assert f"\nEnvironmentFile=-{written}\n" in unit
    assert find_proxy("https://api.k6.io", environment)
    assert find_proxy("https://k6.example.com", environment) is None
    assert f"company-ca.pem {config.api.ca_file}\n" in section


def test_shell_commands_have_valid_syntax() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", read_document(PAGE), re.DOTALL)

    assert len(blocks) == 4
    for block in blocks:
        subprocess.run(["sh", "-n"], input=block, text=True, check=True)


def test_compose_example_uses_existing_names() -> None:
    service = yaml.safe_load(read_example(PAGE, "compose"))["services"]["exporter"]
    environment = service["environment"]

    assert set(environment) == {"HTTPS_PROXY", "NO_PROXY", variable("api.ca_file")}
    assert find_proxy("https://api.k6.io", environment)
    assert find_proxy("https://k6.example.com", environment) is None
    mounted = service["volumes"][0].split(":")[1]
    assert Path(environment[variable("api.ca_file")]).parent == Path(mounted)


def test_demo_of_compose_excludes_its_own_hosts() -> None:
    services = compose.demo()["services"]
    url = services["exporter"]["environment"]["K6_CLOUD_EXPORTER_API__URL"]
    # Docker adds each in both cases.
    injected = {"HTTP_PROXY": PROXY, "http_proxy": PROXY, "NO_PROXY": "corp", "no_proxy": "corp"}

    assert find_proxy(url, injected)
    assert find_proxy(url, injected | services["exporter"]["environment"]) is None
    assert services["grafana"]["environment"]["NO_PROXY"] in services


def test_account_in_compose_uses_the_proxy_of_docker() -> None:
    environment = compose.cloud()["services"]["exporter"]["environment"]

    assert find_proxy("https://api.k6.io", {"HTTPS_PROXY": PROXY} | environment)


def test_chart_mounts_the_ca_where_the_exporter_reads_it() -> None:
    values = yaml.safe_load(read_example(PAGE, "helm"))
    rendered = {found["kind"]: found for found in objects(values)}
    pod = rendered["Deployment"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    [settings] = [
        yaml.safe_load(text) for text in rendered["ConfigMap"]["data"].values() if "ca_file" in text
    ]
    ca_file = Path(settings["api"]["ca_file"])
    mounts = {Path(mount["mountPath"]): mount["name"] for mount in container["volumeMounts"]}
    [volume] = [volume for volume in pod["volumes"] if volume["name"] == mounts[ca_file.parent]]

    assert f"--from-file={ca_file.name}=" in read_document(PAGE)
    assert f"create configmap {volume['configMap']['name']} " in read_document(PAGE)
    assert {"HTTPS_PROXY", "NO_PROXY"} <= {entry["name"] for entry in container["env"]}
    assert 3128 in [
        port["port"] for rule in rendered["NetworkPolicy"]["spec"]["egress"] for port in rule["ports"]
    ]
