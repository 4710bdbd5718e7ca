"""docs/grafana-cloud.md: each snippet is parsed, rendered or run as far as that needs no account."""

import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema  # kubernetes-validate installs it
import pytest
import yaml

from exporter.app import build_filter
from exporter.config import load
from exporter.simulator import Phases, World
from exporter.simulator.world import Limits
from tests.support.chart import Tree, objects
from tests.support.crds import read_schema, require_built
from tests.support.documents import DOCS, ROOT, format_table, read_document, read_example
from tests.support.golden import assert_section
from tests.support.lab import START, Lab
from tests.support.programs import TOOLS, require_program

PAGE = DOCS / "grafana-cloud.md"
ALLOY_SYNTAX = TOOLS / "alloy-syntax"
OPERATOR = TOOLS / "grafana-operator"
DAY = 86_400


def run_alloy_syntax(text: str) -> subprocess.CompletedProcess[str]:
    require_built(ALLOY_SYNTAX, "the parser of Grafana Alloy")
    return subprocess.run([ALLOY_SYNTAX], input=text, capture_output=True, text=True, check=False)


def test_alloy_accepts_the_syntax_and_blocks_refer_to_each_other() -> None:
    result = run_alloy_syntax(read_example(PAGE, "alloy"))

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "prometheus.scrape.k6_cloud prometheus.remote_write.grafana_cloud.receiver",
        "prometheus.remote_write.grafana_cloud sys.env sys.env",
    ]


def test_alloy_rejects_wrong_syntax() -> None:
    result = run_alloy_syntax(read_example(PAGE, "alloy").replace("forward_to      =", "forward_to"))

    assert result.returncode == 1
    assert "config.alloy:5" in result.stderr


def count_series(*, is_active: bool = False, **settings: Any) -> Counter[str]:
    """The number of series by subject: one test with a schedule and four finished runs, one project."""
    world = World()
    project = world.add_project("shop", limits=Limits(20_000, 500, 20, 3600))
    test = world.add_test("checkout-soak", project_id=project, created=START - 9 * DAY)
    world.schedule(test, every=DAY, first=START - 3 * DAY, times=4)
    if is_active:
        world.add_run(test, created=START + 5000, phases=Phases(running=9000))
    with Lab(world, api={"url": "http://k6.test", "version": "v6", "stack": 1}, **settings) as lab:
        lab.at(5100).poll()
        lines = [line for line in lab.get().text.splitlines() if not line.startswith("#")]
    return Counter(find_subject(line, project) for line in lines)


def find_subject(line: str, project: int) -> str:
    """What a series is about; the default project, which has no test, is none of these."""
    if line.startswith("k6_cloud_project_"):
        return "project" if f'project_id="{project}"' in line else "other project"
    return "test" if 'test_id="' in line else "exporter"


def reduced() -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load(read_example(PAGE, "reduce"))
    return settings


def series_table() -> str:
    """The number of series for three configurations, and what they amount to."""
    columns = [{}, {"runs": {"keep": 1}}, reduced()]
    counts = [count_series(**settings) for settings in columns]
    active = [count_series(is_active=True, **settings)["test"] for settings in columns]
    rows = {
        "of a test that is not running": [count["test"] for count in counts],
        "of a test with an active run": active,
        "of a project with limits": [count["project"] for count in counts],
        "of the exporter itself": [count["exporter"] for count in counts],
        "**100 tests in 5 projects, 10 running**": [
            90 * count["test"] + 10 * running + 5 * count["project"] + count["exporter"]
            for count, running in zip(counts, active, strict=True)
        ],
    }
    return format_table(
        ("series", "default", "with `runs.keep: 1`", "with the settings below"),
        ((name, *(f"{number:,}" for number in numbers)) for name, numbers in rows.items()),
    )


def test_document_counts_series() -> None:
    assert_section(PAGE, "series", series_table())


def test_settings_that_reduce_series_are_valid(tmp_path: Path) -> None:
    file = tmp_path / "exporter.yaml"
    file.write_text(read_example(PAGE, "reduce"))

    config, _ = load(file, {"K6_CLOUD_TOKEN": "x"}, {})

    assert config.runs.keep == 1
    assert len(config.metrics.exclude) == 6


def test_each_expression_excludes_series() -> None:
    exposed = count_series().total()

    for expression in reduced()["metrics"]["exclude"]:
        assert count_series(metrics={"exclude": [expression]}).total() < exposed, expression


def test_no_alert_uses_an_excluded_metric() -> None:
    is_excluded = build_filter(reduced()["metrics"]["exclude"])
    # Annotations contain queries as well.
    used = set(re.findall(r"\bk6_cloud_\w+", read_document(ROOT / "grafana" / "alerts.yaml")))

    assert len(used) > 10
    assert [name for name in sorted(used) if is_excluded(name)] == []


def test_shell_commands_of_mimirtool_have_valid_syntax() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", read_document(PAGE), re.DOTALL)

    assert len(blocks) == 2
    for block in blocks:
        subprocess.run(["sh", "-n"], input=block, text=True, check=True)


def test_terraform_accepts_the_format(tmp_path: Path) -> None:
    program = shutil.which("terraform")
    if program is None:
        pytest.skip("terraform is not installed")
    (tmp_path / "main.tf").write_text(read_example(PAGE, "terraform"))
    command = [program, "fmt", "-check", "-diff"]

    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (result.returncode, result.stdout) == (0, "")


def find_definition(kind: str) -> Tree:
    """The JSON schema of a resource of the Grafana operator, in which unknown fields are errors."""
    require_built(OPERATOR, "the Grafana operator")
    [path] = OPERATOR.glob(f"*_{kind.lower()}s.yaml")
    return read_schema(path, kind)


def rendered() -> list[Tree]:
    return objects(yaml.safe_load(read_example(PAGE, "operator")))


@pytest.mark.parametrize(("kind", "number"), [("Grafana", 1), ("GrafanaDashboard", 3)])
def test_grafana_operator_accepts_the_resources(kind: str, number: int) -> None:
    found = [resource for resource in rendered() if resource["kind"] == kind]

    assert len(found) == number
    for resource in found:
        assert resource["apiVersion"] == "grafana.integreatly.org/v1beta1"
        jsonschema.validate(resource, find_definition(kind))


def test_wrong_field_of_a_resource_is_found() -> None:
    resource = next(found for found in rendered() if found["kind"] == "GrafanaDashboard")
    resource["spec"]["configMap"] = resource["spec"].pop("configMapRef")

    with pytest.raises(jsonschema.ValidationError, match="'configMap' was unexpected"):
        jsonschema.validate(resource, find_definition("GrafanaDashboard"))


def test_resources_refer_to_the_dashboards_of_the_chart() -> None:
    found = rendered()
    maps = {it["metadata"]["name"]: it["data"] for it in found if it["kind"] == "ConfigMap"}
    [grafana] = [it for it in found if it["kind"] == "Grafana"]
    dashboards = [it["spec"] for it in found if it["kind"] == "GrafanaDashboard"]
    uids = set()

    for spec in dashboards:
        assert spec["instanceSelector"]["matchLabels"] == grafana["metadata"]["labels"]
        text = maps[spec["configMapRef"]["name"]][spec["configMapRef"]["key"]]
        uids.add(json.loads(text)["uid"])
    assert len(uids) == 3


def test_queries_for_state_and_load_find_the_tests(tmp_path: Path) -> None:
    load_of = 'k6_http_reqs_total{{k6_cloud_test_name="{}",instance="{}"}}'
    outcome = 'k6_cloud_test_last_outcome{{outcome="failed",test_name="{}"}}'
    active = 'k6_cloud_test_active_runs{{status="running",test_name="{}"}}'
    series = {
        load_of.format("failing", "a"): "0+60x10",
        load_of.format("failing", "b"): "0+60x10",
        load_of.format("passing", "a"): "0+60x10",
        outcome.format("failing"): "1x10",
        outcome.format("passing"): "0x10",
        outcome.format("idle"): "1x10",
        active.format("failing"): "1x10",
        active.format("silent"): "1x10",
        active.format("idle"): "0x10",
    }
    silent = 'k6_cloud_test_active_runs{k6_cloud_test_name="silent",status="running",test_name="silent"}'
    expected = {
        "load-of-failed": [{"labels": '{k6_cloud_test_name="failing"}', "value": 2}],
        "running-without-load": [{"labels": silent, "value": 1}],
    }
    queries = [
        {"expr": read_example(PAGE, name), "eval_time": "10m", "exp_samples": samples}
        for name, samples in expected.items()
    ]
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": queries,
    }
    file = tmp_path / "case.yaml"
    file.write_text(yaml.safe_dump({"tests": [case]}))

    result = subprocess.run(
        [require_program("promtool", "prometheus"), "test", "rules", file],
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr
