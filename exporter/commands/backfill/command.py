"""The flags of `backfill`."""

import sys
from typing import Any

import click

from exporter.commands.options import config_options

# The flags of this command; its other flags belong to the configuration.
OWN_FLAGS = ("since", "until", "step", "idle_step", "label", "output", "split")


@click.command(epilog="Exit codes: 0 success, 1 error, 2 wrong usage or an ambiguous name.")
@config_options
@click.option("--since", required=True, help="start: an age, such as 90d, or a date")
@click.option("--until", default="3h", show_default=True, help="end, at least 3h ago")
# Prometheus shows a sample for 5 minutes: 4 leave no gap in graphs while a run is active.
@click.option("--step", default="4m", show_default=True, help="sample interval while a run is active")
@click.option("--idle-step", default="1h", show_default=True, help="sample interval while no run is active")
@click.option(
    "--label",
    multiple=True,
    metavar="NAME=VALUE",
    help="label for every sample; repeatable",
)
@click.option("--split", help="one output file per duration, such as 7d")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    type=click.Path(),  # for shell completion
    help="output file; - is standard output",
)
def backfill(**flags: Any) -> None:
    """Export run history as OpenMetrics for promtool.

    promtool turns the output into blocks for Prometheus. All samples have the present names and labels of
    tests, and runs that k6 Cloud has deleted are missing. --label job=... and --label instance=... make the
    series the same as the scraped ones. --split speeds up promtool.
    """
    from exporter.commands.backfill.run import export_history  # noqa: PLC0415 (see exporter/commands)

    own_flags = {name: flags.pop(name) for name in OWN_FLAGS}
    sys.exit(export_history(own_flags, flags))
