"""Each value can be null, as it is in a file in which everything below a key is commented out.

Helm removes a value that is null, also the default. Hundreds of runs of Helm take minutes, so a parent chart
contains the chart once for each rendering, under an alias.
"""

import json
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from tests.support.chart import CHART, HELMS, Tree, ci, defaults, errors, objects, pod, template, with_secret

# Values that are removed, and not replaced by the default.
REMOVABLE = {
    *("podSecurityContext", "securityContext", "resources", "helmTest.resources"),
    *("probes.liveness", "probes.readiness", "probes.startup"),
    *("serviceMonitor.interval", "serviceMonitor.jobLabel", "podMonitor.interval", "podMonitor.jobLabel"),
}
# Set in ci/full-values.yaml, and rejected without the value that is null.
DEPENDENT = {
    "webConfig": ["webConfig"],
    "service": ["serviceMonitor.jobLabel"],
    "dashboards": ["dashboards.folderAnnotation"],
}


def walk(tree: Tree, place: str = "") -> Iterator[str]:
    """The name of each value at each level."""
    for key, value in tree.items():
        name = f"{place}.{key}".removeprefix(".")
        yield name
        if isinstance(value, dict):
            yield from walk(value, name)


NAMES = list(walk(defaults()))
WITH_DEFAULT = [name for name in NAMES if not name.startswith(tuple(REMOVABLE))]


def at(tree: Tree, name: str) -> object:
    """The value of a name."""
    found: object = tree
    for key in name.split("."):
        assert isinstance(found, dict)
        found = found[key]
    return found


def assign(tree: Tree, name: str, value: object) -> Tree:
    """A copy of the tree with one value replaced."""
    copy = deepcopy(tree)
    *outer, last = name.split(".")
    place = copy
    for key in outer:
        place = place.setdefault(key, {})
    place[last] = value
    return copy


def remove(tree: Tree, name: str) -> Tree:
    """A copy of the tree without one value."""
    copy = deepcopy(tree)
    *outer, last = name.split(".")
    place = copy
    for key in outer:
        place = place.get(key, {})
    place.pop(last, None)
    return copy


def around(name: str) -> Tree:
    """The values in which one is null: everything enabled, but for what takes longest to render."""
    section = name.partition(".")[0]
    values = ci("pod-monitor" if section == "podMonitor" else "full")
    if section == "k6":
        values = assign(remove(values, "k6"), "config.api.token_file", "/token")
    for dependent in DEPENDENT.get(section, []):
        values = remove(values, dependent)
    for slow in {"dashboards", "prometheusRule"} - {section}:
        values = remove(values, slow)
    return values


def render_all(values: list[Tree], program: str, folder: Path) -> list[str]:
    """The text of the objects for each of these values, from one run of Helm."""
    trees = {json.dumps(tree): tree for tree in values}
    aliases = {key: f"alias{number:03}" for number, key in enumerate(trees)}
    dependency = {"name": CHART.name, "version": "0.1.0"}
    chart = {
        "apiVersion": "v2",
        "name": "parent",
        "version": "1.0.0",
        "dependencies": [dependency | {"alias": alias} for alias in aliases.values()],
    }
    shutil.copytree(CHART, folder / "charts" / CHART.name)
    (folder / "Chart.yaml").write_text(yaml.safe_dump(chart), encoding="utf-8")
    parent = {aliases[key]: tree for key, tree in trees.items()}
    rendered = template(parent, program=program, chart=folder)
    assert rendered.returncode == 0, rendered.stderr
    found = dict.fromkeys(aliases.values(), "")
    for text in rendered.stdout.split("---\n# Source: parent/charts/")[1:]:
        alias = text.partition("/")[0]
        found[alias] += text.strip().replace(alias, "alias") + "\n"
    return [found[aliases[json.dumps(tree)]] for tree in values]


@pytest.mark.parametrize("program", HELMS)
def test_null_is_the_same_as_the_default(program: str, tmp_path: Path) -> None:
    null = [assign(around(name), name, None) for name in WITH_DEFAULT]
    left_out = [remove(around(name), name) for name in WITH_DEFAULT]

    rendered = render_all(null + left_out, program, tmp_path)

    assert all("kind: Deployment" in text for text in rendered)
    pairs = zip(WITH_DEFAULT, rendered[: len(null)], rendered[len(null) :], strict=True)
    assert [name for name, one, other in pairs if one != other] == []


@pytest.mark.parametrize("program", HELMS)
def test_null_removes_what_is_not_needed(program: str, tmp_path: Path) -> None:
    names = [name for name in NAMES if name in REMOVABLE and at(defaults(), name)]
    null = [assign(around(name), name, None) for name in names]
    left_out = [remove(around(name), name) for name in names]

    rendered = render_all(null + left_out, program, tmp_path)

    assert names
    for name, one, other in zip(names, rendered[: len(null)], rendered[len(null) :], strict=True):
        assert set(one.splitlines()) < set(other.splitlines()), name


def test_null_removes_a_field_of_a_security_context() -> None:
    values = with_secret(podSecurityContext={"runAsUser": None, "runAsGroup": None})

    assert pod(values)["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def nullify(tree: Tree) -> Tree:
    """The tree with each leaf replaced by null."""
    return {key: nullify(value) if isinstance(value, dict) and value else None for key, value in tree.items()}


@pytest.mark.parametrize("program", HELMS)
def test_all_values_can_be_null_at_once(program: str) -> None:
    kinds = [found["kind"] for found in objects(with_secret(), program=program)]
    sections = with_secret(**dict.fromkeys(name for name in defaults() if name != "k6"))
    leaves = nullify(defaults()) | with_secret()

    for values in (sections, leaves):
        assert [found["kind"] for found in objects(values, program=program)] == kinds


@pytest.mark.parametrize("name", ["k6", "k6.existingSecret", "k6.existingSecret.name"])
def test_token_that_is_null_is_reported_as_missing(name: str) -> None:
    assert errors(assign(with_secret(), name, None))[1].startswith("k6.existingSecret.name: required")


def test_each_template_sets_the_defaults_first() -> None:
    templates = [path for path in (CHART / "templates").rglob("*.*") if path.suffix != ".tpl"]

    assert templates
    for path in templates:
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        assert first == '{{- include "k6-cloud-exporter.setDefaults" . -}}', path.name
