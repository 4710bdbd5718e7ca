"""Runs in the order in which they were created, to be looked up by a window of time."""

from bisect import bisect_left, insort
from datetime import UTC, datetime, timedelta

_EPOCH = datetime.fromtimestamp(0, UTC)


def microseconds(moment: float) -> int:
    """A moment in Unix seconds as whole microseconds: as precisely as any API writes it."""
    return (datetime.fromtimestamp(moment, UTC) - _EPOCH) // timedelta(microseconds=1)


class Timeline:
    """Ids of runs, oldest first; of two created in the same microsecond the smaller id comes first.

    Finding a window takes two binary searches, however many runs there are.
    """

    def __init__(self) -> None:
        self._entries: list[tuple[int, int]] = []  # microseconds, id; ids are positive

    def add(self, created: float, run_id: int) -> None:
        insort(self._entries, (microseconds(created), run_id))

    def remove(self, created: float, run_id: int) -> None:
        del self._entries[bisect_left(self._entries, (microseconds(created), run_id))]

    def between(self, since: float | None, before: float | None, until: float) -> list[int]:
        """Those created at `since` or later and earlier than `before`, and until `until` inclusive."""
        first = 0 if since is None else bisect_left(self._entries, (microseconds(since), 0))
        end = bisect_left(self._entries, (microseconds(until) + 1, 0))
        if before is not None:
            end = min(end, bisect_left(self._entries, (microseconds(before), 0)))
        return [run_id for _, run_id in self._entries[first:end]]
