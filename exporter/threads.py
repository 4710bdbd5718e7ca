"""Work in threads for which the end of the process does not wait, such as reading from a hanging disk.

The threads of asyncio.to_thread are joined at the end, so that one that hangs would make SIGTERM useless.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def start(work: Callable[[], T]) -> Future[T]:
    """Begins the work in a thread of its own."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # a running future cannot be cancelled, so its result can be set

    def run_work() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 (raised where the result is awaited)
            future.set_exception(error)
        else:
            future.set_result(result)

    Thread(target=run_work, daemon=True).start()
    return future


async def run(work: Callable[[], T]) -> T:
    """The result of the work; the event loop goes on meanwhile."""
    return await asyncio.wrap_future(start(work))
