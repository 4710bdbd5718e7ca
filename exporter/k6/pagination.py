"""Lists in both API versions: each item is parsed by itself, and a list knows whether it is complete."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

import msgspec

from exporter.k6.errors import DecodeError
from exporter.model import SkippedItem

MAX_PAGES = 1000  # a list with more is not a list of runs
MAX_AHEAD = 10  # pages that are requested in vain at most, where the count of a list is wrong
MAX_ITEMS = 200_000  # of one list, all pages together
PARSED_AT_ONCE = 25  # items before scrapes can be served: about two milliseconds


class Item(Protocol):
    """A test, a run or a schedule."""

    @property
    def id(self) -> int: ...


T = TypeVar("T")
I = TypeVar("I", bound=Item)  # noqa: E741


class UnexpectedItem(ValueError):
    """An item that does not belong to the list."""


@dataclass(frozen=True, slots=True)
class PagedItems(Generic[I]):
    """The items of all pages of a list, and whether its end was reached.

    Only the first `on_first_page` items are certain to have no gap before them: where an item is deleted
    between the requests of two pages, the one after it moves to a page that was read already.
    """

    items: tuple[I, ...]
    skipped: tuple[SkippedItem, ...]
    is_complete: bool
    on_first_page: int = 0


class PageCollector(Generic[I]):
    """Collects the items of a list page by page, each once, although pages can overlap."""

    def __init__(self, endpoint: str, parse: Callable[[msgspec.Raw], I]) -> None:
        self.items: dict[int, I] = {}
        self.skipped: dict[int, SkippedItem] = {}  # by hash, because an item can have megabytes
        self._endpoint = endpoint
        self._parse = parse

    def __len__(self) -> int:
        return len(self.items) + len(self.skipped)

    async def add(self, page: Sequence[msgspec.Raw], yield_to_loop: Callable[[], Awaitable[None]]) -> None:
        """Parses items; one that cannot be parsed is skipped, and does not affect the others.

        `yield_to_loop` is called in between, and after a short page too: the next one may be here already.
        Raises DecodeError if the list has too many items with this page.
        """
        if len(self) + len(page) > MAX_ITEMS:
            raise DecodeError(f"GET {self._endpoint}: the list has more than {MAX_ITEMS} items")
        for start in range(0, len(page), PARSED_AT_ONCE):
            self._parse_items(page[start : start + PARSED_AT_ONCE])
            await yield_to_loop()

    def _parse_items(self, items: Sequence[msgspec.Raw]) -> None:
        for raw in items:
            # One call for each item, so that an error is about one item.
            try:
                item = self._parse(raw)
            except UnexpectedItem as error:
                self._skip(raw, "unexpected", f"{self._endpoint}: {error}")
            except DecodeError as error:
                self._skip(raw, "invalid", str(error))
            except ValueError as error:
                self._skip(raw, "invalid", f"{self._endpoint}: {error}")
            else:
                self.items[item.id] = item

    def _skip(self, raw: msgspec.Raw, reason: str, description: str) -> None:
        # Pages can overlap. The same item on two pages is counted once.
        self.skipped[hash(bytes(raw))] = SkippedItem(reason, description)

    def result(self, *, is_complete: bool, on_first_page: int = 0) -> PagedItems[I]:
        """What was collected."""
        return PagedItems(
            tuple(self.items.values()), tuple(self.skipped.values()), is_complete, on_first_page
        )


class PagesAhead:
    """Requests for the next pages of a list, which are sent before the present page has been received.

    `get` requests a page by its number. Those that turn out to be of no use are cancelled at the end.
    """

    def __init__(self, get: Callable[[int], Coroutine[None, None, bytes]]) -> None:
        self._get = get
        self._tasks: dict[int, asyncio.Task[bytes]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def request(self, numbers: Sequence[int]) -> None:
        """Requests these pages, unless they are already, but not more than MAX_AHEAD at a time."""
        for number in numbers[:MAX_AHEAD]:
            if number not in self._tasks:
                self._tasks[number] = asyncio.create_task(self._get(number))

    def pop(self, number: int) -> asyncio.Task[bytes] | None:
        """The request for a page; None if it has not been sent."""
        return self._tasks.pop(number, None)


def decode(body: bytes | msgspec.Raw, type_: type[T], endpoint: str) -> T:
    """Decodes JSON of the documented shape, whose bounds the transport has checked. Raises DecodeError."""
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DecodeError(f"{endpoint}: the response is not as documented: {error}") from error


def decode_item(body: bytes, type_: type[T], parse: Callable[[T], I], endpoint: str) -> I:
    """The one item of a response. Raises DecodeError."""
    try:
        return parse(decode(body, type_, endpoint))
    except ValueError as error:
        raise DecodeError(f"{endpoint}: {error}") from error


def check_id(item: I, id_: int, endpoint: str) -> I:
    """The item, which was requested by its id. Raises DecodeError if it has another."""
    if item.id != id_:
        raise DecodeError(f"{endpoint}: requested id {id_}, received id {item.id}")
    return item
