"""State → bytes, as Prometheus reads them.

https://prometheus.io/docs/instrumenting/exposition_formats/ (text 0.0.4) and OpenMetrics 1.0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from prometheus_client.utils import floatToGoString

from exporter.exposition.families import Family, Labels
from exporter.model import LoadTest, Run
from exporter.store import State, TestState

Chunks = tuple[bytes, ...]
Subject = tuple[Run | TestState, list[str], str]  # what is spoken of, its labels one by one, and joined


@dataclass(frozen=True, slots=True)
class Exposition:
    """A state rendered: a chunk of bytes per test and family, and each family's chunks joined.

    Whatever still says the same is kept, so that a change costs what has changed.
    """

    families: tuple[Family, ...]
    tests: Mapping[int, TestState] = field(default_factory=dict)
    stale_tests: frozenset[int] = frozenset()
    chunks: Mapping[int, Chunks] = field(default_factory=dict)
    lines: Mapping[int, int] = field(default_factory=dict)  # of each test
    bodies: tuple[bytes, ...] = ()

    def update(self, state: State) -> "Exposition":
        """The exposition of another state; the very same object if nothing in it differs."""
        if state.tests is self.tests and state.stale_tests == self.stale_tests:
            return self
        tests = {id_: state.tests[id_] for id_ in sorted(state.tests.keys() - state.stale_tests)}
        anew = {
            id_: render_test(test_state, self.families)
            for id_, test_state in tests.items()
            if self.tests.get(id_) is not test_state or id_ in self.stale_tests
        }
        chunks = {id_: anew[id_] if id_ in anew else self.chunks[id_] for id_ in tests}
        lines = {id_: line_count(anew[id_]) if id_ in anew else self.lines[id_] for id_ in tests}
        bodies = self._bodies(chunks, anew)
        return Exposition(self.families, state.tests, state.stale_tests, chunks, lines, bodies)

    def _bodies(self, chunks: Mapping[int, Chunks], anew: Mapping[int, Chunks]) -> tuple[bytes, ...]:
        """Each family's chunks joined, again only where one differs."""
        same_tests = self.bodies and chunks.keys() == self.chunks.keys()
        return tuple(
            self.bodies[i]
            if same_tests and all(self.chunks[id_][i] == one[i] for id_, one in anew.items())
            else b"".join([one[i] for one in chunks.values()])
            for i in range(len(self.families))
        )

    def text(self) -> tuple[bytes, ...]:
        """The page in text format 0.0.4, in parts."""
        return self._page(format_text_metadata)

    def openmetrics(self) -> tuple[bytes, ...]:
        """The page in OpenMetrics 1.0, in parts, without the `# EOF` that ends it."""
        return self._page(format_openmetrics_metadata)

    def series(self) -> int:
        """How many series the page has."""
        return sum(self.lines.values())

    def _page(self, headed: Callable[[Family], bytes]) -> tuple[bytes, ...]:
        """Headings and bodies in turn; the bodies are shared by all pages that have them."""
        bodies = self.bodies or (b"",) * len(self.families)
        return tuple(
            part
            for family, body in zip(self.families, bodies, strict=True)
            for part in (headed(family), body)
        )


def format_text_metadata(family: Family) -> bytes:
    help_ = family.help.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {family.name} {help_}\n# TYPE {family.name} {family.type}\n".encode()


def format_openmetrics_metadata(family: Family) -> bytes:
    # In OpenMetrics a counter's family goes without the suffix that its samples carry.
    name = family.name.removesuffix("_total") if family.type == "counter" else family.name
    return f"# HELP {name} {escape_label_value(family.help)}\n# TYPE {name} {family.type}\n".encode()


def render_test(test_state: TestState, families: Sequence[Family]) -> Chunks:
    """The sample lines of a test, a chunk for each family."""
    test = [
        format_label("project_id", project_id_label(test_state.test)),
        format_label("test_id", str(test_state.test.id)),
    ]
    test.append(format_label("test_name", test_state.test.name))
    subjects: dict[str, list[Subject]] = {
        "test": [(test_state, test, ",".join(test))],
        "run": [
            (run, pairs, ",".join(pairs))
            for run in test_state.exposed_runs
            for pairs in [[test[0], format_label("run_id", str(run.id)), *test[1:]]]
        ],
    }
    return tuple(render_family(family, subjects[family.subject]) for family in families)


def line_count(chunks: Chunks) -> int:
    return sum(one.count(b"\n") for one in chunks)


def render_family(family: Family, subjects: Sequence[Subject]) -> bytes:
    """The sample lines of a family."""
    if family.value:
        lines = [
            f"{family.name}{{{labels}}} {format_float(value)}\n"
            for subject, _, labels in subjects
            if (value := family.value(subject)) is not None
        ]
    elif family.samples:
        lines = [
            f"{family.name}{{{join_labels(pairs, more)}}} {format_float(value)}\n"
            for subject, pairs, _ in subjects
            for more, value in family.samples(subject)
        ]
    else:
        lines = []
    return "".join(lines).encode()


def join_labels(pairs: list[str], more: Labels) -> str:
    return ",".join(sorted([*pairs, *[format_label(name, value) for name, value in more]]))


def project_id_label(test: LoadTest) -> str:
    return "" if test.project_id is None else str(test.project_id)


@lru_cache(maxsize=4096)
def format_label(name: str, value: str) -> str:
    """A label as both formats write it. Sorted as strings, such pairs are in the order of their names."""
    return f'{name}="{escape_label_value(value)}"'


def escape_label_value(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def format_float(value: float) -> str:
    """A value as Go writes it, the reference for both formats."""
    # Not from the cache, in which -0.0 is 0.0.
    return cached_go_float(value) if value else str(floatToGoString(value))


@lru_cache(maxsize=4096)
def cached_go_float(value: float) -> str:
    return str(floatToGoString(value))
