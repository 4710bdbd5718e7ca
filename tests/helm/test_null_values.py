"""Each value can be null, as it is in a file in which everything below a key is commented out.

Helm removes a value that is null, also the default. Hundreds of runs of Helm take minutes, so each run
renders a parent chart that contains ours many times, under aliases.
"""

import json
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from tests.support.chart import (
    CHART,
    CI,
    HELMS,
    Tree,
    ci,
    defaults,
    errors,
    objects,
    pod,
    template,
    with_secret,
)

# Values that are removed, and not replaced by the default.
REMOVABLE = {
    *("podSecurityContext", "securityContext", "resources", "helmTest.resources"),
    *("probes.liveness", "probes.readiness", "probes.startup"),
    *("serviceMonitor.interval", "serviceMonitor.jobLabel", "podMonitor.interval", "podMonitor.jobLabel"),
}
# Required if the section is enabled.
REQUIRED = ["ingress.hosts", "httpRoute.parentRefs"]
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
WITH_DEFAULT = [name for name in NAMES if not name.startswith((*REMOVABLE, *REQUIRED))]


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


def enables(values: Tree, section: str) -> bool:
    found = values.get(section)
    return isinstance(found, dict) and found.get("enabled", False)


def around(name: str) -> Tree:
    """The values in which one is null: everything enabled, but for what takes longest to render."""
    section = name.partition(".")[0]
    values = ci("full")
    if not enables(values, section):
        values = next((ci(file) for file in CI if enables(ci(file), section)), values)
    if section == "k6":
        values = assign(remove(values, "k6"), "config.api.token_file", "/token")
    for dependent in DEPENDENT.get(section, []):
        values = remove(values, dependent)
    for slow in {"dashboards", "prometheusRule"} - {section}:
        values = remove(values, slow)
    return values


def write_parent(folder: Path, aliases: list[str]) -> None:
    """A chart that contains ours under each of these aliases."""
    version = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["version"]
    dependencies = [{"name": CHART.name, "version": version, "alias": alias} for alias in aliases]
    chart = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": dependencies}
    (folder / "Chart.yaml").write_text(yaml.safe_dump(chart), encoding="utf-8")
    shutil.copytree(CHART, folder / "charts" / CHART.name, dirs_exist_ok=True)


def render_some(values: dict[str, Tree], program: str, folder: Path) -> dict[str, str]:
    """The text of the objects by alias, from one run of Helm."""
    write_parent(folder, list(values))
    rendered = template(values, program=program, chart=folder)
    assert rendered.returncode == 0, rendered.stderr
    found = dict.fromkeys(values, "")
    for text in rendered.stdout.split("---\n# Source: parent/charts/")[1:]:
        alias = text.partition("/")[0]
        # The alias is the name of the chart.
        found[alias] += text.strip().replace(alias, "alias") + "\n"
    return found


def render_all(values: list[Tree], program: str, folder: Path) -> list[str]:
    """The text of the objects for each of these values."""
    keys = [json.dumps(tree) for tree in values]
    aliases = {f"alias{number:03}": key for number, key in enumerate(dict.fromkeys(keys))}
    found: dict[str, str] = {}
    # The time that Helm needs for each alias grows with their number.
    for some in batched(list(aliases), 20):
        rendered = render_some({alias: json.loads(aliases[alias]) for alias in some}, program, folder)
        found |= {aliases[alias]: text for alias, text in rendered.items()}
    return [found[key] for key in keys]


def batched(found: list[str], size: int) -> list[list[str]]:
    return [found[start : start + size] for start in range(0, len(found), size)]


@pytest.mark.parametrize("program", HELMS)
def test_null_is_the_same_as_the_default(program: str, tmp_path: Path) -> None:
    null = [assign(around(name), name, None) for name in WITH_DEFAULT]
    left_out = [remove(around(name), name) for name in WITH_DEFAULT]

    rendered = render_all(null + left_out, program, tmp_path)

    assert all("kind: Service\n" in text for text in rendered)
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


@pytest.mark.parametrize("name", REQUIRED)
def test_required_value_that_is_null_is_reported(name: str) -> None:
    assert [line for line in errors(assign(around(name), name, None)) if line.startswith(f"{name}: required")]


def test_each_template_sets_the_defaults_first() -> None:
    templates = [path for path in (CHART / "templates").rglob("*.*") if path.suffix != ".tpl"]

    assert templates
    for path in templates:
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        assert first == '{{- include "k6-cloud-exporter.setDefaults" . -}}', path.name
