"""What a poller needs from an API version."""

from typing import Protocol

from exporter.polling.result import PollResult
from exporter.store import State


class PollSource(Protocol):
    """Fetches what is new since a state, with few requests. Implemented for legacy and v6."""

    async def fetch(
        self, state: State, poll_result: PollResult, *, now: float, discovery: int | None
    ) -> None:
        """Fills `poll_result`. Raises an ApiError that leaves nothing to do; others become failures in it.

        `now` is the Unix time in seconds. With `discovery`, the number of this discovery counted from 0, it
        also finds out which tests there are.
        """

    async def discover(self, state: State, poll_result: PollResult) -> object:
        """Fills in only which tests there are. Raises ApiError like `fetch`."""
