"""What both generations do with a list: decode it, read each item by itself, and say what was whole."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import msgspec

from exporter.k6.errors import DecodeError
from exporter.model import SkippedItem
from exporter.nesting import MAX_NESTING, is_too_deep

MAX_PAGES = 1000  # an API that goes on for longer is not telling us about runs
MAX_ITEMS = 200_000  # of one list, all pages together
# What is decoded takes some 60 bytes for each value; `[[],[],...` has one in three bytes of the answer.
MAX_VALUES = 2_000_000  # in one answer: a thousand runs with 20 kB of options each


class Item(Protocol):
    @property
    def id(self) -> int: ...


T = TypeVar("T")
I = TypeVar("I", bound=Item)  # noqa: E741


class UnexpectedItem(ValueError):
    """An item that was not asked for."""


@dataclass(frozen=True, slots=True)
class PagedItems(Generic[I]):
    """What following the pages of a list brought, and whether to its `whole` end.

    `on_first_page` of the items are sure: for each that was deleted while we turned the pages, one after
    them was never told.
    """

    items: tuple[I, ...]
    skipped: tuple[SkippedItem, ...]
    is_complete: bool
    on_first_page: int = 0


def parse_item(endpoint: str, read: Callable[[msgspec.Raw], I], raw: msgspec.Raw) -> I | SkippedItem:
    """An item by itself, so that an unreadable one does not cost its page."""
    try:
        return read(raw)
    except UnexpectedItem as error:
        return SkippedItem("unexpected", f"{endpoint}: {error}")
    except DecodeError as error:
        return SkippedItem("invalid", str(error))
    except ValueError as error:
        return SkippedItem("invalid", f"{endpoint}: {error}")


def decode(body: bytes | msgspec.Raw, type_: type[T], endpoint: str) -> T:
    """JSON of the shape that the documents promise. Raises Unreadable.

    Bytes are a whole answer and are checked against our bounds; a Raw is a part of one that was checked.
    """
    if isinstance(body, bytes):
        if has_too_many_values(body):
            raise DecodeError(f"{endpoint}: the answer has more than {MAX_VALUES} values")
        if is_too_deep(body):
            raise DecodeError(f"{endpoint}: the answer is nested more than {MAX_NESTING} deep")
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DecodeError(
            f"{endpoint}: the answer is not what the API's documents promise: {error}"
        ) from error


def has_too_many_values(body: bytes) -> bool:
    """Each value but the first of all follows on one of these, as may something in a text."""
    return len(body) > MAX_VALUES and sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES


def check_item_limit(items: int, endpoint: str) -> None:
    """Raises Unreadable for a list of more items than there can be."""
    if items > MAX_ITEMS:
        raise DecodeError(f"GET {endpoint}: the list has more than {MAX_ITEMS} items")


def check_id(item: I, id_: int, endpoint: str) -> I:
    """The item that was asked for by its id. Raises Unreadable for another."""
    if item.id != id_:
        raise DecodeError(f"{endpoint}: asked for {id_}, told of {item.id}")
    return item
