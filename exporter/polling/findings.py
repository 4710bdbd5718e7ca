"""What a poll finds while it is under way; it may be cut short, and what was found until then is kept."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from exporter.k6.errors import ApiError, Unauthorized
from exporter.model import LoadTest, Skipped
from exporter.store import Poll, Sighting, State

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that a poll could not learn: a label value, and a sentence for the log."""

    reason: str
    sentence: str


@dataclass(slots=True)
class Findings:
    """Filled as answers come in. `confirmed` are tests about which there is nothing new."""

    seen: dict[int, Sighting] = field(default_factory=dict)
    confirmed: set[int] = field(default_factory=set)
    members: Mapping[int, LoadTest] | None = None
    unresolved: tuple[str, ...] = ()
    newest: float | None = None
    failures: list[Failure] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def fail(self, error: ApiError) -> None:
        self.failures.append(Failure(error.reason, str(error)))

    def conceal(self, hidden: Callable[[str], str]) -> None:
        """Take out of every sentence what must not be read."""
        self.failures = [replace(failure, sentence=hidden(failure.sentence)) for failure in self.failures]
        self.skipped = [replace(skipped, which=hidden(skipped.which)) for skipped in self.skipped]

    @property
    def learnt_something(self) -> bool:
        return bool(self.seen or self.confirmed) or not self.failures

    @property
    def outcome(self) -> str:
        if not self.failures:
            return "success"
        return "partial" if self.learnt_something else "failure"

    def poll(self, state: State, *, at: float, now: float) -> Poll:
        """What was found, as the step from `state` to its successor."""
        members = state.members if self.members is None else self.members
        return Poll(
            at=at,
            now=now,
            seen=self.seen,
            missed=frozenset(members.keys() - self.seen.keys() - self.confirmed),
            members=self.members,
            unresolved=self.unresolved,
            newest=self.newest,
        )


async def each(
    items: Iterable[T], ask: Callable[[T], Awaitable[None]], findings: Findings, *, width: int
) -> None:
    """Ask about each item, `width` at a time; an item's failure is noted and costs only that item.

    A refused token ends it all, lest it be tried again for every item. Raises Unauthorized.
    """
    rest = iter(items)

    async def work() -> None:
        for item in rest:
            try:
                await ask(item)
            except Unauthorized:
                raise
            except ApiError as error:
                findings.fail(error)

    refused: list[Unauthorized] = []
    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(width):
                workers.create_task(work())
    except* Unauthorized as group:
        refused += [error for error in group.exceptions if isinstance(error, Unauthorized)]
    # Not above: before Python 3.11.4 what is raised there comes out wrapped in a group.
    if refused:
        raise refused[0]
