"""What to ask the legacy API so that little is asked.

It has no "what is new", but its list of tests, a hundred to a page, names the last run of each. So a poll
costs a page for each hundred tests, a list of runs for each test with news, and one for each with moving
runs.
"""

from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

from exporter.k6.errors import ApiError, Unreadable
from exporter.k6.legacy import RUNS, LegacyApi, in_hundreds
from exporter.model import Listing, LoadTest
from exporter.polling.discovery import Discovery
from exporter.polling.findings import Findings, each
from exporter.polling.selection import Rule, Selection
from exporter.store import Sighting, State, Watched, puzzling

# Each discovery lists the runs of a part of the tests, news or not. A twelfth each five minutes: what change
# detection cannot see (an old run deleted, a verdict revised) is seen within the hour, at a bounded price.
SWEEP_PARTS = 12


@dataclass(frozen=True, slots=True)
class Question:
    """A test whose runs are asked for: those created after `back_to`, and those `known` to be moving.

    Without `back_to` only the latter.
    """

    test: LoadTest
    known: Watched | None
    back_to: float | None


class LegacyInquiry:
    """Asks what a poll must know. Raises Unauthorized; any other ApiError costs only the part it befalls."""

    def __init__(self, api: LegacyApi, selection: Selection, *, width: int) -> None:
        self._api = api
        self._selection = selection
        self._width = width

    async def look(self, state: State, findings: Findings, *, now: float, discovery: int | None) -> None:
        """Fill `findings`; with `discovery`, a running number, also find out which tests there are."""
        if discovery is None:
            tests = await self._known_tests(state, findings)
        else:
            tests = await self.discover(state, findings)
        questions = []
        for test in tests:
            known = state.tests.get(test.id)
            question = question_about(test, known, now - state.retention.max_age, discovery)
            if question:
                questions.append(question)
            elif known and known.test != test:
                findings.seen[test.id] = Sighting(test)
            else:
                findings.confirmed.add(test.id)

        async def ask(question: Question) -> None:
            findings.seen[question.test.id] = await self._sighting(question, findings)

        await each(questions, ask, findings, width=self._width)

    async def _sighting(self, question: Question, findings: Findings) -> Sighting:
        """The test's runs now: its list, and by their ids those that ought to be in it but are not."""
        test, known = question.test, question.known
        listing = Listing()
        if question.back_to is not None:
            listing = await self._api.list_runs(test.id, back_to=question.back_to)
        told = {run.id for run in listing.runs}
        moving = missing = [run.id for run in (known.moving if known else ()) if run.id not in told]
        is_in_doubt = question.back_to is not None and listing.reaches_back_to != float("-inf")
        if is_in_doubt and test.last_run_id is not None and test.last_run_id not in {*told, *missing}:
            missing = [*moving, test.last_run_id]
        asked = await self._api.list_runs(test.id, ids=missing) if missing else Listing()
        findings.skipped += listing.skipped + asked.skipped

        told |= {run.id for run in asked.runs}
        if asked.skipped and not told.issuperset(moving):
            raise Unreadable(f"GET {RUNS}: a run of test {test.id} that was moving cannot be read")
        runs = known.runs if known else ()
        gone = frozenset(
            run.id
            for run in runs
            if run.id not in told and (asked if run.id in missing else listing).ought_to_have(run)
        )
        seen = told | {run.id for run in runs} - gone
        return Sighting(as_far_as_seen(test, known, seen), listing.runs + asked.runs, gone)

    async def _known_tests(self, state: State, findings: Findings) -> list[LoadTest]:
        """The members as they are listed now."""
        tests: dict[int, LoadTest] = {}

        async def ask(project_and_ids: tuple[int | None, Sequence[int]]) -> None:
            project, ids = project_and_ids
            listing = await self._api.list_tests(project, ids=ids)
            findings.skipped += listing.skipped
            tests.update((test.id, test) for test in listing.tests)

        anywhere = [(None, ids) for ids in in_hundreds(sorted(state.members)) if ids]
        await each(anywhere, ask, findings, width=self._width)
        if not findings.failures:
            # An API may limit a list without a project to the default one.
            await each(by_project(state, tests.keys()), ask, findings, width=self._width)
        return [self._selection.named(test) for test in tests.values() if test.id in state.members]

    async def discover(self, state: State, findings: Findings) -> list[LoadTest]:
        """The tests that the selection means, as they are listed now; `findings` are told of them as well."""
        discovery = Discovery(self._api, self._selection, state, findings)
        projects = {rule.project for rule in self._selection.rules if rule.project is not None}

        async def ask_for_projects(_: Rule) -> None:
            try:
                found = await self._api.list_projects()
            except ApiError:
                discovery.doubt(state.members.keys())
                raise
            projects.update(found)
            await discovery.add_projects(found)

        async def ask_for_tests(ids: Sequence[int]) -> None:
            discovery.add(await self._api.list_tests(ids=ids))

        everywhere = [rule for rule in self._selection.rules if rule.project is None]
        await each(everywhere[:1], ask_for_projects, findings, width=1)
        await each(sorted(projects), discovery.ask_for_project, findings, width=self._width)
        wanted = sorted(self._selection.ids)
        portions = [ids for ids in in_hundreds(wanted) if ids]
        await each(portions, ask_for_tests, findings, width=self._width)
        # An API may limit a list without a project to the default one; a test by itself is found anywhere.
        lost = [id_ for id_ in wanted if id_ not in discovery.tests]
        await each(lost, discovery.ask_for_test, findings, width=self._width)
        discovery.tell(discovery.ours.values())
        return [self._selection.named(test) for test in discovery.ours.values()]


def question_about(
    test: LoadTest, known: Watched | None, oldest: float, discovery: int | None
) -> Question | None:
    """What to ask about a test that is listed like this; None if its list entry says all."""
    if known is None or (discovery is not None and is_due(known, test, discovery)):
        return Question(test, known, back_to=oldest)
    if has_news(known, test):
        return Question(test, known, back_to=known.last.age_order[0] if known.last else oldest)
    return Question(test, known, back_to=None) if known.moving else None


def as_far_as_seen(test: LoadTest, known: Watched | None, seen: Container[int]) -> LoadTest:
    """The test without the last run that its list entry names, if no list of runs has it.

    Thus it is news at the next poll again.
    """
    if test.last_run_id is None or test.last_run_id in seen:
        return test
    before = known.test.last_run_id if known else None
    return replace(test, last_run_id=None if before == test.last_run_id else before)


def has_news(known: Watched, test: LoadTest) -> bool:
    """Whether the list names another last run than when its runs were last asked for."""
    return test.last_run_id != known.test.last_run_id and (
        known.last is None or known.last.id != test.last_run_id
    )


def is_due(known: Watched, test: LoadTest, discovery: int) -> bool:
    """Whether it is this test's turn in the sweep, or there is something else to find out.

    It has runs that its list entry keeps silent about, or of which something could not be understood.
    """
    is_silent = test.last_run_id is None and bool(known.runs)
    return (test.id + discovery) % SWEEP_PARTS == 0 or is_silent or bool(puzzling(known))


def by_project(state: State, found: Container[int]) -> list[tuple[int | None, Sequence[int]]]:
    """The members that were not found, by the project in which they were last seen."""
    lost = defaultdict[int | None, list[int]](list)
    for id_, member in state.members.items():
        if id_ not in found and member.project_id is not None:
            lost[member.project_id].append(id_)
    return list(lost.items())
