"""The README of the chart agrees with its values: tables are generated, examples render.

`make golden` rewrites the tables; read the diff before you commit it.
"""

import json
import re
from collections.abc import Callable, Iterator

import pytest
import yaml

from tests.support.chart import CHART, ROOT, Tree, defaults, objects
from tests.support.documents import format_table
from tests.support.golden import assert_section

README = CHART / "README.md"
TEXT = README.read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"<!-- example: (\S+) -->\n```yaml\n(.*?)```", TEXT, re.DOTALL))


def documented() -> dict[str, str]:
    """The comment above each value, by its name."""
    comments: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in (CHART / "values.yaml").read_text(encoding="utf-8").splitlines():
        key = re.match(r"( *)(\w+):", line)
        if line.lstrip().startswith("# -- "):
            comment = [line.partition("# -- ")[2]]
        elif comment and line.lstrip().startswith("# "):
            comment.append(line.partition("# ")[2])
        elif key:
            path = [*(outer for outer in path if outer[0] < len(key[1])), (len(key[1]), key[2])]
            if comment:
                comments[".".join(name for _, name in path)] = " ".join(comment)
            comment = []
    return comments


def walk_values(tree: Tree, path: str = "") -> Iterator[tuple[str, object]]:
    """Each value with a comment, and each leaf without one."""
    for key, value in tree.items():
        name = f"{path}.{key}".removeprefix(".")
        if name in documented() or not isinstance(value, dict):
            yield name, value
        else:
            yield from walk_values(value, name)


def value_table() -> str:
    comments = documented()
    return format_table(
        ("value", "default", "meaning"),
        (
            (f"`{name}`", "" if value == "" else f"`{json.dumps(value)}`", comments[name])
            for name, value in walk_values(defaults())
        ),
    )


def alert_table() -> str:
    thresholds = yaml.safe_load((CHART / "files" / "thresholds.yaml").read_text(encoding="utf-8"))
    groups = yaml.safe_load((ROOT / "grafana" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    return format_table(
        ("alert", "`severity`", "`for`", "`threshold`"),
        (
            (
                rule["alert"],
                rule["labels"]["severity"],
                rule.get("for", ""),
                "{compared} {meaning}".format(**thresholds[rule["alert"]])
                if rule["alert"] in thresholds
                else "",
            )
            for rule in alerts
        ),
    )


TABLES: dict[str, Callable[[], str]] = {"values": value_table, "alerts": alert_table}


@pytest.mark.parametrize("name", TABLES)
def test_readme_table_agrees_with_the_chart(name: str) -> None:
    assert_section(README, name, TABLES[name]())


def test_each_value_has_a_comment() -> None:
    assert set(documented()) == {name for name, _ in walk_values(defaults())}


@pytest.mark.parametrize("name", EXAMPLES)
def test_readme_example_renders(name: str) -> None:
    assert objects(yaml.safe_load(EXAMPLES[name]))


def test_readme_has_the_expected_examples() -> None:
    assert set(EXAMPLES) == {
        *("start", "external-secrets", "operator", "dashboards", "shards", "web", "webhook"),
        *("gateway", "status-page", "readiness", "vault"),
    }


def test_readme_names_existing_values() -> None:
    known = {name.rsplit(".", depth)[0] for name, _ in walk_values(defaults()) for depth in (0, 1, 2)}
    mentioned = re.findall(
        rf"`((?:{'|'.join(name for name, value in defaults().items() if value)})\.[\w.]+)", TEXT
    )

    assert mentioned
    assert set(mentioned) <= known
