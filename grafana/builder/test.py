"""The dashboard "k6 Cloud / Test": the runs of one test."""

from grafana_foundation_sdk.models.dashboard import Dashboard, DashboardLink, Panel

from grafana.builder import layout, panels, text
from grafana.builder.panels import (
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
from grafana.builder.queries import Scope, seconds_since_poll, to_milliseconds

# Runs are distinguished by their ids only, so that renaming the test does not split its series.
SCOPE = Scope('job=~"$job", test_id="$test"', test="", run="run_id")

NEWEST_RUN = "k6_cloud_test_last_run"
LAST_FINISHED_RUN_ID = "k6_cloud_test_last_finished_run_id"

EXPLANATION = """\
- **Planned** is the duration that k6 Cloud expects for a run. **Duration** is how long it generated load.
  **Waiting** is the time between its creation and the start of the load.
- The **outcome** is that of the last *finished* run. *Newest run* is about the newest run, finished or not.
- The exporter exposes active runs and the newest finished runs of each test. Older runs are in the table if
  Prometheus still has their data and the selected time range includes it.
- A state that lasts less than the poll interval may be missing. Start and end times are exact.
- Load, response times and thresholds are in the k6 app. The id of a run links to it.
"""


def build_test_dashboard() -> Dashboard:
    return layout.build_dashboard(
        layout.TEST_UID,
        "Test",
        "One load test in Grafana Cloud k6: its last result, its newest run and its earlier runs.",
        variables=[
            layout.data_source_variable(),
            layout.job_variable(),
            layout.project_variable(),
            layout.test_variable(),
        ],
        annotations=[
            *layout.run_annotations(SCOPE, enable=True, title="Run {{run_id}}"),
            layout.alert_annotation(),
        ],
        panels=arrange(
            "Outcome",
            panel_line(4, *result_tiles()),
            "Newest run",
            panel_line(4, *newest_run_tiles()),
            "Runs",
            panel_line(9, run_states(), processing_states()),
            panel_line(10, runs_table()),
            "Trends",
            panel_line(8, run_durations(), run_phases()),
            panel_line(8, duration_and_plan(), vus_and_age(), finished_runs_of_test()),
            panel_line(6, explanation()),
        ),
    )


def result_tiles() -> list[Panel]:
    ended = SCOPE.select("k6_cloud_test_runs_finished_total", outcome="passed|failed|timed_out|error")
    passed = SCOPE.select("k6_cloud_test_runs_finished_total", outcome="passed")
    return [
        data_age_tile(seconds_since_poll('job=~"$job"')),
        tile(
            "Test",
            "The name of the test; it leads to its page in the k6 app.",
            SCOPE.by_test("k6_cloud_test_info", and_by="test_name, url"),
            label="test_name",
            mappings=[text.map_null(text.DASH, "transparent")],
            links=[link("Test in the k6 app", "${__data.fields.url}", new_tab=True)],
            filled=False,
            no_value="no such test",
        ),
        tile(
            "Outcome",
            "Outcome of the last finished run.",
            SCOPE.last_outcome(),
            label="outcome",
            mappings=text.build_mappings(text.OUTCOME),
        ),
        tile(
            "Last finished run",
            "The run that the outcome is about. It links to its page in the k6 app.",
            SCOPE.run_with_id(LAST_FINISHED_RUN_ID),
            label="run_id",
            mappings=[text.map_null(text.DASH, "transparent")],
            links=[link("Run in the k6 app", "${__data.fields.url}", new_tab=True)],
            filled=False,
        ),
        relative_time_tile(
            "Finished", "When the last finished run ended.", "k6_cloud_test_last_finished_timestamp_seconds"
        ),
        relative_time_tile(
            "Last passed",
            "When the last run that passed ended, as far as it is known.",
            "k6_cloud_test_last_passed_timestamp_seconds",
            absent="never",
        ),
        tile(
            "Pass rate",
            "Share of passed runs among the runs that finished in the selected time range. Runs aborted by"
            " a user and runs without a result are not counted.",
            f"sum(max by (outcome) (increase({passed}[$__range])))"
            f" / sum(max by (outcome) (increase({ended}[$__range])))",
            unit="percentunit",
            mappings=[text.map_null("no run ended", text.GREY)],
            steps=((None, "red"), (0.5, "orange"), (0.9, "green")),
            no_value="no run ended",
        ),
        relative_time_tile(
            "Next run",
            "When a schedule will start the test next. Requires the v6 API and a token with access to "
            "schedules.",
            "k6_cloud_test_schedule_next_run_timestamp_seconds",
            absent="not scheduled",
        ),
    ]


def newest_run_tiles() -> list[Panel]:
    return [
        tile(
            "Run",
            "The newest run of the test, finished or not. It links to its page in the k6 app.",
            SCOPE.run_with_id(f"{NEWEST_RUN}_id"),
            label="run_id",
            mappings=[text.map_null(text.DASH, "transparent")],
            links=[link("Run in the k6 app", "${__data.fields.url}", new_tab=True)],
            filled=False,
            no_value="never run",
        ),
        tile(
            "Status",
            "Status of the newest run.",
            SCOPE.by_test(f"{NEWEST_RUN}_status"),
            mappings=text.build_mappings(text.STATUS),
        ),
        tile(
            "Processing",
            "Status of the metrics processing of the newest run. There is no result before it has finished.",
            SCOPE.by_test(f"{NEWEST_RUN}_processing_status"),
            mappings=text.build_mappings(text.PROCESSING),
        ),
        tile(
            "Result",
            'Result of the newest run, as reported by k6 Cloud after its end. It can be "passed" for '
            "aborted runs; the outcome above takes this into account.",
            SCOPE.by_test(f"{NEWEST_RUN}_result_status"),
            mappings=text.build_mappings(text.RESULT, no_value="no result yet", colour=text.GREY),
            no_value="no result yet",
        ),
        relative_time_tile(
            "Started",
            "When the newest run started to generate load.",
            f"{NEWEST_RUN}_started_timestamp_seconds",
        ),
        relative_time_tile(
            "Ended",
            "When the newest run ended.",
            f"{NEWEST_RUN}_ended_timestamp_seconds",
            absent="not yet",
        ),
        tile(
            "Planned",
            "Planned duration of the newest run.",
            SCOPE.by_test(f"{NEWEST_RUN}_duration_seconds"),
            unit="dthms",
            filled=False,
        ),
        tile(
            "VUs",
            "Configured maximum of virtual users of the newest run.",
            SCOPE.by_test(f"{NEWEST_RUN}_vus"),
            unit="short",
            filled=False,
        ),
    ]


def relative_time_tile(title: str, description: str, metric: str, *, absent: str = text.DASH) -> Panel:
    """A tile with a time relative to now, in the past or the future."""
    return tile(
        title,
        description,
        to_milliseconds(SCOPE.by_test(metric)),
        unit="dateTimeFromNow",
        filled=False,
        no_value=absent,
    )


def run_states() -> Panel:
    return state_timeline(
        "Runs",
        "Status of each run over time: how long it was queued, initializing and running. Overlapping runs "
        "are shown separately.",
        build_series((SCOPE.by_run("k6_cloud_run_status"), "{{run_id}}")),
        text.build_mappings(text.STATUS),
    )


def processing_states() -> Panel:
    return state_timeline(
        "Processing",
        "Status of the metrics processing of each run over time.",
        build_series((SCOPE.by_run("k6_cloud_run_processing_status"), "{{run_id}}")),
        text.build_mappings(text.PROCESSING),
    )


def waiting_time(scope: Scope) -> str:
    started = scope.by_run_in_range("k6_cloud_run_started_timestamp_seconds")
    return f"{started} - {scope.by_run_in_range('k6_cloud_run_created_timestamp_seconds')}"


def runs_table() -> Panel:
    zoom = link(
        "Zoom to this run",
        f"{layout.TEST_LINK.replace('&${__url_time_range}', '')}&var-test=${{test}}"
        "&from=${__data.fields.Started.numeric}&to=${__data.fields.Ended.numeric}",
    )
    columns = (
        Column(
            "Run",
            SCOPE.run_urls_in_range(),
            "run_id",
            links=[link("Run in the k6 app", '${__data.fields["Run page"]}', new_tab=True), zoom],
            width=110,
        ),
        Column(
            "Status",
            SCOPE.by_run_in_range("k6_cloud_run_status"),
            mappings=text.build_mappings(text.STATUS),
            width=190,
        ),
        Column(
            "Result",
            SCOPE.by_run_in_range("k6_cloud_run_result_status"),
            mappings=text.build_mappings(text.RESULT, no_value="no result yet", colour=text.GREY),
            width=130,
        ),
        Column(
            "Processing",
            SCOPE.by_run_in_range("k6_cloud_run_processing_status"),
            mappings=text.build_mappings(text.PROCESSING),
            width=120,
        ),
        time_column("Started", "k6_cloud_run_started_timestamp_seconds", zoom),
        time_column("Ended", "k6_cloud_run_ended_timestamp_seconds"),
        Column("Waiting", waiting_time(SCOPE), unit="dthms", width=100, no_value=text.DASH),
        Column(
            "Duration",
            SCOPE.by_run_in_range("k6_cloud_run_execution_seconds"),
            unit="dthms",
            width=100,
            no_value=text.DASH,
        ),
        Column(
            "Planned",
            SCOPE.by_run_in_range("k6_cloud_run_duration_seconds"),
            unit="dthms",
            width=100,
            no_value=text.DASH,
        ),
        Column("VUs", SCOPE.by_run_in_range("k6_cloud_run_vus"), unit="short", width=80, no_value=text.DASH),
        Column(
            "VUh",
            SCOPE.by_run_in_range("k6_cloud_run_vuh"),
            unit="short",
            width=80,
            no_value=text.DASH,
            more_properties={"decimals": 2},
        ),
        Column(
            "Run page",
            label="url",
            links=[link("Open in the k6 app", "${__value.raw}", new_tab=True)],
            no_value=text.DASH,
        ),
        Column(
            "Created",
            to_milliseconds(SCOPE.by_run_in_range("k6_cloud_run_created_timestamp_seconds")),
            hidden=True,
        ),
    )
    return build_table(
        "Runs",
        "All runs with data in the selected time range, with their last known values, newest first. The id"
        " links to the page of the run in the k6 app. The start time offers to set the time range to the "
        "run.",
        columns,
        sort_by=("Created",),
        no_value="No run of this test in this time range.",
    )


def time_column(title: str, metric: str, *links: DashboardLink) -> Column:
    """A column with an exact time."""
    return Column(
        title,
        to_milliseconds(SCOPE.by_run_in_range(metric)),
        unit="dateTimeAsIso",
        links=links,
        width=170,
        no_value=text.DASH,
    )


def run_durations() -> Panel:
    return panels.bar_chart(
        "Waiting and run duration",
        "Waiting time, run duration and planned duration of each run in the selected time range, newest "
        "first.",
        (
            Column("Run", SCOPE.by_run_in_range("k6_cloud_run_info"), "run_id"),
            Column("Waiting", waiting_time(SCOPE)),
            Column("Duration", SCOPE.by_run_in_range("k6_cloud_run_execution_seconds")),
            Column("Planned", SCOPE.by_run_in_range("k6_cloud_run_duration_seconds")),
            Column("Created", SCOPE.by_run_in_range("k6_cloud_run_created_timestamp_seconds"), hidden=True),
        ),
        unit="s",
        x_column="Run",
        sort_by=("Created",),
    )


def run_phases() -> Panel:
    return time_series(
        "Phases of the newest run",
        "Duration of each completed phase of the newest run. The legacy API provides only the running phase.",
        build_series((SCOPE.by_test(f"{NEWEST_RUN}_phase_seconds", and_by="phase"), "{{phase}}")),
        unit="s",
        steps=True,
        colours=text.PHASE,
    )


def duration_and_plan() -> Panel:
    ran = SCOPE.value_of_run_with_id("k6_cloud_run_execution_seconds", LAST_FINISHED_RUN_ID)
    planned = SCOPE.value_of_run_with_id("k6_cloud_run_duration_seconds", LAST_FINISHED_RUN_ID)
    return time_series(
        "Run and planned duration",
        "Run duration and planned duration of the last finished run over time.",
        build_series((ran, "duration"), (planned, "planned")),
        unit="s",
        steps=True,
        colours={"duration": "blue", "planned": text.GREY},
    )


def vus_and_age() -> Panel:
    created = SCOPE.by_test(f"{NEWEST_RUN}_created_timestamp_seconds")
    return time_series(
        "VUs and age of the newest run",
        "Configured maximum of virtual users of the newest run, and the time since its creation on the "
        "right axis.",
        build_series((SCOPE.by_test(f"{NEWEST_RUN}_vus"), "VUs"), (f"time() - {created}", "age")),
        unit="short",
        steps=True,
        colours={"VUs": "blue", "age": text.GREY},
        right_axis_units={"age": "s"},
    )


def finished_runs_of_test() -> Panel:
    ended = SCOPE.select("k6_cloud_test_runs_finished_total")
    return time_series(
        "Runs by outcome",
        "Finished runs of the test by outcome, in steps of at least 5 minutes.",
        build_series((f"max by (outcome) (round(increase({ended}[$__rate_interval])))", "{{outcome}}")),
        unit="short",
        bars=True,
        colours={str(code): colour for code, (_, colour) in text.OUTCOME.items()},
        min_interval="5m",
    )


def explanation() -> Panel:
    return panels.markdown("Help", "Explanation of the terms on this dashboard.", EXPLANATION)
