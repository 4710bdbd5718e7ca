"""The dashboard "k6 Cloud / Test": the runs of one test."""

from grafana_foundation_sdk.models.dashboard import Dashboard, DashboardLink, Panel

from grafana.builder import layout, panels, text
from grafana.builder.panels import (
    RED_FROM_ONE,
    Column,
    arrange,
    build_series,
    build_table,
    collapsed,
    data_age_tile,
    link,
    panel_line,
    runs_by_outcome,
    state_timeline,
    tile,
)
from grafana.builder.queries import Scope, seconds_since_poll, to_milliseconds

# Runs are distinguished by their ids only, so that renaming the test does not split its series.
SCOPE = Scope('job=~"$job", test_id="$test"', test="", run="run_id")

NEWEST_RUN = "k6_cloud_test_last_run"
NOT_YET: text.ValueTexts = {0: ("not yet", "text")}

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
            panel_line(3, *outcome_tiles(), widths=(4, 8, 4, 8)),
            panel_line(3, *reliability_tiles()),
            "Newest run",
            panel_line(3, *newest_run_tiles()),
            "Runs",
            panel_line(10, runs_table()),
            panel_line(10, run_states()),
            panel_line(8, run_durations(), finished_runs_of_test(), newest_run_phases(), widths=(11, 9, 4)),
            collapsed("Help", panel_line(6, explanation())),
        ),
    )


def outcome_tiles() -> list[Panel]:
    return [
        data_age_tile(seconds_since_poll('job=~"$job"')),
        tile(
            "Test",
            "The name of the test. It links to its page in the k6 app.",
            SCOPE.by_test("k6_cloud_test_info", and_by="test_name, url"),
            label="test_name",
            links=[link("Test in the k6 app", "${__data.fields.url}", new_tab=True)],
            filled=False,
        ),
        tile(
            "Outcome",
            "Outcome of the last finished run. It links to the page of the run in the k6 app.",
            SCOPE.last_outcome_of_test(),
            label="outcome",
            texts=text.OUTCOME,
            links=[link("Run in the k6 app", "${__data.fields.url}", new_tab=True)],
            no_value=text.NOT_KNOWN,
        ),
        tile(
            "Reason",
            "Why the last finished run did not pass.",
            SCOPE.last_outcome_of_test(),
            label="reason",
            filled=False,
            no_value=text.DASH,
        ),
    ]


def reliability_tiles() -> list[Panel]:
    """How often the test fails, and whether its schedule starts it."""
    finished = "k6_cloud_test_runs_finished_total"
    ended = SCOPE.select(finished, outcome="passed|failed|timed_out|error")
    passed = SCOPE.select(finished, outcome="passed")
    due = SCOPE.by_test("k6_cloud_test_schedule_due_timestamp_seconds")
    return [
        tile(
            "Failures",
            "Number of runs that failed in a row, as far as is known. Runs aborted by a user do not matter.",
            SCOPE.by_test("k6_cloud_test_consecutive_failures"),
            unit="short",
            steps=RED_FROM_ONE,
            no_value=text.NOT_KNOWN,
        ),
        relative_time_tile(
            "Failing since",
            "When the first of these runs ended.",
            SCOPE.by_test("k6_cloud_test_failing_since_timestamp_seconds"),
        ),
        relative_time_tile(
            "Last passed",
            "When the last run that passed ended, as far as it is known.",
            SCOPE.by_test("k6_cloud_test_last_passed_timestamp_seconds"),
            no_value=text.NOT_KNOWN,
        ),
        tile(
            "Pass rate",
            "Share of passed runs among the runs that finished in the selected time range. Runs aborted by"
            " a user and runs without a result are not counted.",
            f"sum(max by (outcome) (increase({passed}[$__range])))"
            f" / sum(max by (outcome) (increase({ended}[$__range])))",
            unit="percentunit",
            steps=((None, "red"), (0.5, "orange"), (0.9, "green")),
            no_value=text.DASH,
        ),
        relative_time_tile(
            "Next start",
            "When a schedule will start the test next. Requires the v6 API and a token with access to "
            "schedules.",
            f"({SCOPE.next_start()})",
            no_value=text.NOT_KNOWN,
        ),
        tile(
            "Missed start",
            "When a schedule should have started the test, if no run was created within 10 minutes.",
            f"1000 * ({SCOPE.missed_starts()} or 0 * {due})",
            unit="dateTimeFromNow",
            texts={0: ("none", text.GREY)},
            steps=((None, "red"),),
            no_value=text.NOT_KNOWN,
        ),
    ]


def newest_run_tiles() -> list[Panel]:
    # Of a run that has not started or ended, these are 0.
    not_yet = f"0 * {SCOPE.by_test(f'{NEWEST_RUN}_created_timestamp_seconds')}"
    return [
        tile(
            "Run",
            "The newest run of the test, finished or not. It links to its page in the k6 app.",
            SCOPE.run_with_id(f"{NEWEST_RUN}_id"),
            label="run_id",
            links=[link("Run in the k6 app", "${__data.fields.url}", new_tab=True)],
            filled=False,
            no_value=text.DASH,
        ),
        tile(
            "State",
            "State of the newest run: its status while it is active, then its outcome.",
            SCOPE.newest_run_state_or_never(),
            texts=text.STATE,
        ),
        relative_time_tile(
            "Started",
            "When the newest run started to generate load.",
            f"({SCOPE.by_test(f'{NEWEST_RUN}_started_timestamp_seconds')} or {not_yet})",
            texts=NOT_YET,
        ),
        relative_time_tile(
            "Ended",
            "When the newest run ended.",
            f"({SCOPE.by_test(f'{NEWEST_RUN}_ended_timestamp_seconds')} or {not_yet})",
            texts=NOT_YET,
        ),
        tile(
            "Planned",
            "Planned duration of the newest run.",
            SCOPE.by_test(f"{NEWEST_RUN}_duration_seconds"),
            unit="dthms",
            filled=False,
            no_value=text.DASH,
        ),
        tile(
            "VUs",
            "Configured maximum of virtual users of the newest run.",
            SCOPE.by_test(f"{NEWEST_RUN}_vus"),
            unit="short",
            filled=False,
            no_value=text.DASH,
        ),
    ]


def relative_time_tile(
    title: str,
    description: str,
    expr: str,
    *,
    texts: text.ValueTexts | None = None,
    no_value: str = text.DASH,
) -> Panel:
    """A tile with a time relative to now, in the past or the future."""
    return tile(
        title,
        description,
        to_milliseconds(expr),
        unit="dateTimeFromNow",
        texts=texts,
        filled=False,
        no_value=no_value,
    )


def run_states() -> Panel:
    status = SCOPE.select("k6_cloud_run_status")
    ended_recently = f"min by (run_id) (min_over_time({status}[$__rate_interval])) <= 2"
    running = f"max by (run_id) ({status}) >= 2 and {ended_recently}"
    return state_timeline(
        "Run history",
        "The newest 20 runs, newest first: how long each was queued and initializing, then how long it ran,"
        " in the colour of its outcome. A run ends where its bar ends.",
        build_series(
            (
                f"(({SCOPE.last_run_state()}) and {running} or max by (run_id) ({status}) < 2)"
                f" * on (run_id) group_left (newest_first) {SCOPE.newest_runs_first(20)}",
                "{{run_id}}",
            )
        ),
        text.build_mappings(text.STATE),
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
            more_properties={"custom.minWidth": 100},
        ),
        Column("State", SCOPE.run_states_in_range(), mappings=text.build_mappings(text.STATE), width=110),
        Column("Reason", SCOPE.reasons_in_range(), "reason", width=160, no_value=text.DASH),
        time_column("Started", "k6_cloud_run_started_timestamp_seconds", zoom),
        time_column("Ended", "k6_cloud_run_ended_timestamp_seconds"),
        Column("Waiting", waiting_time(SCOPE), unit="dthms", width=90, no_value=text.DASH),
        run_column("Duration", "k6_cloud_run_execution_seconds", unit="dthms"),
        run_column("Planned", "k6_cloud_run_duration_seconds", unit="dthms"),
        run_column("VUs", "k6_cloud_run_vus"),
        run_column("VUh", "k6_cloud_run_vuh", decimals=2),
        Column("Run page", label="url", for_links=True),
        Column("Created", SCOPE.by_run_in_range("k6_cloud_run_created_timestamp_seconds"), hidden=True),
    )
    return build_table(
        "Runs",
        "All runs with data in the selected time range, with their last known values, newest first. The id"
        " links to the page of the run in the k6 app, and offers to set the time range to the run. The "
        "reason is known for runs that finished while the exporter was running.",
        columns,
        sort_by=("Created",),
        no_value="No data about runs of this test in this time range.",
    )


def time_column(title: str, metric: str, *links: DashboardLink) -> Column:
    """A column with an exact time."""
    return Column(
        title,
        to_milliseconds(SCOPE.by_run_in_range(metric)),
        unit="dateTimeAsIso",
        links=links,
        width=165,
        no_value=text.DASH,
    )


def run_column(title: str, metric: str, *, unit: str = "short", decimals: int | None = None) -> Column:
    """A column with a number of each run."""
    return Column(
        title,
        SCOPE.by_run_in_range(metric),
        unit=unit,
        width=90,
        no_value=text.DASH,
        more_properties={} if decimals is None else {"decimals": decimals},
    )


def run_durations() -> Panel:
    created = SCOPE.by_run_in_range("k6_cloud_run_created_timestamp_seconds")
    return panels.bar_chart(
        "Waiting and run duration",
        "Waiting time, run duration and planned duration of each run in the selected time range, by the time"
        " of its creation.",
        (
            Column("Created", to_milliseconds(created), unit="time:MM-DD HH:mm"),
            Column("Waiting", waiting_time(SCOPE)),
            Column("Duration", SCOPE.by_run_in_range("k6_cloud_run_execution_seconds")),
            Column("Planned", SCOPE.by_run_in_range("k6_cloud_run_duration_seconds")),
            Column("Run", label="run_id", hidden=True),
        ),
        unit="s",
        x_column="Created",
        sort_by=("Created",),
        colours={"Waiting": "light-blue", "Duration": "blue", "Planned": text.GREY},
    )


def finished_runs_of_test() -> Panel:
    return runs_by_outcome(
        SCOPE,
        "Finished runs of the test by outcome, in steps of at least 5 minutes. Runs that finished while the "
        "exporter was down are not counted.",
    )


def newest_run_phases() -> Panel:
    return tile(
        "Phases",
        "How long each completed phase of the newest run took. The legacy API provides only the phase "
        "running.",
        SCOPE.by_test(f"{NEWEST_RUN}_phase_seconds", and_by="phase"),
        unit="s",
        legend="{{phase}}",
        filled=False,
    )


def explanation() -> Panel:
    return panels.markdown("Help", "Explanation of the terms on this dashboard.", EXPLANATION)
