"""k6 Cloud / Test: what happened to this one?"""

from grafana_foundation_sdk.models.dashboard import Dashboard, DashboardLink, Panel

from grafana.builder import layout as frame
from grafana.builder import panels
from grafana.builder import text as words
from grafana.builder.panels import (
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
from grafana.builder.queries import Scope, data_age, milliseconds

# One test: its runs are told apart by their ids alone, so that a new name does not split them.
SCOPE = Scope('job=~"$job", test_id="$test"', test="", run="run_id")

LAST = "k6_cloud_test_last_run"
JUDGED = "k6_cloud_test_last_finished_run_id"

EXPLAINED = """\
- **Planned** is the length that k6 Cloud expects of a run, **Ran** how long it really was under load, and
  **Waited** the time between its creation and the first load.
- The **verdict** is that of the newest *finished* run; *Newest run* speaks of the newest of all.
- The exporter shows moving runs and the newest finished ones of each test. An older run is in the table for
  as long as Prometheus remembers it and the range above reaches back to when it was shown.
- States shorter than the poll interval may never be seen. Times of start and end are exact all the same.
- Load, response times and thresholds are in the k6 app: follow the id of a run.
"""


def dashboard() -> Dashboard:
    return frame.framed(
        frame.TEST,
        "Test",
        "What happened to one load test in Grafana Cloud k6: its verdict, its newest run, and the runs "
        "before.",
        variables=[frame.data_source(), frame.job(), frame.project(), frame.test()],
        annotations=[*frame.runs(SCOPE, enable=True, title="Run {{run_id}}"), frame.alerts()],
        panels=laid_out(
            "Verdict",
            band(4, *verdict()),
            "Newest run",
            band(4, *newest()),
            "Runs",
            band(9, runs(), processing()),
            band(10, table()),
            "Trends",
            band(8, lengths(), phases()),
            band(8, against_plan(), users(), finished()),
            band(6, explained()),
        ),
    )


def verdict() -> list[Panel]:
    ended = SCOPE.of("k6_cloud_test_runs_finished_total", outcome="passed|failed|timed_out|error")
    passed = SCOPE.of("k6_cloud_test_runs_finished_total", outcome="passed")
    return [
        data_age_tile(data_age('job=~"$job"')),
        tile(
            "Test",
            "The name of the test; it leads to its page in the k6 app.",
            SCOPE.by_test("k6_cloud_test_info", and_by="test_name, url"),
            label="test_name",
            mapped=[words.nothing(words.DASH, "transparent")],
            links=[link("Test in the k6 app", "${__data.fields.url}", new_tab=True)],
            filled=False,
            absent="no such test",
        ),
        tile(
            "Verdict",
            "What became of the newest run that has finished.",
            SCOPE.outcome(),
            label="outcome",
            mapped=words.mappings(words.OUTCOME),
        ),
        tile(
            "Judged run",
            "The newest run that has finished, the one that the verdict speaks of; it leads to its page in "
            "the "
            "k6 app.",
            SCOPE.run_of(JUDGED),
            label="run_id",
            mapped=[words.nothing(words.DASH, "transparent")],
            links=[link("Run in the k6 app", "${__data.fields.url}", new_tab=True)],
            filled=False,
        ),
        moment("Finished", "When that run ended.", "k6_cloud_test_last_finished_timestamp_seconds"),
        moment(
            "Last passed",
            "When the newest run ended that is known to have passed.",
            "k6_cloud_test_last_passed_timestamp_seconds",
            absent="never",
        ),
        tile(
            "Pass rate",
            "Of the runs seen to finish within the range above, those that passed; aborted ones and those "
            "without "
            "a verdict do not count.",
            f"sum(max by (outcome) (increase({passed}[$__range])))"
            f" / sum(max by (outcome) (increase({ended}[$__range])))",
            unit="percentunit",
            mapped=[words.nothing("no run ended", words.GREY)],
            steps=((None, "red"), (0.5, "orange"), (0.9, "green")),
            absent="no run ended",
        ),
        moment(
            "Next run",
            "When a schedule will start the test next. Only the v6 API tells, and only to a token that may "
            "see "
            "schedules.",
            "k6_cloud_test_schedule_next_run_timestamp_seconds",
            absent="not scheduled",
        ),
    ]


def newest() -> list[Panel]:
    return [
        tile(
            "Run",
            "The newest run of the test, finished or not; it leads to its page in the k6 app.",
            SCOPE.run_of(f"{LAST}_id"),
            label="run_id",
            mapped=[words.nothing(words.DASH, "transparent")],
            links=[link("Run in the k6 app", "${__data.fields.url}", new_tab=True)],
            filled=False,
            absent="never run",
        ),
        tile(
            "Status",
            "How far the newest run has come.",
            SCOPE.by_test(f"{LAST}_status"),
            mapped=words.mappings(words.STATUS),
        ),
        tile(
            "Processing",
            "How far the metrics of the newest run are processed; there is no verdict before that is done.",
            SCOPE.by_test(f"{LAST}_processing_status"),
            mapped=words.mappings(words.PROCESSING),
        ),
        tile(
            "Result",
            "What k6 Cloud says of the thresholds of the newest run, once it is over. It says passed of some "
            "aborted runs as well: the verdict above knows better.",
            SCOPE.by_test(f"{LAST}_result_status"),
            mapped=words.mappings(words.RESULT, absent="no verdict yet", colour=words.GREY),
            absent="no verdict yet",
        ),
        moment("Started", "When the load of the newest run began.", f"{LAST}_started_timestamp_seconds"),
        moment(
            "Ended",
            "When the newest run ended.",
            f"{LAST}_ended_timestamp_seconds",
            absent="not yet",
        ),
        tile(
            "Planned",
            "Planned length of the newest run.",
            SCOPE.by_test(f"{LAST}_duration_seconds"),
            unit="dthms",
            filled=False,
        ),
        tile(
            "VUs",
            "Configured maximum of virtual users of the newest run.",
            SCOPE.by_test(f"{LAST}_vus"),
            unit="short",
            filled=False,
        ),
    ]


def moment(title: str, description: str, metric: str, *, absent: str = words.DASH) -> Panel:
    """A tile that says how long ago, or how soon."""
    return tile(
        title,
        description,
        milliseconds(SCOPE.by_test(metric)),
        unit="dateTimeFromNow",
        filled=False,
        absent=absent,
    )


def runs() -> Panel:
    return states(
        "Runs",
        "The status of each run over time: how long it was queued, initializing and running. Runs of the "
        "test "
        "that overlap have a band each.",
        series((SCOPE.by_run("k6_cloud_run_status"), "{{run_id}}")),
        words.mappings(words.STATUS),
    )


def processing() -> Panel:
    return states(
        "Processing",
        "How far the metrics of each run were processed, over time.",
        series((SCOPE.by_run("k6_cloud_run_processing_status"), "{{run_id}}")),
        words.mappings(words.PROCESSING),
    )


def waited(asked: Scope) -> str:
    started = asked.by_run_in_range("k6_cloud_run_started_timestamp_seconds")
    return f"{started} - {asked.by_run_in_range('k6_cloud_run_created_timestamp_seconds')}"


def table() -> Panel:
    zoom = link(
        "Zoom to this run",
        f"{frame.TO_TEST.replace('&${__url_time_range}', '')}&var-test=${{test}}"
        "&from=${__data.fields.Started.numeric}&to=${__data.fields.Ended.numeric}",
    )
    columns = (
        Column(
            "Run",
            SCOPE.pages_in_range(),
            "run_id",
            links=[link("Run in the k6 app", '${__data.fields["Run page"]}', new_tab=True), zoom],
            width=110,
        ),
        Column(
            "Status",
            SCOPE.by_run_in_range("k6_cloud_run_status"),
            mapped=words.mappings(words.STATUS),
            width=190,
        ),
        Column(
            "Result",
            SCOPE.by_run_in_range("k6_cloud_run_result_status"),
            mapped=words.mappings(words.RESULT, absent="no verdict yet", colour=words.GREY),
            width=130,
        ),
        Column(
            "Processing",
            SCOPE.by_run_in_range("k6_cloud_run_processing_status"),
            mapped=words.mappings(words.PROCESSING),
            width=120,
        ),
        exactly("Started", "k6_cloud_run_started_timestamp_seconds", zoom),
        exactly("Ended", "k6_cloud_run_ended_timestamp_seconds"),
        Column("Waited", waited(SCOPE), unit="dthms", width=100, absent=words.DASH),
        Column(
            "Ran",
            SCOPE.by_run_in_range("k6_cloud_run_execution_seconds"),
            unit="dthms",
            width=100,
            absent=words.DASH,
        ),
        Column(
            "Planned",
            SCOPE.by_run_in_range("k6_cloud_run_duration_seconds"),
            unit="dthms",
            width=100,
            absent=words.DASH,
        ),
        Column("VUs", SCOPE.by_run_in_range("k6_cloud_run_vus"), unit="short", width=80, absent=words.DASH),
        Column(
            "VUh",
            SCOPE.by_run_in_range("k6_cloud_run_vuh"),
            unit="short",
            width=80,
            absent=words.DASH,
            more={"decimals": 2},
        ),
        Column(
            "Run page",
            label="url",
            links=[link("Open in the k6 app", "${__value.raw}", new_tab=True)],
            absent=words.DASH,
        ),
        Column(
            "Created",
            milliseconds(SCOPE.by_run_in_range("k6_cloud_run_created_timestamp_seconds")),
            hidden=True,
        ),
    )
    return rows(
        "Runs",
        "Every run that was shown within the range above, as it was last known, the newest first. Its id "
        "leads to "
        "its page in the k6 app; its start offers to set the range to the run.",
        columns,
        newest_first=("Created",),
        absent="No run of this test was shown within this range.",
    )


def exactly(title: str, metric: str, *links: DashboardLink) -> Column:
    """A moment to the second."""
    return Column(
        title,
        milliseconds(SCOPE.by_run_in_range(metric)),
        unit="dateTimeAsIso",
        links=links,
        width=170,
        absent=words.DASH,
    )


def lengths() -> Panel:
    return panels.bars(
        "How long each run waited and ran",
        "For each run shown within the range: how long it waited for its first load, how long it ran, and "
        "how "
        "long it was meant to. The newest is on the left.",
        (
            Column("Run", SCOPE.by_run_in_range("k6_cloud_run_info"), "run_id"),
            Column("Waited", waited(SCOPE)),
            Column("Ran", SCOPE.by_run_in_range("k6_cloud_run_execution_seconds")),
            Column("Planned", SCOPE.by_run_in_range("k6_cloud_run_duration_seconds")),
            Column("Created", SCOPE.by_run_in_range("k6_cloud_run_created_timestamp_seconds"), hidden=True),
        ),
        unit="s",
        along="Run",
        newest_first=("Created",),
    )


def phases() -> Panel:
    return over_time(
        "Phases of the newest run",
        "Time that the newest run spent in each phase that is behind it. The legacy API tells only of "
        "running.",
        series((SCOPE.by_test(f"{LAST}_phase_seconds", and_by="phase"), "{{phase}}")),
        unit="s",
        steps=True,
        colours=words.PHASE,
    )


def against_plan() -> Panel:
    ran = SCOPE.value_of_run("k6_cloud_run_execution_seconds", JUDGED)
    planned = SCOPE.value_of_run("k6_cloud_run_duration_seconds", JUDGED)
    return over_time(
        "Ran against planned",
        "How long the newest finished run ran, and how long it was meant to, over time.",
        series((ran, "ran"), (planned, "planned")),
        unit="s",
        steps=True,
        colours={"ran": "blue", "planned": words.GREY},
    )


def users() -> Panel:
    created = SCOPE.by_test(f"{LAST}_created_timestamp_seconds")
    return over_time(
        "VUs and age of the newest run",
        "Configured maximum of virtual users of the newest run, and, on the right, how long ago it was "
        "created.",
        series((SCOPE.by_test(f"{LAST}_vus"), "VUs"), (f"time() - {created}", "age")),
        unit="short",
        steps=True,
        colours={"VUs": "blue", "age": words.GREY},
        on_the_right={"age": "s"},
    )


def finished() -> Panel:
    ended = SCOPE.of("k6_cloud_test_runs_finished_total")
    return over_time(
        "Runs by outcome",
        "Runs of the test that the exporter saw finish, by what became of them, in steps of at least five "
        "minutes.",
        series((f"max by (outcome) (round(increase({ended}[$__rate_interval])))", "{{outcome}}")),
        unit="short",
        bars=True,
        colours={str(code): colour for code, (_, colour) in words.OUTCOME.items()},
        least_interval="5m",
    )


def explained() -> Panel:
    return panels.words("How to read this", "What the words on this dashboard mean.", EXPLAINED)
