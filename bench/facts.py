"""The exporter's samples in the form that other client libraries need: label values and a number each."""

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

TEST_LABELS = ("project_id", "test_id", "test_name")
RUN_LABELS = (*TEST_LABELS, "run_id")


@dataclass(frozen=True, slots=True)
class FamilySamples:
    """A metric family, and its samples: the values of its labels, and the value."""

    name: str
    help: str
    type: str
    labels: Values
    samples: list[tuple[Values, float]]


def list_facts(state: State, families: Sequence[Family]) -> list[FamilySamples]:
    """The samples of the exporter's page for this state."""
    return [
        FamilySamples(
            family.name,
            family.help,
            family.type,
            (*(TEST_LABELS if family.subject == "test" else RUN_LABELS), *family.labels),
            [sample for test_state in state.tests.values() for sample in list_samples(test_state, family)],
        )
        for family in families
    ]


def list_samples(test_state: TestState, family: Family) -> Iterator[tuple[Values, float]]:
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
    """A custom collector: the way to expose samples with prometheus-client that it does not store."""

    def __init__(self, families: Sequence[FamilySamples]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            kind = CounterMetricFamily if family.type == "counter" else GaugeMetricFamily
            metric = kind(family.name, family.help, labels=family.labels)
            for labels, value in family.samples:
                metric.add_metric(labels, value)
            yield metric


def make_registry(families: Sequence[FamilySamples]) -> CollectorRegistry:
    """The samples, and the process metrics that prometheus-client has by default."""
    made = CollectorRegistry()
    ProcessCollector(registry=made)
    PlatformCollector(registry=made)
    GCCollector(registry=made)
    made.register(FactsCollector(families))
    return made


def write(families: Sequence[FamilySamples], file: Path) -> None:
    """The samples as JSON, for a server in another language."""
    file.write_text(json.dumps([asdict(family) for family in families]), encoding="utf-8")
