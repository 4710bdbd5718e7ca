"""What each command does; its result is the exit status."""

import json
import os
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, TypeVar

from rich.console import Console

from exporter.clock import Clock
from exporter.commands.runs.client import RunsClient
from exporter.commands.runs.exit_codes import ERROR, FAILED, INTERRUPTED, PASSED, USAGE
from exporter.commands.runs.list import RunListing, RunRow, list_newest
from exporter.commands.runs.output import as_json, details, run_url, table
from exporter.commands.runs.watch import JsonLineView, LineView, ProgressView, WatchView, watch_run
from exporter.config import Config
from exporter.formatting import describe_run, escape_unprintable, format_age
from exporter.k6.errors import (
    ApiError,
    Conflict,
    DecodeError,
    NetworkError,
    NotFound,
    RequestTimeout,
    ServerError,
)
from exporter.k6.write import WriteTransport
from exporter.model import LoadTest, Outcome, Run, RunStatus

T = TypeVar("T")
Connect = Callable[[], AbstractAsyncContextManager[WriteTransport]]

STATUSES = {Outcome.PASSED: PASSED, Outcome.FAILED: FAILED}
LOST = (RequestTimeout, NetworkError, DecodeError, ServerError)  # whether it was done is not known


@dataclass(frozen=True, slots=True)
class Streams:
    """Where answers come from, what was asked for goes, and everything else."""

    stdin: TextIO
    out: Console
    stderr: TextIO


class RunsCommand:
    """Carries out a command. `work` runs a coroutine; `conceal` takes out of a text what must not be read."""

    def __init__(
        self,
        config: Config,
        connect: Connect,
        *,
        clock: Clock,
        streams: Streams,
        work: Callable[[Coroutine[Any, Any, Any]], Any],
        redact: Callable[[str], str] = lambda text: text,
        is_json: bool = False,
    ) -> None:
        self._config = config
        self._connect = connect
        self._clock = clock
        self._streams = streams
        self._work = work
        self._redact = redact
        self._is_json = is_json

    def list(self, *, most: int, active: bool) -> int:
        """Show the newest runs; TROUBLE if some could not be learnt, or an entry means no test."""
        return self._run(lambda: self._list(most=most, active=active))

    def show(self, run_id: int, *, watch: bool, every: float) -> int:
        """Show one run, or follow it."""
        return self._run(lambda: self._show(run_id, watch=watch, every=every))

    def start(self, test_id: int, *, yes: bool, watch: bool, every: float) -> int:
        """Start a test after asking, and follow the run if that is wanted."""
        return self._run(lambda: self._start(test_id, yes=yes, watch=watch, every=every))

    def stop(self, run_id: int, *, yes: bool) -> int:
        """Stop a run after asking."""
        return self._run(lambda: self._stop(run_id, yes=yes))

    def _run(self, command: Callable[[], int]) -> int:
        try:
            return command()
        except ApiError as error:
            self._say(f"error: {error}")
            return ERROR
        except OSError as error:
            self._handle_write_error(error)
            return ERROR
        except KeyboardInterrupt:
            return INTERRUPTED

    def _handle_write_error(self, error: OSError) -> None:
        """Say that nobody takes what is written, if anybody takes that."""
        redirect_to_devnull(self._streams.out.file)
        try:
            self._say(f"error: cannot write: {error.strerror}")
        except OSError:
            redirect_to_devnull(self._streams.stderr)

    def _list(self, *, most: int, active: bool) -> int:
        found, now = self._call(lambda cloud: list_newest(cloud, most=most, active=active))
        is_lost = bool(found.failures) and not found.rows
        if self._is_json and not is_lost:
            self._print_json([as_json(row, self._config) for row in found.rows])
        elif found.rows:
            self._streams.out.print(table(found.rows, now))
        elif not is_lost:
            self._say("no run is under way" if active else "no runs")
        self._print_warnings(found, most)
        return ERROR if found.failures or found.unresolved or found.skipped else PASSED

    def _print_warnings(self, found: RunListing, most: int) -> None:
        for failure in found.failures:
            self._say(f"error: {failure.message}")
        for entry in found.unresolved:
            self._say(f"error: {entry}: nothing in k6 Cloud fits this, or the token may not see it")
        for skipped in found.skipped:
            self._say(f"error: skipped {skipped.description}")
        if found.since is not None and len(found.rows) < most:
            since = f"{datetime.fromtimestamp(found.since, UTC):%Y-%m-%d}"
            self._say(f"runs created before {since} were not asked for; --test ID shows those of a test")

    def _show(self, run_id: int, *, watch: bool, every: float) -> int:
        row, now = self._call(lambda cloud: get_run(cloud, run_id))
        if watch:
            return self._watch(row, every=every)
        if self._is_json:
            self._print_json(as_json(row, self._config))
        else:
            self._streams.out.print(details(row, self._config, now))
        return PASSED

    def _start(self, test_id: int, *, yes: bool, watch: bool, every: float) -> int:
        test, _ = self._call(lambda cloud: get_test(cloud, test_id))
        where = f"{self._config.api.url}, {self._config.api.effective_version} API"
        refused = self._confirm(
            f"This starts a run of test {format_test(test)} in k6 Cloud ({where}).", yes=yes
        )
        if refused:
            return refused
        try:
            run, _ = self._call(lambda cloud: cloud.start(test_id))
        except LOST as error:
            unclear = f"whether test {test_id} was started is not known; look: runs list --test {test_id}"
            raise type(error)(f"{error}; {unclear}") from error
        self._say(f"started run {run.id}: {run_url(run, self._config)}")
        row = RunRow(run, test)
        if watch:
            return self._watch(row, every=every, is_new=True)
        if self._is_json:
            self._print_json(as_json(row, self._config))
        return PASSED

    def _stop(self, run_id: int, *, yes: bool) -> int:
        row, now = self._call(lambda cloud: get_run(cloud, run_id))
        run = row.run
        if run.is_finished or run.status == RunStatus.FINISHED:
            raise Conflict(f"run {run_id} of test {format_test(row.test)} has ended: {describe_run(run)}")
        age = "" if run.created is None else f", created {format_age(run.created, now)}"
        what = f"This stops run {run_id} of test {format_test(row.test)}: {describe_run(run)}{age}."
        refused = self._confirm(what, yes=yes)
        if refused:
            return refused
        self._call(lambda cloud: cloud.stop(run_id))
        self._say(f"run {run_id} is being stopped; it ends within moments, as aborted by user")
        if self._is_json:
            row, _ = self._call(lambda cloud: get_run(cloud, run_id))
            self._print_json(as_json(row, self._config))
        return PASSED

    def _watch(self, row: RunRow, *, every: float, is_new: bool = False) -> int:
        async def watch(cloud: RunsClient) -> Run:
            with self._watch_view(row.test) as face:
                return await watch_run(cloud, row.run, face, every=every, is_new=is_new)

        try:
            run, _ = self._call(watch)
        except KeyboardInterrupt:
            self._say(
                f"run {row.run.id} goes on; runs show {row.run.id} --watch follows it again, "
                f"runs stop {row.run.id} ends it"
            )
            return INTERRUPTED
        return STATUSES.get(run.outcome or Outcome.NONE, ERROR)

    def _watch_view(self, test: LoadTest) -> WatchView:
        if self._is_json:
            return JsonLineView(test, self._config, self._print, self._say)
        if self._streams.out.is_terminal:
            return ProgressView(test, self._config, self._streams.out, self._clock, self._redact)
        return LineView(test, self._print, self._say)

    def _confirm(self, what: str, *, yes: bool) -> int:
        """Say what will be done and ask; 0 if it may be, else the exit status."""
        self._say(what)
        if yes:
            return 0
        print_to(self._streams.stderr, "Go on? [y/N] ", end="")
        answer = self._streams.stdin.readline()
        if answer.strip().lower() in ("y", "yes"):
            return 0
        if answer:
            self._say("Nothing was done.")
            return ERROR
        self._say("\nerror: nothing was done, for nobody is there to answer; say --yes")
        return USAGE

    def _call(self, question: Callable[[RunsClient], Coroutine[Any, Any, T]]) -> tuple[T, float]:
        """The answer, and the present by k6 Cloud's clock. Raises ApiError."""

        async def ask() -> tuple[T, float]:
            async with self._connect() as transport:
                cloud = RunsClient(self._config, transport, self._clock)
                return await question(cloud), cloud.server_now

        answer: tuple[T, float] = self._work(ask())
        return answer

    def _print_json(self, told: object) -> None:
        self._print(json.dumps(told, indent=2))

    def _print(self, text: str) -> None:
        print_to(self._streams.out.file, text)

    def _say(self, sentence: str) -> None:
        print_to(self._streams.stderr, self._redact(sentence))


def print_to(stream: Any, text: str, end: str = "\n") -> None:
    stream.write(text + end)
    stream.flush()


def redirect_to_devnull(stream: Any) -> None:
    """Let what could not be written go nowhere; Python would try again at its end, and exit with 120."""
    with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def format_test(test: LoadTest) -> str:
    return f"{test.id} {escape_unprintable(test.name)}"


async def get_run(cloud: RunsClient, run_id: int) -> RunRow:
    """A run and its test; a NotFound says what the id is, if it is of something else. Raises ApiError."""
    try:
        run = await cloud.read_run(run_id)
    except NotFound as error:
        try:
            test = await cloud.read_test(run_id)
        except ApiError:
            raise NotFound(f"there is no run {run_id}, or the token may not see it") from error
        raise NotFound(
            f"{run_id} is the id of a test, {escape_unprintable(test.name)}; "
            f"runs list --test {run_id} shows its runs"
        ) from error
    try:
        return RunRow(run, await cloud.read_test(run.test_id))
    except NotFound:
        return RunRow(run, LoadTest(run.test_id, str(run.test_id)))  # deleted in between, or hidden


async def get_test(cloud: RunsClient, test_id: int) -> LoadTest:
    """A test; a NotFound says what the id is, if it is of something else. Raises ApiError."""
    try:
        return await cloud.read_test(test_id)
    except NotFound as error:
        try:
            run = await cloud.read_run(test_id)
        except ApiError:
            raise NotFound(f"there is no test {test_id}, or the token may not see it") from error
        raise NotFound(f"{test_id} is the id of a run, of test {run.test_id}") from error
