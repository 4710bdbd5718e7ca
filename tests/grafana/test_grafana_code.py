"""Grafana's own transformations and value mappings, run in Node.js on results of Prometheus."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from exporter.model import Outcome, RunStatus
from grafana.builder import text
from tests.grafana.conftest import Prometheus
from tests.support.dashboards import ROOT, DashboardQuery, find_panel

SCRIPT = Path(__file__).parent / "node" / "render.js"
MODULES = ROOT / ".tools" / "grafana" / "node_modules"

Samples = Sequence[Mapping[str, Any]]
NOW = 1_790_000_000
MISSED = -1  # the state of the newest run of a test whose schedule missed a start, in these tests


@pytest.fixture(scope="session")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("Node.js is not installed")
    if not (MODULES / "@grafana" / "data").exists():
        pytest.skip("@grafana/data is not installed; make tools installs it if npm is available")
    return found


def run_node(node: str, request: dict[str, Any]) -> dict[str, Any]:
    result = subprocess.run(
        [node, SCRIPT],
        input=json.dumps(request),
        env={**os.environ, "NODE_PATH": str(MODULES)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    response: dict[str, Any] = json.loads(result.stdout)
    return response


def render_table(
    node: str, panel: dict[str, Any], results: Mapping[str, Samples]
) -> dict[str, list[dict[str, Any]]]:
    """The cells of each column of a table panel, by column title and in their order."""
    request = {"panels": [{"panel": panel, "frames": build_frames(results)}]}
    ((frame,),) = (run_node(node, request)["panels"],)
    return {column["name"]: column["cells"] for column in frame[0]["columns"]} if frame else {}


def build_frames(results: Mapping[str, Samples]) -> list[dict[str, Any]]:
    """Results of instant queries as tables of the data source: Time, the labels by name, then Value #A."""
    return [build_frame(ref_id, samples, alone=len(results) == 1) for ref_id, samples in results.items()]


def build_frame(ref_id: str, samples: Samples, *, alone: bool) -> dict[str, Any]:
    if not samples:
        return {"refId": ref_id, "fields": []}
    labels = sorted({label for sample in samples for label in sample["metric"]})
    fields = [
        {"name": "Time", "type": "time", "values": [sample["value"][0] * 1000 for sample in samples]},
        *(
            {"name": label, "type": "string", "values": [one["metric"].get(label, "") for one in samples]}
            for label in labels
        ),
        {
            "name": "Value" if alone else f"Value #{ref_id}",
            "type": "number",
            "values": [float(sample["value"][1]) for sample in samples],
        },
    ]
    return {"refId": ref_id, "fields": fields}


def cell_texts(table: Mapping[str, list[dict[str, Any]]], title: str) -> list[str]:
    return [cell["text"] for cell in table[title]]


TABLES = [
    ("k6-cloud-overview", "Tests", "table", "test_id"),
    ("k6-cloud-test", "Runs", "table", "run_id"),
    ("k6-cloud-test", "Waiting and run duration", "barchart", "run_id"),
    ("k6-cloud-exporter", "Endpoints", "table", "endpoint"),
]


@pytest.mark.parametrize("table_of", TABLES, ids=lambda case: case[1])
def test_table_of_the_demo_has_one_row_per_subject(
    node: str, prometheus: Prometheus, finished_test: str, table_of: tuple[str, str, str, str]
) -> None:
    uid, title, kind, subject = table_of
    panel = find_panel(uid, title, kind)
    at = float(int(prometheus.query("vector(time())")[0]["value"][0]))
    results = {
        target["refId"]: prometheus.query(
            DashboardQuery(uid, title, target["expr"]).with_variables(test=finished_test), at
        )
        for target in panel["targets"]
    }
    subjects = {
        (sample["metric"][subject], sample["metric"].get("api"))
        for samples in results.values()
        for sample in samples
    }
    table = render_table(node, panel, results)
    (organize,) = (one["options"] for one in panel["transformations"] if one["id"] == "organize")

    # Grafana leaves out a column without any value; the other columns are there in their order.
    titles = sorted(organize["renameByName"], key=organize["indexByName"].__getitem__)
    expected = [organize["renameByName"][field] for field in titles]
    assert list(table) == [name for name in expected if name in table]
    assert len(table) >= len(expected) - 1
    assert {len(cells) for cells in table.values()} == {len(subjects)}


def test_links_in_tables_use_existing_columns() -> None:
    for uid, title, kind, _ in TABLES:
        panel = find_panel(uid, title, kind)
        (organize,) = (one["options"] for one in panel["transformations"] if one["id"] == "organize")
        titles = set(organize["renameByName"].values())
        config = json.dumps(panel["fieldConfig"]).replace('\\"', "'")
        for part in config.split("${__data.fields")[1:]:
            name = part.split("}")[0].replace(".numeric", "").strip(".[]'")
            assert name in titles


def build_overview_results(tests: Iterable[tuple[int, str, int | None]]) -> dict[str, Samples]:
    """Query results for tests with these ids, outcomes and states (None: never run)."""
    results: dict[str, Samples] = {}
    for target in find_panel("k6-cloud-overview", "Tests")["targets"]:
        samples = [build_overview_sample(target["expr"], *test) for test in tests]
        results[target["refId"]] = [sample for sample in samples if sample["value"][1] is not None]
    return results


def build_overview_sample(expr: str, test_id: int, outcome: str, state: int | None) -> dict[str, Any]:
    """A sample of the query of one column; its value is None if the test has none."""
    last = {"outcome": outcome, "reason": "", "run_id": "1", "url": "https://app.k6.io/runs/1"}
    fails = outcome in {"failed", "error", "timed_out"}
    # By the first of these metrics in the expression.
    columns: dict[str, tuple[dict[str, str], float | None]] = {
        "last_finished_info": (last, NOW + test_id),
        "project_info": ({"project_name": "shop"}, 1),
        "last_run_status": ({}, state),
        "failing_since": ({}, (NOW + test_id) * 1000 if fails else 0),
        "schedule_due": ({}, NOW * 1000 if state == MISSED else 0),
        "last_finished_timestamp": ({}, 0 if state is None else NOW + test_id),
        "test_info": ({"page": f"https://app.k6.io/tests/{test_id}"}, 1),
    }
    labels, value = next((column for metric, column in columns.items() if metric in expr), ({}, None))
    named = {"project_id": "1", "test_id": str(test_id), "test_name": f"test {test_id}"}
    return {"metric": named | labels, "value": [NOW, value]}


def test_overview_shows_text_and_colour_of_every_code(node: str) -> None:
    outcomes = list(Outcome)
    tests = [(number, outcomes[number % len(outcomes)], status) for number, status in enumerate(RunStatus)]
    table = render_table(node, find_panel("k6-cloud-overview", "Tests"), build_overview_results(tests))
    both = zip(cell_texts(table, "Outcome"), cell_texts(table, "Newest run"), strict=True)
    texts = dict(zip(cell_texts(table, "Id"), both, strict=True))

    assert texts == {
        str(number): (text.OUTCOME[outcome][0], text.STATE[status][0]) for number, outcome, status in tests
    }
    colours = {cell["text"]: cell["color"] for cell in table["Outcome"]}
    assert len(set(colours.values())) == len(colours)


def test_failing_then_missed_then_newest_come_first(node: str) -> None:
    tests = [
        (1, "passed", 13),
        (2, "failed", 23),
        (3, "none", None),
        (4, "error", 7),
        (5, "passed", 2),
        (0, "passed", MISSED),
    ]
    table = render_table(node, find_panel("k6-cloud-overview", "Tests"), build_overview_results(tests))

    assert cell_texts(table, "Test") == [f"test {number}" for number in (4, 2, 0, 5, 1, 3)]


@pytest.mark.parametrize("count", [1, 200])
def test_overview_has_one_row_per_test(node: str, count: int) -> None:
    tests = [(number, "passed", 3) for number in range(count)]
    table = render_table(node, find_panel("k6-cloud-overview", "Tests"), build_overview_results(tests))

    assert {len(cells) for cells in table.values()} == {count}
    assert sorted(cell_texts(table, "Id"), key=int) == [str(number) for number in range(count)]


def test_overview_without_tests_has_no_rows(node: str) -> None:
    assert render_table(node, find_panel("k6-cloud-overview", "Tests"), build_overview_results([])) == {}


def test_test_without_runs_is_shown_as_never_run(node: str) -> None:
    table = render_table(
        node,
        find_panel("k6-cloud-overview", "Tests"),
        build_overview_results([(1, "none", None), (2, "passed", 13)]),
    )

    assert dict(zip(cell_texts(table, "Test"), cell_texts(table, "Newest run"), strict=True)) == {
        "test 1": "never run",
        "test 2": "passed",
    }


def test_states_show_their_text_and_unknown_ones_their_number(node: str) -> None:
    panel = find_panel("k6-cloud-test", "State")
    values = [*text.STATE, 42, None]
    given = {"fields": [{"name": "Value", "type": "number", "values": values}]}
    response = run_node(node, {"panels": [{"panel": panel, "frames": [given]}]})
    cells = response["panels"][0][0]["columns"][0]["cells"]

    assert [cell["text"] for cell in cells[:-2]] == [shown for shown, _ in text.STATE.values()]
    assert cells[-2]["text"] == "42"
    assert cells[-1]["text"] == "no data"
    assert (
        cells[values.index(23)]["color"]
        == cells[values.index(8)]["color"]
        != cells[values.index(13)]["color"]
    )


def test_data_age_is_red_without_an_exporter(node: str) -> None:
    panel = find_panel("k6-cloud-overview", "Data age")
    given = {"fields": [{"name": "Value", "type": "number", "values": [5, 200, 400, NOW, None]}]}
    response = run_node(node, {"panels": [{"panel": panel, "frames": [given]}]})
    cells = response["panels"][0][0]["columns"][0]["cells"]

    assert [cell["text"] for cell in cells] == ["5 s", "3.33 mins", "6.67 mins", "never", "no exporter"]
    fresh, late, *missing = (cell["color"] for cell in cells)
    assert len({fresh, late}) == 2
    assert len(set(missing)) == 1
    assert missing[0] not in {fresh, late}


def test_timeline_has_a_gap_where_data_is_missing(node: str) -> None:
    minutes = [0, 1, 2, 10, 11]
    series = [{"times": [minute * 60_000 for minute in minutes], "step": 60_000}]

    (gap,) = run_node(node, {"gaps": series})["gaps"]

    assert [time / 60_000 for time in gap] == [3, 4, 5, 6, 7, 8, 9]
    for uid, title in (("k6-cloud-test", "Run history"), ("k6-cloud-overview", "Test states")):
        timeline = find_panel(uid, title)
        assert "insertNulls" not in timeline["fieldConfig"]["defaults"].get("custom", {})
