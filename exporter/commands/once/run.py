"""One poll, and the metrics on standard output."""

import logging
from collections.abc import Sequence
from typing import Any

import click

from exporter.app import create_exporter
from exporter.clock import Clock
from exporter.commands.configuration import REVISION, load_config_or_exit
from exporter.commands.names import describe_unresolved
from exporter.commands.poll import poll_with_progress
from exporter.commands.process import run_async
from exporter.config import Config
from exporter.credentials import Secret
from exporter.model import UnresolvedEntry
from exporter.polling.factory import open_source


def poll_and_print(**flags: Any) -> int:
    """Poll once with the configuration of these flags, and print the metrics. Returns the exit code."""
    config, token = load_config_or_exit(**flags)
    if config.log.level == "info":
        # The default. cron mails every line, and these events are those of a process that goes on.
        logging.getLogger("exporter.polling").setLevel(logging.WARNING)
    return run_async(run_once(config, token))


async def run_once(config: Config, token: Secret) -> int:
    """Poll once and print the metrics as Prometheus would scrape them. Returns the exit code."""
    async with create_exporter(config, token, revision=REVISION) as exporter:
        poll_result = await poll_with_progress(exporter, Clock())
        # Printed after a failure as well: the exporter's own metrics say what failed.
        click.echo(b"".join(exporter.latest_page(is_openmetrics=False).plain), nl=False)
        names = [
            entry for entry in exporter.poller.state.unresolved if entry.name is not None or entry.candidates
        ]
        if names:
            await print_unresolved_names(config, token, names)
        if any(entry.candidates for entry in names):
            return 2
        # A cron job must notice a partial poll, whose output looks complete.
        return 0 if poll_result.outcome == "success" else 1


async def print_unresolved_names(config: Config, token: Secret, names: Sequence[UnresolvedEntry]) -> None:
    """Print similar names, or the tests that have the same name, to standard error."""
    async with open_source(config, token) as source:
        messages = await describe_unresolved(source.api, names)
    for entry, message in zip(names, messages, strict=True):
        # A name without a test is no error, as an ID without one: the metrics count it.
        click.echo(f"{'error' if entry.candidates else 'warning'}: {message}", err=True)
