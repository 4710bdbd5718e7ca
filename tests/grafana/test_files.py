"""The dashboards as files: made by the code, whole, and after the rules of Grafana's dashboard-linter.

The linter itself is a Go program that no package registry has, so its rules are told here anew. Where we
leave one on purpose, `.lint` says so and why, for those who run it.
"""

import json
import re
from collections import Counter
from typing import Any

import pytest
import yaml

from exporter.model import Outcome, Phase, ProcessingStatus, ResultStatus, RunStatus
from grafana.builder import text as words
from grafana.builder.dashboards import dashboards
from tests.support.dashboards import (
    DASHBOARDS,
    FOLDER,
    Asked,
    asking_panels,
    every_panel,
    everything_asked,
    panels,
)

EVERY = pytest.mark.parametrize("uid", DASHBOARDS)


def titled(case: tuple[str, dict[str, Any]]) -> str:
    return f"{case[0]}-{case[1]['title']}"


EVERY_PANEL = pytest.mark.parametrize("case", every_panel(), ids=titled)
ASKING_PANELS = pytest.mark.parametrize("case", asking_panels(), ids=titled)


def test_the_committed_dashboards_are_what_the_code_makes() -> None:
    committed = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.json")}

    assert committed == dashboards(), "make dashboards"


def test_there_are_three_with_uids_of_their_own() -> None:
    assert [dashboard["uid"] for dashboard in DASHBOARDS.values()] == [
        "k6-cloud-exporter",
        "k6-cloud-overview",
        "k6-cloud-test",
    ]
    assert list(DASHBOARDS) == [dashboard["uid"] for dashboard in DASHBOARDS.values()]


@EVERY
def test_a_dashboard_can_be_provisioned_as_it_is(uid: str) -> None:
    made = DASHBOARDS[uid]

    assert made["editable"] is False
    assert type(made["schemaVersion"]) is int
    assert 39 <= made["schemaVersion"] <= 41
    assert not {"__inputs", "__requires", "elements", "id"} & made.keys()
    assert "DS_PROMETHEUS" not in json.dumps(made)
    assert made["title"].startswith("k6 Cloud / ")
    assert made["tags"] == ["k6-cloud"]


@EVERY
def test_panels_have_ids_of_their_own_and_do_not_overlap(uid: str) -> None:
    placed = DASHBOARDS[uid]["panels"]
    taken = Counter(
        (x, y)
        for one in placed
        for x in range(one["gridPos"]["x"], one["gridPos"]["x"] + one["gridPos"]["w"])
        for y in range(one["gridPos"]["y"], one["gridPos"]["y"] + one["gridPos"]["h"])
    )

    assert len({one["id"] for one in placed}) == len(placed)
    assert max(taken.values()) == 1
    assert {x for x, _ in taken} <= set(range(24))


@EVERY
def test_every_line_of_the_grid_is_full(uid: str) -> None:
    """A hole would be filled by Grafana with whatever comes next."""
    lines: Counter[int] = Counter()
    for one in DASHBOARDS[uid]["panels"]:
        for y in range(one["gridPos"]["y"], one["gridPos"]["y"] + one["gridPos"]["h"]):
            lines[y] += one["gridPos"]["w"]

    assert set(lines.values()) == {24}
    assert sorted(lines) == list(range(len(lines)))


CORE = {"stat", "table", "timeseries", "state-timeline", "barchart", "text"}


@EVERY_PANEL
def test_a_panel_is_of_grafanas_own_and_says_what_it_is(case: tuple[str, dict[str, Any]]) -> None:
    _, panel = case

    assert panel["type"] in CORE
    assert panel["title"]
    assert re.fullmatch(r"[A-Z].{15,}\.", panel["description"], re.DOTALL)
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@ASKING_PANELS
def test_a_panel_has_queries_on_the_chosen_data_source(case: tuple[str, dict[str, Any]]) -> None:
    _, panel = case

    assert panel["targets"]
    assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@ASKING_PANELS
def test_a_value_has_a_unit_or_a_mapping_and_a_word_for_nothing(case: tuple[str, dict[str, Any]]) -> None:
    _, panel = case
    defaults = panel["fieldConfig"]["defaults"]

    assert defaults["noValue"]
    if panel["type"] != "table":
        assert defaults.get("unit") or defaults.get("mappings")


def test_every_number_in_a_table_has_a_unit_or_a_mapping() -> None:
    for _, panel in asking_panels():
        if panel["type"] != "table":
            continue
        (organize,) = (one["options"] for one in panel["transformations"] if one["id"] == "organize")
        said = {
            one["matcher"]["options"]: {setting["id"] for setting in one["properties"]}
            for one in panel["fieldConfig"]["overrides"]
        }
        numbers = [title for field, title in organize["renameByName"].items() if field.startswith("Value")]
        assert numbers
        assert all(said[title] & {"unit", "mappings"} for title in numbers)


def test_an_override_is_of_a_column_that_there_is() -> None:
    for _, panel in asking_panels():
        if panel["type"] not in {"table", "barchart"}:
            continue
        (organize,) = (one["options"] for one in panel["transformations"] if one["id"] == "organize")
        titles = set(organize["renameByName"].values())
        assert {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]} <= titles


@EVERY
def test_the_data_source_is_a_variable(uid: str) -> None:
    first = DASHBOARDS[uid]["templating"]["list"][0]

    assert (first["name"], first["label"], first["type"], first["query"]) == (
        "datasource",
        "Data source",
        "datasource",
        "prometheus",
    )


@EVERY
def test_jobs_and_instances_can_be_chosen_as_the_linter_wants_it(uid: str) -> None:
    variables = {one["name"]: one for one in DASHBOARDS[uid]["templating"]["list"]}
    excused = yaml.safe_load((FOLDER / ".lint").read_text(encoding="utf-8"))["exclusions"]
    without_instance = {
        entry["dashboard"]
        for rule in ("template-instance-rule", "target-instance-rule")
        for entry in excused[rule]["entries"]
    }

    for name in ("job", "instance"):
        if name == "instance" and DASHBOARDS[uid]["title"] in without_instance:
            assert name not in variables
            continue
        made = variables[name]
        assert (made["label"], made["type"], made["multi"]) == (name.title(), "query", True)
        assert (made["allValue"], made["refresh"]) == (".+", 2)
        assert made["datasource"]["uid"] == "${datasource}"


@pytest.mark.parametrize("asked", everything_asked(), ids=str)
def test_every_selector_is_of_the_chosen_jobs(asked: Asked) -> None:
    if asked.expr.startswith("max by (alertname") or asked.title == "job":
        return  # alerts and the choice of a job itself are of no job
    selectors = re.findall(r"{[^{}]*}", asked.expr)

    assert selectors
    assert all('job=~"$job"' in selector for selector in selectors)
    if asked.dashboard == "k6-cloud-exporter" and asked.title != "instance":
        assert all('instance=~"$instance"' in selector for selector in selectors)


@pytest.mark.parametrize("asked", everything_asked(), ids=str)
def test_rates_adapt_to_the_scrape_interval(asked: Asked) -> None:
    assert set(re.findall(r"rate\([^\[]*\[([^\]]*)\]", asked.expr)) <= {"$__rate_interval"}
    assert set(re.findall(r"increase\([^\[]*\[([^\]]*)\]", asked.expr)) <= {"$__rate_interval", "$__range"}


@pytest.mark.parametrize("asked", everything_asked(), ids=str)
def test_a_counter_is_only_asked_for_its_growth(asked: Asked) -> None:
    for counter in re.finditer(r"\w+(?:_total|_bucket|_sum|_count)\b(?={)", asked.expr):
        assert re.search(r"(?:rate|increase)\($", asked.expr[: counter.start()])


@EVERY
def test_links_lead_to_dashboards_and_panels_that_there_are(uid: str) -> None:
    text = json.dumps(DASHBOARDS[uid])
    targets = set(re.findall(r"/d/([\w-]+)", text))
    variables = {one["name"] for one in DASHBOARDS[uid]["templating"]["list"]}

    assert targets <= set(DASHBOARDS)
    assert set(re.findall(r"\$\{(\w+):queryparam\}", text)) <= variables
    assert [(link["type"], link["tags"]) for link in DASHBOARDS[uid]["links"]] == [
        ("dashboards", ["k6-cloud"])
    ]


def test_the_overview_leads_to_a_test_and_both_to_the_k6_app() -> None:
    overview, test = (json.dumps(DASHBOARDS[uid]) for uid in ("k6-cloud-overview", "k6-cloud-test"))

    assert "/d/k6-cloud-test?" in overview
    for text in (overview, test):
        assert "Run in the k6 app" in text
        assert "Test in the k6 app" in text


@EVERY
def test_the_age_of_the_data_comes_first(uid: str) -> None:
    assert panels(uid)[0]["title"] == "Data age"


CODES = {"STATUS": RunStatus, "PROCESSING": ProcessingStatus, "RESULT": ResultStatus}


@pytest.mark.parametrize("name", CODES)
def test_every_code_of_the_exporter_has_its_name_as_word(name: str) -> None:
    said = {code: word for code, (word, _) in getattr(words, name).items()}

    assert said == {code.value: code.name.lower().replace("_", " ") for code in CODES[name]}


def test_every_outcome_and_phase_of_the_exporter_is_known() -> None:
    said = {code: word for code, (word, _) in words.OUTCOME.items()}

    expected = {one.value: one.value.replace("_", " ") for one in Outcome}
    assert said == expected | {"none": "no result"}
    assert set(words.PHASE) == {phase.value for phase in Phase}


def test_the_mappings_of_codes_are_the_same_wherever_they_are() -> None:
    """By the number of words they have, each kind has one text."""
    found: dict[int, set[str]] = {}

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "value" and "options" in node:
                found.setdefault(len(node["options"]), set()).add(json.dumps(node["options"], sort_keys=True))
            for value in node.values():
                collect(value)
        elif isinstance(node, list):
            for value in node:
                collect(value)

    collect([dashboard["panels"] for dashboard in DASHBOARDS.values()])
    assert {size: len(texts) for size, texts in found.items() if size > 2} == {13: 1, 4: 1, 3: 1, 6: 1}
