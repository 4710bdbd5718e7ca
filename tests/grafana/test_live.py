"""Every expression of every dashboard, on a real Prometheus that scrapes two exporters."""

import re
import time
from collections import Counter

import pytest

from tests.grafana.conftest import Prometheus
from tests.support.dashboards import DASHBOARDS, Asked, everything_asked, of_panels
from tests.support.processes import eventually

# What may be silent, and why.
SILENT = {
    ("k6-cloud-overview", "Alerts"): "no rules are loaded here",
    ("k6-cloud-test", "Alerts"): "no rules are loaded here",
    ("k6-cloud-exporter", "Alerts"): "no rules are loaded here",
}


@pytest.mark.parametrize("asked", everything_asked(), ids=str)
def test_every_expression_answers_with_the_labels_that_are_shown(
    asked: Asked, prometheus: Prometheus, finished_test: str
) -> None:
    expression = asked.with_variables(test=finished_test)
    if (asked.dashboard, asked.title) in SILENT:
        assert prometheus.query(expression) == []
        return

    answer = eventually(lambda: prometheus.query(expression), seconds=90)

    for sample in answer:
        assert asked.needs <= sample["metric"].keys()


def test_only_what_exists_is_excused() -> None:
    assert set(SILENT) <= {(asked.dashboard, asked.title) for asked in everything_asked()}


@pytest.mark.parametrize(
    "asked",
    [asked for asked in of_panels() if asked.dashboard != "k6-cloud-exporter"],
    ids=str,
)
def test_two_exporters_do_not_double_a_row(asked: Asked, prometheus: Prometheus, finished_test: str) -> None:
    answer = prometheus.query(asked.with_variables(test=finished_test))
    rows = Counter(tuple(sample["metric"].get(label) for label in subjects(asked.expr)) for sample in answer)

    assert not {"instance", "job"} & {label for sample in answer for label in sample["metric"]}
    assert set(rows.values()) <= {1}


def subjects(expr: str) -> tuple[str, ...]:
    """The labels by which the rows of an answer are told apart."""
    by_others = {
        "sum by (outcome)": ("outcome",),
        "max by (outcome) (round": ("outcome",),
        "sum by (project_id)": ("project_id",),
        "max by (phase)": ("phase",),
        "topk": ("test_id",) if "test_id," in expr else ("run_id",),
    }
    found = (labels for beginning, labels in by_others.items() if expr.startswith(beginning))
    return next(found, ("test_id", "run_id"))


def test_every_test_of_the_demo_can_be_chosen_by_name(prometheus: Prometheus) -> None:
    """Grafana's words for a query_result: {label="value",…} value time; the regex is JavaScript's."""
    (variable,) = (one for one in DASHBOARDS["k6-cloud-test"]["templating"]["list"] if one["name"] == "test")
    (asked,) = (
        asked for asked in everything_asked() if (asked.dashboard, asked.title) == ("k6-cloud-test", "test")
    )
    pattern = re.compile(variable["regex"].strip("/").replace("(?<", "(?P<"))
    choices = {}
    for sample in prometheus.query(asked.with_variables()):
        labels = ",".join(f'{label}="{value}"' for label, value in sorted(sample["metric"].items()))
        chosen = pattern.search(f"{{{labels}}} {sample['value'][1]} {sample['value'][0] * 1000:.0f}")
        assert chosen
        choices[chosen["value"]] = chosen["text"]

    assert len(choices) == 13
    assert all(text.endswith(f" · {test_id}") for test_id, text in choices.items())
    assert sorted(text.split(" · ")[0] for text in choices.values()).count("login-spike") == 2


def test_no_tile_of_the_overview_says_zero_when_nothing_is_known(prometheus: Prometheus) -> None:
    """As when the exporter is away: no answer, and for the age of the data one that is not a number."""
    now = [
        asked
        for asked in of_panels()
        if asked.dashboard == "k6-cloud-overview" and asked.panel and asked.panel["type"] == "stat"
    ]
    answers = {asked.title: prometheus.query(asked.with_variables(job="no-such-job")) for asked in now}

    assert [sample["value"][1] for sample in answers.pop("Data age")] == ["NaN"]
    assert len(answers) == 7
    assert all(answer == [] for answer in answers.values())


def test_the_tiles_of_the_overview_add_up(prometheus: Prometheus) -> None:
    """Asked for one moment, each test is counted once, unless the two exporters disagree at that moment."""
    by_title = {asked.title: asked for asked in of_panels() if asked.dashboard == "k6-cloud-overview"}

    def counted() -> bool:
        at = time.time() - 1
        told = [
            float(prometheus.query(by_title[title].with_variables(), at)[0]["value"][1])
            for title in ("Failing", "Passing", "No verdict")
        ]
        return sum(told) == 13

    assert eventually(counted, seconds=30)
