"""The command `runs` and its flags."""

import re
import sys
from collections.abc import Sequence
from math import inf, isinf
from typing import TYPE_CHECKING, Any

import click

from exporter.commands.options import api_options, config_options
from exporter.commands.runs.select import parse_keys
from exporter.config.types import parse_duration

if TYPE_CHECKING:
    from exporter.commands.runs.actions import RunsCommand

EXIT_CODES = (
    "Exit codes: 0 success, 2 wrong usage, 3 error. With --watch: 0 the run passed, 1 it failed, 3 it was "
    "aborted, has no result or cannot be watched, 124 --timeout, 130 Ctrl-C; the run continues."
)


def parse_seconds(_: click.Context, __: click.Parameter, value: str | None) -> float:
    """Seconds of a duration such as 5s, at least 1 second; infinity if there is none."""
    if value is None:
        return inf
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if seconds < 1:
        raise click.BadParameter(f"{value} is too short; the minimum is 1s")
    return seconds


def parse_select(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...]:
    """The keys to print; none without the flag."""
    try:
        return () if value is None else parse_keys(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


class RunId(click.IntRange):
    """The ID of a run."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if str(value).strip().isdecimal():
            return int(super().convert(value, param, ctx))
        return self.fail(
            f"{value!r} is not the ID of a run; list IDs with: runs list --test NAME", param, ctx
        )


class TestIdOrName(click.IntRange):
    """The ID of a test, or its name. A number is always an ID."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        is_name = value and not re.fullmatch("-?[0-9]+", str(value))
        return value if is_name else super().convert(value, param, ctx)


json_option = click.option("--json", "is_json", is_flag=True, help="print JSON")
yes_option = click.option("--yes", is_flag=True, help="do not prompt for confirmation")
force_option = click.option(
    "--force", is_flag=True, help="with --yes: start beyond limits of the project, too"
)
watch_option = click.option("--watch", is_flag=True, help="follow the run until it ends")
interval_option = click.option(
    "--interval",
    callback=parse_seconds,
    metavar="DURATION",
    default="5s",
    show_default=True,
    help="polling interval of --watch",
)
timeout_option = click.option(
    "--timeout",
    callback=parse_seconds,
    metavar="DURATION",
    help="stop watching after this long; the run continues",
)
run_argument = click.argument("run_id", metavar="RUN", type=RunId(1))


@click.group()
def runs() -> None:
    """List, show, watch, start and stop test runs. Only this command writes to k6 Cloud."""


@runs.command("list", epilog="Exit codes: 0 success, 2 wrong usage, 3 the list is incomplete.")
@click.option("--active", is_flag=True, help="only active runs, created in the last 7 days")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="maximum number of runs"
)
@click.option(
    "--run", "run_ids", metavar="ID", type=RunId(1), multiple=True, help="only this run; repeatable"
)
@click.option("--public-id", metavar="ID", default="", help="only the run with this public ID; legacy only")
@json_option
@click.option(
    "--select",
    metavar="KEYS",
    callback=parse_select,
    help="with --json: only these keys, such as id,run_status",
)
@config_options
def list_(
    *,
    active: bool,
    limit: int,
    run_ids: tuple[int, ...],
    public_id: str,
    select: tuple[str, ...],
    **flags: Any,
) -> None:
    """List the newest runs, newest first.

    Lists runs of the configured tests. Without --test, --project and configured tests, lists runs of all
    tests that the token can access. With --run, lists runs of any tests.
    """
    if select and not flags["is_json"]:
        raise click.UsageError("--select requires --json")
    check_run_filters(run_ids, public_id, active=active, test=flags["test"], project=flags["project"])
    command = create_command(**flags)
    sys.exit(command.list(limit=limit, active=active, run_ids=run_ids, public_id=public_id, select=select))


@runs.command(epilog=EXIT_CODES)
@run_argument
@watch_option
@interval_option
@timeout_option
@json_option
@api_options
def show(run_id: int, *, watch: bool, interval: float, timeout: float, **flags: Any) -> None:
    """Show a run, or follow it until it ends.

    With --watch, a terminal shows a progress bar. Other outputs get one line for each change of state; with
    --json, each line is a JSON object. The interval is longer while the planned end is far off. Waits through
    k6 Cloud outages.
    """
    check_timeout(timeout, watch=watch)
    sys.exit(create_command(**flags).show(run_id, watch=watch, interval=interval, timeout=timeout))


@runs.command(epilog=EXIT_CODES)
@click.argument("test", metavar="TEST", type=TestIdOrName(1))
@yes_option
@force_option
@watch_option
@interval_option
@timeout_option
@json_option
@api_options
def start(
    test: int | str, *, yes: bool, force: bool, watch: bool, interval: float, timeout: float, **flags: Any
) -> None:
    """Start a test after confirmation. This consumes virtual user hours.

    TEST is the ID, the alias or the exact name of a test. On v6, shows what its last finished run cost, and
    the limits of the project. If that run exceeds a limit, --yes requires --force.
    """
    check_timeout(timeout, watch=watch)
    command = create_command(**flags)
    sys.exit(command.start(test, yes=yes, force=force, watch=watch, interval=interval, timeout=timeout))


@runs.command(epilog="Exit codes: 0 success, 2 wrong usage, 3 error.")
@run_argument
@yes_option
@json_option
@api_options
def stop(run_id: int, *, yes: bool, **flags: Any) -> None:
    """Stop a run after confirmation. The run ends a few moments later, as aborted by user."""
    sys.exit(create_command(**flags).stop(run_id, yes=yes))


def check_run_filters(run_ids: Sequence[int], public_id: str, **filters: Any) -> None:
    """Raise a UsageError for filters that would have no effect: a run is selected by its ID alone."""
    given = [name for name, value in filters.items() if value]
    selecting = "--run" if run_ids else "--public-id"
    if run_ids and public_id:
        raise click.UsageError("--run and --public-id cannot be combined")
    if (run_ids or public_id) and given:
        raise click.UsageError(f"{selecting} cannot be combined with --{given[0]}")


def check_timeout(timeout: float, *, watch: bool) -> None:
    """Raise a UsageError where there is nothing to time out: a job would rely on it in vain."""
    if not watch and not isinf(timeout):
        raise click.UsageError("--timeout requires --watch")


def create_command(**flags: Any) -> "RunsCommand":
    """The command that the flags describe; exits with 2 if the configuration is invalid."""
    # Imported here because the exporter imports this module, and should not import rich.
    from exporter.commands.runs import actions  # noqa: PLC0415

    return actions.create_command(**flags)
