"""Runs in the order of their creation, searchable by a time window."""

from bisect import bisect_left, insort
from datetime import UTC, datetime, timedelta

_EPOCH = datetime.fromtimestamp(0, UTC)


def to_microseconds(time: float) -> int:
    """A time in Unix seconds as whole microseconds, the precision of both APIs."""
    return (datetime.fromtimestamp(time, UTC) - _EPOCH) // timedelta(microseconds=1)


class Timeline:
    """Ids of runs, oldest first; of two from the same microsecond the smaller id comes first.

    A window takes two binary searches for any number of runs.
    """

    def __init__(self) -> None:
        self._entries: list[tuple[int, int]] = []  # microseconds, id; ids are positive

    def add(self, created: float, run_id: int) -> None:
        insort(self._entries, (to_microseconds(created), run_id))

    def remove(self, created: float, run_id: int) -> None:
        del self._entries[bisect_left(self._entries, (to_microseconds(created), run_id))]

    def between(self, since: float | None, before: float | None, until: float) -> list[int]:
        """Those created at `since` or later, earlier than `before`, and no later than `until`."""
        first = 0 if since is None else bisect_left(self._entries, (to_microseconds(since), 0))
        end = bisect_left(self._entries, (to_microseconds(until) + 1, 0))
        if before is not None:
            end = min(end, bisect_left(self._entries, (to_microseconds(before), 0)))
        return [run_id for _, run_id in self._entries[first:end]]
