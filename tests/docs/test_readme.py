"""The README says what the code does: its tables are made from the code, its examples are run.

`make golden` writes the tables anew; read the difference before you commit it.
"""

import re
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import click
import pytest
import trustme
import yaml
from prometheus_client.metrics import MetricWrapperBase

from exporter.cli import main
from exporter.config import TestSelector, load, settings
from exporter.config.load import variable
from exporter.exposition.families import build_families
from exporter.self_metrics import SelfMetrics
from exporter.simulator import Phases, World
from exporter.web.security.web_config import read_web_file
from tests.polling.test_api_versions import DIFFERENCES
from tests.support.golden import assert_section
from tests.support.lab import START
from tests.support.programs import require_program
from tests.support.runs_shell import Shell

README = Path(__file__).parents[2] / "README.md"


def row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join([row(*head), "|" + "---|" * len(head), *(row(*cells) for cells in rows)])


def labels(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def metrics() -> str:
    return table(
        ("metric", "of", "labels besides", "meaning"),
        (
            (f"`{family.name}`", family.subject, labels(family.labels), family.help)
            for family in build_families("", "legacy")
        ),
    )


def self_metrics() -> str:
    own = [
        metric
        for metric in vars(SelfMetrics(version="", revision="")).values()
        if isinstance(metric, MetricWrapperBase)
    ]
    return table(
        ("metric", "labels", "meaning"),
        (
            (
                f"`{metric._name}{'_total' if metric._type == 'counter' else ''}`",
                labels(metric._labelnames),
                metric._documentation + (" A histogram." if metric._type == "histogram" else ""),
            )
            for metric in own
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
    return table(("setting", "default", "meaning", "environment"), rows)


def commands() -> str:
    assert isinstance(main, click.Group)
    return table(
        ("command", "what it does"),
        ((f"`{name}`", (command.help or "").split("\n\n")[0]) for name, command in main.commands.items()),
    )


def runs() -> str:
    """What --help says of each command under `runs`."""
    assert isinstance(main, click.Group)
    group = main.commands["runs"]
    assert isinstance(group, click.Group)
    return "\n\n".join(help_of(f"runs {name}", command) for name, command in group.commands.items())


def helps() -> str:
    """What --help says of the other commands for whoever is on call."""
    assert isinstance(main, click.Group)
    return "\n\n".join(help_of(name, main.commands[name]) for name in ("check", "backfill"))


def help_of(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"k6-cloud-exporter {name}", max_content_width=100)
    context.terminal_width = 100
    return f"```text\n{command.get_help(context)}\n```"


def run_in_json() -> str:
    """A run as `runs show --json` prints it."""
    world = World()
    test = world.add_test("checkout-soak")
    world.add_run(test, created=START, phases=Phases(running=600), vus=200, failed=True)
    shell = Shell(world, "v6")
    shell.now.value += 3600
    assert shell.desk(is_json=True).show(next(iter(world.runs)), watch=False, every=5) == 0
    return f"```json\n{shell.out}```"


def differences() -> str:
    return "\n".join(f"- {told}" for told in DIFFERENCES)


TABLES: dict[str, Callable[[], str]] = {
    "metrics": metrics,
    "self-metrics": self_metrics,
    "settings": setting_table,
    "commands": commands,
    "helps": helps,
    "runs": runs,
    "run": run_in_json,
    "differences": differences,
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_says_what_the_code_says(name: str) -> None:
    assert_section(README, name, TABLES[name]())


def example(name: str) -> str:
    found = re.search(f"<!-- {name} -->\n```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def test_every_metric_of_the_exporter_itself_is_in_its_table() -> None:
    registry = SelfMetrics(version="", revision="").registry
    told = self_metrics()

    for family in registry.collect():
        if family.name.startswith("k6_cloud"):
            assert f"`{family.name}{'_total' if family.type == 'counter' else ''}`" in told


def test_the_example_configuration_is_good(tmp_path: Path) -> None:
    file = tmp_path / "exporter.yaml"
    file.write_text(example("example"))

    config, _ = load(file, {"K6_CLOUD_TOKEN": "x"}, {})

    assert [entry.id for entry in config.tests] == [1234, None, None]
    assert config.app_url == "https://mystack.grafana.net/a/k6-app"


def test_the_example_of_a_web_configuration_is_good(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    file.write_text(example("web-config"))

    read = read_web_file(file)

    assert read.tls_server_config
    assert list(read.basic_auth_users) == ["prometheus"]


@pytest.mark.parametrize("name", ["scrape-config", "web-scrape-config"])
def test_the_scrape_config_is_good(name: str, tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(example(name))
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    certificate = authority.issue_cert("prometheus.test")
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "client.crt"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "client.key"))
    (tmp_path / "password").write_text("secret")

    subprocess.run(
        [require_program("promtool", "prometheus"), "check", "config", file], check=True, capture_output=True
    )


def test_the_alerts_are_good_and_use_only_metrics_that_there_are(tmp_path: Path) -> None:
    file = tmp_path / "alerts.yml"
    file.write_text(example("alerts"))

    subprocess.run(
        [require_program("promtool", "prometheus"), "check", "rules", file], check=True, capture_output=True
    )
    known = metrics() + self_metrics()
    for rule in yaml.safe_load(example("alerts"))["groups"][0]["rules"]:
        for name in re.findall(r"k6_cloud\w+", rule["expr"]):
            assert f"`{name}`" in known


def test_every_metric_and_setting_named_in_the_text_exists() -> None:
    text = README.read_text(encoding="utf-8")
    known = {setting.name for setting in settings()}

    for name in re.findall(r"`((?:api|poll|runs|web|log)\.[a-z_]+)`", text):
        assert name in known
    for name in re.findall(r"`(k6_cloud_\w+)", text):
        assert f"`{name}`" in metrics() + self_metrics()


def test_each_promise_names_a_test_that_there_is() -> None:
    text = README.read_text(encoding="utf-8")
    found = re.search(r"<!-- promises -->\n(.*?)<!-- /promises -->", text, re.DOTALL)
    assert found
    rows = found[1].splitlines()[2:]

    assert len(rows) > 20
    for line in rows:
        held = re.search(r"\| \[`(test_\w+)`\]\((tests/[\w/]+\.py)\) \|$", line)
        assert held, line
        assert f"def {held[1]}(" in (README.parent / held[2]).read_text(encoding="utf-8"), line
