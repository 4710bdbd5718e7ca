"""Every query of every dashboard, on a real Prometheus that scrapes two exporters."""

import re
import time
from collections import Counter

import pytest

from tests.grafana.conftest import Prometheus
from tests.support.dashboards import DASHBOARDS, DashboardQuery, all_queries, panel_queries
from tests.support.processes import eventually


@pytest.mark.parametrize("query", all_queries(), ids=str)
def test_query_returns_the_displayed_labels(
    query: DashboardQuery, prometheus: Prometheus, finished_test: str, failing_test: str
) -> None:
    if reason := reason_for_no_result(query):
        assert prometheus.query(query.with_variables(test=finished_test)) == [], reason
        return
    # Panels leave out series that are 0, which all failures are here, and starts that have just passed.
    expressions = [
        re.sub(r" > (0|time\(\))", "", query.with_variables(test=test))
        for test in (failing_test, finished_test)
    ]

    result = eventually(
        lambda: prometheus.query(expressions[0]) or prometheus.query(expressions[1]), seconds=90
    )

    for sample in result:
        assert query.labels <= sample["metric"].keys()


def reason_for_no_result(query: DashboardQuery) -> str:
    """Why a query has no result here; empty if it has one."""
    if "ALERTS" in query.expr:
        return "no rules are loaded"
    if 'code!~"2.."' in query.expr:
        return "no request fails"
    if "schedule_due" in query.expr and " or 0 " not in query.expr:
        return "no start is 10 minutes late"  # see test_queries.py
    return ""


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
        "sum by (project_id)": ("project_id",),
        "(sum by (project_id)": ("project_id",),
        "max by (phase)": ("phase",),
        "topk": ("test_id",) if "test_id," in expr else ("run_id",),
    }
    found = (labels for prefix, labels in by_prefix.items() if expr.startswith(prefix))
    return next(found, ("test_id", "run_id"))


def test_variable_offers_every_test_of_the_demo(prometheus: Prometheus) -> None:
    choices = find_choices(prometheus, "test")

    assert len(choices) == 17
    assert all(text.endswith(f" · {test_id}") for test_id, text in choices.items())
    assert sorted(text.split(" · ")[0] for text in choices.values()).count("login-spike") == 2


def test_variable_offers_projects_by_name(prometheus: Prometheus) -> None:
    assert sorted(find_choices(prometheus, "project").values()) == ["payments", "platform", "shop"]


def find_choices(prometheus: Prometheus, name: str) -> dict[str, str]:
    """The text of each value of a variable.

    Grafana formats a query_result as {label="value",…} value time. The regex is in JavaScript syntax.
    """
    (variable,) = (one for one in DASHBOARDS["k6-cloud-test"]["templating"]["list"] if one["name"] == name)
    (query,) = (query for query in all_queries() if (query.dashboard, query.title) == ("k6-cloud-test", name))
    pattern = re.compile(variable["regex"].strip("/").replace("(?<", "(?P<"))
    choices = {}
    for sample in prometheus.query(query.with_variables()):
        labels = ",".join(f'{label}="{value}"' for label, value in sorted(sample["metric"].items()))
        chosen = pattern.search(f"{{{labels}}} {sample['value'][1]} {sample['value'][0] * 1000:.0f}")
        assert chosen
        choices[chosen["value"]] = chosen["text"] or chosen["value"]
    return choices


def test_run_history_lists_the_newest_run_first(prometheus: Prometheus, finished_test: str) -> None:
    (query,) = (query for query in panel_queries() if query.title == "Run history")
    created = "max by (run_id) (last_over_time(k6_cloud_run_created_timestamp_seconds[10m]))"
    # Runs that ended before the first scrape have no bar, so here all bars are kept.
    expression = re.sub(r" <= 2\b", " <= 3", query.with_variables(test=finished_test))

    def find_order() -> list[str]:
        series = prometheus.query_range(expression, seconds=60, step=1)
        shown = [one["metric"]["run_id"] for one in series]
        return shown if len(shown) > 1 else []

    shown = eventually(find_order, seconds=60)
    times = {one["metric"]["run_id"]: float(one["value"][1]) for one in prometheus.query(created)}

    assert shown == sorted(shown, key=times.__getitem__, reverse=True)


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


# Text that would break a query, or match other tests, if it were not escaped.
ODD_NAMES = ['"', "'", "\\", "a|b", ".*", "(", "[", "{}", "$", "^", "?", "+", 'say "hi\\" (v2) | [x]{1}/*']


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_name_is_searched_for_literally(prometheus: Prometheus, name: str) -> None:
    (query,) = (query for query in panel_queries() if query.title == "Failing")

    assert prometheus.query(query.with_variables(name=name)) == []
    assert prometheus.query(query.with_variables(name="LOGIN-spike"))


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
