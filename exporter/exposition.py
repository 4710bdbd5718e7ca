"""State → bytes, as Prometheus reads them.

https://prometheus.io/docs/instrumenting/exposition_formats/ (text 0.0.4) and OpenMetrics 1.0.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from prometheus_client.utils import floatToGoString

from exporter.families import Family, Labels, Samples
from exporter.model import LoadTest, Run
from exporter.store import State, Watched

Chunks = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Exposition:
    """A state rendered: a chunk of bytes per test and family, kept for as long as the test stays the same."""

    families: tuple[Family, ...]
    chunks: Mapping[int, tuple[Watched, Chunks]] = field(default_factory=dict)

    def following(self, state: State) -> "Exposition":
        """The exposition of another state; only tests that differ are rendered anew."""
        chunks = {}
        for id_ in sorted(state.tests.keys() - state.withheld):
            watched = state.tests[id_]
            before = self.chunks.get(id_)
            same = before is not None and before[0] is watched
            chunks[id_] = before if before and same else (watched, rendered(watched, self.families))
        return replace(self, chunks=chunks)

    def text(self) -> bytes:
        """The page in text format 0.0.4."""
        return self._page(heading)

    def openmetrics(self) -> bytes:
        """The page in OpenMetrics 1.0, without the `# EOF` that ends it."""
        return self._page(openmetrics_heading)

    def series(self) -> int:
        """How many series the page has."""
        return sum(chunk.count(b"\n") for _, chunks in self.chunks.values() for chunk in chunks)

    def _page(self, headed: Callable[[Family], bytes]) -> bytes:
        parts: list[bytes] = []
        for i, family in enumerate(self.families):
            parts.append(headed(family))
            parts.extend(chunks[i] for _, chunks in self.chunks.values())
        return b"".join(parts)


def heading(family: Family) -> bytes:
    help_ = family.help.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {family.name} {help_}\n# TYPE {family.name} {family.type}\n".encode()


def openmetrics_heading(family: Family) -> bytes:
    # In OpenMetrics a counter's family goes without the suffix that its samples carry.
    name = family.name.removesuffix("_total") if family.type == "counter" else family.name
    return f"# HELP {name} {escaped(family.help)}\n# TYPE {name} {family.type}\n".encode()


def rendered(watched: Watched, table: Sequence[Family]) -> Chunks:
    """The sample lines of a test, a chunk for each family."""
    test = labels_of_test(watched.test)
    runs = [(run, (*test, ("run_id", str(run.id)))) for run in watched.shown]
    return tuple(chunk(family, watched, test, runs) for family in table)


def chunk(family: Family, watched: Watched, test: Labels, runs: Sequence[tuple[Run, Labels]]) -> bytes:
    lines = [
        f"{family.name}{{{label_pairs(labels + more)}}} {go_float(value)}\n"
        for labels, samples in subjects(family, watched, test, runs)
        for more, value in samples
        if value is not None
    ]
    return "".join(lines).encode()


def subjects(
    family: Family, watched: Watched, test: Labels, runs: Sequence[tuple[Run, Labels]]
) -> Iterable[tuple[Labels, Samples]]:
    if family.of_run:
        for run, labels in runs:
            yield labels, family.of_run(run)
    if family.of_test:
        yield test, family.of_test(watched)


def labels_of_test(test: LoadTest) -> Labels:
    project = "" if test.project_id is None else str(test.project_id)
    return (("project_id", project), ("test_id", str(test.id)), ("test_name", test.name))


@lru_cache(maxsize=4096)
def label_pairs(labels: Labels) -> str:
    """Labels as both formats write them, in the order of their names."""
    return ",".join(f'{name}="{escaped(value)}"' for name, value in sorted(labels))


def escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def go_float(value: float) -> str:
    """A value as Go writes it, the reference for both formats."""
    return (
        cached_go_float(value) if value else str(floatToGoString(value))
    )  # -0.0 equals 0.0 but is written so


@lru_cache(maxsize=4096)
def cached_go_float(value: float) -> str:
    return str(floatToGoString(value))
