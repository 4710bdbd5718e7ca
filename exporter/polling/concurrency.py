"""Many requests at a time, of which one may fail without the others."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from exporter.k6.errors import ApiError, Unauthorized
from exporter.polling.result import PollResult

T = TypeVar("T")


async def for_each(
    items: Iterable[T], action: Callable[[T], Awaitable[None]], poll_result: PollResult, *, concurrency: int
) -> None:
    """Calls `action` with each item, `concurrency` at a time; an ApiError becomes a failure of the result.

    Raises Unauthorized at once: a rejected token would be rejected again for every other item.
    """
    # All workers share one iterator, so that a slow item does not hold up the rest.
    rest = iter(items)

    async def work() -> None:
        for item in rest:
            try:
                await action(item)
            except Unauthorized:
                raise
            except ApiError as error:
                poll_result.add_failure(error)

    rejected: list[Unauthorized] = []
    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(concurrency):
                workers.create_task(work())
    except* Unauthorized as group:
        rejected += [error for error in group.exceptions if isinstance(error, Unauthorized)]
    # Not raised inside `except*`: before Python 3.11.4 it would come out wrapped in a group.
    if rejected:
        raise rejected[0]
