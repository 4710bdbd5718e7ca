"""The --help of every command, in help.txt."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from exporter.cli import main
from tests.support.golden import assert_golden
from tests.support.public_names import commands, format_help

NAMES = [name for name, _ in commands()]


def run_help(*arguments: str) -> str:
    """The output of a command on a terminal of 80 columns."""
    result = CliRunner().invoke(main, arguments, prog_name="k6-cloud-exporter", terminal_width=80)
    assert result.exit_code == 0
    return result.stdout


def test_golden_help() -> None:
    helps = [run_help("--help"), run_help("runs", "--help")]
    helps += [format_help(name, command) + "\n" for name, command in commands()]

    assert_golden(Path(__file__).with_name("help.txt"), "\n\n".join(helps))


def test_short_help_of_commands_is_not_truncated() -> None:
    for arguments in ((), ("runs",)):
        assert "..." not in run_help(*arguments, "--help").split("Commands:")[1]


@pytest.mark.parametrize("name", ["", "runs", *NAMES])
def test_h_is_the_same_as_help(name: str) -> None:
    assert run_help(*name.split(), "-h") == run_help(*name.split(), "--help")


@pytest.mark.parametrize(("name", "command"), [*commands()], ids=NAMES)
def test_each_option_is_one_line_of_80_columns(name: str, command: click.Command) -> None:
    text = format_help(name, command)
    options = text.split("Options:\n")[1].split("\n\n")[0].splitlines()

    assert max(map(len, text.splitlines())) <= 80
    # Of every option there is one line, and one for --help.
    assert len(options) == sum(isinstance(option, click.Option) for option in command.params) + 1
