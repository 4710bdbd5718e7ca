"""The command `backfill` and its options."""

import sys
from collections.abc import Sequence
from typing import Any

import click

from exporter.clock import Clock
from exporter.commands.backfill.command import run_backfill
from exporter.commands.backfill.options import DEFAULTS, OptionsError, parse_options
from exporter.commands.options import config_options, exit_with_errors, load_config_or_exit
from exporter.commands.process import run_async
from exporter.polling.factory import open_client


@click.command(epilog="Exit status: 0 all is written, 1 not all could be learnt or written, 2 wrong usage.")
@config_options
@click.option("--since", required=True, help="how long ago the past begins, such as 90d, or a date")
@click.option("--until", help="where it ends, likewise; at the latest 3h ago  [default: 3h]")
@click.option(
    "--step", default=DEFAULTS["step"], show_default=True, help="how often all is told while a run moves"
)
@click.option(
    "--idle-step", default=DEFAULTS["idle_step"], show_default=True, help="how often while none does"
)
@click.option(
    "--label",
    multiple=True,
    metavar="NAME=VALUE",
    help="a label that every sample gets, such as the job and the instance of the scraped ones; repeatable",
)
@click.option("--split", help="write a file for each so long, such as 7d, and promtool is done sooner")
@click.option("-o", "--output", required=True, metavar="FILE", help="where to write; - is standard output")
def backfill(
    *,
    since: str,
    until: str | None,
    step: str,
    idle_step: str,
    label: Sequence[str],
    output: str,
    split: str | None,
    **flags: Any,
) -> None:
    """Write the runs of the past as OpenMetrics with timestamps, which promtool turns into blocks.

    The past is told under the names and labels of today, and only as far as k6 Cloud still knows it.
    """
    config, token = load_config_or_exit(**flags)
    try:
        options = parse_options(
            since=since,
            until=until,
            step=step,
            idle_step=idle_step,
            label=label,
            output=output,
            split=split,
            now=Clock().time(),
        )
    except OptionsError as error:
        exit_with_errors(error.messages)
    sys.exit(run_backfill(config, token, options, open_client(config, token), run=run_async))
