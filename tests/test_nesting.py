"""How deep JSON is nested is found without parsing it, and is the same number as a parser finds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.nesting import MAX_NESTING, is_too_deep, parse_json


def depth(value: object) -> int:
    """As whoever has parsed it counts."""
    match value:
        case list():
            return 1 + max(map(depth, value), default=0)
        case dict():
            return 1 + max(map(depth, value.values()), default=0)
    return 0


TEXTS = st.text('[]{}\\"\n,:a\u005c', max_size=6)
VALUES = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


@given(VALUES, st.integers(-2, 2))
def test_depth_is_that_of_the_parsed_value(value: object, more: int) -> None:
    around = MAX_NESTING - depth(value) + more
    body = b"[1," * around + json.dumps(value).encode() + b"]" * around

    assert is_too_deep(body) is (more > 0)


@pytest.mark.parametrize("body", [b"", b"1", b'"[[["', b"]" * 200, b"[]" * 200, b'"' + b"[" * 200])
def test_what_is_not_nested_is_not_too_deep(body: bytes) -> None:
    assert not is_too_deep(body)


def test_json_of_a_hundred_levels_is_parsed() -> None:
    assert depth(parse_json(b"[" * MAX_NESTING + b"]" * MAX_NESTING)) == MAX_NESTING


@pytest.mark.parametrize(
    "body",
    [
        b"[" * (MAX_NESTING + 1) + b"]" * (MAX_NESTING + 1),
        b"[" * 60_000,
        ("[" * 3000 + "]" * 3000).encode("utf-16"),
        b"\xff",
        b"",
    ],
    ids=["101 levels", "60,000 levels", "UTF-16", "not UTF-8", "empty"],
)
def test_json_that_is_too_deep_or_none_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (what it says differs, and nobody sees it)
        parse_json(body)
