"""Changes to the JSON of a response whose meaning stays the same, or nearly: pure functions."""

from collections.abc import Callable

from exporter.simulator.http import Item

# "k6-tests" comes first because the list of tests has an empty "k6-runs" beside it; "value" is v6's.
_LIST_KEYS = ("k6-tests", "k6-runs", "projects", "organizations", "value")
_OBJECT_KEYS = ("k6-test", "k6-run")


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
