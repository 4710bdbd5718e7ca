"""Which tests are selected."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from msgspec import structs

from exporter.model import LoadTest, Project, UnresolvedEntry
from exporter.polling.sharding import ALONE, Shard
from exporter.regex import Regex


@dataclass(frozen=True, slots=True)
class Rule:
    """Selects tests by project (None: every project of the token) and by patterns of their names.

    Or selects one test by its exact `name`, which only one test may have. A project that is given by its
    name matches no test until it is replaced by an id; then `project_name` is its name.
    """

    project: int | str | None = None
    include: Regex | None = None
    exclude: Regex | None = None
    name: str | None = None
    project_name: str | None = None

    def matches(self, test: LoadTest) -> bool:
        """Whether it selects this test."""
        return (
            self.project in (None, test.project_id)
            and self.name in (None, test.name)
            and (self.include is None or self.include.matches(test.name))
            and (self.exclude is None or not self.exclude.matches(test.name))
        )

    def __str__(self) -> str:
        parts = [f"project {(self.project_name or self.project)!r}"] if self.project is not None else []
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
    projects: Mapping[int, Project] = field(default_factory=dict)  # those whose names were looked up

    @property
    def has_project_names(self) -> bool:
        """Whether a rule has the name of a project in place of its id."""
        return any(isinstance(rule.project, str) for rule in self.rules)

    def resolve(self, projects: Mapping[int, Project]) -> "Selector":
        """The selector with ids for the names of projects. A name that none or several have stays."""
        rules = tuple(resolve_project(rule, projects) for rule in self.rules)
        return replace(self, rules=rules, projects=projects)

    @property
    def ids(self) -> list[int]:
        """The ids that belong to this shard."""
        return [id_ for id_ in self.tests if self.shard.contains(id_)]

    def assigned(self, tests: Collection[LoadTest]) -> dict[int, LoadTest]:
        """Those of these tests, which are those of all shards, that are selected and belong to this shard.

        A name that several tests have selects none of them.
        """
        rules = tuple(rule for rule in self.rules if len(find_candidates(rule, tests)) < 2)
        unambiguous = replace(self, rules=rules)
        return {test.id: test for test in tests if unambiguous.is_candidate(test)}

    def matches(self, test: LoadTest) -> bool:
        """Whether an entry matches this test, in whichever shard."""
        return test.id in self.tests or any(rule.matches(test) for rule in self.rules)

    def is_candidate(self, test: LoadTest) -> bool:
        """Whether an entry matches this test, and it belongs to this shard."""
        return self.shard.contains(test.id) and self.matches(test)

    def unresolved(self, tests: Collection[LoadTest]) -> tuple[UnresolvedEntry, ...]:
        """The entries that select none of these tests, which are those of all shards.

        Each entry is reported by one shard only: an id by its own, a rule by the first.
        """
        found = {test.id for test in tests}
        ids = [UnresolvedEntry(f"test {id_}") for id_ in self.ids if id_ not in found]
        own_rules = self.rules if self.shard.index == 0 else ()
        rules = [
            UnresolvedEntry(
                str(rule),
                rule.name,
                find_candidates(rule, tests) or find_projects(rule, self.projects),
            )
            for rule in own_rules
            if not any(rule.matches(test) for test in tests) or len(find_candidates(rule, tests)) > 1
        ]
        return (*ids, *rules)

    def with_alias(self, test: LoadTest) -> LoadTest:
        """The test, named by its alias if it has one."""
        return structs.replace(test, name=self.tests.get(test.id) or test.name)


def find_candidates(rule: Rule, tests: Collection[LoadTest]) -> tuple[LoadTest, ...]:
    """The tests that have the name in this rule; none if it has no name."""
    return () if rule.name is None else tuple(test for test in tests if rule.matches(test))


def find_projects(rule: Rule, projects: Mapping[int, Project]) -> tuple[Project, ...]:
    """The projects with the name in this rule; none if it has an id or no project."""
    return tuple(project for project in projects.values() if project.name == rule.project)


def resolve_project(rule: Rule, projects: Mapping[int, Project]) -> Rule:
    """The rule with the id of its project, if exactly one has its name."""
    found = find_projects(rule, projects)
    if len(found) != 1:
        return rule
    return replace(rule, project=found[0].id, project_name=found[0].name)
