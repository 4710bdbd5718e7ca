"""The flags of `check`."""

import sys
from typing import Any

import click

from exporter.commands.options import config_options


@click.command(
    epilog="Exit codes: 0 everything works, 1 at least one check failed, 2 wrong flags or configuration."
)
@config_options
def check(**flags: Any) -> None:
    """Validate the configuration and estimate its API requests."""
    from exporter.commands.check.run import check_and_report  # noqa: PLC0415 (see exporter/commands)

    sys.exit(check_and_report(**flags))
