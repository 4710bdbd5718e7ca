"""The status page at /: failing tests first, recent outcomes, active runs, the next poll and recent errors.

This module sorts and counts what `templates/status.html` shows. The template escapes every
value, since names and errors come from k6 Cloud. The page needs no JavaScript and loads nothing:
`static/status.css` is inlined.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from exporter.formatting import OUTCOME_NAMES, describe_run, format_age, format_duration, format_timestamp
from exporter.model import Outcome
from exporter.store import State, TestState

# A coloured square for one run: CSS class, URL, tooltip and label. Up to ten finished runs of each test have
# one. A small tuple, since the template escapes each value.
Badge = tuple[str, str, str, str]

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
    # Not compared, since it changes all the time. Like `now`, it is shown in whole seconds.
    data_age: float | None = field(compare=False)

    @property
    def is_outage(self) -> bool:
        """Whether there is data, but no new data."""
        return self.data_age is not None and (self.is_stale or self.last_poll_outcome == "failure")


def format_clock_time(timestamp: float, now: float) -> str:
    """Unix seconds as "18:25 UTC", with the date if it is not that of `now`."""
    time, today = datetime.fromtimestamp(timestamp, UTC), datetime.fromtimestamp(now, UTC).date()
    return f"{time:%H:%M} UTC" if time.date() == today else f"{time:%Y-%m-%d %H:%M} UTC"


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
    "duration": lambda seconds: format_duration(max(seconds, 0)),
    "timestamp": format_timestamp,
}
TEMPLATE = environment.get_template("status.html")


def render(status: Status, *, is_refreshing: bool = True) -> str:
    """The page as HTML; if `is_refreshing`, browsers load it again when the next poll is due."""
    tests = sorted(status.state.tests.values(), key=sort_key)
    stream = TEMPLATE.stream(
        status=status,
        now=status.now,
        data_time=status.now - (status.data_age or 0.0),
        known_time=partial(known_time, status),
        metrics_url=status.telemetry_path.removeprefix("/"),  # relative, since a proxy may add a prefix
        style=Markup(STYLE),  # noqa: S704 (our own file)
        legend=LEGEND,
        refresh_seconds=refresh_seconds(status) if is_refreshing else None,
        poll_outcomes=POLL_OUTCOMES,
        earlier_errors=list_earlier_errors(status.errors),
        failing=sum(map(is_failing, tests)),
        totals=count_tests(tests),
        tests=tests,
        max_tests=MAX_TESTS,
        overrun_tolerance=OVERRUN_TOLERANCE,
        badges=partial(build_badges, status),
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


def known_time(status: Status, test_id: int) -> float:
    """Until when the state of a test is known, in Unix seconds: now, unless there is no new data about it."""
    data_age = status.data_age or 0.0
    since = status.state.unconfirmed_since.get(test_id)
    if since is not None and status.state.updated_at is not None:
        return status.now - data_age - (status.state.updated_at - since)
    return status.now - data_age if status.is_outage else status.now


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
    outcomes = [last.outcome for test_state in tests if (last := test_state.last_finished_run)]
    passing = outcomes.count(Outcome.PASSED)
    failing = sum(outcome in BAD_OUTCOMES for outcome in outcomes)
    active = sum(len(test_state.active_runs) for test_state in tests)
    return [
        (failing, "failed", "failing"),
        (passing, "passed", "passing"),
        (len(tests) - passing - failing, "none", "without result"),
        (active, "active", "active run" if active == 1 else "active runs"),
    ]


def build_badges(status: Status, test_state: TestState) -> list[Badge]:
    """The recent outcomes, oldest first, and then the active runs."""
    runs_url, badges = f"{status.app_url}/runs/", []
    for summary in reversed(test_state.recent_outcomes):
        age = f", ended {format_age(summary.ended, status.now)}" if summary.ended is not None else ""
        label = OUTCOME_NAMES[summary.outcome]
        badges.append(build_badge(runs_url, summary.id, summary.outcome.value, label, age))
    active = reversed(test_state.active_runs)
    return [*badges, *(build_badge(runs_url, run.id, "active", describe_run(run)) for run in active)]


def build_badge(runs_url: str, run_id: int, css_class: str, label: str, detail: str = "") -> Badge:
    return css_class, f"{runs_url}{run_id}", f"run {run_id}: {label}{detail}", label
