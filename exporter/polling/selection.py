"""Which tests are watched."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from exporter.model import LoadTest


@dataclass(frozen=True, slots=True)
class Rule:
    """Tests of a project (of every project that the token sees, if None) by regular expressions on names."""

    project: int | None = None
    include: re.Pattern[str] | None = None
    exclude: re.Pattern[str] | None = None

    def takes(self, test: LoadTest) -> bool:
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
class Selection:
    """Tests by id, each with the alias it may have, and tests by rule."""

    tests: Mapping[int, str | None] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()

    def takes(self, test: LoadTest) -> bool:
        """Whether this test is meant."""
        return test.id in self.tests or any(rule.takes(test) for rule in self.rules)

    def unresolved(self, tests: Collection[LoadTest]) -> tuple[str, ...]:
        """The entries that mean none of these tests."""
        found = {test.id for test in tests}
        ids = [f"test {id_}" for id_ in self.tests if id_ not in found]
        rules = [str(rule) for rule in self.rules if not any(rule.takes(test) for test in tests)]
        return (*ids, *rules)

    def named(self, test: LoadTest) -> LoadTest:
        """The test under its alias, if it has one."""
        return replace(test, name=self.tests.get(test.id) or test.name)
