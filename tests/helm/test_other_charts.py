"""A value that is known from other charts is rejected, and the error names the value of this chart."""

import json
from collections.abc import Iterator

import pytest
import yaml

from tests.helm.test_validation import validation_errors
from tests.support.chart import CHART, HELMS, Tree, template, with_secret

OTHERS: dict[str, str] = yaml.safe_load((CHART / "files" / "other-charts.yaml").read_text(encoding="utf-8"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
REFERENCE = {"$ref": "#/definitions/otherChart"}


def nest(names: dict[str, object]) -> Tree:
    """Values by their names, as a tree."""
    tree: Tree = {}
    for name, value in names.items():
        *outer, last = name.split(".")
        place = tree
        for key in outer:
            place = place.setdefault(key, {})
        place[last] = value
    return tree


def walk(schema: Tree, place: str = "") -> Iterator[tuple[str, Tree]]:
    """The schema of each value."""
    for key, inner in schema.get("properties", {}).items():
        name = f"{place}.{key}".removeprefix(".")
        yield name, inner
        yield from walk(inner, name)


def test_schema_accepts_exactly_the_listed_values() -> None:
    assert {name for name, inner in walk(SCHEMA) if inner == REFERENCE} == OTHERS.keys()


@pytest.mark.parametrize("own", sorted(set(OTHERS.values())))
def test_named_value_exists(own: str) -> None:
    assert dict(walk(SCHEMA))[own] != REFERENCE


@pytest.mark.parametrize("value", ["text", {}, [], 0, False])
def test_each_listed_value_is_rejected(value: object) -> None:
    messages = validation_errors(with_secret(**nest(dict.fromkeys(OTHERS, value))))

    assert sorted(messages) == sorted(
        f"{name}: known from other charts; use {own}" for name, own in OTHERS.items()
    )


@pytest.mark.parametrize("program", HELMS)
def test_listed_value_that_is_null_is_accepted(program: str) -> None:
    rendered = template(with_secret(**nest(dict.fromkeys(OTHERS))), program=program)

    assert rendered.returncode == 0, rendered.stderr
