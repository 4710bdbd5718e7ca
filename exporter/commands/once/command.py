"""The flags of `once`."""

import sys
from typing import Any

import click

from exporter.commands.options import config_options


@click.command(
    epilog="Exit codes: 0 complete, 1 the poll failed in part or in full, 2 wrong flags or an ambiguous name."
)
@config_options
def once(**flags: Any) -> None:
    """Poll once and print the metrics."""
    from exporter.commands.once.run import poll_and_print  # noqa: PLC0415 (see exporter/commands)

    sys.exit(poll_and_print(**flags))
