"""What `check` and `once` print: a poll, told to a person or as a scrape would get it."""

from collections import Counter
from collections.abc import Sequence

import click

from exporter.app import Exporter, exporter
from exporter.asking import connected, selection
from exporter.clock import Clock
from exporter.config import Config
from exporter.config.values import duration, printable
from exporter.costs import Price, price
from exporter.k6.errors import ApiError, Forbidden, Unauthorized
from exporter.k6.legacy import LegacyApi
from exporter.k6.transport import Transport
from exporter.k6.v6 import V6Api
from exporter.model import LoadTest
from exporter.store import State
from exporter.suggestions import Sights, looked_around, lost_ids, suggestions
from exporter.token import Token

MOST_NAMED = 50  # tests that are named under an entry


async def checked(config: Config, token: Token) -> int:
    """Poll twice and print what the configuration means and costs; the exit status."""
    async with exporter(config, token) as polled:
        findings = await polled.poller.poll()
        first, state = requests(polled), polled.poller.state
        for failure in findings.failures:
            label = "token" if failure.reason == Unauthorized.reason else "failed"
            click.echo(f"{label:13}{failure.sentence}")
            if failure.reason == Forbidden.reason and config.api.generation == "v6":
                click.echo(f"             is {config.api.stack_id} the id of your stack?")
        if findings.outcome != "failure":
            click.echo(f"token        accepted by {config.api.url}")
        click.echo(f"api          {generation(config)}")
        if findings.outcome != "failure":
            told(config, state)
            await tell_lost(config, token, state)
        click.echo(f"series       {polled.pages().series}")
        click.echo(f"first poll   {many(sum(first.values()), 'request')}")
        if findings.outcome == "success" and state.tests:
            await polled.poller.poll()
            second = {
                endpoint: count - first.get(endpoint, 0) for endpoint, count in requests(polled).items()
            }
            paid = price(first, second, generation=config.api.generation, tests=len(state.tests))
            tell_costs(config, paid, moving=sum(len(watched.moving) for watched in state.tests.values()))
        return 0 if findings.outcome == "success" and state.tests and not state.unresolved else 1


def generation(config: Config) -> str:
    """Which generation of the API is asked, and why."""
    api = config.api
    if api.version != "auto":
        return f"{api.generation}, for api.version says so"
    if api.generation == "v6":
        return f"v6, for there is the id of a stack: {api.stack_id}"
    return "legacy, for there is no stack id; set K6_CLOUD_STACK_ID for v6, which needs fewer requests"


def told(config: Config, state: State) -> None:
    """The tests that are meant, under the entries that mean them."""
    members = sorted(state.members.values(), key=lambda test: test.id)
    chosen = selection(config)
    shards = config.sharding
    share = f", those of shard {shards.shard} of {shards.total}" if shards.total > 1 else ""
    click.echo(f"tests        {len(members)}{share}")
    if chosen.tests:
        tell_entry("id", [test for test in members if test.id in chosen.tests])
    for rule in chosen.rules:
        entry = str(rule) if config.tests else "everything that the token sees"
        tell_entry(entry, [test for test in members if rule.takes(test)])
    if not members:
        click.echo("no tests     the token sees none, or none that the configuration means")


def tell_entry(entry: str, tests: Sequence[LoadTest]) -> None:
    if not tests:
        return
    click.echo(f"by           {entry}: {many(len(tests), 'test')}")
    for test in tests[:MOST_NAMED]:
        click.echo(f"             {test.id} {printable(test.name)} (project {test.project_id})")
    if len(tests) > MOST_NAMED:
        click.echo(f"             and {len(tests) - MOST_NAMED} more")


async def tell_lost(config: Config, token: Token, state: State) -> None:
    """The entries that mean nothing, and what may have been meant."""
    chosen = selection(config)
    said: dict[str, str] = {}
    if state.unresolved and config.tests:
        sights = await seen(config, token, lost_ids(chosen, state.unresolved))
        said = suggestions(chosen, state.unresolved, sights)
    for entry in state.unresolved if config.tests else ():
        click.echo(f"not found    {entry}: {said.get(entry, 'nothing in k6 Cloud fits this')}")


async def seen(config: Config, token: Token, ids: Sequence[int]) -> Sights:
    """What the token can see at all, and what these ids are if they are of runs."""
    async with connected(config, token, Transport, clock=Clock()) as transport:
        if config.api.generation == "v6":
            return await looked_around(V6Api(transport), (), ids)
        api = LegacyApi(transport)
        try:
            projects = await api.list_projects()
        except ApiError:
            projects = ()
        return await looked_around(api, projects, ids)


def tell_costs(config: Config, paid: Price, *, moving: int) -> None:
    """How many requests an hour this takes, and how that comes about."""
    poll, most = config.poll, config.api.requests_per_minute * 60
    idle = paid.an_hour(poll.idle_interval, poll.discovery_interval)
    busy = paid.an_hour(poll.interval, poll.discovery_interval, max(moving, 1))
    look = f"plus {paid.discovery:.1f} for each look at which tests there are, every"
    click.echo(
        f"requests     {idle:.0f} an hour while no run moves: {paid.poll:g} every "
        f"{duration(poll.idle_interval)}, {look} {duration(poll.discovery_interval)}"
    )
    runs = f"{moving} runs move, as now" if moving > 1 else "one run moves"
    click.echo(
        f"             up to {busy:.0f} an hour while {runs}: {paid.poll:g} every "
        f"{duration(poll.interval)}, and one more for each of them"
    )
    click.echo(f"             never more than {most}: api.requests_per_minute")
    if max(idle, busy) > most:
        click.echo("too many     polls will be cut short; raise api.requests_per_minute or poll.interval")


def many(count: int, things: str) -> str:
    return f"{count} {things}{'' if count == 1 else 's'}"


def requests(polled: Exporter) -> dict[str, int]:
    """How often each endpoint was asked so far."""
    counted: Counter[str] = Counter()
    for family in polled.telemetry.api_requests.collect():
        for sample in family.samples:
            if sample.name.endswith("_total"):
                counted[sample.labels["endpoint"]] += int(sample.value)
    return dict(counted)


async def printed(config: Config, token: Token, *, revision: str) -> int:
    """Poll once and print what a scrape would get; the exit status."""
    async with exporter(config, token, revision=revision) as polled:
        findings = await polled.poller.poll()
        page = polled.pages().text
        click.echo(b"".join(page.with_tail(polled.telemetry.text())), nl=False)
        return 0 if findings.outcome == "success" else 1
