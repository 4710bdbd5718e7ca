"""The same facts in the form in which other libraries take them: label values and a number a sample."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from exporter.exposition.families import Family
from exporter.exposition.render import project_id_label
from exporter.store import State, TestState

Values = tuple[str, ...]

OF_A_TEST = ("project_id", "test_id", "test_name")
OF_A_RUN = (*OF_A_TEST, "run_id")


@dataclass(frozen=True, slots=True)
class Told:
    """A metric family, and its samples: the values of its labels, and the value."""

    name: str
    help: str
    type: str
    labels: Values
    samples: list[tuple[Values, float]]


def facts(state: State, families: Sequence[Family]) -> list[Told]:
    """What the exporter's page says of this state."""
    return [
        Told(
            family.name,
            family.help,
            family.type,
            (*(OF_A_TEST if family.subject == "test" else OF_A_RUN), *family.labels),
            [sample for test_state in state.tests.values() for sample in samples(test_state, family)],
        )
        for family in families
    ]


def samples(test_state: TestState, family: Family) -> Iterator[tuple[Values, float]]:
    test = (project_id_label(test_state.test), str(test_state.test.id), test_state.test.name)
    subjects: Iterable[tuple[Values, object]] = (
        [(test, test_state)]
        if family.subject == "test"
        else [((*test, str(run.id)), run) for run in test_state.exposed_runs]
    )
    for labels, subject in subjects:
        if family.value:
            value = family.value(subject)
            if value is not None:
                yield labels, float(value)
        elif family.samples:
            for more, value in family.samples(subject):
                named = dict(more)
                yield (*labels, *(str(named[name]) for name in family.labels)), float(value)


class FactsCollector(Collector):
    """How one tells prometheus-client facts that it does not keep itself: a custom collector."""

    def __init__(self, told: Sequence[Told]) -> None:
        self._told = told

    def collect(self) -> Iterator[Metric]:
        for family in self._told:
            kind = CounterMetricFamily if family.type == "counter" else GaugeMetricFamily
            metric = kind(family.name, family.help, labels=family.labels)
            for labels, value in family.samples:
                metric.add_metric(labels, value)
            yield metric


def registry(told: Sequence[Told]) -> CollectorRegistry:
    """The facts, and what prometheus-client tells of its process by default."""
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    PlatformCollector(registry=made)
    GCCollector(registry=made)
    made.register(FactsCollector(told))
    return made


def write(told: Sequence[Told], file: Path) -> None:
    """The facts for a competitor in another language."""
    file.write_text(json.dumps([asdict(family) for family in told]), encoding="utf-8")
