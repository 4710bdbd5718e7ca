"""The command line: the group of commands. Each command is a package in exporter/commands.

A command is imported when it runs, or when its flags are completed: importing all of them takes ten times as
long as Python needs to start.
"""

import sys
from importlib import import_module
from typing import Any, cast

import click
from click.shell_completion import CompletionItem

from exporter import __version__
from exporter.commands.completion import enable_completion
from exporter.commands.runs.exit_codes import INTERRUPTED

# The commands with their summaries, of which the first is the default.
SUMMARIES = {
    "serve": "Poll k6 Cloud and serve metrics until SIGTERM or SIGINT.",
    "demo": "Run the exporter on a simulated k6 Cloud; no account needed.",
    "simulator": "Serve only the simulated k6 Cloud, without an exporter.",
    "check": "Validate the configuration and estimate its API requests.",
    "once": "Poll once and print the metrics.",
    "backfill": "Export run history as OpenMetrics for promtool.",
    "runs": "List, show, watch, start and stop test runs.",
}


class LazyCommand(click.Command):
    """The name and the summary of a command; `load` imports the command itself."""

    def load(self) -> click.Command:
        """The command, from exporter/commands."""
        module = import_module(f"exporter.commands.{self.name}.command")
        return cast("click.Command", getattr(module, str(self.name)))


COMMANDS = [LazyCommand(name, short_help=summary) for name, summary in SUMMARIES.items()]


class LazyGroup(click.Group):
    """A group that lists its commands by their summaries, and runs its first one if none is named."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        is_option = bool(args) and args[0].startswith("-") and args[0] not in ("-h", "--help", "--version")
        # An empty command line that is being completed can still become any command.
        if is_option or not (args or context.resilient_parsing):
            args.insert(0, str(COMMANDS[0].name))
        return super().parse_args(context, args)

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(context, args)
        return name, command.load() if isinstance(command, LazyCommand) else command, rest

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)  # click would print "Aborted!" and exit with 1

    def shell_complete(self, context: click.Context, incomplete: str) -> "list[CompletionItem[Any]]":
        """Completes commands, and options of this group and of its first command."""
        items = super().shell_complete(context, incomplete)
        if incomplete.startswith("-"):
            items += COMMANDS[0].load().shell_complete(context, incomplete)
        return [*{item.value: item for item in items}.values()]


# Inherited by every command.
@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="k6-cloud-exporter")
def main() -> None:
    """Prometheus exporter for test runs in Grafana Cloud k6.

    Without a command it runs `serve`; `k6-cloud-exporter serve --help` lists the options of that command.
    """


enable_completion()
for _command in COMMANDS:
    main.add_command(_command)
