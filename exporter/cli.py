"""The command line: the group of commands. Each command is defined in its own file in exporter/commands."""

import sys
from typing import Any

import click
from click.shell_completion import CompletionItem

from exporter import __version__
from exporter.commands.backfill.command import backfill
from exporter.commands.check.command import check
from exporter.commands.completion import enable_completion
from exporter.commands.demo import demo
from exporter.commands.once import once
from exporter.commands.runs.command import runs
from exporter.commands.runs.exit_codes import INTERRUPTED
from exporter.commands.serve import serve
from exporter.commands.simulator import simulator


class DefaultCommand(click.Group):
    """A group that runs its first command if the command line names none."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        is_option = bool(args) and args[0].startswith("-") and args[0] not in ("-h", "--help", "--version")
        # An empty command line that is being completed can still become any command.
        if is_option or not (args or context.resilient_parsing):
            args.insert(0, next(iter(self.commands)))
        return super().parse_args(context, args)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)  # click would print "Aborted!" and exit with 1

    def shell_complete(self, context: click.Context, incomplete: str) -> "list[CompletionItem[Any]]":
        """Completes commands, and options of this group and of its first command."""
        first = next(iter(self.commands.values()))
        items = [
            *super().shell_complete(context, incomplete),
            *first.shell_complete(context, incomplete),
        ]
        return [*{item.value: item for item in items}.values()]


# Inherited by every command.
@click.group(cls=DefaultCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="k6-cloud-exporter")
def main() -> None:
    """Prometheus exporter for test runs in Grafana Cloud k6.

    Without a command it runs `serve`; `k6-cloud-exporter serve --help` lists the options of that command.
    """


enable_completion()
for _command in (serve, demo, simulator, check, once, backfill, runs):
    main.add_command(_command)
