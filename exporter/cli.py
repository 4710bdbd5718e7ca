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

from exporter import __version__, logs
from exporter.app import create_exporter
from exporter.clock import Clock
from exporter.commands.backfill import DEFAULTS, OptionsError, parse_options, run_backfill
from exporter.commands.check.report import run_check, run_once
from exporter.commands.runs import flags as runs
from exporter.config import Config, ConfigError, load, settings
from exporter.config.reload import Read
from exporter.config.types import socket_address
from exporter.credentials import Secret
from exporter.polling.factory import open_client
from exporter.simulator import Simulator, demo_world
from exporter.web.security import WebConfigMiddleware, is_health_check, is_public_path
from exporter.web.server import Endpoint, ListenError, base_url, bind, serve

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


class SpeedParam(click.FloatRange):
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


def config_options(command: Command) -> Command:
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
        *(setting_option(name) for name in NEEDED_MOST),
        setting_option("sharding.shard", "--shard"),
        setting_option("sharding.total", "--total-shards"),
    )
    return with_flags(command, flags)


def web_options(command: Command) -> Command:
    """Gives a command the flags that say where it serves."""
    flags = [setting_option(name) for name in ("web.listen_address", "web.telemetry_path")]
    return with_flags(command, [*flags, setting_option("web.config_file", "--web.config.file")])


def with_flags(command: Command, flags: Sequence[Callable[[Command], Command]]) -> Command:
    for option in reversed(flags):
        command = option(command)
    return command


def setting_option(name: str, spelt: str | None = None) -> Callable[[Command], Command]:
    """The flag of a setting; what it says wrong is told like what the file says wrong."""
    setting = SETTINGS[name]
    return click.option(
        spelt or "--" + name.replace("_", "-"),
        name.replace(".", "__"),
        metavar="|".join(setting.choices) or "TEXT",
        help=f"{setting.help} [default: {setting.default}]" if setting.default else setting.help,
    )


def config_loader(
    file: Path | None, test: Sequence[int], project: Sequence[int], **given: str | None
) -> Read:
    """A way to read the configuration, now and again; what it says of logging holds as soon as it is read."""
    flags: dict[str, Any] = {}
    for name, value in given.items():
        if value is not None:
            section, key = name.split("__", 1)
            flags.setdefault(section, {})[key] = value
    if test or project:
        flags["tests"] = [{"id": id_} for id_ in test] + [{"project": id_} for id_ in project]

    def read() -> tuple[Config, Secret]:
        config, token = load(file, os.environ, flags)
        logs.configure(config.log.level, config.log.format)
        return config, token

    return read


def load_config_or_exit(**given: Any) -> tuple[Config, Secret]:
    """The configuration; on a mistake, every sentence about it, and the end of the process with 2."""
    return load_or_exit(config_loader(**given))


def load_or_exit(read: Read) -> tuple[Config, Secret]:
    try:
        return read()
    except ConfigError as error:
        exit_with_errors(error.messages)


def exit_with_errors(sentences: Sequence[str]) -> NoReturn:
    """Every sentence about a mistake, and the end of the process with 2."""
    for line in sentences:
        click.echo(f"error: {line}", err=True)
    sys.exit(2)


def simulator_options(command: Command) -> Command:
    """Gives a command the flags that shape the simulated world."""
    flags = (
        click.option("--seed", default=0, show_default=True, help="what happens in the simulated world"),
        click.option(
            "--speed",
            type=SpeedParam(0.01, 100),
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
@config_options
@web_options
def serve_command(**given: Any) -> None:
    """Poll k6 Cloud and serve metrics, until told to stop."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to read again
    read = config_loader(**given)
    config, token = load_or_exit(read)
    guard = load_web_config(config)
    listening = bind_or_exit(config.web.listen_address)
    run_async(serve_exporter(config, token, listening, read=read, guard=guard))


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
@simulator_options
def demo(address: str, version: str, seed: int, speed: float) -> None:
    """Run the exporter on a simulated k6 Cloud; no account needed."""
    logs.configure("warning", "logfmt")
    listening, cloud = bind_or_exit(address), bind_or_exit("127.0.0.1:0")
    config = Config.model_validate(
        {
            "api": {"url": base_url(cloud), "requests_per_minute": 6000, "version": version, "stack_id": 1},
            "poll": {
                "interval": "2s",
                "idle_interval": "2s",
                "discovery_interval": "30s",
                "stale_after": "1m",
            },
        }
    )
    here = base_url(listening)
    click.echo(f"A simulated k6 Cloud is at {base_url(cloud)}, the exporter that polls it at:")
    click.echo(f"  {here}/          what is watched, in words")
    click.echo(f"  {here}/metrics   what Prometheus scrapes")
    click.echo("Every state of a run shows within a minute. Ctrl-C ends it.")
    simulated = Simulator(demo_world(time.time(), seed, speed), tokens=[DEMO_TOKEN])
    run_async(serve_exporter(config, Secret(DEMO_TOKEN), listening, Endpoint(simulated, cloud)))


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
@simulator_options
def simulator(address: str, tokens: Sequence[str], seed: int, speed: float) -> None:
    """Serve the simulated k6 Cloud alone."""
    logs.configure("info", "logfmt")
    listening = bind_or_exit(address)
    click.echo(
        f"A simulated k6 Cloud is at {base_url(listening)}; tokens: {', '.join(tokens)}; id of the stack: 1"
    )
    run_async(serve(Endpoint(Simulator(demo_world(time.time(), seed, speed), tokens=tokens), listening)))


@main.command(epilog="Exit status: 0 all of that works, 1 something does not, 2 wrong configuration.")
@config_options
def check(**given: Any) -> None:
    """Say whether the configuration works: the token, the tests it means, and what they cost."""
    config, token = load_config_or_exit(**given)
    load_web_config(config)
    logging.getLogger("exporter.polling").setLevel(logging.ERROR)  # what they warn of is told in the report
    sys.exit(run_async(run_check(config, token)))


@main.command()
@config_options
def once(**given: Any) -> None:
    """Poll once, print the metrics, and exit: 0 if the poll succeeded in full, else 1."""
    config, token = load_config_or_exit(**given)
    sys.exit(run_async(run_once(config, token, revision=REVISION)))


@main.command(epilog="Exit status: 0 all is written, 1 not all could be learnt or written, 2 wrong usage.")
@config_options
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
    config, token = load_config_or_exit(**given)
    try:
        wished = parse_options(
            since=since,
            until=until,
            step=step,
            idle_step=idle_step,
            label=label,
            output=output,
            split=split,
            now=time.time(),
        )
    except OptionsError as mistaken:
        exit_with_errors(mistaken.messages)
    sys.exit(run_backfill(config, token, wished, open_client(config, token), run=run_async))


def api_options(command: Command) -> Command:
    """Gives a command the flags that say how k6 Cloud is reached."""
    return with_flags(command, (CONFIG_FILE, *(setting_option(name) for name in NEEDED_MOST)))


async def serve_exporter(
    config: Config,
    token: Secret,
    listening: socket.socket,
    *others: Endpoint,
    read: Read | None = None,
    guard: WebConfigMiddleware | None = None,
) -> None:
    async with create_exporter(config, token, revision=REVISION, read=read) as polled:
        scheduler = polled.start_polling()
        here = base_url(listening, is_tls=guard is not None and guard.tls() is not None)
        logger.info("listening", extra={"url": here, "version": __version__})
        try:
            if guard is None:
                await serve(Endpoint(polled.web, listening), *others, reload=polled.reload)
            else:
                async with guard.watch(polled.self_metrics.web_reload_successful.set):
                    is_open = is_public_path if config.web.webhook_secret_file else is_health_check
                    site = Endpoint(guard.wrap(polled.web, is_open), listening, guard.tls)
                    await serve(site, *others, reload=polled.reload)
        finally:
            scheduler.shutdown()


def load_web_config(config: Config) -> WebConfigMiddleware | None:
    """Who is let in, if a file says so; on a mistake in it, every sentence about it, and the end with 2."""
    if config.web.config_file is None:
        return None
    try:
        return WebConfigMiddleware(config.web.config_file, Clock())
    except ConfigError as error:
        exit_with_errors(error.messages)


def bind_or_exit(address: str) -> socket.socket:
    """A listening socket, or a sentence and the end of the process with 2."""
    try:
        return bind(socket_address(address))
    except ValueError as error:
        exit_with_errors([f"web.listen_address: {error}"])
    except ListenError as error:
        exit_with_errors([str(error)])


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, on uvloop where there is one."""
    try:
        from uvloop import new_event_loop  # noqa: PLC0415 (not on every platform)
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


main.add_command(runs.group(config_options, api_options, load_config_or_exit, run_async))
