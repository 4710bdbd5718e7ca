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
    runs_by_outcome,
    state_timeline,
    tile,
    time_series,
)
from grafana.builder.queries import (
    FAILED_OUTCOMES,
    NO_RESULT_OUTCOMES,
    WAITING_STATUSES,
    Scope,
    count_exactly,
    seconds_since_poll,
    select_last,
)

# The name is any text, so `regex` escapes it, and backticks keep its quotes and backslashes.
SCOPE = Scope('job=~"$job", project_id=~"$project", test_name=~`(?is).*${name:regex}.*`')

WAITS = (
    f"time() - {SCOPE.by_run('k6_cloud_run_created_timestamp_seconds')}"
    f" and {SCOPE.by_run('k6_cloud_run_status')} < 2"  # before "running"
)


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
            panel_line(8, finished_runs(), vus_by_project(), vu_hours_by_project()),
        ),
    )


def current_tiles() -> list[Panel]:
    outcome, active = "k6_cloud_test_last_outcome", "k6_cloud_test_active_runs"
    due = SCOPE.select("k6_cloud_test_schedule_due_timestamp_seconds")
    return [
        data_age_tile(seconds_since_poll('job=~"$job"')),
        tile(
            "Failing",
            "Tests whose last finished run failed, timed out or ended with an error. A new run does not "
            "change this until it passes. The table below lists these tests first.",
            f"sum({SCOPE.by_test(outcome, outcome=FAILED_OUTCOMES)})",
            unit="short",
            steps=RED_FROM_ONE,
        ),
        tile(
            "Missed start",
            "Tests for which a schedule planned a start more than 10 minutes ago, and no run was created. "
            "Requires the v6 API and a token with access to schedules.",
            f"count({SCOPE.missed_starts()}) or 0 * count({due})",
            unit="short",
            steps=((None, text.GREY), (1, "red")),
            no_value=text.NOT_KNOWN,
        ),
        tile(
            "Passing",
            "Tests whose last finished run passed.",
            f"sum({SCOPE.by_test(outcome, outcome='passed')})",
            unit="short",
            filled=False,
        ),
        tile(
            "No result",
            "Tests whose last finished run was aborted by a user or has no known result, and tests without"
            " a finished run.",
            f"sum({SCOPE.by_test(outcome, outcome=NO_RESULT_OUTCOMES)})",
            unit="short",
            filled=False,
        ),
        tile(
            "Running",
            "Number of runs that currently generate load. A test can have several.",
            f"sum({SCOPE.by_test(active, and_by='status', status='running')})",
            unit="short",
            steps=((None, text.GREY), (1, "blue")),
        ),
        tile(
            "Waiting",
            "Number of runs that have not started: created, validated, queued or initializing.",
            f"sum({SCOPE.by_test(active, and_by='status', status=WAITING_STATUSES)})",
            unit="short",
            filled=False,
        ),
        tile(
            "Longest wait",
            "Time since the creation of the oldest waiting run: orange after 15 minutes, red after an "
            "hour. A dash means that no run is waiting.",
            f"max({WAITS}) or 0 * sum({SCOPE.by_test(active, and_by='status', status=WAITING_STATUSES)})",
            unit="s",
            texts={0: (text.DASH, text.GREY)},
            steps=((None, text.GREY), (900, "orange"), (3600, "red")),
            filled=False,
        ),
    ]


def tests_table() -> Panel:
    columns = (
        Column(
            "Test",
            label="test_name",
            links=[
                link("Test dashboard", f"{layout.TEST_LINK}&var-test=${{__data.fields.Id}}"),
                link("Test in the k6 app", '${__data.fields["Test page"]}', new_tab=True),
            ],
            more_properties={"custom.minWidth": 180},
        ),
        Column(
            "Outcome",
            SCOPE.last_outcome_of_test(),
            "outcome",
            mappings=text.build_mappings(text.OUTCOME),
            links=[link("Run in the k6 app", '${__data.fields["Run page"]}', new_tab=True)],
            width=100,
        ),
        Column("Reason", label="reason", width=175, no_value=text.DASH),
        relative_time_column(
            "Failing since",
            SCOPE.or_zero(SCOPE.by_test("k6_cloud_test_failing_since_timestamp_seconds")),
            width=140,
        ),
        Column(
            "Newest run",
            SCOPE.newest_run_state(),
            mappings=text.build_mappings(text.STATE, no_value="never run"),
            width=110,
        ),
        relative_time_column(
            "Started", SCOPE.by_test("k6_cloud_test_last_run_started_timestamp_seconds"), width=140
        ),
        relative_time_column("Next start", SCOPE.next_start(), width=135),
        relative_time_column("Missed start", SCOPE.or_zero(SCOPE.missed_starts()), colour="red"),
        Column(
            "Project",
            SCOPE.with_project_name(SCOPE.by_test("k6_cloud_test_info")),
            "project_name",
            width=110,
        ),
        Column("Id", label="test_id", for_links=True),
        Column("Test page", SCOPE.test_urls(), "page", for_links=True),
        Column("Run page", label="url", for_links=True),
        Column("Project id", label="project_id", hidden=True),
        Column("Run", label="run_id", hidden=True),
        Column(
            "Finished",
            SCOPE.or_zero(SCOPE.by_test("k6_cloud_test_last_finished_timestamp_seconds")),
            hidden=True,
        ),
    )
    return build_table(
        "Tests",
        "One row for each test, with the outcome of its last finished run and the state of its newest run."
        " Failing tests come first, the newest failures at the top, then tests with a missed start. The name"
        " links to the dashboard of the test, the outcome to the run in the k6 app. Columns can be filtered.",
        columns,
        sort_by=("Finished", "Missed start", "Failing since"),
        no_value="No current data about tests. Check the data age and the filters above.",
    )


def relative_time_column(title: str, expr: str, *, width: int = 125, colour: str = "") -> Column:
    """A time relative to now, in the past or the future. 0 and no value are a dash."""
    return Column(
        title,
        f"1000 * ({expr})",
        unit="dateTimeFromNow",
        mappings=text.build_mappings({0: (text.DASH, "transparent")}),
        width=width,
        colour=colour,
    )


def state_history() -> Panel:
    failures = SCOPE.select("k6_cloud_test_consecutive_failures")
    # The last known number: in an outage there is none at the end.
    failing = f"on (test_id) {select_last(failures)} > 0"
    state, legend = SCOPE.newest_run_state(), "{{test_name}} · {{test_id}}"
    return state_timeline(
        "Test states",
        "State of the newest run of each test over time: while it is active, its status, then its outcome."
        " Tests that were last known to be failing come first, 20 tests per page. A gap means "
        "that there was no data, because the exporter was down or had dropped stale series. Over long "
        "ranges, short runs may not be visible.",
        build_series((f"({state}) and {failing}", legend), (f"({state}) unless {failing}", legend)),
        text.build_mappings(text.STATE),
        links=[link("Test dashboard", f"{layout.TEST_LINK}&var-test=${{__field.labels.test_id}}")],
    )


def finished_runs() -> Panel:
    return runs_by_outcome(
        SCOPE,
        "Finished runs by outcome, in steps of at least 5 minutes. Runs that finished while the exporter "
        "was down are not counted.",
    )


def vus_by_project() -> Panel:
    running = f"{SCOPE.by_run('k6_cloud_run_vus')} and {SCOPE.by_run('k6_cloud_run_status')} == 2"
    return time_series(
        "Running VUs by project",
        "Configured maximum of virtual users of the running runs, summed by project. The API does not "
        "provide the current number. The scale is logarithmic.",
        build_series((SCOPE.with_project_name(f"sum by (project_id) ({running})"), "{{project_name}}")),
        unit="short",
        no_value=text.NONE_RECORDED,
        steps=True,
        logarithmic=True,
    )


def vu_hours_by_project() -> Panel:
    used = f"max by (project_id, test_id) ({count_exactly(SCOPE.select('k6_cloud_test_vuh_total'))})"
    return time_series(
        "VU hours by project",
        "Virtual user hours of the runs that finished, in steps of at least an hour (v6 API only).",
        build_series((SCOPE.with_project_name(f"(sum by (project_id) ({used}) > 0)"), "{{project_name}}")),
        unit="short",
        no_value=text.NONE_RECORDED,
        bars=True,
        min_interval="1h",
    )
