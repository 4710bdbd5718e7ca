"""The command line: the group of commands. Each command is defined in its own file in exporter/commands."""

import sys
from typing import Any

import click

from exporter import __version__
from exporter.commands.backfill.command import backfill
from exporter.commands.check.command import check
from exporter.commands.demo import demo
from exporter.commands.once import once
from exporter.commands.runs.command import runs
from exporter.commands.serve import serve
from exporter.commands.simulator import simulator


class DefaultCommand(click.Group):
    """A group that runs its first command if the command line names none."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "--version")):
            args.insert(0, next(iter(self.commands)))
        return super().parse_args(context, args)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            sys.exit(130)  # as shells report it; click would print "Aborted!" and exit with 1


@click.group(cls=DefaultCommand)
@click.version_option(__version__, prog_name="k6-cloud-exporter")
def main() -> None:
    """Prometheus exporter for test runs in Grafana Cloud k6.

    Without a command it runs `serve`; `k6-cloud-exporter serve --help` lists the options of that command.
    """


for _command in (serve, demo, simulator, check, once, backfill, runs):
    main.add_command(_command)
