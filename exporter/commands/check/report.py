"""What `check` prints."""

from collections import Counter
from collections.abc import Sequence

import click

from exporter.app import Exporter, create_exporter
from exporter.clock import Clock
from exporter.commands.check.estimate import RequestEstimate, estimate_requests
from exporter.commands.check.suggestions import Inventory, fetch_inventory, suggest, unresolved_ids
from exporter.config import Config
from exporter.credentials import Secret
from exporter.formatting import escape_unprintable, format_setting_duration, pluralize
from exporter.k6.errors import ApiError, Forbidden, Unauthorized
from exporter.k6.factory import open_transport
from exporter.k6.legacy.client import LegacyClient
from exporter.k6.transport import Transport
from exporter.k6.v6.client import V6Client
from exporter.model import LoadTest
from exporter.polling.factory import build_selector
from exporter.store import State

MOST_NAMED = 50  # tests that are named under an entry


async def run_check(config: Config, token: Secret) -> int:
    """Poll twice and print what the configuration means and costs; the exit status."""
    async with create_exporter(config, token) as polled:
        poll_result = await polled.poller.poll()
        first, state = request_counts(polled), polled.poller.state
        for failure in poll_result.failures:
            label = "token" if failure.reason == Unauthorized.reason else "failed"
            click.echo(f"{label:13}{failure.message}")
            if failure.reason == Forbidden.reason and config.api.effective_version == "v6":
                click.echo(f"             is {config.api.stack} the id of your stack?")
        if poll_result.outcome != "failure":
            click.echo(f"token        accepted by {config.api.url}")
        click.echo(f"api          {api_version(config)}")
        if poll_result.outcome != "failure":
            print_tests(config, state)
            await print_unmatched(config, token, state)
        click.echo(f"series       {polled.snapshot().series}")
        click.echo(f"first poll   {pluralize(sum(first.values()), 'request')}")
        if poll_result.outcome == "success" and state.tests:
            await polled.poller.poll()
            second = {
                endpoint: count - first.get(endpoint, 0) for endpoint, count in request_counts(polled).items()
            }
            paid = estimate_requests(
                first, second, api_version=config.api.effective_version, tests=len(state.tests)
            )
            print_estimate(
                config, paid, moving=sum(len(test_state.active_runs) for test_state in state.tests.values())
            )
        return 0 if poll_result.outcome == "success" and state.tests and not state.unresolved else 1


def api_version(config: Config) -> str:
    """Which generation of the API is asked, and why."""
    api = config.api
    if api.version != "auto":
        return f"{api.effective_version}, for api.version says so"
    if api.effective_version == "v6":
        return f"v6, for there is the id of a stack: {api.stack}"
    return "legacy, for there is no stack id; set K6_CLOUD_STACK_ID for v6, which needs fewer requests"


def print_tests(config: Config, state: State) -> None:
    """The tests that are meant, under the entries that mean them."""
    members = sorted(state.members.values(), key=lambda test: test.id)
    chosen = build_selector(config)
    shards = config.sharding
    share = f", those of shard {shards.shard} of {shards.total}" if shards.total > 1 else ""
    click.echo(f"tests        {len(members)}{share}")
    if chosen.tests:
        print_matches("id", [test for test in members if test.id in chosen.tests])
    for rule in chosen.rules:
        entry = str(rule) if config.tests else "everything that the token sees"
        print_matches(entry, [test for test in members if rule.matches(test)])
    if not members:
        click.echo("no tests     the token sees none, or none that the configuration means")


def print_matches(entry: str, tests: Sequence[LoadTest]) -> None:
    if not tests:
        return
    click.echo(f"by           {entry}: {pluralize(len(tests), 'test')}")
    for test in tests[:MOST_NAMED]:
        click.echo(f"             {test.id} {escape_unprintable(test.name)} (project {test.project_id})")
    if len(tests) > MOST_NAMED:
        click.echo(f"             and {len(tests) - MOST_NAMED} more")


async def print_unmatched(config: Config, token: Secret, state: State) -> None:
    """The entries that mean nothing, and what may have been meant."""
    chosen = build_selector(config)
    said: dict[str, str] = {}
    if state.unresolved and config.tests:
        sights = await look_up(config, token, unresolved_ids(chosen, state.unresolved))
        said = suggest(chosen, state.unresolved, sights)
    for entry in state.unresolved if config.tests else ():
        click.echo(f"not found    {entry}: {said.get(entry, 'nothing in k6 Cloud fits this')}")


async def look_up(config: Config, token: Secret, ids: Sequence[int]) -> Inventory:
    """What the token can see at all, and what these ids are if they are of runs."""
    async with open_transport(config, token, Transport, clock=Clock()) as transport:
        if config.api.effective_version == "v6":
            return await fetch_inventory(V6Client(transport), (), ids)
        api = LegacyClient(transport)
        try:
            projects = await api.list_projects()
        except ApiError:
            projects = ()
        return await fetch_inventory(api, projects, ids)


def print_estimate(config: Config, paid: RequestEstimate, *, moving: int) -> None:
    """How many requests an hour this takes, and how that comes about."""
    poll, most = config.poll, config.api.requests_per_minute * 60
    idle = paid.requests_per_hour(poll.idle_interval, poll.discovery_interval)
    busy = paid.requests_per_hour(poll.interval, poll.discovery_interval, max(moving, 1))
    look = f"plus {paid.discovery:.1f} for each look at which tests there are, every"
    click.echo(
        f"requests     {idle:.0f} an hour while no run moves: {paid.poll:g} every "
        f"{format_setting_duration(poll.idle_interval)}, "
        f"{look} {format_setting_duration(poll.discovery_interval)}"
    )
    runs = f"{moving} runs move, as now" if moving > 1 else "one run moves"
    click.echo(
        f"             up to {busy:.0f} an hour while {runs}: {paid.poll:g} every "
        f"{format_setting_duration(poll.interval)}, and one more for each of them"
    )
    click.echo(f"             never more than {most}: api.requests_per_minute")
    if max(idle, busy) > most:
        click.echo("too many     polls will be cut short; raise api.requests_per_minute or poll.interval")


def request_counts(polled: Exporter) -> dict[str, int]:
    """How often each endpoint was asked so far."""
    counted: Counter[str] = Counter()
    for family in polled.self_metrics.api_requests.collect():
        for sample in family.samples:
            if sample.name.endswith("_total"):
                counted[sample.labels["endpoint"]] += int(sample.value)
    return dict(counted)
