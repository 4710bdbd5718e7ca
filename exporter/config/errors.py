"""Errors in a configuration file, as sentences for the operator.

Used for the exporter's own configuration and for the web configuration; `model` is the model of the file.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from exporter.formatting import escape_unprintable, quote_value

Loc = tuple[int | str, ...]  # the path of a value in the file, as pydantic reports it

SENTENCES = {
    "int_type": "{shown} is not a whole number; write one like 10",
    "int_parsing": "{shown} is not a whole number; write one like 10",
    "int_parsing_size": "{shown} is too large",
    "greater_than_equal": "{shown} is too small; the minimum is {ge}",
    "less_than_equal": "{shown} is too large; the maximum is {le}",
    "bool_type": "{shown} is neither true nor false",
    "bool_parsing": "{shown} is neither true nor false",
    "literal_error": "{shown} is not one of {expected}",
    "string_type": "{shown} is not text; put it in quotation marks",
    "string_too_short": "{shown} is too short; write some text, or remove the setting",
    "model_type": '{shown} is not a group of settings; write one like "{example}"',
    "tuple_type": "{shown} is not a list",
    "too_long": "{actual_length} entries are too many; the maximum is {max_length}",
}


class ConfigError(Exception):
    """A configuration that cannot be used; `messages` are all the reasons."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("\n".join(messages))
        self.messages = tuple(messages)


def format_error(
    error: ErrorDetails,
    model: type[BaseModel],
    *,
    sentences: Mapping[str, str],
    examples: Mapping[str, str],
    hints: Mapping[str, str],
) -> str:
    """A validation error as a sentence: the setting, what is wrong with it, and what to write instead.

    `sentences` are added to those above, by pydantic's type of error. `examples` show what a section holds.
    `hints` say what to do instead of a setting that does not exist, by its place or by its name alone.
    """
    loc = tuple(key for key in error["loc"] if key != "[key]")  # pydantic's mark for a wrong key of a dict
    place = format_loc(loc)
    context = error.get("ctx", {})
    if error["type"] == "value_error":
        return f"{place}: {context['error']}" if place else str(context["error"])
    if error["type"] == "extra_forbidden":
        hint = hints.get(place, hints.get(str(loc[-1])))
        return f"{place}: {hint or 'there is no such setting' + did_you_mean(loc, model)}"
    template = (SENTENCES | dict(sentences)).get(error["type"], "{shown} is not valid here")
    if error["type"] == "string_type" and isinstance(error["input"], list | dict):
        template = "{shown} is not text"
    names = [key for key in loc if isinstance(key, str)]
    example = examples.get(names[-1], "") if names else ""
    return f"{place}: {template.format(shown=quote_value(error['input']), example=example, **context)}"


def format_loc(loc: Loc) -> str:
    """A place in the file as an operator would write it: tests[0].id."""
    names = (f"[{key}]" if isinstance(key, int) else f".{escape_unprintable(key)}" for key in loc)
    return "".join(names).removeprefix(".")


def did_you_mean(loc: Loc, model: type[BaseModel]) -> str:
    """Suggests the setting or section with the most similar name: in the same section, or else anywhere.

    Empty if none is similar.
    """
    *section, name = loc
    inner: type[BaseModel] | None = model
    for key in section:
        field = fields_by_name(inner).get(key) if inner and isinstance(key, str) else None
        inner = find_section(field) if field else inner if isinstance(key, int) else None
    beside: list[Loc] = [(*section, key) for key in fields_by_name(inner)] if inner else []
    for places in (beside, [place for place, _ in walk_settings(model)]):
        names = {str(place[-1]).lower(): place for place in places}
        if similar := find_similar(escape_unprintable(str(name)).lower(), names):
            return f"; did you mean {format_loc(names[similar])}?"
    return ""


def find_similar(word: str, names: Iterable[str]) -> str | None:
    """The most similar name, None if none is similar."""
    return next(iter(difflib.get_close_matches(word, list(names), n=1)), None)


def walk_settings(model: type[BaseModel], above: Loc = ()) -> Iterator[tuple[Loc, FieldInfo]]:
    """The place and field of each section and setting, except for those in lists, which have an index."""
    for name, field in fields_by_name(model).items():
        yield (*above, name), field
        section = find_section(field)
        if section and get_origin(field.annotation) is not tuple:
            yield from walk_settings(section, (*above, name))


def fields_by_name(model: type[BaseModel]) -> dict[int | str, FieldInfo]:
    """The fields of a model by the names that they have in the file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def find_section(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a section, of an optional section, or of the entries of a list; None for a plain value."""
    kinds = (field.annotation, *get_args(field.annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def drop_nulls(tree: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """The tree without known settings that are null and sections that are empty.

    A key is null in YAML if its value is commented out, and likewise a section whose every line is.
    """
    kept = {}
    for key, value in tree.items():
        field = fields_by_name(model).get(key)
        section = find_section(field) if field else None
        left = (drop_nulls(value, section) or None) if section and isinstance(value, dict) else value
        if field is None or left is not None:
            kept[key] = left
    return kept
