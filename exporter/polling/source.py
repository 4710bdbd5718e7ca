"""What the poll sources of both API versions have in common."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

from exporter.k6.legacy.client import LegacyClient
from exporter.k6.v6.client import V6Client
from exporter.polling.concurrency import for_each
from exporter.polling.result import PollResult
from exporter.polling.selector import Selector

T = TypeVar("T")
Client = TypeVar("Client", bound=LegacyClient | V6Client)


class PollSource(Generic[Client]):
    """Fetches what is new since a state, with few requests.

    - `fetch` fills a PollResult. It raises an ApiError that leaves nothing to do; others become failures in
      the result. With `discovery`, the number of this discovery counted from 0, it also finds out which tests
      there are.
    - `discover` fills in only which tests there are.
    """

    def __init__(self, api: Client, selector: Selector, *, concurrency: int) -> None:
        self.api = api
        self._selector = selector
        self._concurrency = concurrency

    async def _for_each(
        self, items: Iterable[T], action: Callable[[T], Awaitable[None]], poll_result: PollResult
    ) -> None:
        await for_each(items, action, poll_result, concurrency=self._concurrency)
