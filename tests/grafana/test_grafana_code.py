"""Grafana's own transformations and value mappings, in node, on what the tables get from Prometheus."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from exporter.model import Outcome, ProcessingStatus, ResultStatus, RunStatus
from grafana.builder import text as words
from tests.grafana.conftest import Prometheus
from tests.support.dashboards import ROOT, Asked, panel

SCRIPT = Path(__file__).parent / "node" / "look.js"
MODULES = ROOT / ".tools" / "grafana" / "node_modules"

Samples = Sequence[Mapping[str, Any]]
NOW = 1_790_000_000


@pytest.fixture(scope="session")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("there is no node here")
    if not (MODULES / "@grafana" / "data").exists():
        pytest.skip("@grafana/data is not installed here: make tools does so where there is npm")
    return found


def asked_of_node(node: str, question: dict[str, Any]) -> dict[str, Any]:
    told = subprocess.run(
        [node, SCRIPT],
        input=json.dumps(question),
        env={**os.environ, "NODE_PATH": str(MODULES)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    answer: dict[str, Any] = json.loads(told.stdout)
    return answer


def look(node: str, shown: dict[str, Any], answers: Mapping[str, Samples]) -> dict[str, list[dict[str, Any]]]:
    """What a table shows: the cells of each column by its title, in their order."""
    question = {"looks": [{"panel": shown, "frames": frames(answers)}]}
    ((frame,),) = (asked_of_node(node, question)["looks"],)
    return {column["name"]: column["cells"] for column in frame[0]["columns"]} if frame else {}


def frames(answers: Mapping[str, Samples]) -> list[dict[str, Any]]:
    """Answers to instant queries as the data source's tables: Time, the labels by name, then Value #A."""
    return [frame(refers, samples, alone=len(answers) == 1) for refers, samples in answers.items()]


def frame(refers: str, samples: Samples, *, alone: bool) -> dict[str, Any]:
    if not samples:
        return {"refId": refers, "fields": []}
    labels = sorted({label for sample in samples for label in sample["metric"]})
    fields = [
        {"name": "Time", "type": "time", "values": [sample["value"][0] * 1000 for sample in samples]},
        *(
            {"name": label, "type": "string", "values": [one["metric"].get(label, "") for one in samples]}
            for label in labels
        ),
        {
            "name": "Value" if alone else f"Value #{refers}",
            "type": "number",
            "values": [float(sample["value"][1]) for sample in samples],
        },
    ]
    return {"refId": refers, "fields": fields}


def texts(table: Mapping[str, list[dict[str, Any]]], title: str) -> list[str]:
    return [cell["text"] for cell in table[title]]


TABLES = [
    ("k6-cloud-overview", "Tests", "table", "test_id"),
    ("k6-cloud-test", "Runs", "table", "run_id"),
    ("k6-cloud-test", "How long each run waited and ran", "barchart", "run_id"),
    ("k6-cloud-exporter", "Endpoints", "table", "endpoint"),
]


@pytest.mark.parametrize("table_of", TABLES, ids=lambda case: case[1])
def test_a_table_of_the_demo_has_one_row_for_each_subject(
    node: str, prometheus: Prometheus, finished_test: str, table_of: tuple[str, str, str, str]
) -> None:
    uid, title, kind, subject = table_of
    shown = panel(uid, title, kind)
    at = float(int(prometheus.query("vector(time())")[0]["value"][0]))
    answers = {
        target["refId"]: prometheus.query(
            Asked(uid, title, target["expr"]).with_variables(test=finished_test), at
        )
        for target in shown["targets"]
    }
    subjects = {
        (sample["metric"][subject], sample["metric"].get("api"))
        for samples in answers.values()
        for sample in samples
    }
    table = look(node, shown, answers)
    (organize,) = (one["options"] for one in shown["transformations"] if one["id"] == "organize")

    # A column of which nothing is known is not there; the others are, in their order and no more.
    titles = sorted(organize["renameByName"], key=organize["indexByName"].__getitem__)
    wanted = [organize["renameByName"][field] for field in titles]
    assert list(table) == [name for name in wanted if name in table]
    assert len(table) >= len(wanted) - 1
    assert {len(cells) for cells in table.values()} == {len(subjects)}


def test_links_of_tables_are_made_of_columns_that_there_are() -> None:
    for uid, title, kind, _ in TABLES:
        shown = panel(uid, title, kind)
        (organize,) = (one["options"] for one in shown["transformations"] if one["id"] == "organize")
        titles = set(organize["renameByName"].values())
        text = json.dumps(shown["fieldConfig"]).replace('\\"', "'")
        for part in text.split("${__data.fields")[1:]:
            name = part.split("}")[0].replace(".numeric", "").strip(".[]'")
            assert name in titles


def overview(tests: Iterable[tuple[int, str, int | None]]) -> dict[str, Samples]:
    """Answers for tests of these ids, outcomes and statuses (None: never run)."""
    shown = panel("k6-cloud-overview", "Tests")
    answers: dict[str, Samples] = {}
    for target in shown["targets"]:
        samples = []
        for test_id, outcome, status in tests:
            labels = {"project_id": "1", "test_id": str(test_id), "test_name": f"test {test_id}"}
            value: float | None = None
            if "topk" in target["expr"] and "last_outcome" in target["expr"]:
                labels["outcome"], value = outcome, 1
            elif "last_outcome" in target["expr"]:
                value = outcome in {"failed", "error", "timed_out"}
            elif "test_info" in target["expr"]:
                labels["page"], value = f"https://app.k6.io/tests/{test_id}", 1
            elif "last_run_status" in target["expr"]:
                value = status
            elif "started" in target["expr"] and status is not None:
                value = (NOW + test_id) * 1000
            if value is not None:
                samples.append({"metric": labels, "value": [NOW, str(float(value))]})
        answers[target["refId"]] = samples
    return answers


def test_every_status_and_outcome_has_its_word_and_its_colour_in_the_overview(node: str) -> None:
    outcomes = list(Outcome)
    tests = [(number, outcomes[number % len(outcomes)], status) for number, status in enumerate(RunStatus)]
    table = look(node, panel("k6-cloud-overview", "Tests"), overview(tests))
    both = zip(texts(table, "Verdict"), texts(table, "Newest run is"), strict=True)
    said = dict(zip(texts(table, "Id"), both, strict=True))

    assert said == {
        str(number): (words.OUTCOME[outcome][0], words.STATUS[status][0]) for number, outcome, status in tests
    }
    colours = {cell["text"]: cell["color"] for cell in table["Verdict"]}
    assert len(set(colours.values())) == len(colours)


def test_tests_that_need_a_look_come_first_and_then_the_newest(node: str) -> None:
    tests = [(1, "passed", 3), (2, "failed", 3), (3, "none", None), (4, "error", 7), (5, "passed", 2)]
    table = look(node, panel("k6-cloud-overview", "Tests"), overview(tests))

    assert texts(table, "Test") == ["test 4", "test 2", "test 5", "test 1", "test 3"]


@pytest.mark.parametrize("how_many", [1, 200])
def test_one_test_has_one_row_and_two_hundred_have_two_hundred(node: str, how_many: int) -> None:
    tests = [(number, "passed", 3) for number in range(how_many)]
    table = look(node, panel("k6-cloud-overview", "Tests"), overview(tests))

    assert {len(cells) for cells in table.values()} == {how_many}
    assert sorted(texts(table, "Id"), key=int) == [str(number) for number in range(how_many)]


def test_no_test_has_no_row(node: str) -> None:
    assert look(node, panel("k6-cloud-overview", "Tests"), overview([])) == {}


def test_a_test_that_never_ran_says_so(node: str) -> None:
    table = look(node, panel("k6-cloud-overview", "Tests"), overview([(1, "none", None), (2, "passed", 3)]))

    assert dict(zip(texts(table, "Test"), texts(table, "Newest run is"), strict=True)) == {
        "test 1": "never run",
        "test 2": "finished",
    }


CODED = [
    ("k6-cloud-test", "Status", words.STATUS, RunStatus),
    ("k6-cloud-test", "Processing", words.PROCESSING, ProcessingStatus),
    ("k6-cloud-test", "Result", words.RESULT, ResultStatus),
]


@pytest.mark.parametrize(("uid", "title", "said", "codes"), CODED, ids=[case[1] for case in CODED])
def test_every_code_has_its_word_and_an_unknown_one_its_number(
    node: str, uid: str, title: str, said: words.Words, codes: Iterable[int]
) -> None:
    shown = panel(uid, title, "stat")
    values = [*(int(code) for code in codes), 42, None]
    given = {"fields": [{"name": "Value", "type": "number", "values": values}]}
    answer = asked_of_node(node, {"looks": [{"panel": shown, "frames": [given]}]})
    cells = answer["looks"][0][0]["columns"][0]["cells"]

    assert [cell["text"] for cell in cells[:-2]] == [said[int(code)][0] for code in codes]
    assert cells[-2]["text"] == "42"
    assert cells[-1]["text"] in {words.DASH, "no verdict yet"}


def test_the_age_of_the_data_is_red_where_there_is_no_exporter(node: str) -> None:
    shown = panel("k6-cloud-overview", "Data age")
    given = {"fields": [{"name": "Value", "type": "number", "values": [5, 200, 400, NOW, None]}]}
    answer = asked_of_node(node, {"looks": [{"panel": shown, "frames": [given]}]})
    cells = answer["looks"][0][0]["columns"][0]["cells"]

    assert [cell["text"] for cell in cells] == ["5 s", "3.33 mins", "6.67 mins", "never", "no exporter"]
    good, late, *gone = (cell["color"] for cell in cells)
    assert len({good, late}) == 2
    assert len(set(gone)) == 1
    assert gone[0] not in {good, late}


def test_a_band_breaks_where_the_exporter_was_away(node: str) -> None:
    minutes = [0, 1, 2, 10, 11]
    breaks = [{"times": [minute * 60_000 for minute in minutes], "step": 60_000}]

    (gap,) = asked_of_node(node, {"breaks": breaks})["breaks"]

    assert [moment / 60_000 for moment in gap] == [3, 4, 5, 6, 7, 8, 9]
    for title in ("Runs", "Processing"):
        timeline = panel("k6-cloud-test", title, "state-timeline")
        assert "insertNulls" not in timeline["fieldConfig"]["defaults"].get("custom", {})
