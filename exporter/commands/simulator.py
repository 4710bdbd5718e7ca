"""The command `simulator`: the simulated k6 Cloud on its own, for an exporter in another process."""

from collections.abc import Sequence

import click

from exporter import logs
from exporter.clock import Clock
from exporter.commands.options import DEMO_TOKEN, address_option, simulator_options
from exporter.commands.process import bind_or_exit, run_async
from exporter.web.server import Endpoint, base_url, serve_endpoints


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
    # Imported here, since the other commands would pay for it with memory and a slower start.
    from exporter.simulator import Simulator, demo_world, describe_access  # noqa: PLC0415

    logs.configure("info", "logfmt")
    logs.write_in_background(lambda: None)  # there is no metric for lost lines
    listening = bind_or_exit(addresses)
    world = demo_world(Clock().time(), seed, speed, history)
    for line in describe_access(base_url(listening[0]), tokens, world.default_project_id):
        click.echo(line)
    run_async(serve_endpoints(Endpoint(Simulator(world, tokens=tokens), listening)))
