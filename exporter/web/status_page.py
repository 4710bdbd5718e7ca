"""The status page at /: failing tests first, why and since when they fail, recent outcomes and active runs.

This module sorts and counts what `templates/status.html` shows. The template escapes every
value, since names, reasons and errors come from k6 Cloud. The page needs no JavaScript and loads nothing:
style and icon are inlined.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from markupsafe import Markup

from exporter.formatting import (
    OUTCOME_NAMES,
    describe_run,
    format_age,
    format_duration,
    format_timestamp,
    pluralize,
)
from exporter.model import INCONCLUSIVE, Outcome, Reason
from exporter.store import State, Streak, TestState
from exporter.web.page_view import MAX_VALUE, STATES, PageView

if TYPE_CHECKING:
    from jinja2 import Template

# A coloured square for one run: CSS class, URL, tooltip and label. Up to ten finished runs of each test have
# one. A small tuple, since the template escapes each value.
Badge = tuple[str, str, str, str]

MAX_TESTS = 1000  # rows; a page with tens of thousands is of no use
MAX_UNFOLDED = 20  # passing tests; more are folded unless the client filters
# Seconds, as in the alert and the dashboards: k6 Cloud may create a scheduled run a little late, or early.
LATE_START, EARLY_START = 600.0, 60.0
OVERRUN_TOLERANCE = 60.0  # seconds; a run may exceed its planned duration while it winds down
MIN_REFRESH = 2  # seconds

FOLDER = Path(__file__).parent
STYLE = (FOLDER / "static" / "status.css").read_text(encoding="utf-8")
# An icon in the page, since a route of its own would be one more request of each browser.
ICON = "data:image/svg+xml," + quote((FOLDER / "static" / "favicon.svg").read_text(encoding="utf-8").strip())
# Nothing may be loaded, run or framed; the only style is ours, and the form leads to this page.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
POLL_OUTCOMES = {"success": "succeeded", "partial": "succeeded in part", "failure": "failed"}
STATE_CLASSES = {"failing": "failed", "passing": "passed", "active": "active", "none": "none"}
# CSS classes of the badges, each with its label.
LEGEND = [*((outcome.value, OUTCOME_NAMES[outcome]) for outcome in Outcome), ("active", "active")]


@dataclass(frozen=True, slots=True)
class Status:
    """Data shown on the page. Times are Unix seconds; `last_poll` is None before the first poll has finished.

    `data_age` is the time in seconds since the last poll that returned data, None before the first.
    `polling_since` is None if no poll is running; `next_poll` is None if the next poll is not scheduled yet.
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
    data_age: float | None

    @property
    def data_time(self) -> float:
        """When the data was fetched, in Unix seconds."""
        return self.now - (self.data_age or 0.0)

    @property
    def is_outage(self) -> bool:
        """Whether there is data, but no new data."""
        return self.data_age is not None and (self.is_stale or self.last_poll_outcome == "failure")


@dataclass(frozen=True, slots=True)
class Total:
    """A number of tests above the list, which links to them."""

    number: int
    label: str
    css_class: str
    url: str
    is_current: bool


def format_clock_time(timestamp: float, now: float) -> str:
    """Unix seconds as "18:25 UTC", with the date if it is not that of `now`."""
    time, today = datetime.fromtimestamp(timestamp, UTC), datetime.fromtimestamp(now, UTC).date()
    return f"{time:%H:%M} UTC" if time.date() == today else f"{time:%Y-%m-%d %H:%M} UTC"


@cache
def load_template() -> "Template":
    """The template, compiled when the page is first opened: it takes 50 ms and 4 MiB."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,  # a misspelt name is an error, not an empty string
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "age": format_age,
        "clock": format_clock_time,
        "describe_run": describe_run,
        "count": pluralize,
        "duration": lambda seconds: format_duration(max(seconds, 0)),
        "timestamp": format_timestamp,
    }
    return environment.get_template("status.html")


def render(status: Status, view: PageView) -> str:
    """The page as HTML, with the tests that match the filters."""
    candidates = build_rows(status, view)
    rows = [row for row in candidates if row.matches_state(view.state)]
    totals = count_tests(candidates, view)
    stream = load_template().stream(
        status=status,
        view=view,
        now=status.now,
        metrics_url=status.telemetry_path.removeprefix("/"),  # relative, since a proxy may add a prefix
        style=Markup(STYLE),  # noqa: S704 (our own file)
        icon=ICON,
        legend=LEGEND,
        refresh_seconds=refresh_seconds(status) if view.is_refreshing else None,
        poll_outcomes=POLL_OUTCOMES,
        earlier_errors=list_earlier_errors(status.errors),
        failing=sum(row.state == "failing" for row in candidates),
        totals=totals,
        rows=rows,
        groups=build_groups(rows[:MAX_TESTS], view),
        max_tests=MAX_TESTS,
        max_value=MAX_VALUE,
        overrun_tolerance=OVERRUN_TOLERANCE,
        badges=partial(build_badges, status),
    )
    # Join a few pieces at a time. All 60,000 of a large page at once would start full garbage collections,
    # each of which delays scrapes.
    stream.enable_buffering(100)
    return "".join(stream)


@dataclass(frozen=True, slots=True)
class Row:
    """A test on the page.

    `state` is failing or passing, by k6_cloud_test_consecutive_failures, or none: a run that a user stopped
    changes nothing. `known_time` is the time until which the state is known, and `missed_start` that of the
    last scheduled start if no run has been created since, both in Unix seconds.
    """

    test_state: TestState
    state: str
    streak: Streak
    project_name: str
    known_time: float
    missed_start: float | None

    @property
    def rank(self) -> int:
        """Urgency: failing, then with an active run, passing, without a pass or failure, never run."""
        has_runs = bool(self.test_state.runs)
        conditions = (self.state == "failing", self.is_active, self.state == "passing", has_runs, True)
        return conditions.index(True)

    @property
    def sort_key(self) -> tuple[int, float, str, int]:
        """Sorts by urgency, failing tests by their last run, newest first, and then by name."""
        test, last = self.test_state.test, self.test_state.last_finished_run
        ended = (last.ended or last.created or 0.0) if last and self.state == "failing" else 0.0
        return self.rank, -ended, test.name.casefold(), test.id

    @property
    def is_active(self) -> bool:
        return bool(self.test_state.active_runs)

    @property
    def has_streak(self) -> bool:
        """Whether the failures in a row say more than the last finished run."""
        last = self.test_state.last_finished_run
        return self.streak.failures > 1 or (
            self.state == "failing" and last is not None and last.outcome in INCONCLUSIVE
        )

    @property
    def reason(self) -> Reason | None:
        """Why the last finished run did not pass."""
        last = self.test_state.last_finished_run
        return last.reason if last else None

    def matches_state(self, state: str) -> bool:
        return state in {"", self.state} or (state == "active" and self.is_active)


def build_row(status: Status, test_state: TestState) -> Row:
    test, streak = test_state.test, test_state.streak
    project = status.state.projects.get(test.project_id) if test.project_id is not None else None
    return Row(
        test_state,
        state="none" if streak is None else "failing" if streak.failures else "passing",
        streak=streak or Streak(),
        project_name=(project.name if project else "") or str(test.project_id),
        known_time=known_time(status, test.id),
        missed_start=missed_start(status, test_state),
    )


def build_rows(status: Status, view: PageView) -> list[Row]:
    """The tests that match the filters other than that by state, in the order of the page."""
    projects = status.state.projects
    rows = [
        build_row(status, test_state)
        for test_state in status.state.tests.values()
        if view.matches(test_state.test, projects.get(test_state.test.project_id or 0))
    ]
    return sorted(rows, key=lambda row: row.sort_key)


def missed_start(status: Status, test_state: TestState) -> float | None:
    """The last scheduled start in Unix seconds, if it is 10 minutes ago and no run was created since."""
    due, newest = test_state.schedule_due, test_state.last_run
    # Only what was fetched after the start can say that there is no run.
    fetched = min(known_time(status, test_state.test.id), status.data_time)
    if due is None or fetched < due + LATE_START:
        return None
    if newest and (newest.created is None or newest.created >= due - EARLY_START):
        return None
    return due


def build_groups(rows: Sequence[Row], view: PageView) -> list[tuple[int, list[Row]]]:
    """The rows in order; the number of a group is that of its tests if it is folded, else 0."""
    folded = [row for row in rows if row.state == "passing" and not row.is_active]
    if view.is_filtered or len(folded) <= MAX_UNFOLDED:
        return [(0, list(rows))]
    groups = groupby(rows, key=lambda row: row.state == "passing" and not row.is_active)
    return [(len(folded) if is_folded else 0, list(group)) for is_folded, group in groups]


def known_time(status: Status, test_id: int) -> float:
    """Until when the state of a test is known, in Unix seconds: now, unless there is no new data about it."""
    since = status.state.unconfirmed_since.get(test_id)
    if since is not None and status.state.updated_at is not None:
        return status.data_time - (status.state.updated_at - since)
    return status.data_time if status.is_outage else status.now


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


def count_tests(rows: Sequence[Row], view: PageView) -> list[Total]:
    """The number of all tests and of those in each state, as links that keep the other filters."""
    numbers = [("", "all", "")]
    numbers += [(state, label, STATE_CLASSES[state]) for state, label in STATES.items()]
    return [
        Total(
            number=sum(row.matches_state(state) for row in rows),
            label=label,
            css_class=css_class,
            url=view.url(state=state),
            is_current=view.state == state,
        )
        for state, label, css_class in numbers
    ]


def build_badges(status: Status, test_state: TestState) -> list[Badge]:
    """The recent outcomes, oldest first, and then the active runs."""
    urls = {run.id: run.page_url(status.app_url) for run in test_state.runs}
    badges = []
    for summary in reversed(test_state.recent_outcomes):
        age = f", ended {format_age(summary.ended, status.now)}" if summary.ended is not None else ""
        label = OUTCOME_NAMES[summary.outcome]
        url = urls.get(summary.id, f"{status.app_url}/runs/{summary.id}")
        badges.append((summary.outcome.value, url, f"run {summary.id}: {label}{age}", label))
    for run in reversed(test_state.active_runs):
        label = describe_run(run)
        badges.append(("active", urls[run.id], f"run {run.id}: {label}", label))
    return badges
