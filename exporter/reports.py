"""What `check` and `once` print: one poll, told to a person or as a scrape would get it."""

import click

from exporter.app import Exporter, exporter
from exporter.config import Config
from exporter.store import State
from exporter.token import Token


async def checked(config: Config, token: Token) -> int:
    """Poll once and print what the configuration means and costs; the exit status."""
    async with exporter(config, token) as polled:
        findings = await polled.poller.poll()
        state = polled.poller.state
        for failure in findings.failures:
            click.echo(f"failed       {failure.sentence}")
        if findings.outcome != "failure":
            click.echo(f"token        accepted by {config.api.url}, asked by its {config.api.generation} API")
            told(state)
        click.echo(f"first poll   {requests(polled)} requests")
        click.echo(f"series       {polled.pages().series}")
        return 0 if findings.outcome == "success" and state.tests and not state.unresolved else 1


def told(state: State) -> None:
    click.echo(f"tests        {len(state.tests)}")
    for watched in sorted(state.tests.values(), key=lambda watched: watched.test.id):
        click.echo(f"             {watched.test.id} {watched.test.name} (project {watched.test.project_id})")
    for entry in state.unresolved:
        click.echo(f"not found    {entry}: nothing in k6 Cloud fits this, or the token cannot see it")
    if not state.tests:
        click.echo("no tests     the token sees none, or none that the configuration means")


def requests(polled: Exporter) -> int:
    families = polled.telemetry.api_requests.collect()
    return int(sum(sample.value for family in families for sample in family.samples))


async def printed(config: Config, token: Token, *, revision: str) -> int:
    """Poll once and print what a scrape would get; the exit status."""
    async with exporter(config, token, revision=revision) as polled:
        findings = await polled.poller.poll()
        page = polled.pages().text
        click.echo(b"".join(page.with_tail(polled.telemetry.text())), nl=False)
        return 0 if findings.outcome == "success" else 1
