"""What each command under `runs` does. The result of an action is the exit code."""

import errno
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial, wraps
from math import inf
from pathlib import Path
from types import FrameType
from typing import Any, Concatenate, ParamSpec, TextIO, TypeVar

import click
from rich.console import Console

from exporter.clock import Clock
from exporter.commands.configuration import load_config_or_exit
from exporter.commands.names import AmbiguousName, describe_unresolved, find_test
from exporter.commands.process import run_async
from exporter.commands.runs import output
from exporter.commands.runs.client import AMBIGUOUS_ERRORS, RunsClient
from exporter.commands.runs.cost import StartCost, fetch_cost
from exporter.commands.runs.exit_codes import ERROR, FAILED, INTERRUPTED, PASSED, TIMED_OUT, USAGE
from exporter.commands.runs.list import ListQuery, RunRow, build_row, fetch_projects, list_runs
from exporter.commands.runs.select import PROJECT_KEYS, TEST_KEYS, legacy_fields
from exporter.commands.runs.watch import LineView, ProgressView, View, WatchTimeout, watch_run
from exporter.config import Config
from exporter.formatting import (
    describe_run,
    escape_unprintable,
    format_age,
    format_iso_timestamp,
    format_setting_duration,
)
from exporter.k6.errors import ApiError, Conflict, NotFound
from exporter.k6.factory import open_transport
from exporter.k6.legacy.schema import RUN_FIELDS
from exporter.k6.v6.client import V6Client
from exporter.k6.write import WriteTransport
from exporter.model import LoadTest, Outcome, Run, RunStatus
from exporter.polling.result import PollResult

P = ParamSpec("P")
T = TypeVar("T")
Action = Callable[Concatenate["RunsCommand", P], int]

NO_PUBLIC_ID = (
    "--public-id requires the legacy API, since runs have no public ID in v6; use --run ID, or "
    "--api.version=legacy"
)
EXIT_CODES = {Outcome.PASSED: PASSED, Outcome.FAILED: FAILED}  # every other outcome is an ERROR
PIPE_WIDTH = 10_000  # columns; lines are not broken where the output is no terminal


class PipeSafeConsole(Console):
    """A console that raises on a broken pipe. rich would exit with 1, which here means that a run failed."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def create_console(file: Any, width: int | None, **options: Any) -> Console:
    """A console that prints names as they are: k6 Cloud's text is not rich markup."""
    return PipeSafeConsole(file=file, width=width, markup=False, highlight=False, emoji=False, **options)


def with_exit_code(action: Action[P]) -> Action[P]:
    """The action with errors printed and turned into exit codes."""

    @wraps(action)
    def run_action(command: "RunsCommand", /, *args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return action(command, *args, **kwargs)
        except ApiError as error:
            command.print_message(f"error: {error}")
            return ERROR
        except AmbiguousName as error:
            command.print_message(f"error: {error}")
            return USAGE
        except OSError as error:
            with suppress(OSError):  # standard error may not be writable either
                command.print_message(f"error: cannot write: {error.strerror}")
            # Unwritten output is discarded: Python would write it again at exit, fail, and exit with 120.
            for stream in (command.out.file, command.stderr):
                with suppress(OSError), Path(os.devnull).open("wb") as devnull:
                    os.dup2(devnull.fileno(), stream.fileno())
            return ERROR
        except KeyboardInterrupt:
            return INTERRUPTED

    return run_action


@dataclass(frozen=True)
class RunsCommand:
    """The actions of `runs`.

    Results are written to `out`, messages to `stderr`, and confirmations are read from `stdin`. `redact`
    removes secrets from a message.
    """

    config: Config
    connect: Callable[[], AbstractAsyncContextManager[WriteTransport]]
    clock: Clock
    stdin: TextIO
    out: Console
    stderr: TextIO
    redact: Callable[[str], str]
    is_json: bool

    @with_exit_code
    def list(
        self,
        *,
        limit: int,
        active: bool,
        run_ids: Sequence[int] = (),
        public_id: str = "",
        select: Sequence[str] = (),
    ) -> int:
        """Print the newest runs, those with these IDs, or the one with this public ID (legacy only).

        `select` are the keys that are printed as JSON; all if empty. ERROR if the list is incomplete, or a
        run or a configured test does not exist. USAGE if a name is ambiguous.
        """
        if public_id and self.config.api.effective_version == "v6":
            self.print_message(f"error: {NO_PUBLIC_ID}")
            return USAGE
        result = PollResult()
        query = ListQuery(
            limit,
            active,
            run_ids,
            public_id,
            legacy_fields(select, active=active) if select else RUN_FIELDS,
            with_tests=not select or bool(TEST_KEYS & set(select)),
            with_projects=not select or bool(PROJECT_KEYS & set(select)),
        )
        (rows, since), now = self.call(lambda client: list_runs(client, result, query))
        is_failed = bool(result.failures) and not rows
        if self.is_json and not is_failed:
            objects = [output.as_json(row, self.config) for row in rows]
            self._print_json([{key: it[key] for key in select or it} for it in objects])
        elif rows:
            self.out.print(output.format_table(rows, now, self.out.width))
        elif not is_failed:
            self.print_message("no active runs" if active else "no runs")
        errors = self._find_errors(result)
        for error in errors:
            self.print_message(f"error: {error}")
        if since is not None and len(rows) < limit:
            day = format_iso_timestamp(since)[:10]
            self.print_message(f"runs created before {day} are not listed; use --test ID to list them")
        if any(entry.candidates for entry in result.unresolved):
            return USAGE
        return ERROR if errors else PASSED

    def _find_errors(self, result: PollResult) -> Sequence[str]:
        # Without configured tests, "all tests" may match none, which is no mistake of the user.
        unresolved: Sequence[str] = ()
        if self.config.tests and result.unresolved:
            unresolved, _ = self.call(lambda client: describe_unresolved(client.api, result.unresolved))
        return [
            *(failure.message for failure in dict.fromkeys(result.failures)),
            *unresolved,
            *(f"skipped {skipped.description}" for skipped in result.skipped),
        ]

    @with_exit_code
    def show(self, run_id: int, *, watch: bool, interval: float, timeout: float = inf) -> int:
        """Print one run, or watch it; `interval` and `timeout` are in seconds."""
        row, now = self.call(lambda client: get_run_with_project(client, run_id))
        if watch:
            return self._watch(row, interval=interval, timeout=timeout)
        if self.is_json:
            self._print_json(output.as_json(row, self.config))
        else:
            self.out.print(output.format_details(row, self.config, now))
        # Also for a failed run: what was requested is to show it. Only --watch returns the result.
        return PASSED

    @with_exit_code
    def start(
        self,
        id_or_name: int | str,
        *,
        yes: bool,
        watch: bool,
        interval: float,
        timeout: float = inf,
        force: bool = False,
    ) -> int:
        """Start a test after confirmation, and optionally watch the run.

        `interval` and `timeout` are in seconds. `yes` replaces the confirmation; with `force` also where the
        last run exceeds a limit.
        """
        (test, cost), _ = self.call(lambda client: get_test_and_cost(client, id_or_name))
        api = f"{self.config.api.url}, {self.config.api.effective_version} API"
        effect = f"This starts a run of test {output.format_test(test)} in k6 Cloud ({api})."
        exceeded = ", ".join(cost.exceeded())
        warning = [f"Another run like that exceeds: {exceeded}."] if exceeded else []
        sentences = [effect, *cost.describe(), *warning]
        if exceeded and yes and not force:
            for sentence in sentences:
                self.print_message(sentence)
            self.print_message("error: nothing was started; use --yes --force to start it nevertheless")
            return USAGE
        if declined := self._confirm("\n".join(sentences), yes=yes):
            return declined
        advice = f"test {test.id} may have been started; check with: runs list --test {test.id}"
        try:
            run, _ = self.call(lambda client: client.start_run(test.id))
        except AMBIGUOUS_ERRORS as error:
            # Not repeated any more: a request without the same key could start a second run.
            raise type(error)(f"{error}; {advice}") from error
        except KeyboardInterrupt:
            self.print_message(advice)
            raise
        self.print_message(f"started run {run.id}: {run.page_url(self.config.app_url)}")
        row = RunRow(run, test)
        if watch:
            return self._watch(row, interval=interval, timeout=timeout, is_new=True)
        if self.is_json:
            self._print_json(output.as_json(row, self.config))
        return PASSED

    @with_exit_code
    def stop(self, run_id: int, *, yes: bool) -> int:
        """Stop a run after confirmation."""
        row, now = self.call(lambda client: get_run(client, run_id))
        run, name = row.run, f"run {run_id} of test {output.format_test(row.test)}"
        state = describe_run(run)
        if run.is_finished or run.status == RunStatus.FINISHED:
            raise Conflict(f"cannot stop {name}: it has already ended ({state})")
        age = "" if run.created is None else f", created {format_age(run.created, now)}"
        if declined := self._confirm(f"This stops {name}: {state}{age}.", yes=yes):
            return declined
        self.call(lambda client: client.writer.stop_run(run_id))
        self.print_message(f"stopping run {run_id}; it ends in a few moments, as aborted by user")
        if self.is_json:
            row, _ = self.call(lambda client: get_run_with_project(client, run_id))
            self._print_json(output.as_json(row, self.config))
        return PASSED

    def _watch(self, row: RunRow, *, interval: float, timeout: float, is_new: bool = False) -> int:
        async def watch(client: RunsClient) -> Run:
            with self._create_view(row) as view:
                deadline = self.clock.monotonic() + timeout
                return await watch_run(
                    client, row.run, view, interval=interval, deadline=deadline, is_new=is_new
                )

        try:
            run, _ = self.call(watch)
        except KeyboardInterrupt:
            self._print_continues(row.run)
            return INTERRUPTED
        except WatchTimeout:
            self.print_message(f"run {row.run.id} has not ended within {format_setting_duration(timeout)}")
            self._print_continues(row.run)
            return TIMED_OUT
        return EXIT_CODES.get(run.outcome or Outcome.NONE, ERROR)

    def _print_continues(self, run: Run) -> None:
        again = f"watch it again with: runs show {run.id} --watch"
        self.print_message(f"run {run.id} continues; {again}; stop it with: runs stop {run.id}")

    def _create_view(self, row: RunRow) -> AbstractContextManager[View]:
        if self.out.is_terminal and not self.is_json:
            return ProgressView(row.test, self.config, self.out, self.clock, self.redact)

        def print_run(run: Run, now: float) -> None:
            if self.is_json:
                # One line per object, so that jq and log collectors can read each as it comes.
                self._print_json(output.as_json(row._replace(run=run), self.config), indent=None)
            else:
                click.echo(output.format_change(run, row.test, now), file=self.out.file)

        return nullcontext(LineView(row.test, print_run, self.print_message, self.clock))

    def _confirm(self, effect: str, *, yes: bool) -> int:
        """Print what is about to happen and prompt; 0 if confirmed, else the exit code."""
        self.print_message(effect)
        if yes:
            return 0
        click.echo("Continue? [y/N] ", file=self.stderr, nl=False)
        # click.confirm would exit with 1 at the end of input, which here means that a run failed. The
        # prompt is on standard error, since the reader of standard output may expect JSON.
        answer = self.stdin.readline()
        if answer.strip().lower() in ("y", "yes"):
            return 0
        if answer:
            self.print_message("cancelled; nothing was changed")
            return ERROR
        self.print_message("\nerror: stdin is not interactive; use --yes")
        return USAGE

    def call(self, request: Callable[[RunsClient], Coroutine[Any, Any, T]]) -> tuple[T, float]:
        """The result of a request, and the current time by k6 Cloud's clock. Raises ApiError."""
        # Each request has an event loop of its own: during one, Ctrl-C would not end the prompt.

        async def send() -> tuple[T, float]:
            async with self.connect() as transport:
                client = RunsClient(self.config, transport, self.clock, self.redact)
                return await request(client), client.server_now

        return run_async(send())

    def _print_json(self, value: object, indent: int | None = 2) -> None:
        click.echo(json.dumps(value, indent=indent), file=self.out.file)

    def print_message(self, message: str) -> None:
        """Print a message on standard error, without secrets."""
        click.echo(self.redact(message), file=self.stderr)


def interrupt(_: int, frame: FrameType | None) -> None:
    """Ends the command as Ctrl-C does, also where Ctrl-C is ignored, as in the background of a shell."""
    handler = signal.getsignal(signal.SIGINT)
    (handler if callable(handler) else signal.default_int_handler)(signal.SIGINT, frame)


def create_command(*, is_json: bool, **flags: Any) -> RunsCommand:
    """The command on this process's terminal. Exits with 2 if the configuration is not valid."""
    # CI services send it to a job that is cancelled. By default the process would end without a message, and
    # the kernel ignores it for the first process of a container.
    signal.signal(signal.SIGTERM, interrupt)
    config, token = load_config_or_exit(**flags)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without a letter of a name shows the others
    connect = partial(open_transport, config, token, WriteTransport, clock=Clock())
    out = create_console(sys.stdout, None if sys.stdout.isatty() else PIPE_WIDTH)
    return RunsCommand(config, connect, Clock(), sys.stdin, out, sys.stderr, token.redact, is_json)


async def get_run(client: RunsClient, run_id: int) -> RunRow:
    """A run and its test. Raises ApiError; if the ID is a test's, the NotFound says so."""
    try:
        run = await client.read_run(run_id)
    except NotFound as error:
        try:
            # IDs of runs and tests look alike, so a user easily passes the wrong one.
            test = await client.api.read_test(run_id)
        except ApiError:
            raise NotFound(f"run {run_id} not found, or not visible to this token") from error
        advice = f"list its runs with: runs list --test {run_id}"
        raise NotFound(f"{run_id} is the ID of a test, {escape_unprintable(test.name)}; {advice}") from error
    try:
        return RunRow(run, await client.api.read_test(run.test_id))
    except NotFound:  # the test was deleted meanwhile, or is not visible
        return RunRow(run, LoadTest(run.test_id, str(run.test_id)))


async def get_run_with_project(client: RunsClient, run_id: int) -> RunRow:
    """As `get_run`, with the name of the project, which takes the requests for projects."""
    row = await get_run(client, run_id)
    return build_row(client, row.run, row.test, await fetch_projects(client))


async def get_test_and_cost(client: RunsClient, id_or_name: int | str) -> tuple[LoadTest, StartCost]:
    """As `get_test`, with what a start will probably cost, which takes two more requests (v6 only)."""
    test = await get_test(client, id_or_name)
    if not isinstance(client.api, V6Client):
        return test, StartCost()
    return test, await fetch_cost(client.api, test)


async def get_test(client: RunsClient, id_or_name: int | str) -> LoadTest:
    """A test. Raises ApiError; if the ID is a run's, the NotFound says so. Raises AmbiguousName."""
    if isinstance(id_or_name, str):
        return await find_test(client.api, client.config, id_or_name)
    test_id = id_or_name
    try:
        return await client.api.read_test(test_id)
    except NotFound as error:
        try:
            run = await client.api.read_run(test_id)
        except ApiError:
            raise NotFound(f"test {test_id} not found, or not visible to this token") from error
        raise NotFound(f"{test_id} is the ID of a run, of test {run.test_id}") from error
