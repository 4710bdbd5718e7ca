"""Many load tests as the exporter stores them, and updates with new runs for some of them.

Each test has three finished runs, the default of `runs.keep`: 71 series per test, as with v6.
"""

from collections.abc import Iterable

from exporter.model import LoadTest, PhaseSeconds, ProcessingStatus, ResultStatus, Run, RunStatus
from exporter.store import RetentionPolicy, State, StateUpdate, TestUpdate

NOW = 1_790_000_000.0
RUNS = 3
SERIES = 71  # of each test
HOUR = 3600.0
PHASES = PhaseSeconds(4.25, 9.5, 600.125, 7.75)
NEVER_STALE = RetentionPolicy(stale_after=86400.0)


def make_fleet(tests: int, *, at: float = 0.0) -> State:
    """Tests that were polled once, at the monotonic time `at`."""
    members = {id_: make_test(id_) for id_ in range(400_001, 400_001 + tests)}
    seen = {
        id_: TestUpdate(test, tuple(make_run(id_, number) for number in range(RUNS)))
        for id_, test in members.items()
    }
    return State(NEVER_STALE).apply(StateUpdate(monotonic=at, now=NOW, updates=seen, members=members))


def make_test(id_: int) -> LoadTest:
    return LoadTest(id_, f"checkout-soak-{id_}", project_id=30_001 + id_ % 7)


def make_run(test_id: int, number: int) -> Run:
    """A finished run. A higher number is a newer run."""
    created = NOW - 12 * HOUR + number * HOUR + test_id % 3600 + 0.123456
    started = created + 13.75
    return Run(
        id=5_000_000 + test_id * 100 + number,
        test_id=test_id,
        status=RunStatus.FINISHED,
        processing=ProcessingStatus.FINISHED,
        result=ResultStatus.FAILED if (test_id + number) % 5 == 0 else ResultStatus.PASSED,
        created=created,
        started=started,
        ended=started + 600.125,
        duration=600.0,
        vus=float(50 + test_id % 50),
        execution=600.0,
        vuh=8.333333,
        phases=PHASES,
    )


def make_update(state: State, ids: Iterable[int], number: int) -> StateUpdate:
    """The update of a poll that finds one more finished run of each of these tests."""
    seen = {id_: TestUpdate(state.members[id_], (make_run(id_, number),)) for id_ in ids}
    return StateUpdate(monotonic=0.0, now=NOW, updates=seen)


def pick_share(state: State, share: float) -> list[int]:
    """Ids of this share of the tests, spread evenly."""
    ids = sorted(state.members)
    count = round(len(ids) * share)
    return [ids[i * len(ids) // count] for i in range(count)]
