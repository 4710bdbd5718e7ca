"""Options that several commands share, and the configuration that they make together."""

import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click

from exporter import logs
from exporter.config import Config, ConfigError, ConfigLoader, settings
from exporter.config.load import flag
from exporter.config.reload import Read
from exporter.config.types import parse_duration
from exporter.credentials import Secret
from exporter.formatting import format_setting_duration
from exporter.k6.connection import find_connection_problems

Command = Callable[..., Any]
Option = Callable[[Command], Command]  # a decorator that adds an option

SETTINGS = {setting.name: setting for setting in settings()}
_MAX_HISTORY = 365 * 86_400.0  # seconds; so that it fits into memory
REVISION = os.environ.get("K6_CLOUD_EXPORTER_REVISION") or "unknown"  # set where an image is built
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


def config_reader(
    file: Path | None,
    test: Sequence[str] = (),
    project: Sequence[str] = (),
    **flags: str | Sequence[str] | None,
) -> Read:
    """A function that reads the configuration anew each time, and applies its logging settings at once."""
    tree: dict[str, Any] = {}
    for name, value in flags.items():
        if value is not None and value != ():  # click's value of a repeatable flag that is not given
            section, key = name.split("__", 1)
            tree.setdefault(section, {})[key] = value
    # These flags replace the tests of the file. If they were added, a user could not select fewer tests.
    if test or project:
        tree["tests"] = [parse_test(text) for text in test] + [{"project": text} for text in project]

    load = ConfigLoader(file, os.environ, tree)

    def read() -> tuple[Config, Secret]:
        config, token = load()
        if problems := find_connection_problems(config.api, os.environ):
            raise ConfigError(problems)
        logs.configure(config.log.level, config.log.format)
        return config, token

    return read


def parse_test(text: str) -> dict[str, Any]:
    """The configuration of a test that is given by its ID or its name. A number is always an ID."""
    return {"id": text} if re.fullmatch("-?[0-9]+", text) else {"name": text}


def load_config_or_exit(**flags: Any) -> tuple[Config, Secret]:
    """The configuration and the token. Prints every error and exits with 2 if it is not valid."""
    return read_or_exit(config_reader(**flags))


def read_or_exit(read: Read) -> tuple[Config, Secret]:
    try:
        return read()
    except ConfigError as error:
        exit_with_errors(error.messages)


def exit_with_errors(messages: Sequence[str]) -> NoReturn:
    """Print every error to standard error and exit with 2."""
    for message in messages:
        click.echo(f"error: {message}", err=True)
    # 2 is also click's exit code for wrong flags: both are mistakes in how the program was called.
    sys.exit(2)
