"""One call for many callers: how often the work is done, and who gets which result."""

import asyncio
from collections.abc import Iterator

import pytest

from exporter.shared_call import SharedCall


class Work:
    """Work that waits until it may end. Each call returns its number, from 1."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        await self.may_end.wait()
        return number


async def begin_call(call: SharedCall[int], times: int = 1) -> list["asyncio.Task[int]"]:
    tasks = [asyncio.create_task(call()) for _ in range(times)]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


def test_callers_during_a_call_share_the_next_one() -> None:
    async def scenario() -> None:
        work = Work()
        call = SharedCall(work)
        first = await begin_call(call)
        later = await begin_call(call, times=100)
        assert work.begun == 1
        work.may_end.set()

        assert await asyncio.gather(*first, *later) == [1] + [2] * 100
        assert await call() == 3

    asyncio.run(scenario())


def test_cancelled_callers_do_not_cancel_the_call() -> None:
    async def scenario() -> None:
        work = Work()
        call = SharedCall(work)
        first, second = await begin_call(call), await begin_call(call, times=2)
        for caller in (*first, second[0]):
            caller.cancel()
        work.may_end.set()

        assert await second[1] == 2

    asyncio.run(scenario())


def test_error_reaches_all_callers_and_the_next_call_works() -> None:
    results: Iterator[int | ValueError] = iter([ValueError("no"), 1])

    async def work() -> int:
        result = next(results)
        if isinstance(result, ValueError):
            raise result
        return result

    async def scenario() -> None:
        call = SharedCall(work)
        for caller in await begin_call(call, times=2):
            with pytest.raises(ValueError, match="no"):
                await caller
        assert await call() == 1

    asyncio.run(scenario())
