"""The configuration of a command: from its flags, the environment and a file."""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from exporter import logs
from exporter.config import Config, ConfigError, ConfigLoader
from exporter.config.reload import Read
from exporter.credentials import Secret
from exporter.k6.connection import find_connection_problems

REVISION = os.environ.get("K6_CLOUD_EXPORTER_REVISION") or "unknown"  # set where an image is built


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
