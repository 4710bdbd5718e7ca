"""The command `once`: one poll, and the metrics on standard output."""

import logging
import sys
from typing import Any

import click

from exporter.app import create_exporter
from exporter.commands.options import REVISION, config_options, load_config_or_exit
from exporter.commands.process import run_async
from exporter.config import Config
from exporter.credentials import Secret


@click.command(
    epilog="Exit codes: 0 complete, 1 the poll failed in part or in full, 2 wrong flags or configuration."
)
@config_options
def once(**flags: Any) -> None:
    """Poll once and print the metrics."""
    config, token = load_config_or_exit(**flags)
    if config.log.level == "info":
        # The default. cron mails every line, and these events are those of a process that goes on.
        logging.getLogger("exporter.polling").setLevel(logging.WARNING)
    sys.exit(run_async(run_once(config, token)))


async def run_once(config: Config, token: Secret) -> int:
    """Poll once and print the metrics as Prometheus would scrape them. Returns the exit code."""
    async with create_exporter(config, token, revision=REVISION) as exporter:
        poll_result = await exporter.poller.poll()
        body = exporter.snapshot().text
        # Printed after a failure as well: the exporter's own metrics say what failed.
        click.echo(b"".join(body.plain(exporter.self_metrics.render_text())), nl=False)
        # A cron job must notice a partial poll, whose output looks complete.
        return 0 if poll_result.outcome == "success" else 1
