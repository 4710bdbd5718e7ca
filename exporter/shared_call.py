"""A call that many callers share, so that a flood of requests costs no more work than a few."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedCall(Generic[T]):
    """Runs `work` for all callers together: at most one call is running and one is waiting.

    Who calls while it is running waits for the next one, since the running one may already have read what has
    changed since. A caller that is cancelled does not cancel the call, which others may share.
    """

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._lock = asyncio.Lock()
        self._waiting: asyncio.Task[T] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no call is running or waiting."""
        return self._waiting is None and not self._lock.locked()

    async def __call__(self) -> T:
        if self._waiting is None:
            self._waiting = asyncio.create_task(self._run())
        return await asyncio.shield(self._waiting)

    async def _run(self) -> T:
        async with self._lock:
            self._waiting = None
            return await self._work()
