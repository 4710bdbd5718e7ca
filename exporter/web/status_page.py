"""The status page at /: failing tests first, recent outcomes, active runs, the next poll and recent errors.

This module builds what `templates/status.html` shows. The template escapes every value, since names and
errors come from k6 Cloud. The page needs no JavaScript and loads nothing: `static/status.css` is inlined.
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from exporter.formatting import OUTCOME_NAMES, describe_run, format_age, format_duration, format_timestamp
from exporter.model import ActiveState, LoadTest, Outcome, Run
from exporter.store import RunSummary, State, TestState

MAX_TESTS = 1000  # rows; a page with tens of thousands is of no use
BAD_OUTCOMES = frozenset({Outcome.FAILED, Outcome.ERROR, Outcome.TIMED_OUT})  # the same as in the dashboards
OVERRUN_TOLERANCE = 60.0  # seconds; a run may exceed its planned duration while it winds down
MIN_REFRESH = 2  # seconds

FOLDER = Path(__file__).parent
STYLE = (FOLDER / "static" / "status.css").read_text(encoding="utf-8")
# Nothing may be loaded, run, sent or framed; the only style is ours.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
POLL_OUTCOMES = {"success": "succeeded", "partial": "succeeded in part", "failure": "failed"}
# CSS classes of the badges, each with its label.
LEGEND = [*((outcome.value, OUTCOME_NAMES[outcome]) for outcome in Outcome), ("active", "active")]


@dataclass(frozen=True, slots=True)
class Status:
    """The facts on the page. Times are Unix seconds; `last_poll` is None before the first poll has finished.

    `polling_since` is None unless a poll is running, `next_poll` if the next one is not scheduled yet.
    `errors` are recent failures with the time of each, the latest last.
    """

    version: str
    state: State
    is_stale: bool
    now: float
    last_poll: float | None
    last_poll_outcome: str
    polling_since: float | None
    next_poll: float | None
    interval: float
    errors: Sequence[tuple[float, str]]
    app_url: str
    telemetry_path: str


class Badge(NamedTuple):
    """A small coloured square for one run, which links to it.

    There are ten to a test. A tuple, and few values in it, since the template escapes each of them.
    """

    css_class: str
    url: str
    tooltip: str
    label: str


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """An active run: the seconds since it started, or if it is not running, the last event and its time."""

    id: int
    state: str
    event: str
    timestamp: float | None
    elapsed: int | None
    planned: int
    overrun: float | None
    vus: float | None


@dataclass(frozen=True, slots=True)
class FinishedRun:
    css_class: str
    result: str
    timestamp: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """A test. If `is_stale`, its active runs are shown as last known; if `is_dropped`, it has no series."""

    test: LoadTest
    badges: list[Badge]
    active_runs: list[ActiveRun]
    last_finished: FinishedRun | None
    next_run_in: float | None
    is_stale: bool
    is_dropped: bool


def create_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,  # a misspelt name is an error, not an empty string
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "age": format_age,
        "duration": lambda seconds: format_duration(max(seconds, 0)),
        "timestamp": format_timestamp,
    }
    return environment


TEMPLATE = create_environment().get_template("status.html")


def render(status: Status, *, is_refreshing: bool = True) -> str:
    """The page as HTML; if `is_refreshing`, browsers load it again when the next poll is due."""
    tests = sorted(status.state.tests.values(), key=sort_key)
    failing = sum(is_failing(test_state) for test_state in tests)
    stale_note = "stale" if status.is_stale and tests else ""
    stream = TEMPLATE.stream(
        status=status,
        now=status.now,
        style=Markup(STYLE),  # noqa: S704 (our own file)
        legend=LEGEND,
        refresh_seconds=refresh_seconds(status) if is_refreshing else None,
        title_note=stale_note or (f"{failing} failing" if failing else ""),
        poll_class="failure" if status.is_stale and status.last_poll else status.last_poll_outcome,
        poll_outcome=POLL_OUTCOMES.get(status.last_poll_outcome, "finished"),
        earlier_errors=list_earlier_errors(status.errors),
        totals=count_tests(tests),
        test_count=len(tests),
        rows=(build_row(status, test_state) for test_state in tests[:MAX_TESTS]),
        not_listed=max(len(tests) - MAX_TESTS, 0),
    )
    # Join a few pieces at a time. All 60,000 of a large page at once would start full garbage collections,
    # each of which delays scrapes.
    stream.enable_buffering(100)
    return "".join(stream)


def is_failing(test_state: TestState) -> bool:
    """Whether the last finished run is bad; an active run does not change that."""
    last = test_state.last_finished_run
    return last is not None and last.outcome in BAD_OUTCOMES


def sort_key(test_state: TestState) -> tuple[int, str, int]:
    """Sorts tests by urgency: failing, then with an active run, then the others, then those never run."""
    ranks = (is_failing(test_state), bool(test_state.active_runs), bool(test_state.runs), True)
    return ranks.index(True), test_state.test.name.casefold(), test_state.test.id


def refresh_seconds(status: Status) -> int:
    """Whole seconds until the next poll should have finished."""
    if status.polling_since is not None:
        return MIN_REFRESH
    if status.next_poll is None:
        return max(round(status.interval), MIN_REFRESH)
    return max(round(status.next_poll - status.now) + 1, MIN_REFRESH)


def list_earlier_errors(errors: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """The errors before the last one, newest first: each message once, with the latest time."""
    latest = {message: timestamp for timestamp, message in errors}
    for _, message in errors[-1:]:
        del latest[message]
    return sorted(((timestamp, message) for message, timestamp in latest.items()), reverse=True)


def count_tests(tests: Sequence[TestState]) -> list[tuple[int, str, str]]:
    """The number of tests of each kind and of active runs, each with its CSS class and label."""
    kinds = Counter(classify(test_state) for test_state in tests)
    active = sum(len(test_state.active_runs) for test_state in tests)
    return [
        (kinds["failing"], "failed", "failing"),
        (kinds["passing"], "passed", "passing"),
        (kinds["without result"], "none", "without result"),
        (active, "active", "active run" if active == 1 else "active runs"),
    ]


def classify(test_state: TestState) -> str:
    last = test_state.last_finished_run
    if last is not None and last.outcome == Outcome.PASSED:
        return "passing"
    return "failing" if is_failing(test_state) else "without result"


def build_row(status: Status, test_state: TestState) -> Row:
    test = test_state.test
    is_dropped = test.id in status.state.stale_tests
    last = test_state.last_finished_run
    return Row(
        test,
        build_badges(status.now, f"{status.app_url}/runs/", test_state),
        [build_active_run(status.now, run) for run in test_state.active_runs],
        build_finished_run(last) if last else None,
        test.next_run - status.now if test.next_run is not None and test.next_run > status.now else None,
        status.is_stale or is_dropped,
        is_dropped,
    )


def build_badges(now: float, runs_url: str, test_state: TestState) -> list[Badge]:
    """The recent outcomes, oldest first, and then the active runs."""
    finished = [
        build_badge(
            runs_url, summary.id, summary.outcome.value, OUTCOME_NAMES[summary.outcome], ended(now, summary)
        )
        for summary in reversed(test_state.recent_outcomes)
    ]
    active = [
        build_badge(runs_url, run.id, "active", describe_run(run)) for run in reversed(test_state.active_runs)
    ]
    return finished + active


def build_badge(runs_url: str, run_id: int, css_class: str, label: str, detail: str = "") -> Badge:
    return Badge(css_class, f"{runs_url}{run_id}", f"run {run_id}: {label}{detail}", label)


def ended(now: float, summary: RunSummary) -> str:
    return f", ended {format_age(summary.ended, now)}" if summary.ended is not None else ""


def build_finished_run(run: Run) -> FinishedRun:
    outcome = run.outcome or Outcome.NONE
    return FinishedRun(outcome.value, describe_run(run).removeprefix("finished, "), run.ended or run.created)


def build_active_run(now: float, run: Run) -> ActiveRun:
    event, timestamp = "" if run.active_state == ActiveState.CREATED else ", created", run.created
    if run.active_state == ActiveState.PROCESSING and run.ended is not None:
        event, timestamp = ", ended", run.ended
    elapsed = overrun = None
    if run.active_state == ActiveState.RUNNING and run.started is not None:
        elapsed = max(now - run.started, 0)
        if run.duration and elapsed - run.duration > OVERRUN_TOLERANCE:
            overrun = elapsed - run.duration
    return ActiveRun(
        id=run.id,
        state=describe_run(run),
        event=event,
        timestamp=timestamp,
        elapsed=None if elapsed is None else round(elapsed),
        planned=round(run.duration or 0),
        overrun=overrun,
        vus=run.vus,
    )
