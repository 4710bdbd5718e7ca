"""Asking k6 Cloud for the past: which tests are meant, and every run that matters to a stretch of time."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from exporter.backfill.life import is_placeable
from exporter.k6.errors import ApiError, Unreadable
from exporter.k6.legacy import RUNS as LEGACY_RUNS
from exporter.k6.legacy import LegacyApi
from exporter.k6.v6 import RUNS, V6Api
from exporter.model import LoadTest, Run
from exporter.polling.findings import Findings, each
from exporter.store import State, has_finished

OLDER = 10  # runs of a test that are asked for where there is none in the look back


class Guide(Protocol):
    """Who finds out which tests the configuration means, and tells it to the findings."""

    async def discover(self, state: State, findings: Findings) -> object: ...


@dataclass(frozen=True, slots=True)
class Stretch:
    """From when to when (Unix seconds); `look_back` is from when on runs matter to its beginning."""

    look_back: float
    since: float
    until: float


@dataclass(slots=True)
class History:
    """What was learnt: the tests, and their runs by test."""

    tests: Sequence[LoadTest] = ()
    runs: dict[int, list[Run]] = field(default_factory=lambda: defaultdict(list))
    unplaceable: list[Run] = field(default_factory=list)

    def add(self, runs: Iterable[Run], until: float) -> None:
        members = {test.id for test in self.tests}
        for run in runs:
            if run.test_id in members and not is_placeable(run):
                self.unplaceable.append(run)
            elif run.test_id in members and (run.created or 0) <= until:
                self.runs[run.test_id].append(run)


Told = Callable[[int, int], None]  # so many tests done, of so many


async def history(
    api: LegacyApi | V6Api,
    guide: Guide,
    stretch: Stretch,
    findings: Findings,
    *,
    width: int,
    told: Told,
) -> History:
    """The runs that matter; whatever could not be learnt is in the findings."""
    learnt = History()
    try:
        await guide.discover(State(), findings)
        members = findings.members or {}
        learnt.tests = [members[id_] for id_ in sorted(members)]
        if isinstance(api, V6Api):
            await from_v6(api, stretch, learnt, findings, width=width, told=told)
        else:
            await from_legacy(api, stretch, learnt, findings, width=width, told=told)
    except ApiError as error:
        findings.fail(error)
    return learnt


async def from_legacy(
    api: LegacyApi, stretch: Stretch, learnt: History, findings: Findings, *, width: int, told: Told
) -> None:
    """A list for each test, from new to old."""
    done = 0

    async def ask(test: LoadTest) -> None:
        nonlocal done
        # A list that is left early has a run from before that moment; one that is not is whole.
        listing = await api.list_runs(test.id, back_to=stretch.look_back)
        findings.skipped += listing.skipped
        if not listing.skipped and listing.reaches_back_to > stretch.look_back:
            raise Unreadable(f"GET {LEGACY_RUNS}: the list of runs of test {test.id} is not whole")
        learnt.add(listing.runs, stretch.until)
        done += 1
        told(done, len(learnt.tests))

    await each(learnt.tests, ask, findings, width=width)


async def from_v6(
    api: V6Api, stretch: Stretch, learnt: History, findings: Findings, *, width: int, told: Told
) -> None:
    """One list for all tests, and one for each test of which it has nothing that was over at the beginning.

    Without that, what came before would be told as if nothing had.
    """
    listing = await api.list_runs(stretch.look_back, created_before=stretch.until + 1)
    findings.skipped += listing.skipped
    if not listing.is_whole:
        raise Unreadable(f"GET {RUNS}: the list breaks off and says that it goes on")
    learnt.add(listing.runs, stretch.until)
    begun = {
        run.test_id
        for run in listing.runs
        if has_finished(run) and run.ended is not None and run.ended <= stretch.since
    }
    quiet = [test for test in learnt.tests if test.id not in begun]
    done = len(learnt.tests) - len(quiet)
    told(done, len(learnt.tests))

    async def ask(test: LoadTest) -> None:
        nonlocal done
        older = await api.list_newest_runs(test.id, OLDER, created_before=stretch.look_back)
        findings.skipped += older.skipped
        learnt.add(older.runs, stretch.until)
        done += 1
        told(done, len(learnt.tests))

    await each(quiet, ask, findings, width=width)
