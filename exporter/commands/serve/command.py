"""The flags of `serve`."""

import signal
import sys
from typing import Any

import click

from exporter.commands.options import config_options, web_options


@click.command()
@config_options
@web_options
def serve(**flags: Any) -> None:
    """Poll k6 Cloud and serve metrics until SIGTERM or SIGINT."""
    # Until the server handles signals itself. The kernel ignores SIGTERM for the first process of a container
    # unless there is a handler.
    signal.signal(signal.SIGTERM, exit_with_success)
    if hasattr(signal, "SIGHUP"):
        # Its default action ends the process; a reload sent during the start must not do that.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from exporter.commands.serve.run import serve_until_signal  # noqa: PLC0415 (see exporter/commands)

    serve_until_signal(**flags)


def exit_with_success(*_: object) -> None:
    """Ends the process while it starts, with the exit code that SIGTERM has later too."""
    sys.exit(0)
