"""What is imported before a command runs: as little as possible, since imports are most of the start."""

import subprocess
import sys

import click
import pytest

from exporter.cli import COMMANDS, main
from tests.support.exporter_process import COMMAND_TIMEOUT, environment
from tests.support.public_names import load_commands

# The packages that take longest to import.
SLOW = {"httpx", "jinja2", "prometheus_client", "pydantic", "rich", "starlette", "uvicorn", "yaml"}
# The modules of commands that the group itself needs.
LIGHT = {"exporter.commands.completion", "exporter.commands.runs", "exporter.commands.runs.exit_codes"}
COMPLETE = "_K6_CLOUD_EXPORTER_COMPLETE"


def imported_modules(*arguments: str, **given: str) -> set[str]:
    """The modules that are imported by a command that ends by itself."""
    program = "-X", "importtime", "-m", "exporter"
    result = subprocess.run(
        [sys.executable, *program, *arguments],
        env=environment(**given), capture_output=True, text=True, timeout=COMMAND_TIMEOUT, check=True,
    )  # fmt: skip
    return {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}


def slow_packages(modules: set[str]) -> set[str]:
    return SLOW & {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_version_and_help_import_no_command(argument: str) -> None:
    modules = imported_modules(argument)

    assert "exporter.cli" in modules
    assert not {name for name in modules if name.startswith("exporter.commands.")} - LIGHT
    assert not slow_packages(modules)


def test_completing_the_name_of_a_command_imports_none() -> None:
    words = {"COMP_WORDS": "k6-cloud-exporter ch", "COMP_CWORD": "1"}

    assert not slow_packages(imported_modules(**words, **{COMPLETE: "bash_complete"}))


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_help_of_a_command_imports_only_its_flags(command: str) -> None:
    # Both are needed for the settings and their defaults.
    assert slow_packages(imported_modules(command, "--help")) <= {"pydantic", "yaml"}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_summary_is_that_of_the_command(command: click.Command) -> None:
    loaded = load_commands(main)[str(command.name)]

    assert loaded.name == command.name
    assert command.get_short_help_str(80) == loaded.get_short_help_str(80)
