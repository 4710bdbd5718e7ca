"""The report of `check`: lines of a label and a text."""

from collections.abc import Mapping, Sequence

import click

from exporter.commands.check.estimate import RequestEstimate
from exporter.commands.names import describe_entry
from exporter.config import Config
from exporter.formatting import escape_unprintable, format_setting_duration, pluralize
from exporter.k6.errors import Forbidden, Unauthorized
from exporter.model import LoadTest, Project, UnresolvedEntry
from exporter.polling.factory import build_selector
from exporter.polling.result import PollResult
from exporter.store import State

MAX_LISTED = 50  # tests below an entry of the configuration


def print_line(label: str, text: str) -> None:
    click.echo(f"{label:13}{text}")


def print_access(config: Config, poll_result: PollResult) -> None:
    """Whether the token is accepted, errors of the poll, and the API version."""
    api = config.api
    # A wrong ID of a stack may have the same status as a token without access. A wrong URL has its own error.
    may_be_wrong = api.effective_version == "v6" and isinstance(api.stack, int)
    for failure in dict.fromkeys(poll_result.failures):  # several requests can fail alike
        print_line("token" if failure.reason == Unauthorized.reason else "failed", failure.message)
        if failure.reason == Forbidden.reason and may_be_wrong:
            print_line("", f"check that {api.stack} is your stack (api.stack, K6_CLOUD_STACK_ID)")
    if poll_result.outcome != "failure":
        print_line("token", f"accepted by {api.url}")
    if api.version != "auto":
        print_line("api", f"{api.effective_version} (api.version is {api.version})")
    elif api.stack:
        print_line("api", f"v6 (api.stack is {api.stack})")
    else:
        hint = "no stack is set; set K6_CLOUD_STACK_ID to use v6, which needs fewer requests"
        print_line("api", f"legacy ({hint})")


def print_tests(config: Config, state: State) -> None:
    """The selected tests, below the entries of the configuration that select them."""
    members = sorted(state.members.values(), key=lambda test: test.id)
    selector = build_selector(config).resolve(state.projects)
    sharding = config.sharding
    shard = f", only those of shard {sharding.shard} of {sharding.total}" if sharding.total > 1 else ""
    print_line("tests", f"{len(members)}{shard}")
    if selector.tests:
        print_selected("id", [test for test in members if test.id in selector.tests], state.projects)
    for rule in selector.rules:
        entry = str(rule) if config.tests else "all tests visible to the token"
        print_selected(entry, [test for test in members if rule.matches(test)], state.projects)
    if not members:
        print_line("no tests", "no test visible to the token matches the configuration")


def print_selected(entry: str, tests: Sequence[LoadTest], projects: Mapping[int, Project]) -> None:
    if not tests:
        return
    print_line("selected by", f"{entry}: {pluralize(len(tests), 'test')}")
    for test in tests[:MAX_LISTED]:
        print_line("", f"{test.id} {escape_unprintable(test.name)} ({describe_project(test, projects)})")
    if len(tests) > MAX_LISTED:
        print_line("", f"and {len(tests) - MAX_LISTED} more")


def describe_project(test: LoadTest, projects: Mapping[int, Project]) -> str:
    """The project of a test, with its name if that is known (v6 only)."""
    project = projects.get(test.project_id) if test.project_id is not None else None
    name = escape_unprintable(project.name) if project else ""
    return f"project {test.project_id}" + (f", {name}" if name else "")


def print_ambiguous(entries: Sequence[UnresolvedEntry]) -> None:
    """The names in the configuration that several tests have."""
    for entry in entries:
        if entry.candidates:
            print_line("ambiguous", describe_entry(entry, ()))


def print_unresolved(suggestions: Mapping[str, str]) -> None:
    """The entries of the configuration that select no test, each with a suggestion."""
    for entry, suggestion in suggestions.items():
        print_line("not found", f"{entry}: {suggestion}")


def print_estimate(config: Config, estimate: RequestEstimate, *, active_runs: int) -> None:
    """The number of requests per hour, how it is made up, and its limit."""
    poll, limit = config.poll, config.api.requests_per_minute * 60
    idle = estimate.requests_per_hour(poll.idle_interval, poll.discovery_interval)
    active = estimate.requests_per_hour(poll.interval, poll.discovery_interval, max(active_runs, 1))
    runs = f"{active_runs} runs are active, as now" if active_runs > 1 else "1 run is active"
    idle_polls = f"{estimate.poll:g} per poll, every {format_setting_duration(poll.idle_interval)}"
    polls = f"{estimate.poll:g} per poll, every {format_setting_duration(poll.interval)}"
    interval = format_setting_duration(poll.discovery_interval)
    discoveries = f"{estimate.discovery:.1f} per discovery, every {interval}"
    print_line("requests", f"{idle:.0f} per hour while no run is active: {idle_polls}, plus {discoveries}")
    if estimate.active_run:
        print_line("", f"up to {active:.0f} per hour while {runs}: {polls}, plus 1 per active run")
    else:
        older = "plus 1 per active run beyond the newest 900 runs"
        print_line("", f"{active:.0f} per hour while {runs}: {polls}, {older}")
    print_line("", f"at most {limit} per hour, the limit of api.requests_per_minute")
    if max(idle, active) > limit:
        print_line("too many", "the limit will delay polls; raise api.requests_per_minute or the intervals")
