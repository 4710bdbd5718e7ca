"""Rendering of the state in text format 0.0.4 and in OpenMetrics 1.0.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import copysign

from prometheus_client.utils import floatToGoString

from exporter.exposition.block import Block, split_groups
from exporter.exposition.families import Family, Labels
from exporter.model import LoadTest, Project, Run
from exporter.store import State, TestState

Chunks = tuple[bytes, ...]  # the sample lines of one test, one chunk for each family
# A run, test or project, its labels, and the same labels joined.
Subject = tuple[Run | TestState | Project, list[str], str]
# Characters besides the newline at which some parsers end a line, such as Python's str.splitlines: Datadog's
# agent reads nothing of a page with one. The formats have no escape for them. Surrogates are not in UTF-8.
LINE_BREAKS = re.compile("[\r\v\f\x1c-\x1e\x85\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Exposition:
    """A rendered state, from which that of the next state is made.

    `groups` are the ids of the exposed tests in groups, with the blocks of each family of a group. Blocks are
    reused as long as they are the same, so that the cost of an update depends on how much has changed and not
    on the number of tests.
    """

    families: tuple[Family, ...]
    project_families: tuple[Family, ...] = ()
    tests: Mapping[int, TestState] = field(default_factory=dict)
    projects: Mapping[int, Project] = field(default_factory=dict)
    stale_tests: frozenset[int] = frozenset()
    groups: Mapping[tuple[int, ...], tuple[Block, ...]] = field(default_factory=dict)
    project_blocks: tuple[Block, ...] = ()

    def update(self, state: State) -> "Exposition":
        """The exposition of another state without its stale tests; the same object if nothing has changed."""
        return self._update_tests(state)._update_projects(state)  # noqa: SLF001 (of another instance)

    def _update_projects(self, state: State) -> "Exposition":
        if state.projects is self.projects:
            return self
        # There are few projects, so all of them are rendered again.
        blocks = tuple(Block.join([render_projects(one, state.projects)]) for one in self.project_families)
        return replace(self, projects=state.projects, project_blocks=blocks)

    def _update_tests(self, state: State) -> "Exposition":
        if state.tests is self.tests and state.stale_tests == self.stale_tests:
            return self
        # Sorted by id, so that the order of the series does not depend on when tests were found.
        ids = sorted(state.tests.keys() - state.stale_tests)
        groups = {group: self._render_group(group, state.tests) for group in split_groups(ids)}
        return replace(self, tests=state.tests, stale_tests=state.stale_tests, groups=groups)

    def _render_group(self, group: tuple[int, ...], tests: Mapping[int, TestState]) -> tuple[Block, ...]:
        """The blocks of a group, one for each family. Only changed tests of a known group are rendered."""
        before = self.groups.get(group)
        if before is None:
            rendered = [render_test(tests[id_], self.families) for id_ in group]
            return tuple(map(Block.join, zip(*rendered, strict=True)))
        changed = {
            i: render_test(tests[id_], self.families)
            for i, id_ in enumerate(group)
            if tests[id_] is not self.tests[id_]
        }
        if not changed:
            return before
        return tuple(
            block.replace({i: chunks[number] for i, chunks in changed.items()})
            for number, block in enumerate(before)
        )

    def has_same_page(self, other: "Exposition") -> bool:
        """Whether both have the same families and blocks, and so the same bytes."""
        return (self.families, self.project_families, self.groups, self.project_blocks) == (
            other.families,
            other.project_families,
            other.groups,
            other.project_blocks,
        )

    def text(self) -> tuple[bytes, ...]:
        """The exposition in text format 0.0.4, in parts."""
        return self._add_metadata(format_text_metadata)

    def openmetrics(self) -> tuple[bytes, ...]:
        """The exposition in OpenMetrics 1.0, in parts, without the final `# EOF`."""
        return self._add_metadata(format_openmetrics_metadata)

    def series(self) -> int:
        """The number of series."""
        return sum(
            block.series for blocks in (*self.groups.values(), self.project_blocks) for block in blocks
        )

    def _family_blocks(self) -> list[tuple[Block, ...]]:
        """The blocks of each family. Before the first poll, and when all series are stale, there are none."""
        none: tuple[Block, ...] = ()
        of_tests = list(zip(*self.groups.values(), strict=True)) or [none] * len(self.families)
        of_projects: list[tuple[Block, ...]] = [(block,) for block in self.project_blocks]
        return [*of_tests, *(of_projects or [none] * len(self.project_families))]

    def _add_metadata(self, format_metadata: Callable[[Family], bytes]) -> tuple[bytes, ...]:
        """HELP and TYPE of each family, each followed by its blocks. Both formats share the blocks."""
        families = (*self.families, *self.project_families)
        return tuple(
            part
            for family, blocks in zip(families, self._family_blocks(), strict=True)
            for part in (format_metadata(family), *(block.lines for block in blocks))
        )


def format_text_metadata(family: Family) -> bytes:
    """The HELP and TYPE lines in text format 0.0.4."""
    # HELP in this format has no escaped quotation marks; in OpenMetrics it has.
    help_ = family.help.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {family.name} {help_}\n# TYPE {family.name} {family.type}\n".encode()


def format_openmetrics_metadata(family: Family) -> bytes:
    """The HELP and TYPE lines in OpenMetrics 1.0, where a counter's name lacks the suffix of its samples."""
    name = family.name.removesuffix("_total") if family.type == "counter" else family.name
    return f"# HELP {name} {escape_label_value(family.help)}\n# TYPE {name} {family.type}\n".encode()


def render_test(test_state: TestState, families: Sequence[Family]) -> Chunks:
    """The sample lines of a test, one chunk for each family."""
    # Labels are sorted by name, and run_id stands between project_id and test_id.
    project_id = format_label("project_id", project_id_label(test_state.test))
    test_id = format_label("test_id", str(test_state.test.id))
    test_name = format_label("test_name", test_state.test.name)
    test_labels = [project_id, test_id, test_name]
    subjects: dict[str, list[Subject]] = {
        "test": [(test_state, test_labels, ",".join(test_labels))],
        "run": [
            (run, labels, ",".join(labels))
            for run in test_state.exposed_runs
            for labels in [[project_id, format_label("run_id", str(run.id)), test_id, test_name]]
        ],
    }
    return tuple(render_family(family, subjects[family.subject]) for family in families)


def render_projects(family: Family, projects: Mapping[int, Project]) -> bytes:
    """The sample lines of a family for all projects."""
    subjects: list[Subject] = []
    for id_, project in sorted(projects.items()):
        label = format_label("project_id", str(id_))
        subjects.append((project, [label], label))
    return render_family(family, subjects)


def render_family(family: Family, subjects: Sequence[Subject]) -> bytes:
    """The sample lines of a family for one test."""
    if family.value:
        lines = [
            f"{family.name}{{{labels}}} {format_float(value)}\n"
            for subject, _, labels in subjects
            if (value := family.value(subject)) is not None
        ]
    elif family.samples:
        lines = [
            f"{family.name}{{{join_labels(labels, own_labels)}}} {format_float(value)}\n"
            for subject, labels, _ in subjects
            for own_labels, value in family.samples(subject)
        ]
    else:
        lines = []
    return "".join(lines).encode()


def join_labels(labels: list[str], own_labels: Labels) -> str:
    """The formatted labels of the subject and a family's own labels, sorted by name."""
    return ",".join(sorted([*labels, *[format_label(name, value) for name, value in own_labels]]))


def project_id_label(test: LoadTest) -> str:
    """The label value; an empty label is the same as none to Prometheus."""
    return "" if test.project_id is None else str(test.project_id)


@lru_cache(maxsize=4096)
def format_label(name: str, value: str) -> str:
    """A label with its value, for both formats. Sorting such strings sorts them by the label's name."""
    return f'{name}="{escape_label_value(replace_line_breaks(value))}"'


def replace_line_breaks(value: str) -> str:
    """A label value without characters that could end a line; each becomes a space."""
    return LINE_BREAKS.sub(" ", value)


def escape_label_value(text: str) -> str:
    """Escapes backslashes, newlines and quotation marks, which both formats require."""
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def format_float(value: float) -> str:
    """A value in the format of Go, which both formats require."""
    if value:
        return cached_go_float(value)
    # 0.0 and -0.0 are equal and would share a place in the cache.
    return "0.0" if copysign(1.0, value) > 0 else "-0.0"


@lru_cache(maxsize=4096)
def cached_go_float(value: float) -> str:
    """Most values are small codes and ones, which need not be formatted each time."""
    return str(floatToGoString(value))
