"""What a poll finds while it is under way; it may be cut short, and what was found until then is kept."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from exporter.k6.errors import ApiError, Unauthorized
from exporter.model import LoadTest, SkippedItem
from exporter.store import State, StateUpdate, TestUpdate

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that a poll could not learn: a label value, and a sentence for the log."""

    reason: str
    message: str


@dataclass(slots=True)
class PollResult:
    """Filled as answers come in. `confirmed` are tests about which there is nothing new."""

    updates: dict[int, TestUpdate] = field(default_factory=dict)
    unchanged: set[int] = field(default_factory=set)
    members: Mapping[int, LoadTest] | None = None
    unresolved: tuple[str, ...] = ()
    newest_created: float | None = None
    failures: list[Failure] = field(default_factory=list)
    skipped: list[SkippedItem] = field(default_factory=list)

    def add_failure(self, error: ApiError) -> None:
        self.failures.append(Failure(error.reason, str(error)))

    def redact(self, hidden: Callable[[str], str]) -> None:
        """Take out of every sentence what must not be read."""
        self.failures = [replace(failure, message=hidden(failure.message)) for failure in self.failures]
        self.skipped = [replace(skipped, description=hidden(skipped.description)) for skipped in self.skipped]

    @property
    def has_data(self) -> bool:
        return bool(self.updates or self.unchanged) or not self.failures

    @property
    def outcome(self) -> str:
        if not self.failures:
            return "success"
        return "partial" if self.has_data else "failure"

    def to_state_update(self, state: State, *, at: float, now: float) -> StateUpdate:
        """What was found, as the step from `state` to its successor."""
        members = state.members if self.members is None else self.members
        return StateUpdate(
            monotonic=at,
            now=now,
            updates=self.updates,
            failed=frozenset(members.keys() - self.updates.keys() - self.unchanged),
            members=self.members,
            unresolved=self.unresolved,
            newest_created=self.newest_created,
        )


async def for_each(
    items: Iterable[T], action: Callable[[T], Awaitable[None]], poll_result: PollResult, *, concurrency: int
) -> None:
    """Ask about each item, `width` at a time; an item's failure is noted and costs only that item.

    A refused token ends it all, lest it be tried again for every item. Raises Unauthorized.
    """
    rest = iter(items)

    async def work() -> None:
        for item in rest:
            try:
                await action(item)
            except Unauthorized:
                raise
            except ApiError as error:
                poll_result.add_failure(error)

    refused: list[Unauthorized] = []
    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(concurrency):
                workers.create_task(work())
    except* Unauthorized as group:
        refused += [error for error in group.exceptions if isinstance(error, Unauthorized)]
    # Not above: before Python 3.11.4 what is raised there comes out wrapped in a group.
    if refused:
        raise refused[0]
