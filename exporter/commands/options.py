"""Options that several commands share. Completion and --help import no more than this module needs."""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from exporter.config import settings
from exporter.config.load import flag
from exporter.config.types import parse_duration
from exporter.formatting import format_setting_duration

Command = Callable[..., Any]
Option = Callable[[Command], Command]  # a decorator that adds an option

SETTINGS = {setting.name: setting for setting in settings()}
_MAX_HISTORY = 365 * 86_400.0  # seconds; so that it fits into memory
DEMO_TOKEN = "demo"  # noqa: S105 (opens nothing but the simulator)


class SpeedType(click.FloatRange):
    """A bounded number; click's own type accepts nan, which is neither below nor above a bound."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        return self.fail(f"{value} is not a number", param, ctx) if math.isnan(number) else number


def setting_option(name: str, *, is_repeatable: bool = False) -> Option:
    """The flag of a setting. It takes any text, so that its errors are reported together with the file's."""
    setting = SETTINGS[name]
    # Choices say more than the summary, and both do not fit on a line.
    text = ", ".join(setting.choices) or setting.summary
    default = f" [default: {setting.default}]" if setting.default else ""
    option = partial(
        click.option,
        flag(name),
        # click passes options as keyword arguments, which cannot contain dots.
        name.replace(".", "__"),
        multiple=is_repeatable,
        help=text + default,
    )
    if setting.choices:
        metavar = name.rpartition(".")[2].upper()
        return option(metavar=metavar, shell_complete=complete_choices(setting.choices))
    # Only for the completion of files: whether the file exists is checked later.
    return option(type=click.Path()) if name.endswith("_file") else option()


def complete_choices(
    choices: Sequence[str],
) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Shell completion of an option that has these choices, but takes any text."""
    return lambda _, __, incomplete: [choice for choice in choices if choice.startswith(incomplete)]


def add_options(command: Command, options: Iterable[Option]) -> Command:
    # click lists options in the reverse order of their decorators.
    for option in reversed([*options]):
        command = option(command)
    return command


def api_options(command: Command) -> Command:
    """Add the options that every command with a configuration has."""
    path = click.Path(path_type=Path)
    file = click.option("--config.file", "file", type=path, help="configuration file, YAML")
    return add_options(command, (file, *map(setting_option, ("api.version", "log.level", "log.format"))))


def config_options(command: Command) -> Command:
    """Add the options of commands that poll: those of `api_options`, test selection and sharding."""
    repeatable = partial(click.option, multiple=True)
    selection = (
        repeatable("--test", metavar="ID|NAME", help="test to select; repeatable"),
        repeatable("--project", metavar="ID|NAME", help="project to select; repeatable"),
    )
    sharding = map(setting_option, ("sharding.shard", "sharding.total"))
    return api_options(add_options(command, (*selection, *sharding)))


def web_options(command: Command) -> Command:
    """Add the options of the web server."""
    names = ("web.telemetry_path", "web.config_file")
    address = setting_option("web.listen_address", is_repeatable=True)
    return add_options(command, (address, *map(setting_option, names)))


def address_option(default: str) -> Option:
    """The listen address of a command that reads no configuration."""
    return click.option(
        "--web.listen-address",
        "addresses",
        multiple=True,
        default=[default],
        show_default=True,
        help="address; repeatable",  # with the default on a line of 80 columns
    )


def simulator_options(command: Command) -> Command:
    """Add the options of the simulated k6 Cloud."""
    seed = click.option("--seed", default=0, show_default=True, help="random seed")
    speed = click.option(
        "--speed", type=SpeedType(0.01, 100), default=1.0, show_default=True, help="speed of the runs"
    )
    history = click.option(
        "--history",
        callback=_parse_history,
        default="0",
        metavar="DURATION",
        help="past runs, such as 30d; at most 365d",
    )
    return add_options(command, (seed, speed, history))


def _parse_history(_: click.Context, __: click.Parameter, value: str) -> float:
    """A duration such as 30d, in seconds; 0 is none."""
    if value == "0":
        return 0.0
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if seconds > _MAX_HISTORY:
        maximum = format_setting_duration(_MAX_HISTORY)
        raise click.BadParameter(f"{value} is too long; the maximum is {maximum}")
    return seconds
