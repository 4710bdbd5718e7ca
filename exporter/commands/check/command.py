"""The command `check`."""

import logging
import sys
from typing import Any

import click

from exporter.commands.check.report import run_check
from exporter.commands.options import config_options, load_config_or_exit
from exporter.commands.process import load_web_config_or_exit, run_async


@click.command(epilog="Exit status: 0 all of that works, 1 something does not, 2 wrong configuration.")
@config_options
def check(**flags: Any) -> None:
    """Validate the configuration and estimate its API requests."""
    config, token = load_config_or_exit(**flags)
    load_web_config_or_exit(config)
    # The report says what these log lines would.
    logging.getLogger("exporter.polling").setLevel(logging.ERROR)
    sys.exit(run_async(run_check(config, token)))
