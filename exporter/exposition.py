"""State → bytes, as Prometheus reads them.

https://prometheus.io/docs/instrumenting/exposition_formats/ (text 0.0.4) and OpenMetrics 1.0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from prometheus_client.utils import floatToGoString

from exporter.families import Family, Labels
from exporter.model import LoadTest, Run
from exporter.store import State, Watched

Chunks = tuple[bytes, ...]
Subject = tuple[Run | Watched, list[str], str]  # what is spoken of, its labels one by one, and joined


@dataclass(frozen=True, slots=True)
class Exposition:
    """A state rendered: a chunk of bytes per test and family, and each family's chunks joined.

    Whatever still says the same is kept, so that a change costs what has changed.
    """

    families: tuple[Family, ...]
    tests: Mapping[int, Watched] = field(default_factory=dict)
    withheld: frozenset[int] = frozenset()
    chunks: Mapping[int, Chunks] = field(default_factory=dict)
    lines: Mapping[int, int] = field(default_factory=dict)  # of each test
    bodies: tuple[bytes, ...] = ()

    def following(self, state: State) -> "Exposition":
        """The exposition of another state; the very same object if nothing in it differs."""
        if state.tests is self.tests and state.withheld == self.withheld:
            return self
        tests = {id_: state.tests[id_] for id_ in sorted(state.tests.keys() - state.withheld)}
        anew = {
            id_: rendered(watched, self.families)
            for id_, watched in tests.items()
            if self.tests.get(id_) is not watched or id_ in self.withheld
        }
        chunks = {id_: anew[id_] if id_ in anew else self.chunks[id_] for id_ in tests}
        lines = {id_: line_count(anew[id_]) if id_ in anew else self.lines[id_] for id_ in tests}
        bodies = self._bodies(chunks, anew)
        return Exposition(self.families, state.tests, state.withheld, chunks, lines, bodies)

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
        return self._page(heading)

    def openmetrics(self) -> tuple[bytes, ...]:
        """The page in OpenMetrics 1.0, in parts, without the `# EOF` that ends it."""
        return self._page(openmetrics_heading)

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


def heading(family: Family) -> bytes:
    help_ = family.help.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {family.name} {help_}\n# TYPE {family.name} {family.type}\n".encode()


def openmetrics_heading(family: Family) -> bytes:
    # In OpenMetrics a counter's family goes without the suffix that its samples carry.
    name = family.name.removesuffix("_total") if family.type == "counter" else family.name
    return f"# HELP {name} {escaped(family.help)}\n# TYPE {name} {family.type}\n".encode()


def rendered(watched: Watched, families: Sequence[Family]) -> Chunks:
    """The sample lines of a test, a chunk for each family."""
    test = [pair("project_id", project_of(watched.test)), pair("test_id", str(watched.test.id))]
    test.append(pair("test_name", watched.test.name))
    subjects: dict[str, list[Subject]] = {
        "test": [(watched, test, ",".join(test))],
        "run": [
            (run, pairs, ",".join(pairs))
            for run in watched.shown
            for pairs in [[test[0], pair("run_id", str(run.id)), *test[1:]]]
        ],
    }
    return tuple(chunk(family, subjects[family.subject]) for family in families)


def line_count(chunks: Chunks) -> int:
    return sum(one.count(b"\n") for one in chunks)


def chunk(family: Family, subjects: Sequence[Subject]) -> bytes:
    """The sample lines of a family."""
    if family.value:
        lines = [
            f"{family.name}{{{labels}}} {go_float(value)}\n"
            for subject, _, labels in subjects
            if (value := family.value(subject)) is not None
        ]
    elif family.samples:
        lines = [
            f"{family.name}{{{with_more(pairs, more)}}} {go_float(value)}\n"
            for subject, pairs, _ in subjects
            for more, value in family.samples(subject)
        ]
    else:
        lines = []
    return "".join(lines).encode()


def with_more(pairs: list[str], more: Labels) -> str:
    return ",".join(sorted([*pairs, *[pair(name, value) for name, value in more]]))


def project_of(test: LoadTest) -> str:
    return "" if test.project_id is None else str(test.project_id)


@lru_cache(maxsize=4096)
def pair(name: str, value: str) -> str:
    """A label as both formats write it. Sorted as strings, such pairs are in the order of their names."""
    return f'{name}="{escaped(value)}"'


def escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def go_float(value: float) -> str:
    """A value as Go writes it, the reference for both formats."""
    # Not from the cache, in which -0.0 is 0.0.
    return cached_go_float(value) if value else str(floatToGoString(value))


@lru_cache(maxsize=4096)
def cached_go_float(value: float) -> str:
    return str(floatToGoString(value))
