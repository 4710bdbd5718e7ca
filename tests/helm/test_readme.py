"""The chart's README says what its values are: its tables are made from them, its examples render.

`make golden` writes the tables anew; read the difference before you commit it.
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
    """What is written above each value, by its name."""
    told: dict[str, str] = {}
    place: list[tuple[int, str]] = []
    said: list[str] = []
    for line in (CHART / "values.yaml").read_text(encoding="utf-8").splitlines():
        key = re.match(r"( *)(\w+):", line)
        if line.lstrip().startswith("# -- "):
            said = [line.partition("# -- ")[2]]
        elif said and line.lstrip().startswith("# "):
            said.append(line.partition("# ")[2])
        elif key:
            place = [*(outer for outer in place if outer[0] < len(key[1])), (len(key[1]), key[2])]
            if said:
                told[".".join(name for _, name in place)] = " ".join(said)
            said = []
    return told


def named(tree: Tree, place: str = "") -> Iterator[tuple[str, object]]:
    """Each value that is written about, and each that is not and should be."""
    for key, value in tree.items():
        name = f"{place}.{key}".removeprefix(".")
        if name in documented() or not isinstance(value, dict):
            yield name, value
        else:
            yield from named(value, name)


def value_table() -> str:
    told = documented()
    return format_table(
        ("value", "default", "meaning"),
        (
            (f"`{name}`", "" if value == "" else f"`{json.dumps(value)}`", told[name])
            for name, value in named(defaults())
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
def test_a_table_says_what_the_chart_says(name: str) -> None:
    assert_section(README, name, TABLES[name]())


def test_what_is_written_about_is_a_value() -> None:
    assert set(documented()) == {name for name, _ in named(defaults())}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_renders(name: str) -> None:
    assert objects(yaml.safe_load(EXAMPLES[name]))


def test_there_are_examples() -> None:
    assert {"start", "external-secrets", "operator", "dashboards", "shards", "web", "webhook"} == set(
        EXAMPLES
    )


def test_every_value_in_the_text_is_one() -> None:
    known = {name.rsplit(".", depth)[0] for name, _ in named(defaults()) for depth in (0, 1, 2)}
    mentioned = re.findall(
        rf"`((?:{'|'.join(name for name, value in defaults().items() if value)})\.[\w.]+)", TEXT
    )

    assert mentioned
    assert set(mentioned) <= known
