"""Rendering of the state, compared with prometheus-client's rendering of the same samples."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from exporter.exposition.block import BLOCK_SIZE, split_groups
from exporter.exposition.families import Family, Labels, build_families, build_project_families
from exporter.exposition.render import Exposition
from exporter.model import LoadTest, PhaseSeconds, Project, ProjectLimits, Reason, Run
from exporter.self_metrics import SelfMetrics
from exporter.simulator import EndStatus, Phases, World
from exporter.store import State, StateUpdate, TestState, TestUpdate
from tests.support.lab import START, Lab
from tests.support.scripted_world import UNUSUAL_NAME

TABLE = build_families("https://app.k6.io", "v6")
PROJECT_TABLE = build_project_families(["team"])

NAMES = st.one_of(
    st.text(max_size=255),
    st.sampled_from(
        [UNUSUAL_NAME, "|", "\\", '"', "\n", "\r\n", "ü" * 255, "{}=,", "a\u2028b\x85", "\ud800"]
    ),
)
TIMESTAMPS = st.one_of(st.none(), st.floats(0, 4e9))
NUMBERS = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))
REASONS = st.one_of(st.none(), st.builds(Reason, NAMES))
CODES = st.one_of(st.none(), st.integers(-3, 12))


@st.composite
def first_polls(draw: st.DrawFn) -> StateUpdate:
    """A first poll with some tests and runs."""
    updates = {}
    for test_id in draw(st.sets(st.integers(1, 99), max_size=4)):
        test = LoadTest(test_id, draw(NAMES), draw(st.one_of(st.none(), st.integers(1, 9))))
        runs = [
            Run(
                id=1000 * test_id + i,
                test_id=test_id,
                status=draw(CODES),
                processing=draw(CODES),
                result=draw(CODES),
                created=draw(TIMESTAMPS),
                started=draw(TIMESTAMPS),
                ended=draw(TIMESTAMPS),
                duration=draw(NUMBERS),
                vus=draw(NUMBERS),
                execution=draw(NUMBERS),
                phases=PhaseSeconds(running=draw(st.floats(0, 1e6))),
                reason=draw(REASONS),
                url=draw(st.one_of(st.none(), NAMES)),
            )
            for i in range(draw(st.integers(0, 5)))
        ]
        updates[test_id] = TestUpdate(test, tuple(runs))
    projects = {
        id_: Project(id_, draw(NAMES), draw(NAMES), (("team", draw(NAMES)),), ProjectLimits(draw(NUMBERS)))
        for id_ in draw(st.sets(st.integers(1, 9), max_size=3))
    }
    return StateUpdate(monotonic=0, now=0, updates=updates, projects=projects)


def samples_of(family: Family, subject: Run | TestState | Project) -> list[tuple[Labels, float]]:
    if family.value:
        value = family.value(subject)
        return [] if value is None else [((), value)]
    assert family.samples
    return list(family.samples(subject))


def replace_line_break(char: str) -> str:
    """A space for a character that ends a line or is not in UTF-8; the formats escape the newline."""
    ends_line = len(f"a{char}b".splitlines()) > 1
    return " " if (ends_line and char != "\n") or "\ud800" <= char <= "\udfff" else char


class StateCollector(Collector):
    """The samples of a state as objects of prometheus-client."""

    def __init__(self, state: State) -> None:
        self.state = state

    def collect(self) -> Iterator[Metric]:
        for family in TABLE:
            metric = (CounterMetricFamily if family.type == "counter" else GaugeMetricFamily)(
                family.name, family.help
            )
            for _, test_state in sorted(self.state.tests.items()):
                project = "" if test_state.test.project_id is None else str(test_state.test.project_id)
                test = {
                    "project_id": project,
                    "test_id": str(test_state.test.id),
                    "test_name": test_state.test.name,
                }
                for run in test_state.exposed_runs if family.subject == "run" else ():
                    self.add(metric, family, test | {"run_id": str(run.id)}, run)
                if family.subject == "test":
                    self.add(metric, family, test, test_state)
            yield metric
        for family in PROJECT_TABLE:
            metric = GaugeMetricFamily(family.name, family.help)
            for id_, item in sorted(self.state.projects.items()):
                self.add(metric, family, {"project_id": str(id_)}, item)
            yield metric

    def add(
        self, metric: Metric, family: Family, labels: dict[str, str], subject: Run | TestState | Project
    ) -> None:
        for own_labels, value in samples_of(family, subject):
            cleaned = {
                name: "".join(map(replace_line_break, text))
                for name, text in (labels | dict(own_labels)).items()
            }
            metric.add_sample(family.name, cleaned, value)


@settings(max_examples=200, deadline=None)
@given(first_polls())
def test_both_formats_equal_prometheus_clients_rendering(poll: StateUpdate) -> None:
    state = State().apply(poll)
    exposition = Exposition(TABLE, PROJECT_TABLE).update(state)
    registry = CollectorRegistry()
    registry.register(StateCollector(state))

    assert b"".join(exposition.text()) == generate_latest(registry)
    assert b"".join(exposition.openmetrics()) + b"# EOF\n" == generate_openmetrics(registry)


def test_no_character_of_a_name_ends_a_line() -> None:
    name = "".join(map(chr, range(sys.maxunicode + 1)))
    state = State().apply(StateUpdate(updates={1: TestUpdate(LoadTest(1, name))}))

    page = b"".join(Exposition(TABLE).update(state).text()).decode()

    assert page.splitlines() == page.removesuffix("\n").split("\n")


def test_no_character_of_the_revision_ends_a_line() -> None:
    self_metrics = SelfMetrics(version="1", revision="a\u2028b\r\ud800c")

    for page in (self_metrics.render_text().decode(), self_metrics.render_openmetrics().decode()):
        assert page.splitlines() == page.removesuffix("\n").split("\n")
        assert 'revision="a b ?c"' in page


@settings(max_examples=50, deadline=None)
@given(first_polls(), first_polls())
def test_updated_exposition_equals_a_new_one(first: StateUpdate, second: StateUpdate) -> None:
    state = State().apply(first)
    after = state.apply(second)

    updated = Exposition(TABLE, PROJECT_TABLE).update(state).update(after)

    new = Exposition(TABLE, PROJECT_TABLE).update(after)
    assert (updated.text(), updated.series()) == (new.text(), new.series())


@settings(max_examples=100, deadline=None)
@given(first_polls())
def test_no_series_is_exposed_twice(poll: StateUpdate) -> None:
    page = b"".join(Exposition(TABLE, PROJECT_TABLE).update(State().apply(poll)).text()).decode()
    series = [
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    ]

    assert len(series) == len(set(series))
    assert Exposition(TABLE, PROJECT_TABLE).update(State().apply(poll)).series() == len(series)


def poll_names(*test_ids: int, suffix: str = "") -> StateUpdate:
    """A poll that finds these tests, with names that end in the suffix."""
    return StateUpdate(
        updates={id_: TestUpdate(LoadTest(id_, f"test {id_}{suffix}")) for id_ in test_ids},
        members={id_: LoadTest(id_, f"test {id_}{suffix}") for id_ in test_ids},
    )


def count_renders(exposition: Exposition) -> tuple[Exposition, list[int]]:
    """The exposition with a family without samples that appends the id of each test that is rendered."""
    rendered: list[int] = []

    def count(test_state: TestState) -> None:
        rendered.append(test_state.test.id)

    counting = Family("k6_cloud_counting", "", "test", count)
    return replace(exposition, families=(*exposition.families, counting)), rendered


def test_only_changed_tests_are_rendered() -> None:
    state = State().apply(poll_names(*range(1, 1001)))
    counting, rendered = count_renders(Exposition(TABLE, PROJECT_TABLE))
    before = counting.update(state)
    assert rendered == list(range(1, 1001))
    rendered.clear()

    before.update(state.apply(StateUpdate(updates={7: TestUpdate(LoadTest(7, "seven"))})))

    assert rendered == [7]


def test_only_blocks_of_changed_tests_are_joined() -> None:
    state = State().apply(poll_names(*range(1, 1001)))
    before = Exposition(TABLE).update(state)
    run = Run(1, 7, 3, 2, 0, 1.0, 1.0, 1.0)

    after = before.update(state.apply(StateUpdate(updates={7: TestUpdate(LoadTest(7, "test 7"), (run,))})))

    assert len(after.groups) > 5
    changed = [
        (group, family.name)
        for group, blocks in after.groups.items()
        for family, old, new in zip(TABLE, before.groups[group], blocks, strict=True)
        if old is not new
    ]
    assert {group for group, _ in changed} == {group for group in after.groups if 7 in group}
    names = {name for _, name in changed}
    assert "k6_cloud_run_status" in names
    assert "k6_cloud_test_info" not in names


@pytest.mark.parametrize("ids", [range(1, 1001), range(500_000, 5_000_000, 4500)], ids=["in a row", "apart"])
def test_new_and_removed_tests_change_their_groups_only(ids: Sequence[int]) -> None:
    groups = set(split_groups(ids))
    assert len(ids) / len(groups) == pytest.approx(BLOCK_SIZE, rel=0.5)

    for i in (0, 499, 999):
        without = set(split_groups(id_ for id_ in ids if id_ != ids[i]))
        assert len(groups - without) <= 2
        assert sum(map(len, groups - without)) < 4 * BLOCK_SIZE


@pytest.mark.parametrize("family", [*TABLE, *PROJECT_TABLE], ids=lambda family: family.name)
def test_family_declares_the_labels_of_its_samples(family: Family) -> None:
    run = Run(1, 7, 3, 2, 0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, phases=PhaseSeconds(running=5.0))
    failed = structs.replace(run, id=2, result=1, created=2.0)
    test = LoadTest(7, "x", next_run=1.0, is_schedule_active=True)
    test_state = (
        State().apply(StateUpdate(monotonic=0, now=2, updates={7: TestUpdate(test, (failed, run))})).tests[7]
    )
    project = Project(3, "Shop", "uid", limits=ProjectLimits(1.0, 2.0, 3.0))
    subjects: dict[str, Run | TestState | Project] = {"run": run, "test": test_state, "project": project}

    samples = samples_of(family, subjects[family.subject])

    assert {tuple(name for name, _ in labels) for labels, _ in samples} == {family.labels}


ENDINGS = {
    EndStatus.FINISHED: 3,
    EndStatus.TIMED_OUT: 4,
    EndStatus.ABORTED_BY_USER: 5,
    EndStatus.ABORTED_BY_SYSTEM: 6,
    EndStatus.ABORTED_BY_SCRIPT_ERROR: 7,
    EndStatus.ABORTED_BY_THRESHOLD: 8,
    EndStatus.ABORTED_BY_LIMIT: 9,
}


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.name.lower())
def test_every_status_of_a_run_is_exposed(ending: EndStatus) -> None:
    world = World()
    test = world.add_test("checkout")
    phases = Phases(created=5, validated=5, queued=5, initializing=5, running=20, processing=10)
    run = world.add_run(test, created=START, ending=ending, phases=phases)
    labels = (
        f'{{project_id="{world.default_project_id}",run_id="{run}",test_id="{test}",test_name="checkout"}}'
    )
    with Lab(world) as lab:
        statuses: list[float | None] = []
        results: list[float | None] = []
        for second in range(1, 60):
            lab.at(second).poll()
            statuses.append(lab.value(f"k6_cloud_run_status{labels}"))
            results.append(lab.value(f"k6_cloud_run_result_status{labels}"))

    assert list(dict.fromkeys(statuses)) == [-2, -1, 0, 1, 2, ENDINGS[ending]]
    assert list(dict.fromkeys(results)) == [None, 1 if ending == EndStatus.ABORTED_BY_THRESHOLD else 0]


@pytest.mark.parametrize(("failed", "result"), [(False, 0), (True, 1)])
def test_result_is_absent_until_processing_finishes(failed: bool, result: int) -> None:
    world = World()
    test = world.add_test("checkout")
    phases = Phases(created=5, validated=5, queued=5, initializing=5, running=20, processing=10)
    run = world.add_run(test, created=START, failed=failed, phases=phases)
    labels = (
        f'{{project_id="{world.default_project_id}",run_id="{run}",test_id="{test}",test_name="checkout"}}'
    )
    with Lab(world) as lab:
        values = []
        for second in (30, 45, 51):
            lab.at(second).poll()
            values.append(
                [
                    lab.value(f"k6_cloud_run_{metric}{labels}")
                    for metric in ("status", "processing_status", "result_status")
                ]
            )

    assert values == [[2, 0, None], [3, 1, None], [3, 2, result]]


def test_failed_processing_is_exposed_as_an_error() -> None:
    world = World()
    test = world.add_test("flood")
    run = world.add_run(test, created=START - 1000, processing_fails=True)
    with Lab(world) as lab:
        lab.poll()
        series = lab.series("k6_cloud_")

    test_labels = f'project_id="{world.default_project_id}",test_id="{test}",test_name="flood"'
    run_labels = f'project_id="{world.default_project_id}",run_id="{run}",test_id="{test}",test_name="flood"'
    assert series[f"k6_cloud_run_processing_status{{{run_labels}}}"] == 3
    assert series[f'k6_cloud_test_last_outcome{{outcome="error",{test_labels}}}'] == 1
    assert series[f'k6_cloud_test_last_outcome{{outcome="passed",{test_labels}}}'] == 0
    assert f"k6_cloud_test_last_passed_timestamp_seconds{{{test_labels}}}" not in series


def test_concurrent_runs_have_separate_series() -> None:
    world = World()
    test = world.add_test("busy")
    runs = [world.add_run(test, created=START - 60 + i) for i in range(2)]
    with Lab(world) as lab:
        lab.poll()
        page = lab.page()
        running = lab.value(
            f'k6_cloud_test_active_runs{{project_id="{world.default_project_id}",'
            f'status="running",test_id="{test}",test_name="busy"}}'
        )

    statuses = [line for line in page.splitlines() if line.startswith("k6_cloud_run_status")]
    assert len(statuses) == 2
    assert all(f'run_id="{run}"' in page for run in runs)
    assert running == 2
