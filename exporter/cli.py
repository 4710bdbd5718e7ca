"""Commands and flags."""

import asyncio
import logging
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from exporter import __version__, log
from exporter.app import exporter
from exporter.asking import cloud
from exporter.backfill import DEFAULTS, MistakenError, backfilled, wish
from exporter.clock import Clock
from exporter.config import Config, ConfigError, load, settings
from exporter.config.values import socket_address
from exporter.guard import Guard, is_hook, is_probe
from exporter.reloading import Read
from exporter.reports import checked, printed
from exporter.runs import flags as runs
from exporter.schedule import schedule
from exporter.serving import ListenError, Site, listen, serve, url
from exporter.simulator import Simulator, demo_world
from exporter.token import Token

logger = logging.getLogger("exporter")

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])

SETTINGS = {setting.name: setting for setting in settings()}
REVISION = os.environ.get("K6_CLOUD_EXPORTER_REVISION", "unknown")  # set where an image is built
CONFIG_FILE = click.option(
    "--config.file", "file", type=click.Path(path_type=Path), help="configuration file, YAML"
)
NEEDED_MOST = ("api.version", "log.level", "log.format")  # settings that every command has a flag for
DEMO_TOKEN = "demo"  # noqa: S105 (opens nothing but the simulator)


class Speed(click.FloatRange):
    """A bounded number; nan, which click finds neither too small nor too large, is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        return self.fail(f"{value} is not a number", param, ctx) if math.isnan(number) else number


class DefaultCommand(click.Group):
    """A group whose first command is meant when none is named."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "--version")):
            args.insert(0, next(iter(self.commands)))
        return super().parse_args(context, args)


def configured(command: Command) -> Command:
    """Gives a command the flags that configure the exporter, and the configuration that they make."""
    flags = (
        CONFIG_FILE,
        click.option(
            "--test", "test", type=int, multiple=True, metavar="ID", help="watch this test; repeatable"
        ),
        click.option(
            "--project",
            "project",
            type=int,
            multiple=True,
            metavar="ID",
            help="watch this project; repeatable",
        ),
        *(flag(name) for name in NEEDED_MOST),
        flag("sharding.shard", "--shard"),
        flag("sharding.total", "--total-shards"),
    )
    return with_flags(command, flags)


def served(command: Command) -> Command:
    """Gives a command the flags that say where it serves."""
    flags = [flag(name) for name in ("web.listen_address", "web.telemetry_path")]
    return with_flags(command, [*flags, flag("web.config_file", "--web.config.file")])


def with_flags(command: Command, flags: Sequence[Callable[[Command], Command]]) -> Command:
    for option in reversed(flags):
        command = option(command)
    return command


def flag(name: str, spelt: str | None = None) -> Callable[[Command], Command]:
    """The flag of a setting; what it says wrong is told like what the file says wrong."""
    setting = SETTINGS[name]
    return click.option(
        spelt or "--" + name.replace("_", "-"),
        name.replace(".", "__"),
        metavar="|".join(setting.choices) or "TEXT",
        help=f"{setting.help} [default: {setting.default}]" if setting.default else setting.help,
    )


def reader(file: Path | None, test: Sequence[int], project: Sequence[int], **given: str | None) -> Read:
    """A way to read the configuration, now and again; what it says of logging holds as soon as it is read."""
    flags: dict[str, Any] = {}
    for name, value in given.items():
        if value is not None:
            section, key = name.split("__", 1)
            flags.setdefault(section, {})[key] = value
    if test or project:
        flags["tests"] = [{"id": id_} for id_ in test] + [{"project": id_} for id_ in project]

    def read() -> tuple[Config, Token]:
        config, token = load(file, os.environ, flags)
        log.set_up(config.log.level, config.log.format)
        return config, token

    return read


def loaded(**given: Any) -> tuple[Config, Token]:
    """The configuration; on a mistake, every sentence about it, and the end of the process with 2."""
    return read_first(reader(**given))


def read_first(read: Read) -> tuple[Config, Token]:
    try:
        return read()
    except ConfigError as error:
        refuse(error.sentences)


def refuse(sentences: Sequence[str]) -> NoReturn:
    """Every sentence about a mistake, and the end of the process with 2."""
    for line in sentences:
        click.echo(f"error: {line}", err=True)
    sys.exit(2)


def simulated(command: Command) -> Command:
    """Gives a command the flags that shape the simulated world."""
    flags = (
        click.option("--seed", default=0, show_default=True, help="what happens in the simulated world"),
        click.option(
            "--speed",
            type=Speed(0.01, 100),
            default=1.0,
            show_default=True,
            help="how many times faster its runs come and go",
        ),
    )
    return with_flags(command, flags)


@click.group(cls=DefaultCommand)
@click.version_option(__version__, prog_name="k6-cloud-exporter")
def main() -> None:
    """The state of Grafana Cloud k6 test runs as Prometheus metrics.

    Without a command it serves; `k6-cloud-exporter serve --help` lists the flags for that.
    """


@main.command("serve")
@configured
@served
def serve_command(**given: Any) -> None:
    """Poll k6 Cloud and serve metrics, until told to stop."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to read again
    read = reader(**given)
    config, token = read_first(read)
    guard = guarded(config)
    listening = bound(config.web.listen_address)
    run(serve_exporter(config, token, listening, read=read, guard=guard))


@main.command()
@click.option(
    "--web.listen-address",
    "address",
    default="127.0.0.1:10565",
    show_default=True,
    help=SETTINGS["web.listen_address"].help,
)
@click.option(
    "--api.version",
    "version",
    type=click.Choice(["legacy", "v6"]),
    default="legacy",
    show_default=True,
    help="generation of the API that is asked",
)
@simulated
def demo(address: str, version: str, seed: int, speed: float) -> None:
    """Run the exporter on a simulated k6 Cloud; no account needed."""
    log.set_up("warning", "logfmt")
    listening, cloud = bound(address), bound("127.0.0.1:0")
    config = Config.model_validate(
        {
            "api": {"url": url(cloud), "requests_per_minute": 6000, "version": version, "stack_id": 1},
            "poll": {
                "interval": "2s",
                "idle_interval": "2s",
                "discovery_interval": "30s",
                "stale_after": "1m",
            },
        }
    )
    here = url(listening)
    click.echo(f"A simulated k6 Cloud is at {url(cloud)}, the exporter that polls it at:")
    click.echo(f"  {here}/          what is watched, in words")
    click.echo(f"  {here}/metrics   what Prometheus scrapes")
    click.echo("Every state of a run shows within a minute. Ctrl-C ends it.")
    simulated = Simulator(demo_world(time.time(), seed, speed), tokens=[DEMO_TOKEN])
    run(serve_exporter(config, Token(DEMO_TOKEN), listening, Site(simulated, cloud)))


@main.command()
@click.option(
    "--web.listen-address",
    "address",
    default="127.0.0.1:10566",
    show_default=True,
    help="address to listen on",
)
@click.option(
    "--token",
    "tokens",
    multiple=True,
    default=[DEMO_TOKEN],
    show_default=True,
    help="a token that is let in; repeatable",
)
@simulated
def simulator(address: str, tokens: Sequence[str], seed: int, speed: float) -> None:
    """Serve the simulated k6 Cloud alone."""
    log.set_up("info", "logfmt")
    listening = bound(address)
    click.echo(
        f"A simulated k6 Cloud is at {url(listening)}; tokens: {', '.join(tokens)}; id of the stack: 1"
    )
    run(serve(Site(Simulator(demo_world(time.time(), seed, speed), tokens=tokens), listening)))


@main.command(epilog="Exit status: 0 all of that works, 1 something does not, 2 wrong configuration.")
@configured
def check(**given: Any) -> None:
    """Say whether the configuration works: the token, the tests it means, and what they cost."""
    config, token = loaded(**given)
    guarded(config)
    logging.getLogger("exporter.polling").setLevel(logging.ERROR)  # what they warn of is told in the report
    sys.exit(run(checked(config, token)))


@main.command()
@configured
def once(**given: Any) -> None:
    """Poll once, print the metrics, and exit: 0 if the poll succeeded in full, else 1."""
    config, token = loaded(**given)
    sys.exit(run(printed(config, token, revision=REVISION)))


@main.command(epilog="Exit status: 0 all is written, 1 not all could be learnt or written, 2 wrong usage.")
@configured
@click.option("--since", required=True, help="how long ago the past begins, such as 90d, or a date")
@click.option("--until", help="where it ends, likewise; at the latest 3h ago  [default: 3h]")
@click.option(
    "--step", default=DEFAULTS["step"], show_default=True, help="how often all is told while a run moves"
)
@click.option(
    "--idle-step", default=DEFAULTS["idle_step"], show_default=True, help="how often while none does"
)
@click.option(
    "--label",
    multiple=True,
    metavar="NAME=VALUE",
    help="a label that every sample gets, such as the job and the instance of the scraped ones; repeatable",
)
@click.option("--split", help="write a file for each so long, such as 7d, and promtool is done sooner")
@click.option("-o", "--output", required=True, metavar="FILE", help="where to write; - is standard output")
def backfill(
    *,
    since: str,
    until: str | None,
    step: str,
    idle_step: str,
    label: Sequence[str],
    output: str,
    split: str | None,
    **given: Any,
) -> None:
    """Write the runs of the past as OpenMetrics with timestamps, which promtool turns into blocks.

    The past is told under the names and labels of today, and only as far as k6 Cloud still knows it.
    """
    config, token = loaded(**given)
    try:
        wished = wish(
            since=since,
            until=until,
            step=step,
            idle_step=idle_step,
            label=label,
            output=output,
            split=split,
            now=time.time(),
        )
    except MistakenError as mistaken:
        refuse(mistaken.sentences)
    sys.exit(backfilled(config, token, wished, cloud(config, token), run=run))


def reached(command: Command) -> Command:
    """Gives a command the flags that say how k6 Cloud is reached."""
    return with_flags(command, (CONFIG_FILE, *(flag(name) for name in NEEDED_MOST)))


async def serve_exporter(
    config: Config,
    token: Token,
    listening: socket.socket,
    *others: Site,
    read: Read | None = None,
    guard: Guard | None = None,
) -> None:
    async with exporter(config, token, revision=REVISION, read=read) as polled:
        scheduler = schedule(polled)
        scheduler.start()
        here = url(listening, is_tls=guard is not None and guard.tls() is not None)
        logger.info("listening", extra={"url": here, "version": __version__})
        try:
            if guard is None:
                await serve(Site(polled.web, listening), *others, reload=polled.reload)
            else:
                async with guard.watched(polled.telemetry.web_reload_successful.set):
                    is_open = is_hook if config.web.webhook_secret_file else is_probe
                    site = Site(guard.protect(polled.web, is_open), listening, guard.tls)
                    await serve(site, *others, reload=polled.reload)
        finally:
            scheduler.shutdown(wait=False)


def guarded(config: Config) -> Guard | None:
    """Who is let in, if a file says so; on a mistake in it, every sentence about it, and the end with 2."""
    if config.web.config_file is None:
        return None
    try:
        return Guard(config.web.config_file, Clock())
    except ConfigError as error:
        refuse(error.sentences)


def bound(address: str) -> socket.socket:
    """A listening socket, or a sentence and the end of the process with 2."""
    try:
        return listen(socket_address(address))
    except ValueError as error:
        refuse([f"web.listen_address: {error}"])
    except ListenError as error:
        refuse([str(error)])


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, on uvloop where there is one."""
    try:
        from uvloop import new_event_loop  # noqa: PLC0415 (not on every platform)
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


main.add_command(runs.group(configured, reached, loaded, run))
