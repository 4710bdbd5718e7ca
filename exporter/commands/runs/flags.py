"""The command `runs` and its flags; what they do is imported when they are used."""

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

import click

from exporter.clock import Clock
from exporter.config import Config
from exporter.config.types import parse_duration
from exporter.credentials import Secret

if TYPE_CHECKING:
    from exporter.commands.runs.actions import RunsCommand

Decorator = Callable[[Any], Any]

STATUSES = (
    "Exit status: 0 the run passed, 1 it failed, 2 wrong usage, 3 it was aborted or has no verdict, or k6 "
    "Cloud did not do what it was asked, 130 Ctrl-C, which leaves the run running. Without --watch, 0 means "
    "that it was done."
)


def parse_watch_interval(_: click.Context, __: click.Parameter, value: str) -> float:
    """Seconds of a duration such as 5s, a second at least."""
    try:
        read = parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if read < 1:
        raise click.BadParameter(f"{value} is too short; the least is 1s")
    return read


AS_JSON = click.option("--json", "is_json", is_flag=True, help="print JSON, for scripts")
YES = click.option("--yes", is_flag=True, help="do not ask")
WATCH = click.option("--watch", is_flag=True, help="follow the run to its end")
EVERY = click.option(
    "--interval",
    "every",
    callback=parse_watch_interval,
    metavar="DURATION",
    default="5s",
    show_default=True,
    help="time between looks with --watch; longer while the planned end is far",
)


def group(
    configured: Decorator,
    reached: Decorator,
    loaded: Callable[..., tuple[Config, Secret]],
    work: Callable[[Coroutine[Any, Any, Any]], Any],
) -> click.Group:
    """The command `runs`.

    `configured` gives a command all flags of the configuration, `reached` those that say how k6 Cloud is
    reached; `loaded` makes of them the configuration, and `work` runs a coroutine.
    """

    @click.group()
    def runs() -> None:
        """List, show, watch, start and stop test runs. Only this command writes to k6 Cloud."""

    def desk(
        *, is_json: bool, test: Sequence[int] = (), project: Sequence[int] = (), **given: Any
    ) -> "RunsCommand":
        from exporter.commands.runs.opening import create_command  # noqa: PLC0415 (serving must not pay for it)

        config, token = loaded(test=test, project=project, **given)
        return create_command(config, token, clock=Clock(), work=work, is_json=is_json)

    @runs.command("list", epilog="Exit status: 0 done, 2 wrong usage, 3 not all could be learnt.")
    @click.option("--active", is_flag=True, help="only runs that are not over, of the last 7 days")
    @click.option(
        "--limit", "most", type=click.IntRange(1, 1000), default=20, show_default=True, help="most runs"
    )
    @AS_JSON
    @configured
    def list_(*, active: bool, most: int, **given: Any) -> None:
        """List the newest runs, newest first.

        Those of the tests that the configuration means; without --test, --project and a configuration of
        tests, of all that the token can see.
        """
        end(desk(**given).list(most=most, active=active))

    @runs.command(epilog=STATUSES)
    @click.argument("run", type=click.IntRange(1))
    @WATCH
    @EVERY
    @AS_JSON
    @reached
    def show(run: int, *, watch: bool, every: float, **given: Any) -> None:
        """Show a run, or follow it to its end.

        With --watch a terminal gets a bar, anything else a line for each change, and with --json an object
        on a line for each. An outage of k6 Cloud is sat out.
        """
        end(desk(**given).show(run, watch=watch, every=every))

    @runs.command(epilog=STATUSES)
    @click.argument("test_id", metavar="TEST", type=click.IntRange(1))
    @YES
    @WATCH
    @EVERY
    @AS_JSON
    @reached
    def start(test_id: int, *, yes: bool, watch: bool, every: float, **given: Any) -> None:
        """Start a test, after saying so and asking. It costs virtual user hours."""
        end(desk(**given).start(test_id, yes=yes, watch=watch, every=every))

    @runs.command(epilog=STATUSES)
    @click.argument("run", type=click.IntRange(1))
    @YES
    @AS_JSON
    @reached
    def stop(run: int, *, yes: bool, **given: Any) -> None:
        """Stop a run, after saying so and asking. It ends moments later, as aborted by user."""
        end(desk(**given).stop(run, yes=yes))

    return runs


def end(status: int) -> None:
    click.get_current_context().exit(status)
