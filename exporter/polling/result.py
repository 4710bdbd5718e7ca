"""The result of a poll. It is filled in as responses arrive, so that a poll cut short keeps what it has."""

from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec.structs import replace

from exporter.k6.errors import ApiError
from exporter.k6.reasons import redact_reason
from exporter.model import SkippedItem
from exporter.store import State, StateUpdate


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that a poll could not fetch: a label value, and a sentence for the log."""

    reason: str
    message: str


@dataclass(slots=True)
class PollResult(StateUpdate):
    """What a poll fetched, what it skipped and what failed. `unchanged` are tests without news."""

    unchanged: set[int] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    skipped: list[SkippedItem] = field(default_factory=list)

    def add_failure(self, error: ApiError) -> None:
        """Adds an error as a failure."""
        self.failures.append(Failure(error.reason, str(error)))

    def redact(self, redact: Callable[[str], str]) -> None:
        """Removes secrets from every sentence."""
        self.failures = [Failure(failure.reason, redact(failure.message)) for failure in self.failures]
        self.skipped = [SkippedItem(skipped.reason, redact(skipped.description)) for skipped in self.skipped]
        for id_, test_update in self.updates.items():
            runs = tuple(redact_reason(run, redact) for run in test_update.runs)
            self.updates[id_] = replace(test_update, runs=runs)

    @property
    def has_data(self) -> bool:
        """Whether the state is to be replaced: something was fetched, or there was nothing to fetch."""
        return bool(self.updates or self.unchanged) or not self.failures

    @property
    def outcome(self) -> str:
        """The label value: success, partial or failure."""
        if not self.failures:
            return "success"
        return "partial" if self.has_data else "failure"

    def missing_tests(self, state: State) -> frozenset[int]:
        """The watched tests about which nothing was fetched; `state` is the one before the poll."""
        return frozenset(state.members_after(self).keys() - self.updates.keys() - self.unchanged)
