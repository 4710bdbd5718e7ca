"""The public names as the code has them: metrics, settings, commands, JSON keys, paths, chart values."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click
import yaml
from prometheus_client.metrics import MetricWrapperBase

from exporter.cli import LazyCommand, main
from exporter.config import TestSelector, settings
from exporter.exposition.families import build_families, build_project_families
from exporter.self_metrics import SelfMetrics
from exporter.simulator import Phases, World
from exporter.web.app import Sources, application
from tests.support.documents import ROOT, read_document
from tests.support.lab import START
from tests.support.runs_shell import Shell


@dataclass(frozen=True)
class Metric:
    """A metric as users see it; the labels of its test or run included."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str


SUBJECT_LABELS = {
    "test": ("project_id", "test_id", "test_name"),
    "run": ("project_id", "test_id", "test_name", "run_id"),
    "project": ("project_id",),
}
FAMILIES = (*build_families("", "legacy"), *build_project_families())


def self_metric(metric: MetricWrapperBase) -> Metric:
    type_ = str(metric._type)
    name = f"{metric._name}_total" if type_ == "counter" else metric._name
    return Metric(name, type_, tuple(metric._labelnames), metric._documentation)


METRICS = [
    Metric(family.name, family.type, (*SUBJECT_LABELS[family.subject], *family.labels), family.help)
    for family in FAMILIES
]
SELF_METRICS = [
    self_metric(metric)
    for metric in vars(SelfMetrics(version="", revision="")).values()
    if isinstance(metric, MetricWrapperBase)
]


def commands(group: click.Command = main, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    """Each command with its full name, such as `runs list`."""
    assert isinstance(group, click.Group)
    for name, command in load_commands(group).items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} ")
        else:
            yield prefix + name, command


def load_commands(group: click.Group = main) -> dict[str, click.Command]:
    """The commands of a group by name, each imported."""
    return {
        name: command.load() if isinstance(command, LazyCommand) else command
        for name, command in group.commands.items()
    }


def format_help(name: str, command: click.Command) -> str:
    """What --help prints on a terminal of 80 columns; `name` is the command without the program."""
    program = click.Context(main, info_name="k6-cloud-exporter", **main.context_settings)
    return command.get_help(click.Context(command, program, info_name=name, terminal_width=80))


def flags(command: click.Command) -> list[str]:
    return [option for parameter in command.params for option in parameter.opts if option.startswith("-")]


def exit_codes(command: click.Command) -> list[int]:
    """The exit codes that the help text of a command states; none for commands that run until a signal."""
    # A code follows the start, a comma or a colon: the numbers inside a meaning are not codes.
    return sorted({int(code) for code in re.findall(r"[:,;] (\d+)\b", command.epilog or "")})


def setting_names() -> Iterator[str]:
    """Settings with their full names; the keys of an entry of `tests` follow it, such as `tests[].id`."""
    for setting in settings():
        yield setting.name
        if setting.name == "tests":
            yield from (f"tests[].{name}" for name in TestSelector.model_fields)


def run_in_json() -> str:
    """A finished run as `runs show --json` prints it."""
    world = World()
    test = world.add_test("checkout-soak")
    world.add_run(test, created=START, phases=Phases(running=600), vus=200, failed=True)
    shell = Shell(world, "v6")
    shell.now.value += 3600
    assert shell.command(is_json=True).show(next(iter(world.runs)), watch=False, interval=5) == 0
    return shell.out


def alert_rules() -> list[dict[str, Any]]:
    """The alerts and recording rules of grafana/alerts.yaml."""
    groups = yaml.safe_load(read_document(ROOT / "grafana" / "alerts.yaml"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def rules_of_users() -> set[str]:
    """Recording rules that the alerts use and users define."""
    rules = alert_rules()
    used = set(re.findall(r"k6_cloud:\w+", "\n".join(rule["expr"] for rule in rules)))
    return used - {rule["record"] for rule in rules if "record" in rule}


def http_paths() -> list[tuple[str, str]]:
    """Method and path of each route."""

    def nothing(*_: object) -> Any: ...

    sources = Sources(
        metrics_page=nothing,
        status=nothing,
        liveness_problem=nothing,
        readiness_problem=nothing,
    )
    routes = application(sources, "/metrics", reload=nothing, webhook=nothing).routes
    return [(min(getattr(route, "methods", None) or {"GET"}), getattr(route, "path", "")) for route in routes]


def leaf_names(tree: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The names of the leaves, such as `sharding.total`."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from leaf_names(value, f"{prefix}{key}.")
        else:
            yield prefix + key
