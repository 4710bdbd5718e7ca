"""The flags of `simulator`."""

from collections.abc import Sequence

import click

from exporter.commands.options import DEMO_TOKEN, address_option, simulator_options


@click.command()
@address_option("127.0.0.1:10566")
@click.option(
    "--token",
    "tokens",
    multiple=True,
    default=[DEMO_TOKEN],
    show_default=True,
    help="accepted API token; repeatable",
)
@simulator_options
def simulator(
    addresses: Sequence[str], tokens: Sequence[str], seed: int, speed: float, history: float
) -> None:
    """Serve only the simulated k6 Cloud, without an exporter."""
    from exporter.commands.simulator.run import serve_simulator  # noqa: PLC0415 (see exporter/commands)

    serve_simulator(addresses, tokens, seed, speed, history)
