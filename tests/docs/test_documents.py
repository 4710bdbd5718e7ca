"""The documents agree with the code: tables are generated, examples are run, links are followed.

`make golden` rewrites the generated parts; read the diff before you commit it.
"""

import inspect
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
import yaml

import exporter
from exporter.commands.runs import exit_codes
from exporter.config import TestSelector, load, settings
from exporter.config.load import variable
from exporter.web import protocol, server
from exporter.web.security import basic_auth
from exporter.web.security.web_config import read_web_config
from tests.polling.test_api_versions import DIFFERENCES
from tests.support import public_names
from tests.support.diet import diet_table
from tests.support.documents import (
    DOCS,
    ROOT,
    broken_links,
    documents,
    format_names,
    format_table,
    read_document,
    read_example,
    read_section,
)
from tests.support.golden import assert_section
from tests.support.programs import require_program
from tests.support.public_names import FAMILIES, METRICS, SELF_METRICS, commands


def metrics() -> str:
    return format_table(
        ("metric", "of", "further labels", "meaning"),
        (
            (f"`{family.name}`", family.subject, format_names(family.labels), family.help)
            for family in FAMILIES
        ),
    )


def self_metrics() -> str:
    return format_table(
        ("metric", "labels", "meaning"),
        (
            (f"`{metric.name}`", format_names(metric.labels), metric.help)
            for metric in SELF_METRICS
            if metric.name.startswith("k6_cloud")
        ),
    )


def setting_table() -> str:
    rows: list[tuple[str, ...]] = []
    for setting in settings():
        default = f"`{setting.default}`" if setting.default else ""
        rows.append((f"`{setting.name}`", default, setting.help, f"`{variable(setting.name)}`"))
        if setting.name == "tests":
            rows += [
                (f"`tests[].{name}`", "", field.description or "", "")
                for name, field in TestSelector.model_fields.items()
            ]
    return format_table(("setting", "default", "meaning", "environment variable"), rows)


def first_paragraph(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())


def command_table() -> str:
    return format_table(
        ("command", "what it does"),
        (
            (f"`{name}`", first_paragraph(command.help))
            for name, command in public_names.load_commands().items()
        ),
    )


def help_texts() -> str:
    """`--help` of each command, 80 columns wide."""
    texts = [
        f"### `{name}`\n\n```text\n{public_names.format_help(name, command)}\n```"
        for name, command in commands()
    ]
    return "\n\n".join(texts)


def show_labels(template: str) -> str:
    """An annotation with the names of labels and values instead of the template syntax of Prometheus."""
    return re.sub(r"{{ (?:humanize\w+ )?\$(?:labels\.)?(\w+) }}", r"`\1`", template)


def alert_table() -> str:
    groups = yaml.safe_load(read_document(ROOT / "grafana" / "alerts.yaml"))["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    return format_table(
        ("alert", "severity", "summary"),
        (
            (
                f"[{rule['alert']}](runbooks.md#{rule['alert'].lower()})",
                rule["labels"]["severity"],
                show_labels(rule["annotations"]["summary"]),
            )
            for rule in alerts
        ),
    )


def compose_ports() -> str:
    """The address of each published port of compose.yaml."""
    services = yaml.safe_load(read_document(ROOT / "compose.yaml"))["services"]
    published = [
        (name, port.split(":")[1]) for name, service in services.items() for port in service.get("ports", [])
    ]
    return format_table(
        ("service", "address"), ((name, f"<http://localhost:{port}>") for name, port in published)
    )


def read_provisioned(name: str) -> str:
    """A file in grafana/provisioning without its first comment."""
    text = read_document(ROOT / "grafana" / "provisioning" / name)
    return f"```yaml\n{text.split(chr(10), 1)[1]}```"


def packages() -> str:
    """Each package and top-level module with the first sentence of its docstring."""
    root = Path(inspect.getfile(exporter)).parent
    rows = []
    for path in sorted(root.iterdir()):
        source = path / "__init__.py" if path.is_dir() else path
        if not source.exists() or source.suffix != ".py" or path.name.startswith("__"):
            continue
        found = re.match(r'"""(.*?)(?:"""|\n\n)', read_document(source), re.DOTALL)
        assert found, path
        rows.append((f"`exporter/{path.name}`", " ".join(found[1].split())))
    return format_table(("package or module", "content"), rows)


SECTIONS: dict[tuple[str, str], Callable[[], str]] = {
    ("configuration.md", "settings"): setting_table,
    ("metrics.md", "metrics"): metrics,
    ("metrics.md", "self-metrics"): self_metrics,
    ("metrics.md", "diet"): diet_table,
    ("api-versions.md", "differences"): lambda: "\n".join(f"- {text}" for text in DIFFERENCES),
    ("commands.md", "commands"): command_table,
    ("commands.md", "run"): lambda: f"```json\n{public_names.run_in_json()}```",
    ("commands.md", "helps"): help_texts,
    ("dashboards-and-alerts.md", "alert-table"): alert_table,
    ("dashboards-and-alerts.md", "localhost-prometheus"): lambda: read_provisioned(
        "prometheus/localhost.yml"
    ),
    ("dashboards-and-alerts.md", "localhost-alertmanager"): lambda: read_provisioned(
        "alertmanager/alertmanager.yml"
    ),
    ("dashboards-and-alerts.md", "ports"): compose_ports,
    ("architecture.md", "packages"): packages,
}


@pytest.mark.parametrize("section", SECTIONS, ids="-".join)
def test_document_agrees_with_the_code(section: tuple[str, str]) -> None:
    document, name = section

    assert_section(DOCS / document, name, SECTIONS[section]())


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(document: Path) -> None:
    assert list(broken_links(document)) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("# A page\n\n[a](missing.md) [b](#a-page) [c](#missing) `[d](code.md)`\n")

    assert list(broken_links(document)) == ["missing.md", "#missing"]


def test_named_metrics_and_settings_exist() -> None:
    known = {setting.name for setting in settings()}
    exposed = {metric.name for metric in (*METRICS, *SELF_METRICS)}

    for document in documents():
        text = re.sub(r"```.*?```", "", read_document(document), flags=re.DOTALL)
        for name in re.findall(r"`(?:config\.)?((?:api|poll|runs|metrics|web|log|sharding)\.[a-z_]+)`", text):
            assert name in known or name == "sharding.total", (document, name)
        for name in re.findall(r"`(k6_cloud_\w+)", text):
            assert name in exposed or name.endswith("_"), (document, name)


def test_named_files_exist() -> None:
    folders = "exporter|tests|grafana|helm|bench|docs"

    for document in (*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for name in re.findall(rf"`((?:{folders})/[\w./-]*)`", read_document(document)):
            assert (ROOT / name).exists(), (document, name)


def test_example_configuration_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "exporter.yaml"
    file.write_text(read_example(DOCS / "configuration.md", "example"))

    config, _ = load(file, {"K6_CLOUD_TOKEN": "x"}, {})

    assert [entry.id for entry in config.tests] == [1234, None, None]
    assert config.app_url == "https://mystack.grafana.net/a/k6-app"


def test_example_web_config_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    file.write_text(read_example(DOCS / "web-security.md", "web-config"))

    config = read_web_config(file)

    assert config.tls_server_config
    assert list(config.basic_auth_users) == ["prometheus"]


def test_example_scrape_config_with_tls_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(read_example(DOCS / "web-security.md", "web-scrape-config"))
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    certificate = authority.issue_cert("prometheus.test")
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "client.crt"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "client.key"))
    (tmp_path / "password").write_text("secret")

    subprocess.run(
        [require_program("promtool", "prometheus"), "check", "config", file], check=True, capture_output=True
    )


def test_example_rules_are_valid(tmp_path: Path) -> None:
    file = tmp_path / "alerts.yml"
    file.write_text(read_example(DOCS / "dashboards-and-alerts.md", "alerts"))

    subprocess.run(
        [require_program("promtool", "prometheus"), "check", "rules", file], check=True, capture_output=True
    )
    [rule] = yaml.safe_load(file.read_text())["groups"][0]["rules"]
    assert rule["record"] in read_document(ROOT / "grafana" / "alerts.yaml")


def test_queries_in_the_documents_name_existing_metrics() -> None:
    exposed = {metric.name for metric in (*METRICS, *SELF_METRICS)}

    for query in re.findall(r"```promql\n(.*?)```", read_document(DOCS / "metrics.md"), re.DOTALL):
        assert set(re.findall(r"k6_cloud_\w+", query)) <= exposed


def test_each_promise_names_an_existing_test() -> None:
    lines = read_section(DOCS / "reliability.md", "promises").splitlines()
    header = ("| when | then | test |", "|---|---|---|")
    rows = [line for line in lines if line.startswith("|") and line not in header]
    missing = []

    for row in rows:
        found = re.search(r"\| \[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\) \|$", row)
        assert found, row
        path = ROOT / found[2]
        if not path.exists() or f"def {found[1]}(" not in read_document(path):
            missing.append(f"{found[1]} in {found[2]}")
    assert len(rows) > 20
    assert missing == []


def exit_code_columns(command: str) -> set[int]:
    """The columns of the table of exit codes that are filled for a command."""
    text = read_document(DOCS / "commands.md").split("## Exit codes", 1)[1].split("\n## ", 1)[0]
    for line in text.splitlines():
        name, *codes = (cell.strip() for cell in line.strip().strip("|").split("|"))
        if f"`{command}`" in name:
            return {code for code, cell in enumerate(codes) if cell}
    raise AssertionError(command)


@pytest.mark.parametrize(
    ("command", "row"),
    [("check", "check"), ("backfill", "backfill"), ("runs list", "runs list"), ("runs start", "start")],
)
def test_exit_codes_are_those_of_the_help_text(command: str, row: str) -> None:
    named = set(public_names.exit_codes(dict(commands())[command]))

    assert exit_code_columns(row) == named - {exit_codes.INTERRUPTED, exit_codes.TIMED_OUT}


def test_exit_codes_of_runs_are_documented() -> None:
    codes = {value for name, value in vars(exit_codes).items() if name.isupper()}

    assert exit_code_columns("start") == codes - {124, 130}
    text = read_document(DOCS / "commands.md")
    assert "After `--timeout`, `runs` exits with 124" in text
    assert "After Ctrl-C, commands exit with 130" in text


def test_documented_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", read_document(ROOT / "Makefile"), re.MULTILINE))
    named = {
        name for path in documents() for name in re.findall(r"\bmake ([a-z0-9-]+)\b`", read_document(path))
    }

    assert len(named) > 10
    assert named <= targets


def test_security_policy_states_the_limits_of_the_server() -> None:
    text = read_document(ROOT / "SECURITY.md")
    limits = (
        f"{server.MAX_CONNECTIONS} connections",
        f"{protocol.MAX_HEAD // 1024} KiB for request line and headers",
        f"up to {(protocol.MAX_HEAD + protocol.PARSED_CHUNK) // 1024} KiB in a pipelined request",
        f"{protocol.MAX_BODY // 1024} KiB for a body",
        f"{protocol.REQUEST_TIMEOUT:.0f} seconds for the TLS handshake and for a request",
        f"{protocol.RESPONSE_TIMEOUT:.0f} seconds to read a response",
        f"more than {basic_auth.MAX_CHECKS} checks are waiting",
    )

    assert [limit for limit in limits if limit not in text] == []
