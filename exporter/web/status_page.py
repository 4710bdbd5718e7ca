"""The page at /: which tests need somebody, how their runs went and go, and what went wrong lately.

Everything that came from outside is escaped. Nothing on it needs JavaScript, or anything from elsewhere.
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape

from exporter.formatting import OUTCOME_NAMES, describe_run, format_age, format_duration, format_timestamp
from exporter.model import ActiveState, Outcome, Run
from exporter.store import RunSummary, State, TestState
from exporter.web.style import SIGNS, STYLE


@dataclass(frozen=True, slots=True)
class Status:
    """What the page tells. Moments are Unix seconds; `last_poll` is None before the first has ended.

    `polling_since` is None unless a poll is under way, `next_poll` unless it is known when the next begins.
    `troubles` are the failures of late with the moment of each, the latest last.
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


MAX_TESTS = 1000  # rows; a page of tens of thousands helps nobody
BAD = frozenset({Outcome.FAILED, Outcome.ERROR, Outcome.TIMED_OUT})  # as for the dashboards
OVERRUN_TOLERANCE = 60.0  # seconds that a run may take beyond what is planned: it winds down and cleans up

# Nothing may be loaded, run, sent or framed; of styles only its own.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def render(status: Status, *, refreshes: bool = True) -> str:
    """The whole page as HTML, which asks for itself again when there may be news, if it `refreshes`."""
    test_state = sorted(status.state.tests.values(), key=sort_key)
    failing = sum(is_failing(one) for one in test_state)
    metrics = escape(status.telemetry_path, quote=True)
    known = "" if status.is_stale else summary(test_state)
    news = "stale, " if status.is_stale and test_state else f"{failing} failing, " if failing else ""
    again = f'<meta http-equiv="refresh" content="{refresh_seconds(status)}">\n' if refreshes else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{again}<title>{news}k6 Cloud exporter</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>k6 Cloud exporter</h1>
<nav><a href="{metrics}">Metrics</a> <a href="/-/healthy">Health</a> <a href="/-/ready">Readiness</a></nav>
</header>
<main>
{poll_section(status)}
{known}
{tests(status, test_state)}
{earlier_errors(status)}
</main>
<footer>
{legend()}
<p>{refresh_toggle(is_on=refreshes)} · Version {escape(status.version)}.</p>
</footer>
</body>
</html>
"""


def is_failing(test_state: TestState) -> bool:
    """Whether the last run that finished is one that somebody should look at; a new one changes nothing."""
    last = test_state.last_finished_run
    return last is not None and last.outcome in BAD


def sort_key(test_state: TestState) -> tuple[int, str, int]:
    """Sorts tests for somebody on call: those that fail, those that move, the rest, those that never ran."""
    ranks = (is_failing(test_state), bool(test_state.active_runs), bool(test_state.runs), True)
    return ranks.index(True), test_state.test.name.casefold(), test_state.test.id


def refresh_seconds(status: Status) -> int:
    """Seconds until there may be news."""
    soon = 2
    if status.polling_since is not None:
        return soon
    if status.next_poll is None:
        return max(round(status.interval), soon)
    return max(round(status.next_poll - status.now) + 1, soon)


def poll_section(status: Status) -> str:
    """How the last poll went, when the next is due, the last error, and what is configured for nothing."""
    said = (
        f"<p>{last_poll(status)} {next_poll(status)}</p>",
        last_error(status),
        unresolved(status),
    )
    is_lost = status.is_stale and status.last_poll is not None
    look = "failure" if is_lost else escape(status.last_poll_outcome)
    return f'<section class="poll {look}">{"".join(said)}</section>'


def last_poll(status: Status) -> str:
    if status.last_poll is None:
        return "No poll has ended yet."
    told = {"success": "succeeded", "partial": "succeeded in part", "failure": "failed"}
    stale = (
        " Nothing has been learnt for so long that the series about tests and runs are withdrawn; "
        "what stands here is old."
        if status.is_stale
        else ""
    )
    return (
        f"The last poll {told.get(status.last_poll_outcome, 'ended')} "
        f"{age_element(status.now, status.last_poll)}.{stale}"
    )


def next_poll(status: Status) -> str:
    if status.polling_since is not None:
        return f"One has been under way for {format_duration(max(status.now - status.polling_since, 0))}."
    if status.next_poll is None:
        return f"One follows every {format_duration(status.interval)}."
    return f"The next is due in {format_duration(max(status.next_poll - status.now, 0))}."


def last_error(status: Status) -> str:
    """The last error; loud if the last poll had it."""
    if not status.errors:
        return ""
    at, sentence = status.errors[-1]
    is_now = status.last_poll_outcome != "success"
    head = '<b class="failed">Last error</b>' if is_now else "Last error"
    text = escape(sentence) if is_now else f'<span class="dim">{escape(sentence)}</span>'
    return f"<p>{head} {age_element(status.now, at)}: {text}</p>"


def unresolved(status: Status) -> str:
    if not status.state.unresolved:
        return ""
    entries = "".join(f"<li>{escape(entry)}</li>" for entry in status.state.unresolved)
    return f'<p><b class="timed_out">Configured, but not found in k6 Cloud:</b></p>\n<ul>{entries}</ul>'


def summary(test_state: Sequence[TestState]) -> str:
    """How many tests there are of each kind, in the words of the dashboards, and of runs that move."""
    kinds = Counter(result_of(one) for one in test_state)
    moving = sum(len(one.active_runs) for one in test_state)
    counted = (
        (kinds["failing"], "failed", "failing"),
        (kinds["passing"], "passed", "passing"),
        (kinds["no verdict"], "none", "without verdict"),
        (moving, "moving", "run moving" if moving == 1 else "runs moving"),
    )
    items = "".join(
        f"<li><b{f' class={look}' if number else ''}>{number:,}</b> {words}</li>"
        for number, look, words in counted
    )
    return f'<ul class="sums" aria-label="Tests">{items}</ul>'


def result_of(test_state: TestState) -> str:
    last = test_state.last_finished_run
    if last is not None and last.outcome == Outcome.PASSED:
        return "passing"
    return "failing" if is_failing(test_state) else "no verdict"


def tests(status: Status, test_state: Sequence[TestState]) -> str:
    if not test_state:
        return '<p class="dim">No test is known yet.</p>'
    rows = "\n".join(row(status, one) for one in test_state[:MAX_TESTS])
    rest = len(test_state) - MAX_TESTS
    more = f'<p class="dim">{rest:,} more are only among the metrics.</p>' if rest > 0 else ""
    return f"<ol>\n{rows}\n</ol>{more}"


def row(status: Status, test_state: TestState) -> str:
    test = test_state.test
    project = f"project {test.project_id}, " if test.project_id is not None else ""
    url = escape(f"{status.app_url}/tests/{test.id}", quote=True)
    return (
        f'<li class="test"><div><a class="name" href="{url}">{escape(test.name)}</a>'
        f"<small>{project}test {test.id}</small></div>\n"
        f"{run_history(status, test_state)}\n<div>{run_state_cell(status, test_state)}</div></li>"
    )


def run_history(status: Status, test_state: TestState) -> str:
    """The outcomes of the last runs, oldest first, and the runs that move."""
    runs = escape(f"{status.app_url}/runs/", quote=True)
    marks = [finished_run_badge(status.now, runs, one) for one in reversed(test_state.recent_outcomes)]
    marks += [badge(runs, run.id, "moving", describe_run(run)) for run in reversed(test_state.active_runs)]
    return f'<div class="strip" role="group" aria-label="Last runs, oldest first">{"".join(marks)}</div>'


def finished_run_badge(now: float, runs: str, left: RunSummary) -> str:
    when = f", ended {format_age(left.ended, now)}" if left.ended is not None else ""
    return badge(runs, left.id, left.outcome.value, OUTCOME_NAMES[left.outcome], when)


def badge(runs: str, id_: int, look: str, said: str, more: str = "") -> str:
    return f'<a class="mark {look}" href="{runs}{id_}" title="run {id_}: {said}{more}"><i>{said}</i></a>'


def run_state_cell(status: Status, test_state: TestState) -> str:
    """How the runs of a test go, those that move first, and how the last one went that finished."""
    is_withheld = test_state.test.id in status.state.stale_tests
    # How far a run has come is not guessed when nobody has looked.
    tell = last_known if status.is_stale or is_withheld else active_run
    lines = [tell(status.now, run) for run in test_state.active_runs]
    last = test_state.last_finished_run
    if last:
        lines.append(finished(status.now, last, is_before=bool(lines)))
    if not lines:
        lines.append('<p class="dim">never run</p>')
    if test_state.test.next_run is not None and test_state.test.next_run > status.now:
        lines.append(
            f"<small>next run due in {format_duration(test_state.test.next_run - status.now)}</small>"
        )
    if is_withheld:
        lines.append("<small>not heard of for so long that its series are withdrawn</small>")
    return "".join(lines)


def finished(now: float, run: Run, *, is_before: bool) -> str:
    look = (run.outcome or Outcome.NONE).value
    said = escape(describe_run(run).removeprefix("finished, "))
    lead = '<span class="dim">before:</span> ' if is_before else ""
    return f'<p>{lead}<b class="{look}">{said}</b> {age_element(now, run.ended or run.created)}</p>'


def last_known(_: float, run: Run) -> str:
    return f'<p><b class="none">{escape(describe_run(run))}</b> when last heard of</p>'


def active_run(now: float, run: Run) -> str:
    """What a run does, for how long, and how much of it is planned."""
    vus = f", {run.vus:,g}&nbsp;VUs" if run.vus is not None else ""
    head = f'<b class="moving">{escape(describe_run(run))}</b>'
    if run.active_state != ActiveState.RUNNING or run.started is None:
        planned = f", {format_duration(run.duration)} planned" if run.duration else ""
        return f"<p>{head}{since(now, run)}{planned}{vus}</p>"
    elapsed = max(now - run.started, 0)
    if not run.duration:
        return f"<p>{head} for {format_duration(elapsed)}{vus}</p>"
    over = elapsed - run.duration
    late = (
        f', <b class="timed_out">{format_duration(over)} longer than planned</b>'
        if over > OVERRUN_TOLERANCE
        else ""
    )
    progress = f"{format_duration(elapsed)} of {format_duration(run.duration)}"
    return f"<p>{head} {progress}{late}{vus}</p>{progress_bar(run, elapsed, late)}"


def progress_bar(run: Run, elapsed: float, late: str) -> str:
    planned = round(run.duration or 0)
    look = ' class="late"' if late else ""
    return (
        f'<progress{look} aria-label="run {run.id}" max="{max(planned, 1)}" '
        f'value="{min(round(elapsed), planned)}"></progress>'
    )


def since(now: float, run: Run) -> str:
    """When a run that is not under load ended, or else was created."""
    if run.active_state == ActiveState.PROCESSING and run.ended is not None:
        return f", ended {age_element(now, run.ended)}"
    if run.created is None:
        return ""
    return f"{'' if run.active_state == ActiveState.CREATED else ', created'} {age_element(now, run.created)}"


def earlier_errors(status: Status) -> str:
    """The errors before the last, each once with the moment when it was last seen."""
    latest = {sentence: at for at, sentence in status.errors}
    for _, last in status.errors[-1:]:
        del latest[last]
    if not latest:
        return ""
    newest_first = sorted(latest.items(), key=lambda one: one[1], reverse=True)
    lines = "\n".join(
        f"<li>{age_element(status.now, at)} {escape(sentence)}</li>" for sentence, at in newest_first
    )
    return f"<h2>Earlier errors</h2>\n<ul>\n{lines}\n</ul>"


def legend() -> str:
    """What the marks mean."""
    named = {
        **{outcome.value: OUTCOME_NAMES.get(outcome, outcome.value) for outcome in Outcome},
        "moving": "not over",
    }
    items = "".join(f'<li><span class="mark {look}"></span>{named[look]}</li>' for look in SIGNS)
    return f'<ul class="legend" aria-label="What the marks mean">{items}</ul>'


def refresh_toggle(*, is_on: bool) -> str:
    if is_on:
        return 'This page refreshes itself after each poll. <a href="?refresh=off">Stop</a>'
    return 'This page stays as it is. <a href="?">Refresh it after each poll</a>'


def age_element(now: float, moment: float | None) -> str:
    """How long ago, with the exact moment for whoever points at it."""
    if moment is None:
        return ""
    return f'<time title="{format_timestamp(moment)}">{format_age(moment, now)}</time>'
