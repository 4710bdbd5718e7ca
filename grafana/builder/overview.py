"""k6 Cloud / Overview: which tests need me now?"""

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from grafana.builder import layout as frame
from grafana.builder import text as words
from grafana.builder.panels import (
    NONE_IS_GOOD,
    Column,
    band,
    data_age_tile,
    laid_out,
    link,
    over_time,
    rows,
    series,
    states,
    tile,
)
from grafana.builder.queries import BAD, UNDECIDED, WAITING, Scope, data_age, milliseconds

SCOPE = Scope('job=~"$job", project_id=~"$project", test_name=~"(?is).*$name.*"')

VUS_IN_FLIGHT = (
    f"{SCOPE.by_run('k6_cloud_run_vus')} and {SCOPE.by_run('k6_cloud_run_status')} == 2"  # running
)


def dashboard() -> Dashboard:
    return frame.framed(
        frame.OVERVIEW,
        "Overview",
        "Which load tests in Grafana Cloud k6 need somebody now. A test leads to what happened to it.",
        variables=[frame.data_source(), frame.job(), frame.project(), frame.name()],
        annotations=[*frame.runs(SCOPE, enable=False, title="{{test_name}}"), frame.alerts()],
        panels=laid_out(
            "Now",
            band(4, *now()),
            "Tests",
            band(12, table()),
            "History",
            band(11, history()),
            band(8, outcomes(), load()),
        ),
    )


def now() -> list[Panel]:
    outcome, active = "k6_cloud_test_last_outcome", "k6_cloud_test_active_runs"
    created, status = "k6_cloud_run_created_timestamp_seconds", "k6_cloud_run_status"
    waits = f"time() - {SCOPE.by_run(created)}"
    return [
        data_age_tile(data_age('job=~"$job"')),
        tile(
            "Failing",
            "Tests whose last finished run failed, timed out or broke. A new run that has just started does "
            "not "
            "change this; one that passes does. The table below begins with them.",
            f"sum({SCOPE.by_test(outcome, outcome=BAD)})",
            unit="short",
            steps=NONE_IS_GOOD,
            absent="no data",
        ),
        tile(
            "Passing",
            "Tests whose last finished run passed.",
            f"sum({SCOPE.by_test(outcome, outcome='passed')})",
            unit="short",
            steps=((None, words.GREY), (1, "green")),
            absent="no data",
        ),
        tile(
            "No verdict",
            "Tests whose last finished run was aborted by a user or has no verdict that is known, and tests "
            "that "
            "have never finished a run.",
            f"sum({SCOPE.by_test(outcome, outcome=UNDECIDED)})",
            unit="short",
            filled=False,
            absent="no data",
        ),
        tile(
            "Running",
            "Runs that are under load at this moment; a test can have several.",
            f"sum({SCOPE.by_test(active, and_by='status', status='running')})",
            unit="short",
            steps=((None, words.GREY), (1, "blue")),
            absent="no data",
        ),
        tile(
            "Waiting",
            "Runs that exist but are not under load yet: created, validated, queued or initializing.",
            f"sum({SCOPE.by_test(active, and_by='status', status=WAITING)})",
            unit="short",
            filled=False,
            absent="no data",
        ),
        tile(
            "Longest wait",
            "How long the oldest of the waiting runs has existed; more than a quarter of an hour is orange, "
            "more "
            "than an hour red. A dash if none waits.",
            f"max({waits} and {SCOPE.by_run(status)} < 2)",
            unit="s",
            steps=((None, "green"), (900, "orange"), (3600, "red")),
        ),
        tile(
            "VUs in flight",
            "Virtual users of the runs that are under load, by their configured maximum: the API does not "
            "tell "
            "how many there are at a moment.",
            SCOPE.or_zero(f"sum({VUS_IN_FLIGHT})"),
            unit="short",
            filled=False,
            absent="no data",
        ),
    ]


def table() -> Panel:
    last = "k6_cloud_test_last_run"
    columns = (
        Column(
            "Test",
            label="test_name",
            links=[
                link("What happened to it", f"{frame.TO_TEST}&var-test=${{__data.fields.Id}}"),
                link("Test in the k6 app", '${__data.fields["Test page"]}', new_tab=True),
            ],
            more={"custom.minWidth": 220},
        ),
        Column("Verdict", SCOPE.outcome(), "outcome", mapped=words.mappings(words.OUTCOME), width=120),
        Column(
            "Newest run is",
            SCOPE.by_test(f"{last}_status"),
            mapped=words.mappings(words.STATUS, absent="never run"),
            width=190,
        ),
        Column(
            "Processing",
            SCOPE.by_test(f"{last}_processing_status"),
            mapped=words.mappings(words.PROCESSING),
            width=110,
        ),
        when("Started", SCOPE.by_test(f"{last}_started_timestamp_seconds")),
        Column(
            "Planned", SCOPE.by_test(f"{last}_duration_seconds"), unit="dthms", width=100, absent=words.DASH
        ),
        Column("VUs", SCOPE.by_test(f"{last}_vus"), unit="short", width=80, absent=words.DASH),
        when("Last finished", SCOPE.by_test("k6_cloud_test_last_finished_timestamp_seconds")),
        when("Last passed", SCOPE.by_test("k6_cloud_test_last_passed_timestamp_seconds")),
        when("Next", SCOPE.by_test("k6_cloud_test_schedule_next_run_timestamp_seconds")),
        Column(
            "Run",
            SCOPE.run_of("k6_cloud_test_last_run_id"),
            "run_id",
            links=[link("Run in the k6 app", '${__data.fields["Run page"]}', new_tab=True)],
            width=100,
            absent=words.DASH,
        ),
        Column("Project", label="project_id", width=90),
        Column("Id", label="test_id", width=90),
        page("Run page", label="url"),
        Column(
            "Needs a look",
            SCOPE.by_test("k6_cloud_test_last_outcome", outcome=BAD),
            hidden=True,
        ),
    )
    test_page = page("Test page", SCOPE.test_pages(), label="page")
    return rows(
        "Tests",
        "Every test once: the verdict on its last finished run, and how its newest run stands. Those that "
        "need a "
        "look come first, then the newest. A name leads to what happened to the test, a run to its page in "
        "the "
        "k6 app. Columns can be filtered.",
        [*columns, test_page],
        newest_first=("Started", "Needs a look"),
        absent="No test is known: is the exporter scraped, and do the filters above fit?",
    )


def when(title: str, expr: str) -> Column:
    """How long ago, or how soon."""
    return Column(title, milliseconds(expr), unit="dateTimeFromNow", width=130, absent=words.DASH)


def page(title: str, expr: str = "", label: str = "url") -> Column:
    """An address, shown as what it is for."""
    return Column(
        title,
        expr,
        label,
        links=[link("Open in the k6 app", "${__value.raw}", new_tab=True)],
        width=90,
        absent=words.DASH,
    )


def history() -> Panel:
    return states(
        "Test states",
        "The status of each test's newest run over time, twenty tests to a page. A gap means that nothing "
        "was "
        "known: the exporter was away, or had withdrawn what it could not vouch for. Over long ranges one "
        "step "
        "can hide a short run.",
        series((SCOPE.by_test("k6_cloud_test_last_run_status"), "{{test_name}} · {{test_id}}")),
        words.mappings(words.STATUS),
        links=[link("What happened to it", f"{frame.TO_TEST}&var-test=${{__field.labels.test_id}}")],
    )


def outcomes() -> Panel:
    ended = SCOPE.of("k6_cloud_test_runs_finished_total")
    each = f"max by (project_id, test_id, test_name, outcome) (round(increase({ended}[$__rate_interval])))"
    return over_time(
        "Runs by outcome",
        "Runs that the exporter saw finish, by what became of them, in steps of at least five minutes. What "
        "finished while the exporter was away is not counted.",
        series((f"sum by (outcome) ({each})", "{{outcome}}")),
        unit="short",
        bars=True,
        colours={str(code): colour for code, (_, colour) in words.OUTCOME.items()},
        least_interval="5m",
    )


def load() -> Panel:
    return over_time(
        "Planned VUs by project",
        "Configured maximum of virtual users of the runs under load, summed by project.",
        series((f"sum by (project_id) ({VUS_IN_FLIGHT})", "project {{project_id}}")),
        unit="short",
        steps=True,
    )
