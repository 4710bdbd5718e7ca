"""The flags of `demo`."""

from collections.abc import Sequence

import click

from exporter.commands.options import address_option, simulator_options


@click.command()
# Only for this machine: the demo has no access control.
@address_option("127.0.0.1:10565")
@click.option(
    "--api.version",
    "version",
    type=click.Choice(["legacy", "v6"]),
    default="legacy",
    show_default=True,
    help="API version to poll",
)
@simulator_options
def demo(addresses: Sequence[str], version: str, seed: int, speed: float, history: float) -> None:
    """Run the exporter on a simulated k6 Cloud; no account needed."""
    from exporter.commands.demo.run import serve_demo  # noqa: PLC0415 (see exporter/commands)

    serve_demo(addresses, version, seed, speed, history)
