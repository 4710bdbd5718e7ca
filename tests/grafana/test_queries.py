"""The values of queries over time, on given samples: exact counts, outcomes, bars that end, missed starts."""

import subprocess
from pathlib import Path

import pytest
import yaml

from exporter.web import status_page
from grafana.builder import queries
from tests.grafana.test_metrics import read_alert_expressions
from tests.support.dashboards import DashboardQuery, panel_queries

LABELS = 'job="k6", instance="a", project_id="1", test_id="7", test_name="checkout"'


def find_query(uid: str, title: str, metric: str) -> DashboardQuery:
    """The first query of a panel that contains this text."""
    found = (
        query
        for query in panel_queries()
        if query.dashboard == uid and query.title == title and metric in query.expr
    )
    return next(found)


def assert_value(
    promtool: str, folder: Path, expr: str, samples: dict[str, str], *, at: str, expected: list[float]
) -> None:
    """Evaluates a query with promtool on samples with a distance of a minute, in the notation of promtool."""
    test = {
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in samples.items()],
        "promql_expr_test": [
            {
                "expr": f"sum({expr})",
                "eval_time": at,
                "exp_samples": [{"labels": "{}", "value": value} for value in expected],
            }
        ],
    }
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}, width=1_000_000))
    result = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


RUN = f'{LABELS}, run_id="1"'


@pytest.mark.parametrize(
    ("values", "count"),
    [
        ("0 0 1 1 3 3 4 4 4 7 7 8 " + "8x60", 8),  # several runs in a step
        ("0x30 1x30", 1),
        ("5x20 6x10 1x40", 2),  # the exporter started again, and one run finished soon after
        ("5x10 _x20 6x40", 0),  # runs that finished while it was down are not counted
        ("4x70", 0),
    ],
)
def test_every_finished_run_is_counted_once(promtool: str, tmp_path: Path, values: str, count: int) -> None:
    query = find_query("k6-cloud-overview", "Runs by outcome", 'outcome=~"passed"')
    expr = query.with_variables(__interval="5m")
    second = LABELS.replace('"a"', '"b"')  # this exporter counts the same runs
    steps = f"sum_over_time(({expr})[60m:5m])"

    assert_value(
        promtool,
        tmp_path,
        steps,
        {
            f'k6_cloud_test_runs_finished_total{{{LABELS}, outcome="passed"}}': values,
            f'k6_cloud_test_runs_finished_total{{{second}, outcome="passed"}}': values,
        },
        at="60m",
        expected=[count] if count else [],
    )


# Of a run that is queued in minutes 0 to 4, runs until minute 14 and fails.
FAILED_RUN = {
    f"k6_cloud_run_created_timestamp_seconds{{{RUN}}}": "0x60",
    f"k6_cloud_run_status{{{RUN}}}": "0x4 2x9 3x40",
    f"k6_cloud_run_processing_status{{{RUN}}}": "0x14 2x40",
    f"k6_cloud_run_result_status{{{RUN}}}": "_x15 1x40",
}


@pytest.mark.parametrize(("minute", "state"), [(2, [0]), (5, [23]), (14, [23]), (17, []), (40, [])])
def test_bar_of_run_has_outcome_and_ends(
    promtool: str, tmp_path: Path, minute: int, state: list[float]
) -> None:
    query = find_query("k6-cloud-test", "Run history", "k6_cloud_run_status")
    expr = query.with_variables(test="7", __range="60m", __rate_interval="1m")
    # The range ends at minute 40, `minute` is a step in it.
    step = f"last_over_time(({expr})[1s:1s] @ {minute * 60})"

    assert_value(promtool, tmp_path, step, FAILED_RUN, at="40m", expected=state)


def test_starts_are_missed_after_the_same_time_everywhere() -> None:
    (alert,) = (expr for expr in read_alert_expressions() if "schedule_due" in expr)

    assert (queries.LATE_START, queries.EARLY_START) == (status_page.LATE_START, status_page.EARLY_START)
    assert f"offset {queries.LATE_START // 60}m" in alert
    assert f"- {queries.EARLY_START}\n" in alert


@pytest.mark.parametrize(
    ("created", "at", "missed"),
    [
        ("0x60", "19m", []),  # not late yet
        ("0x60", "21m", [600_000]),
        ("0x10 600x50", "21m", []),
        ("0x10 545x50", "21m", []),  # k6 Cloud may create it a little early
        ("_x60", "21m", [600_000]),  # never run
    ],
)
def test_start_is_missed_without_a_run_in_time(
    promtool: str, tmp_path: Path, created: str, at: str, missed: list[float]
) -> None:
    query = find_query("k6-cloud-overview", "Tests", "schedule_due")

    assert_value(
        promtool,
        tmp_path,
        query.with_variables(),
        {
            f"k6_cloud_test_schedule_due_timestamp_seconds{{{LABELS}}}": "_x9 600x50",
            f"k6_cloud_test_last_run_created_timestamp_seconds{{{LABELS}}}": created,
        },
        at=at,
        expected=missed,
    )


INFO = {f"k6_cloud_test_info{{{LABELS}}}": "1x60"}
DUE = {f"k6_cloud_test_schedule_due_timestamp_seconds{{{LABELS}}}": "600x60"}
CREATED = {f"k6_cloud_test_last_run_created_timestamp_seconds{{{LABELS}}}": "600x60"}


@pytest.mark.parametrize(
    ("title", "samples", "shown"),
    [
        ("State", INFO, [-3]),  # never run
        ("State", {}, []),
        ("Missed start", DUE | CREATED, [0]),  # none
        ("Missed start", DUE, [600_000]),
        ("Missed start", INFO, []),  # not known
        ("Ended", CREATED, [0]),  # not yet
        ("Ended", INFO, []),
    ],
)
def test_tile_distinguishes_nothing_from_no_data(
    promtool: str, tmp_path: Path, title: str, samples: dict[str, str], shown: list[float]
) -> None:
    query = find_query("k6-cloud-test", title, "")

    assert_value(promtool, tmp_path, query.with_variables(test="7"), samples, at="30m", expected=shown)


@pytest.mark.parametrize(("last", "age"), [("0x60", []), ("600x60", [1200])])
def test_data_age_is_not_drawn_before_the_first_poll(
    promtool: str, tmp_path: Path, last: str, age: list[float]
) -> None:
    query = find_query("k6-cloud-exporter", "Data age", "max by (instance)")
    metric = "k6_cloud_exporter_last_successful_poll_timestamp_seconds"
    samples = {f'{metric}{{job="k6", instance="a"}}': last}

    assert_value(promtool, tmp_path, query.with_variables(), samples, at="30m", expected=age)


@pytest.mark.parametrize(("title", "shown"), [("Data age", 1200), ("Tests", 5)])
def test_releases_of_one_job_do_not_mask_each_other(
    promtool: str, tmp_path: Path, title: str, shown: float
) -> None:
    """They differ in the namespace, as on Kubernetes. Only the first is up to date."""
    samples = {}
    for namespace, last, tests in (("a", "1800x60", "3x60"), ("b", "600x60", "2x60")):
        target = f'job="k6", namespace="{namespace}", instance="{namespace}"'
        samples[f"k6_cloud_exporter_last_successful_poll_timestamp_seconds{{{target}}}"] = last
        samples[f"k6_cloud_exporter_tests{{{target}}}"] = tests
        samples[f'k6_cloud_exporter_shard_info{{{target}, shard="0"}}'] = "1x60"
    query = find_query("k6-cloud-exporter", title, "by (job")

    assert_value(promtool, tmp_path, query.with_variables(), samples, at="30m", expected=[shown])


def test_quantiles_without_observations_are_left_out() -> None:
    """They are NaN, with which a graph is empty."""
    quantiles = [query.expr for query in panel_queries() if "histogram_quantile" in query.expr]

    assert len(quantiles) == 8
    assert all(expr.endswith(" >= 0") for expr in quantiles)
