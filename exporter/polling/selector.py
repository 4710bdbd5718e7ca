"""Which tests are watched."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from exporter.model import LoadTest
from exporter.polling.sharding import ALONE, Shard


@dataclass(frozen=True, slots=True)
class Rule:
    """Tests of a project (of every project that the token sees, if None) by regular expressions on names."""

    project: int | None = None
    include: re.Pattern[str] | None = None
    exclude: re.Pattern[str] | None = None

    def matches(self, test: LoadTest) -> bool:
        return (
            self.project in (None, test.project_id)
            and (self.include is None or self.include.search(test.name) is not None)
            and (self.exclude is None or self.exclude.search(test.name) is None)
        )

    def __str__(self) -> str:
        said = [f"project {self.project}"] if self.project is not None else []
        said += [f"include {self.include.pattern!r}"] if self.include else []
        said += [f"exclude {self.exclude.pattern!r}"] if self.exclude else []
        return ", ".join(said) or "everything"


@dataclass(frozen=True, slots=True)
class Selector:
    """Tests by id, each with the alias it may have, and tests by rule; of them, the part of one shard."""

    tests: Mapping[int, str | None] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    shard: Shard = ALONE

    @property
    def ids(self) -> list[int]:
        """The tests by id that are this shard's."""
        return [id_ for id_ in self.tests if self.shard.contains(id_)]

    def is_assigned(self, test: LoadTest) -> bool:
        """Whether this test is meant and this shard's."""
        return self.shard.contains(test.id) and self.matches(test)

    def matches(self, test: LoadTest) -> bool:
        """Whether this test is meant, by whichever shard it is watched."""
        return test.id in self.tests or any(rule.matches(test) for rule in self.rules)

    def unresolved(self, tests: Collection[LoadTest]) -> tuple[str, ...]:
        """The entries that mean none of these tests, whose ever these are.

        Each is told by one shard alone: a rule, which any shard's tests may fit, by the first.
        """
        found = {test.id for test in tests}
        ids = [f"test {id_}" for id_ in self.ids if id_ not in found]
        asked = self.rules if self.shard.index == 0 else ()
        rules = [str(rule) for rule in asked if not any(rule.matches(test) for test in tests)]
        return (*ids, *rules)

    def with_alias(self, test: LoadTest) -> LoadTest:
        """The test under its alias, if it has one."""
        return replace(test, name=self.tests.get(test.id) or test.name)
