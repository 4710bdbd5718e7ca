"""How an answer that is right in substance may look different: pure functions from JSON to JSON."""

from collections.abc import Callable

from exporter.simulator.http import Item
from exporter.simulator.options import Options

# "k6-tests" comes first because the tests list carries an empty "k6-runs" beside it; "value" is v6's.
_PAGES = ("k6-tests", "k6-runs", "projects", "organizations", "value")
_SINGLES = ("k6-test", "k6-run", "project", "organization")

Page = list[object]


def _page_key(body: Item) -> str | None:
    return next((key for key in _PAGES if isinstance(body.get(key), list)), None)


def on_page(body: object, change: Callable[[Page], Page]) -> object:
    """The answer with its list of objects changed; an answer without a list is as it was."""
    if isinstance(body, dict) and (key := _page_key(body)) is not None:
        return body | {key: change(body[key])}
    return body


def map_items(body: object, change: Callable[[Item], object]) -> object:
    """The answer with each of its objects changed: the one it tells, bare or wrapped, or those of a list."""
    if not isinstance(body, dict):
        return body
    for key in _SINGLES:
        if isinstance(body.get(key), dict):
            return body | {key: change(body[key])}
    if _page_key(body) is None:
        return change(body)
    return on_page(body, lambda page: [change(item) if isinstance(item, dict) else item for item in page])


def _everywhere(body: object, change: Callable[[Item], Item]) -> object:
    """Each object changed, and what they are wrapped in."""
    changed = map_items(body, change)
    return change(changed) if isinstance(changed, dict) else changed


def with_field(body: object, name: str, value: object) -> object:
    """That value in every object that has the field at all, the envelope included."""
    return _everywhere(body, lambda item: item | {name: value} if name in item else item)


def without_field(body: object, name: str) -> object:
    return _everywhere(body, lambda item: {key: value for key, value in item.items() if key != name})


def with_word(body: object, old: str, new: str) -> object:
    """Another word wherever a text is exactly `old`, however deep."""
    if isinstance(body, dict):
        return {key: with_word(value, old, new) for key, value in body.items()}
    if isinstance(body, list):
        return [with_word(value, old, new) for value in body]
    return new if body == old else body


def with_extra_keys(body: object) -> object:
    """A key no document knows, beside the objects and inside each."""
    return _everywhere(body, lambda item: item | {"undocumented": {"added": [1, "two", None]}})


def with_numbers_as_strings(body: object) -> object:
    """Every number quoted, however deep."""
    if isinstance(body, dict):
        return {key: with_numbers_as_strings(value) for key, value in body.items()}
    if isinstance(body, list):
        return [with_numbers_as_strings(value) for value in body]
    if isinstance(body, int | float) and not isinstance(body, bool):
        return str(body)
    return body


def apply_options(body: object, options: Options) -> object:
    """The answer in the looks that the options ask for."""
    for name in options.nulls:
        body = with_field(body, name, None)
    if options.extra_keys:
        body = with_extra_keys(body)
    if options.numbers_as_strings:
        body = with_numbers_as_strings(body)
    return body
