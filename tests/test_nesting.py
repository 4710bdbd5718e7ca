"""The limit for the nesting of JSON, which is found without parsing and agrees with a parser."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import nesting
from exporter.nesting import MAX_NESTING, is_too_deep, parse_json


def depth(value: object) -> int:
    """The nesting of a parsed value."""
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
def test_depth_equals_that_of_the_parsed_value(value: object, excess: int) -> None:
    levels = MAX_NESTING - depth(value) + excess
    body = b"[1," * levels + json.dumps(value).encode() + b"]" * levels

    assert is_too_deep(body) is (excess > 0)


@given(VALUES, st.integers(-1, 1), st.integers(1, 9))
def test_depth_does_not_depend_on_the_parts(value: object, excess: int, part: int) -> None:
    levels = MAX_NESTING - depth(value) + excess
    body = b"[1," * levels + json.dumps(value).encode() + b"]" * levels

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nesting, "PART", part)
        assert b"".join(nesting.split_body(body)) == body
        assert is_too_deep(body) is (excess > 0)


@pytest.mark.parametrize("length", [nesting.PART - 1, nesting.PART, nesting.PART + 1, 3 * nesting.PART])
def test_run_of_backslashes_is_not_split(length: int) -> None:
    body = b'["' + b"\\" * (2 * length) + b'", "\\"' + b"[" * 200 + b'"]'

    assert not is_too_deep(body)


@pytest.mark.parametrize("body", [b"", b"1", b'"[[["', b"]" * 200, b"[]" * 200, b'"' + b"[" * 200])
def test_flat_input_is_not_too_deep(body: bytes) -> None:
    assert not is_too_deep(body)


def test_json_at_the_limit_is_parsed() -> None:
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
def test_deep_or_invalid_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (messages differ and are not shown)
        parse_json(body)
