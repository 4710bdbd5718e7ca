"""The simulated k6 Cloud on its own, for an exporter in another process."""

from collections.abc import Sequence

import click

from exporter import logs
from exporter.clock import Clock
from exporter.commands.process import bind_or_exit, run_async
from exporter.simulator import Simulator, demo_world, describe_access
from exporter.web.server import Endpoint, base_url, serve_endpoints


def serve_simulator(
    addresses: Sequence[str], tokens: Sequence[str], seed: int, speed: float, history: float
) -> None:
    """Serve the simulated k6 Cloud until the process receives a signal."""
    logs.configure("info", "logfmt")
    logs.write_in_background(lambda: None)  # there is no metric for lost lines
    listening = bind_or_exit(addresses)
    world = demo_world(Clock().time(), seed, speed, history)
    for line in describe_access(base_url(listening[0]), tokens, world.default_project_id):
        click.echo(line)
    run_async(serve_endpoints(Endpoint(Simulator(world, tokens=tokens), listening)))
