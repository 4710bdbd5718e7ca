"""Every query of every dashboard, on a real Prometheus that scrapes two exporters."""

import re
import time
from collections import Counter

import pytest

from tests.grafana.conftest import Prometheus
from tests.support.dashboards import DASHBOARDS, DashboardQuery, all_queries, panel_queries
from tests.support.processes import eventually

# Queries without a result, each with the reason.
WITHOUT_RESULT = {
    ("k6-cloud-overview", "Alerts"): "no rules are loaded here",
    ("k6-cloud-test", "Alerts"): "no rules are loaded here",
    ("k6-cloud-exporter", "Alerts"): "no rules are loaded here",
}


@pytest.mark.parametrize("query", all_queries(), ids=str)
def test_query_returns_the_displayed_labels(
    query: DashboardQuery, prometheus: Prometheus, finished_test: str
) -> None:
    expression = query.with_variables(test=finished_test)
    if (query.dashboard, query.title) in WITHOUT_RESULT:
        assert prometheus.query(expression) == []
        return

    result = eventually(lambda: prometheus.query(expression), seconds=90)

    for sample in result:
        assert query.labels <= sample["metric"].keys()


def test_exceptions_are_existing_queries() -> None:
    assert set(WITHOUT_RESULT) <= {(query.dashboard, query.title) for query in all_queries()}


@pytest.mark.parametrize(
    "query",
    [query for query in panel_queries() if query.dashboard != "k6-cloud-exporter"],
    ids=str,
)
def test_second_exporter_does_not_duplicate_rows(
    query: DashboardQuery, prometheus: Prometheus, finished_test: str
) -> None:
    result = prometheus.query(query.with_variables(test=finished_test))
    rows = Counter(
        tuple(sample["metric"].get(label) for label in distinguishing_labels(query.expr)) for sample in result
    )

    assert not {"instance", "job"} & {label for sample in result for label in sample["metric"]}
    assert set(rows.values()) <= {1}


def distinguishing_labels(expr: str) -> tuple[str, ...]:
    """The labels that distinguish the rows of a result."""
    by_prefix = {
        "sum by (outcome)": ("outcome",),
        "max by (outcome) (round": ("outcome",),
        "sum by (project_id)": ("project_id",),
        "max by (phase)": ("phase",),
        "topk": ("test_id",) if "test_id," in expr else ("run_id",),
    }
    found = (labels for prefix, labels in by_prefix.items() if expr.startswith(prefix))
    return next(found, ("test_id", "run_id"))


def test_variable_offers_every_test_of_the_demo(prometheus: Prometheus) -> None:
    """Grafana formats a query_result as {label="value",…} value time. The regex is in JavaScript syntax."""
    (variable,) = (one for one in DASHBOARDS["k6-cloud-test"]["templating"]["list"] if one["name"] == "test")
    (query,) = (
        query for query in all_queries() if (query.dashboard, query.title) == ("k6-cloud-test", "test")
    )
    pattern = re.compile(variable["regex"].strip("/").replace("(?<", "(?P<"))
    choices = {}
    for sample in prometheus.query(query.with_variables()):
        labels = ",".join(f'{label}="{value}"' for label, value in sorted(sample["metric"].items()))
        chosen = pattern.search(f"{{{labels}}} {sample['value'][1]} {sample['value'][0] * 1000:.0f}")
        assert chosen
        choices[chosen["value"]] = chosen["text"]

    assert len(choices) == 17
    assert all(text.endswith(f" · {test_id}") for test_id, text in choices.items())
    assert sorted(text.split(" · ")[0] for text in choices.values()).count("login-spike") == 2


def test_overview_tiles_show_no_zero_without_data(prometheus: Prometheus) -> None:
    """Without an exporter, tiles have no value, and the age of the data is NaN."""
    tiles = [
        query
        for query in panel_queries()
        if query.dashboard == "k6-cloud-overview" and query.panel and query.panel["type"] == "stat"
    ]
    results = {query.title: prometheus.query(query.with_variables(job="no-such-job")) for query in tiles}

    assert [sample["value"][1] for sample in results.pop("Data age")] == ["NaN"]
    assert len(results) == 7
    assert all(result == [] for result in results.values())


def test_overview_tiles_add_up_to_all_tests(prometheus: Prometheus) -> None:
    """At any time each test is counted once, unless the two exporters disagree at that time."""
    by_title = {query.title: query for query in panel_queries() if query.dashboard == "k6-cloud-overview"}

    def count_matches() -> bool:
        at = time.time() - 1
        counts = [
            float(prometheus.query(by_title[title].with_variables(), at)[0]["value"][1])
            for title in ("Failing", "Passing", "No result")
        ]
        return sum(counts) == 17

    assert eventually(count_matches, seconds=30)
