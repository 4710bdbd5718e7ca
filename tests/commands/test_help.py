"""The --help of every command, in help.txt."""

from collections.abc import Iterator
from pathlib import Path

import click

from exporter.cli import main
from tests.support.golden import assert_golden


def walk_commands(command: click.Command, *names: str) -> Iterator[tuple[str, click.Command]]:
    """The command and those below it, each with the words that a user types."""
    yield " ".join(names), command
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk_commands(inner, *names, name)


def format_help(name: str, command: click.Command) -> str:
    """What --help prints on a terminal of 100 columns."""
    return command.get_help(click.Context(command, info_name=name, terminal_width=100, max_content_width=100))


def test_golden_help() -> None:
    helps = [format_help(*item) for item in walk_commands(main, "k6-cloud-exporter")]

    assert_golden(Path(__file__).with_name("help.txt"), "\n\n\n".join(helps) + "\n")


def test_short_help_of_commands_is_not_truncated() -> None:
    groups = [item for item in walk_commands(main, "k6-cloud-exporter") if isinstance(item[1], click.Group)]

    assert len(groups) == 2
    for name, group in groups:
        # The default width of a terminal.
        text = group.get_help(click.Context(group, info_name=name, terminal_width=80))
        assert "..." not in text.split("Commands:")[1]
