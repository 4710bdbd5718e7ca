"""Changes to the JSON of a response whose meaning stays the same, or nearly: pure functions."""

from collections.abc import Callable

from exporter.simulator.http import Item
from exporter.simulator.options import Options

# "k6-tests" comes first because the list of tests has an empty "k6-runs" beside it; "value" is v6's.
_LIST_KEYS = ("k6-tests", "k6-runs", "projects", "organizations", "value")
_OBJECT_KEYS = ("k6-test", "k6-run", "project", "organization")


def map_page(body: object, change: Callable[[list[object]], list[object]]) -> object:
    """The response with its list of objects changed; a response without a list stays as it is."""
    if isinstance(body, dict):
        for key in _LIST_KEYS:
            if isinstance(body.get(key), list):
                return body | {key: change(body[key])}
    return body


def map_objects(body: object, change: Callable[[Item], Item]) -> object:
    """The response with each of its objects changed, and the envelope around them."""
    if not isinstance(body, dict):
        return body
    for key in _OBJECT_KEYS:
        if isinstance(body.get(key), dict):
            return change(body | {key: change(body[key])})
    mapped = map_page(body, lambda page: [change(it) if isinstance(it, dict) else it for it in page])
    return change(mapped) if isinstance(mapped, dict) else mapped


def map_values(body: object, change: Callable[[object], object]) -> object:
    """The response with every value changed that is neither an object nor a list, at any depth."""
    if isinstance(body, dict):
        return {key: map_values(value, change) for key, value in body.items()}
    if isinstance(body, list):
        return [map_values(value, change) for value in body]
    return change(body)


def set_field(body: object, name: str, value: object) -> object:
    """This value in every object that has the field, and in the envelope if it has it."""
    return map_objects(body, lambda item: item | {name: value} if name in item else item)


def remove_field(body: object, name: str) -> object:
    return map_objects(body, lambda item: {key: value for key, value in item.items() if key != name})


def replace_word(body: object, old: str, new: str) -> object:
    """Another word wherever a text is exactly `old`."""
    return map_values(body, lambda value: new if value == old else value)


def add_unknown_keys(body: object) -> object:
    """A key that is in no document, in the envelope and in each object."""
    return map_objects(body, lambda item: item | {"undocumented": {"added": [1, "two", None]}})


def quote_numbers(body: object) -> object:
    """Every number as a string."""

    def quote(value: object) -> object:
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value

    return map_values(body, quote)


def apply_options(body: object, options: Options) -> object:
    """The response in the form that the options demand."""
    for name in options.nulls:
        body = set_field(body, name, None)
    if options.extra_keys:
        body = add_unknown_keys(body)
    return quote_numbers(body) if options.numbers_as_strings else body
