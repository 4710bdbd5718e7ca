"""What a poll finds while it is under way; it may be cut short, and what was found until then is kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from exporter.k6.errors import ApiError
from exporter.model import LoadTest, SkippedItem
from exporter.store import State, StateUpdate, TestUpdate


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
