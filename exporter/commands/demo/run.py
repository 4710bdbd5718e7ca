"""The exporter on a simulated k6 Cloud, both in this process."""

from collections.abc import Sequence

import click

from exporter import PROJECT_URL, logs
from exporter.clock import Clock
from exporter.commands.options import DEMO_TOKEN
from exporter.commands.process import bind_or_exit, run_async
from exporter.commands.serve.run import serve_exporter
from exporter.config import Config
from exporter.credentials import Secret
from exporter.simulator import Simulator, demo_world, describe_access
from exporter.web.server import Endpoint, base_url

ALERT_PAGE = f"{PROJECT_URL}/blob/main/docs/dashboards-and-alerts.md#see-an-alert-fire"


def serve_demo(addresses: Sequence[str], version: str, seed: int, speed: float, history: float) -> None:
    """Serve the exporter and the simulated k6 Cloud until the process receives a signal.

    `version` is the API version to poll; the others are the options of the simulator.
    """
    logs.configure("warning", "logfmt")
    # Any free port for the simulator, so that its port is never in use.
    listening, [cloud] = bind_or_exit(addresses), bind_or_exit(["127.0.0.1:0"])
    api = {"url": base_url(cloud), "requests_per_minute": 6000, "version": version, "stack": 1}
    # Shorter than the shortest phase of a simulated run (3 s at speed 1), so that no state is missed.
    poll = {"interval": "2s", "idle_interval": "2s", "discovery_interval": "30s", "stale_after": "1m"}
    config = Config.model_validate({"api": api, "poll": poll})
    url = base_url(listening[0])
    world = demo_world(Clock().time(), seed, speed, history)
    for line in describe_access(base_url(cloud), [DEMO_TOKEN], world.default_project_id):
        click.echo(line)
    click.echo(f"Status page:        {url}/")
    click.echo(f"Metrics:            {url}/metrics")
    click.echo(f"See an alert fire:  {ALERT_PAGE}")
    click.echo("The demo shows every state of a run within a minute. Press Ctrl-C to stop it.")
    simulator = Simulator(world, tokens=[DEMO_TOKEN])
    run_async(serve_exporter(config, Secret(DEMO_TOKEN), listening, Endpoint(simulator, [cloud])))
