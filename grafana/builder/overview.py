"""The dashboard "k6 Cloud / Overview": which tests are failing, running or waiting?"""

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from grafana.builder import layout, text
from grafana.builder.panels import (
    RED_FROM_ONE,
    Column,
    arrange,
    build_series,
    build_table,
    data_age_tile,
    link,
    panel_line,
    state_timeline,
    tile,
    time_series,
)
from grafana.builder.queries import (
    FAILED_OUTCOMES,
    NO_RESULT_OUTCOMES,
    WAITING_STATUSES,
    Scope,
    seconds_since_poll,
    to_milliseconds,
)

SCOPE = Scope('job=~"$job", project_id=~"$project", test_name=~"(?is).*$name.*"')

RUNNING_VUS = f"{SCOPE.by_run('k6_cloud_run_vus')} and {SCOPE.by_run('k6_cloud_run_status')} == 2"  # running


def build_overview() -> Dashboard:
    return layout.build_dashboard(
        layout.OVERVIEW_UID,
        "Overview",
        "Load tests in Grafana Cloud k6, failing tests first. Select a test to see its details.",
        variables=[
            layout.data_source_variable(),
            layout.job_variable(),
            layout.project_variable(),
            layout.name_variable(),
        ],
        annotations=[
            *layout.run_annotations(SCOPE, enable=False, title="{{test_name}}"),
            layout.alert_annotation(),
        ],
        panels=arrange(
            "Now",
            panel_line(4, *current_tiles()),
            "Tests",
            panel_line(12, tests_table()),
            "History",
            panel_line(11, state_history()),
            panel_line(8, finished_runs(), vus_by_project()),
        ),
    )


def current_tiles() -> list[Panel]:
    outcome, active = "k6_cloud_test_last_outcome", "k6_cloud_test_active_runs"
    created, status = "k6_cloud_run_created_timestamp_seconds", "k6_cloud_run_status"
    waits = f"time() - {SCOPE.by_run(created)}"
    return [
        data_age_tile(seconds_since_poll('job=~"$job"')),
        tile(
            "Failing",
            "Tests whose last finished run failed, timed out or ended with an error. A new run does not "
            "change this until it passes. The table below lists these tests first.",
            f"sum({SCOPE.by_test(outcome, outcome=FAILED_OUTCOMES)})",
            unit="short",
            steps=RED_FROM_ONE,
            no_value="no data",
        ),
        tile(
            "Passing",
            "Tests whose last finished run passed.",
            f"sum({SCOPE.by_test(outcome, outcome='passed')})",
            unit="short",
            steps=((None, text.GREY), (1, "green")),
            no_value="no data",
        ),
        tile(
            "No result",
            "Tests whose last finished run was aborted by a user or has no known result, and tests without"
            " a finished run.",
            f"sum({SCOPE.by_test(outcome, outcome=NO_RESULT_OUTCOMES)})",
            unit="short",
            filled=False,
            no_value="no data",
        ),
        tile(
            "Running",
            "Number of runs that currently generate load. A test can have several.",
            f"sum({SCOPE.by_test(active, and_by='status', status='running')})",
            unit="short",
            steps=((None, text.GREY), (1, "blue")),
            no_value="no data",
        ),
        tile(
            "Waiting",
            "Number of runs that have not started: created, validated, queued or initializing.",
            f"sum({SCOPE.by_test(active, and_by='status', status=WAITING_STATUSES)})",
            unit="short",
            filled=False,
            no_value="no data",
        ),
        tile(
            "Longest wait",
            "Time since the creation of the oldest waiting run: orange after 15 minutes, red after an "
            "hour. A dash means that no run is waiting.",
            f"max({waits} and {SCOPE.by_run(status)} < 2)",
            unit="s",
            steps=((None, "green"), (900, "orange"), (3600, "red")),
        ),
        tile(
            "Running VUs",
            "Configured maximum of virtual users, summed over the running runs. The API does not provide "
            "the current number.",
            SCOPE.or_zero(f"sum({RUNNING_VUS})"),
            unit="short",
            filled=False,
            no_value="no data",
        ),
    ]


def tests_table() -> Panel:
    last = "k6_cloud_test_last_run"
    columns = (
        Column(
            "Test",
            label="test_name",
            links=[
                link("Test dashboard", f"{layout.TEST_LINK}&var-test=${{__data.fields.Id}}"),
                link("Test in the k6 app", '${__data.fields["Test page"]}', new_tab=True),
            ],
            more_properties={"custom.minWidth": 220},
        ),
        Column(
            "Outcome", SCOPE.last_outcome(), "outcome", mappings=text.build_mappings(text.OUTCOME), width=120
        ),
        Column(
            "Newest run",
            SCOPE.by_test(f"{last}_status"),
            mappings=text.build_mappings(text.STATUS, no_value="never run"),
            width=190,
        ),
        Column(
            "Processing",
            SCOPE.by_test(f"{last}_processing_status"),
            mappings=text.build_mappings(text.PROCESSING),
            width=110,
        ),
        relative_time_column("Started", SCOPE.by_test(f"{last}_started_timestamp_seconds")),
        Column(
            "Planned", SCOPE.by_test(f"{last}_duration_seconds"), unit="dthms", width=100, no_value=text.DASH
        ),
        Column("VUs", SCOPE.by_test(f"{last}_vus"), unit="short", width=80, no_value=text.DASH),
        relative_time_column("Last finished", SCOPE.by_test("k6_cloud_test_last_finished_timestamp_seconds")),
        relative_time_column("Last passed", SCOPE.by_test("k6_cloud_test_last_passed_timestamp_seconds")),
        relative_time_column("Next", SCOPE.by_test("k6_cloud_test_schedule_next_run_timestamp_seconds")),
        Column(
            "Run",
            SCOPE.run_with_id("k6_cloud_test_last_run_id"),
            "run_id",
            links=[link("Run in the k6 app", '${__data.fields["Run page"]}', new_tab=True)],
            width=100,
            no_value=text.DASH,
        ),
        Column("Project", label="project_id", width=90),
        Column("Id", label="test_id", width=90),
        link_column("Run page", label="url"),
        Column(
            "Failing",
            SCOPE.by_test("k6_cloud_test_last_outcome", outcome=FAILED_OUTCOMES),
            hidden=True,
        ),
    )
    test_page = link_column("Test page", SCOPE.test_urls(), label="page")
    return build_table(
        "Tests",
        "One row for each test, with the outcome of its last finished run and the state of its newest run."
        " Failing tests come first, then the newest runs. The name links to the dashboard of the test, the"
        " run to its page in the k6 app. Columns can be filtered.",
        [*columns, test_page],
        sort_by=("Started", "Failing"),
        no_value="No tests found. Check that the exporter is scraped, and the filters above.",
    )


def relative_time_column(title: str, expr: str) -> Column:
    """A time relative to now, in the past or the future."""
    return Column(title, to_milliseconds(expr), unit="dateTimeFromNow", width=130, no_value=text.DASH)


def link_column(title: str, expr: str = "", label: str = "url") -> Column:
    """A URL of the k6 app, shown as a link."""
    return Column(
        title,
        expr,
        label,
        links=[link("Open in the k6 app", "${__value.raw}", new_tab=True)],
        width=90,
        no_value=text.DASH,
    )


def state_history() -> Panel:
    return state_timeline(
        "Test states",
        "Status of the newest run of each test over time, 20 tests per page. A gap means that there was no"
        " data, because the exporter was down or had dropped stale series. Over long ranges, short runs "
        "may not be visible.",
        build_series((SCOPE.by_test("k6_cloud_test_last_run_status"), "{{test_name}} · {{test_id}}")),
        text.build_mappings(text.STATUS),
        links=[link("Test dashboard", f"{layout.TEST_LINK}&var-test=${{__field.labels.test_id}}")],
    )


def finished_runs() -> Panel:
    ended = SCOPE.select("k6_cloud_test_runs_finished_total")
    each = f"max by (project_id, test_id, test_name, outcome) (round(increase({ended}[$__rate_interval])))"
    return time_series(
        "Runs by outcome",
        "Finished runs by outcome, in steps of at least 5 minutes. Runs that finished while the exporter "
        "was down are not counted.",
        build_series((f"sum by (outcome) ({each})", "{{outcome}}")),
        unit="short",
        bars=True,
        colours={str(code): colour for code, (_, colour) in text.OUTCOME.items()},
        min_interval="5m",
    )


def vus_by_project() -> Panel:
    return time_series(
        "Running VUs by project",
        "Configured maximum of virtual users of the running runs, summed by project.",
        build_series((f"sum by (project_id) ({RUNNING_VUS})", "project {{project_id}}")),
        unit="short",
        steps=True,
    )
