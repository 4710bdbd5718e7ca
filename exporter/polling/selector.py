"""Which tests are selected."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from exporter.model import LoadTest, UnresolvedEntry
from exporter.polling.sharding import ALONE, Shard
from exporter.regex import Regex


@dataclass(frozen=True, slots=True)
class Rule:
    """Selects tests by project (None: every project of the token) and by patterns of their names.

    Or selects one test by its exact `name`, which only one test may have.
    """

    project: int | None = None
    include: Regex | None = None
    exclude: Regex | None = None
    name: str | None = None

    def matches(self, test: LoadTest) -> bool:
        """Whether it selects this test."""
        return (
            self.project in (None, test.project_id)
            and self.name in (None, test.name)
            and (self.include is None or self.include.matches(test.name))
            and (self.exclude is None or not self.exclude.matches(test.name))
        )

    def __str__(self) -> str:
        parts = [f"project {self.project}"] if self.project is not None else []
        parts += [f"name {self.name!r}"] if self.name is not None else []
        parts += [f"include {self.include.pattern!r}"] if self.include else []
        parts += [f"exclude {self.exclude.pattern!r}"] if self.exclude else []
        return ", ".join(parts) or "everything"


@dataclass(frozen=True, slots=True)
class Selector:
    """Selects tests by id, each with an optional alias, and by rules; of these, the part of one shard."""

    tests: Mapping[int, str | None] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    shard: Shard = ALONE

    @property
    def ids(self) -> list[int]:
        """The ids that belong to this shard."""
        return [id_ for id_ in self.tests if self.shard.contains(id_)]

    def assigned(self, tests: Collection[LoadTest]) -> dict[int, LoadTest]:
        """Those of these tests, which are those of all shards, that are selected and belong to this shard.

        A name that several tests have selects none of them.
        """
        rules = tuple(rule for rule in self.rules if len(candidates(rule, tests)) < 2)
        unambiguous = replace(self, rules=rules)
        return {test.id: test for test in tests if self.shard.contains(test.id) and unambiguous.matches(test)}

    def matches(self, test: LoadTest) -> bool:
        """Whether an entry matches this test, in whichever shard."""
        return test.id in self.tests or any(rule.matches(test) for rule in self.rules)

    def unresolved(self, tests: Collection[LoadTest]) -> tuple[UnresolvedEntry, ...]:
        """The entries that select none of these tests, which are those of all shards.

        Each entry is reported by one shard only: an id by its own, a rule by the first.
        """
        found = {test.id for test in tests}
        ids = [UnresolvedEntry(f"test {id_}") for id_ in self.ids if id_ not in found]
        own_rules = self.rules if self.shard.index == 0 else ()
        rules = [
            UnresolvedEntry(str(rule), rule.name, candidates(rule, tests))
            for rule in own_rules
            if not any(rule.matches(test) for test in tests) or len(candidates(rule, tests)) > 1
        ]
        return (*ids, *rules)

    def with_alias(self, test: LoadTest) -> LoadTest:
        """The test, named by its alias if it has one."""
        return replace(test, name=self.tests.get(test.id) or test.name)


def candidates(rule: Rule, tests: Collection[LoadTest]) -> tuple[LoadTest, ...]:
    """The tests that have the name in this rule; none if it has no name."""
    return () if rule.name is None else tuple(test for test in tests if rule.matches(test))
