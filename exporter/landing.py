"""The page at /: what is watched, how each test's last run stands, in words, and what went wrong lately.

Everything that came from outside is escaped, and nothing on it needs JavaScript.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from html import escape

from exporter.model import Activity, Outcome, ProcessingStatus, Run, RunStatus
from exporter.store import State, Watched


@dataclass(frozen=True, slots=True)
class Overview:
    """What the page tells. Moments are Unix seconds; `last_poll` is None before the first has ended.

    `troubles` are the failures of late with the moment of each, the latest last.
    """

    version: str
    state: State
    is_stale: bool
    now: float
    last_poll: float | None
    last_poll_outcome: str
    interval: float
    troubles: Sequence[tuple[float, str]]
    app_url: str
    telemetry_path: str


MOST_TESTS = 1000  # rows; a page of tens of thousands helps nobody
HEADS = ("Test", "Last run", "When", "Planned", "VUs", "Last finished")

STYLE = """
:root { color-scheme: light dark; --line: #8883; --dim: #777; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 68rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
header p, .dim, td small { color: var(--dim); } header p { margin: .2rem 0 1rem; }
nav a { margin-right: 1.2rem; }
.poll { border-left: .3rem solid var(--line); padding: .2rem .8rem; }
.poll.success { border-color: #2e9e5b; } .poll.partial { border-color: #d9822b; }
.poll.failure { border-color: #d13b3b; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--dim); font-size: .85rem; } td small { display: block; }
td small, time { white-space: nowrap; }
.state::before { content: "\\25CF"; margin-right: .4rem; color: #888; }
.passed::before { color: #2e9e5b; } .failed::before, .error::before { color: #d13b3b; }
.timed_out::before { color: #d9822b; } .aborted::before { color: #8e5bd0; }
.moving::before { color: #3584e4; } li time { color: var(--dim); margin-right: .6rem; }
"""

# Nothing may be loaded, run, sent or framed; of styles only the one above.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(overview: Overview) -> str:
    """The whole page as HTML."""
    watched = sorted(overview.state.tests.values(), key=lambda one: (one.test.name.casefold(), one.test.id))
    metrics = escape(overview.telemetry_path, quote=True)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>k6 Cloud exporter</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>k6 Cloud exporter</h1>
<p>Version {escape(overview.version)}. The state of Grafana Cloud k6 test runs as Prometheus metrics.</p>
<nav><a href="{metrics}">Metrics</a> <a href="/-/healthy">Health</a> <a href="/-/ready">Readiness</a></nav>
</header>
<main>
<h2>Polling</h2>
{polling(overview)}
<h2>Tests</h2>
{tests(overview, watched)}
{unresolved(overview)}
<h2>Recent errors</h2>
{troubles(overview)}
</main>
</body>
</html>
"""


def polling(overview: Overview) -> str:
    if overview.last_poll is None:
        return '<p class="poll">No poll has ended yet.</p>'
    told = {"success": "succeeded", "partial": "succeeded in part", "failure": "failed"}
    stale = (
        " Nothing has been learnt for so long that the series about tests and runs are withdrawn."
        if overview.is_stale
        else ""
    )
    return (
        f'<p class="poll {escape(overview.last_poll_outcome)}">The last poll '
        f"{told.get(overview.last_poll_outcome, 'ended')} {ago(overview.now, overview.last_poll)}; "
        f"one follows every {length(overview.interval)}.{stale}</p>"
    )


def tests(overview: Overview, watched: Sequence[Watched]) -> str:
    if not watched:
        return '<p class="dim">None is known yet.</p>'
    rows = "\n".join(row(overview, one) for one in watched[:MOST_TESTS])
    rest = len(watched) - MOST_TESTS
    more = f'<p class="dim">{rest} more are only among the metrics.</p>' if rest > 0 else ""
    heads = "".join(f"<th>{name}</th>" for name in HEADS)
    return (
        f'<div class="wide"><table>\n<thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table></div>{more}"
    )


def row(overview: Overview, watched: Watched) -> str:
    test, last = watched.test, watched.last
    project = f"project {test.project_id}, " if test.project_id is not None else ""
    finished = watched.last_finished
    cells = (
        f"{link(f'{overview.app_url}/tests/{test.id}', test.name)}<small>{project}test {test.id}</small>",
        state(last, overview.app_url) if last else '<span class="dim">never run</span>',
        ago(overview.now, last.started or last.created) if last else "",
        length(last.duration) if last and last.duration is not None else "",
        f"{last.vus:g}" if last and last.vus is not None else "",
        state(finished, overview.app_url) if finished else '<span class="dim">none</span>',
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def state(run: Run, app_url: str) -> str:
    """How a run stands: a coloured dot for the eye, and words."""
    look = "moving" if not run.is_over else (run.outcome or Outcome.NONE).value
    return (
        f'<span class="state {look}">{escape(words(run))}</span>'
        f"<small>{link(f'{app_url}/runs/{run.id}', f'run {run.id}')}</small>"
    )


def words(run: Run) -> str:
    """How a run stands, in words."""
    if run.activity == Activity.PROCESSING:
        return "finished, processing results"
    if run.status == RunStatus.FINISHED and run.processing == ProcessingStatus.ERROR:
        return "finished, results could not be processed"
    if run.status == RunStatus.FINISHED:
        return f"finished, {(run.outcome or Outcome.NONE).value.replace('none', 'no verdict')}"
    if run.status is None:
        return "status not told"
    if run.status not in set(RunStatus):
        return f"unknown status {run.status}"
    return RunStatus(run.status).name.lower().replace("_", " ")


def unresolved(overview: Overview) -> str:
    if not overview.state.unresolved:
        return ""
    entries = "".join(f"<li>{escape(entry)}</li>" for entry in overview.state.unresolved)
    return f"<p>Configured, but not found in k6 Cloud:</p>\n<ul>{entries}</ul>"


def troubles(overview: Overview) -> str:
    if not overview.troubles:
        return '<p class="dim">None.</p>'
    lines = "\n".join(
        f"<li>{ago(overview.now, at)} {escape(sentence)}</li>" for at, sentence in reversed(overview.troubles)
    )
    return f"<ul>\n{lines}\n</ul>"


def link(url: str, words: str) -> str:
    return f'<a href="{escape(url, quote=True)}">{escape(words)}</a>'


def ago(now: float, moment: float | None) -> str:
    """How long ago, with the exact moment for whoever points at it."""
    if moment is None:
        return ""
    exact = datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f'<time title="{exact}">{length(max(now - moment, 0))} ago</time>'


def length(seconds: float) -> str:
    """A length of time in its two largest units."""
    whole = round(seconds)
    parts = [
        (whole // 86400, "d"),
        (whole % 86400 // 3600, "h"),
        (whole % 3600 // 60, "min"),
        (whole % 60, "s"),
    ]
    said = [f"{number} {unit}" for number, unit in parts if number]
    return " ".join(said[:2]) or "0 s"
