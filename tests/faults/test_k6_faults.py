"""Each thing that can go wrong strikes once after a good poll: what is served, counted and said meanwhile."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.simulator import EndStatus, Fault, Options, Phases, Timestamps, V6Options, World, faults
from tests.support.lab import START, Lab

GENERATIONS = ("legacy", "v6")
RUNS = {"legacy": "/loadtests/v2/runs", "v6": "/cloud/v6/test_runs"}
OTHERS = ("/loadtests/v2/tests", "/cloud/v6/load_tests", "/cloud/v6/schedules")
LONG = Phases(running=10_000)
API: dict[str, dict[str, Any]] = {
    "legacy": {"url": "http://k6.test", "timeout": "30ms"},
    "v6": {"url": "http://k6.test", "timeout": "30ms", "stack_id": 1},
}

# Counters of the exporter about itself, by their names without the prefix.
FAILURES = 'poll_failures_total{{reason="{}"}}'
SKIPPED = 'runs_skipped_total{{reason="{}"}}'
UNKNOWN = 'unknown_values_total{{field="{}"}}'
REQUESTS = "requests for the list of runs, answered {}"
FULL, NONE = 'polls_total{outcome="success"}', 'polls_total{outcome="failure"}'


class Scene:
    """A test with two finished runs and one that runs; the list of its runs is asked for at each poll."""

    def __init__(self, api_version: str, options: Options | None = None) -> None:
        world = self.world = World()
        self.test = world.add_test("checkout")
        self.passed = world.add_run(self.test, created=START - 4000)
        self.failed = world.add_run(self.test, created=START - 2000, failed=True)
        self.running = world.add_run(self.test, created=START - 100, phases=LONG)
        self.lab = Lab(world, options=options, api=API[api_version], tests=[{"id": self.test}])

    def status_of(self, run: int) -> float | None:
        return self.lab.value(
            f'k6_cloud_run_status{{project_id="{self.world.default_project_id}",run_id="{run}",'
            f'test_id="{self.test}",test_name="checkout"}}'
        )


def counters(lab: Lab) -> Counter[str]:
    """What the exporter has counted about itself, durations and requests for other things aside."""
    return Counter(
        {
            series.removeprefix("k6_cloud_exporter_"): int(value)
            for series, value in lab.series("k6_cloud_exporter_").items()
            if "_total{" in series + "{" and not any(f'endpoint="{other}' in series for other in OTHERS)
        }
    )


def series_of(counted: dict[str, int], api_version: str) -> dict[str, int]:
    """The same with the requests as that generation's series."""
    labels = f'api="{api_version}",code="{{}}",endpoint="{RUNS[api_version]}"'
    code = REQUESTS.replace("{}", "")
    return {
        f"api_requests_total{{{labels.format(name.removeprefix(code))}}}"
        if name.startswith(code)
        else name: n
        for name, n in counted.items()
    }


@dataclass(frozen=True)
class Case:
    """A fault of the list of runs: what `k6_cloud_up` says after it, and what is counted besides the poll."""

    name: str
    fault: Fault
    times: int | None = 1
    up: int = 1
    counted: dict[str, int] = field(default_factory=dict)


def retried(code: str, *, throttled: bool = False) -> dict[str, int]:
    """One try that failed, and one that went well."""
    also = {"api_throttled_total": 1} if throttled else {}
    return {REQUESTS.format(code): 1, REQUESTS.format(200): 1, "api_retries_total": 1, **also}


def given_up(code: str, reason: str, *, throttled: bool = False) -> dict[str, int]:
    """Three tries that failed."""
    also = {"api_throttled_total": 3} if throttled else {}
    return {REQUESTS.format(code): 3, "api_retries_total": 2, FAILURES.format(reason): 1, **also}


def refused(code: str, reason: str, times: int = 1) -> dict[str, int]:
    """One try, and no other."""
    return {REQUESTS.format(code): times, FAILURES.format(reason): 1}


CASES = [
    *(Case(f"{code} once", faults.error(code), counted=retried(str(code))) for code in (500, 502, 503, 504)),
    *(
        Case(f"{code} thrice", faults.error(code, html=True), 3, 0, given_up(str(code), "server"))
        for code in (500, 502, 503, 504)
    ),
    Case("400", faults.error(400), 1, 0, refused("400", "rejected")),
    Case("401", faults.error(401), 1, 0, refused("401", "unauthorized")),
    Case("403", faults.error(403), 1, 0, refused("403", "forbidden")),
    Case("404", faults.error(404), 1, 0, refused("404", "not_found")),
    Case("405", faults.error(405), 1, 0, refused("405", "rejected")),
    Case("429 once", faults.error(429), counted=retried("429", throttled=True)),
    Case("429 thrice", faults.error(429), 3, 0, given_up("429", "rate_limited", throttled=True)),
    Case("429 for 7 s", faults.error(429, retry_after=7), counted=retried("429", throttled=True)),
    Case(
        "429 until a date",
        faults.error(429, retry_after=7, retry_after_as_date=True),
        counted=retried("429", throttled=True),
    ),
    Case(
        "429 for 40 s",
        faults.error(429, retry_after=40),
        1,
        0,
        {**refused("429", "rate_limited"), "api_throttled_total": 1},
    ),
    Case("503 for 7 s", faults.error(503, retry_after=7), counted=retried("503")),
    Case("503 for 40 s", faults.error(503, retry_after=40), 1, 0, refused("503", "server")),
    Case("slow", faults.slow(before=3, between=2), counted={REQUESTS.format(200): 1}),
    Case("hangs once", faults.hang(), counted=retried("timeout")),
    Case("hangs", faults.hang(), 3, 0, given_up("timeout", "timeout")),
    Case("reset once", faults.reset(), counted=retried("network")),
    Case("reset", faults.reset(), 3, 0, given_up("network", "network")),
    Case("truncated once", faults.truncated(), counted=retried("network")),
    Case("truncated", faults.truncated(), 3, 0, given_up("network", "network")),
    Case("cut JSON", faults.cut_json(), 1, 0, refused("200", "decode")),
    Case("not JSON", faults.not_json(), 1, 0, refused("200", "decode")),
    Case("no body", faults.empty_body(), 1, 0, refused("200", "decode")),
    Case("wrong content type", faults.content_type(), counted={REQUESTS.format(200): 1}),
    Case("redirect", faults.redirect("https://evil.test/"), 1, 0, refused("302", "rejected")),
    Case("numbers in strings", faults.numbers_as_strings(), counted={REQUESTS.format(200): 1}),
    Case("a run twice", faults.duplicate(), counted={REQUESTS.format(200): 1}),
    Case("a page that repeats", faults.repeated_page(), None, counted={REQUESTS.format(200): 1}),
]


def odd(name: str, value: object, unknown: str) -> Case:
    """A value that cannot be understood, and the field for which it is counted."""
    counted = {REQUESTS.format(200): 1, UNKNOWN.format(unknown): 1}
    return Case(f"{name} {value}", faults.field(name, value), counted=counted)


def missing(*names: str) -> list[Case]:
    return [
        Case(f"{name} {how}", fault, counted={REQUESTS.format(200): 1})
        for name in names
        for how, fault in (("null", faults.field(name, None)), ("absent", faults.missing_field(name)))
    ]


SKIPS = {REQUESTS.format(200): 1, SKIPPED.format("unreadable"): 1}
ALL_CASES = {
    "legacy": [
        *CASES,
        odd("run_status", 42, "run_status"),
        odd("processing_status", 42, "processing_status"),
        odd("run_status", "RUNNING", "run_status"),
        odd("duration", "long", "duration"),
        *missing("run_status", "processing_status", "result_status", "started", "ended", "duration"),
        # It may be the one that was asked for because it moves: what is shown of it may be old.
        Case("one unreadable run", faults.invalid_item(), 1, 0, {**SKIPS, FAILURES.format("decode"): 1}),
        Case(
            "a stranger",
            faults.unexpected_run(),
            counted={REQUESTS.format(200): 1, SKIPPED.format("foreign"): 1},
        ),
    ],
    "v6": [
        *CASES,
        odd("status", "paused", "run_status"),
        odd("status", 2, "run_status"),
        odd("result", "splendid", "result_status"),
        odd("estimated_duration", "long", "duration"),
        odd("status_history", "long", "status_history"),
        *missing(
            "status", "status_details", "status_history", "result", "ended", "estimated_duration", "cost"
        ),
        Case(
            "one unreadable run",
            faults.invalid_item(),
            counted=SKIPS
            | {'api_requests_total{api="v6",code="200",endpoint="/cloud/v6/test_runs/{id}"}': 1},
        ),
        # Its list is of all tests, so a run of a test that is not watched is nothing to speak of.
        Case("a stranger", faults.unexpected_run(), counted={REQUESTS.format(200): 1}),
    ],
}


@pytest.mark.parametrize(
    ("api_version", "case"),
    [
        pytest.param(api_version, case, id=f"{api_version}-{case.name}")
        for api_version, cases in ALL_CASES.items()
        for case in cases
    ],
)
def test_a_fault_is_survived_counted_and_forgotten(api_version: str, case: Case) -> None:
    scene = Scene(api_version)
    with scene.lab as lab:
        lab.poll()
        before, facts = counters(lab), lab.page()
        assert lab.value("k6_cloud_up") == 1

        lab.simulator.faults.add(case.fault.on(RUNS[api_version], times=case.times))
        lab.at(20).poll()

        assert lab.get().status_code == 200
        assert lab.value("k6_cloud_up") == case.up
        outcome = FULL if case.up else NONE
        assert grown(before, counters(lab)) == {outcome: 1, **series_of(case.counted, api_version)}
        if not case.up:
            assert lab.page() == facts

        lab.simulator.faults.clear()
        lab.at(100).poll()
        assert lab.value("k6_cloud_up") == 1
        assert lab.get("/-/ready").status_code == 200
        assert lab.page() == facts


@pytest.mark.parametrize("api_version", GENERATIONS)
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faults.error(400), "rejected"),
        (faults.error(401), "unauthorized"),
        (faults.error(403), "forbidden"),
        (faults.error(503), "server"),
        (faults.error(429, retry_after=40), "rate_limited"),
        (faults.hang(), "timeout"),
        (faults.reset(), "network"),
        (faults.cut_json(), "decode"),
        (faults.redirect("https://evil.test/"), "rejected"),
    ],
    ids=["400", "401", "403", "503", "429", "hang", "reset", "cut", "redirect"],
)
def test_without_a_list_of_tests_nothing_is_learnt_and_nothing_is_lost(
    api_version: str, fault: Fault, reason: str
) -> None:
    scene = Scene(api_version)
    with scene.lab as lab:
        lab.poll()
        facts, before = lab.page(), counters(lab)

        lab.simulator.faults.add(fault)
        lab.at(20).poll()

        assert lab.value("k6_cloud_up") == 0
        assert lab.page() == facts
        assert grown(before, counters(lab))[FAILURES.format(reason)] == 1
        assert grown(before, counters(lab))[NONE] == 1

        lab.simulator.faults.clear()
        lab.at(100).poll()
        assert (lab.value("k6_cloud_up"), lab.page()) == (1, facts)


@pytest.mark.parametrize("api_version", GENERATIONS)
@pytest.mark.parametrize("timestamps", list(Timestamps))
@pytest.mark.parametrize("microseconds", [False, True])
def test_however_moments_are_written_the_series_are_the_same(
    api_version: str, timestamps: Timestamps, *, microseconds: bool
) -> None:
    plain = Scene(api_version)
    with plain.lab as lab:
        lab.poll()
        expected = lab.page()
    v6 = V6Options(timestamps=timestamps, microseconds=microseconds)
    options = Options(timestamps=timestamps, microseconds=microseconds, numbers_as_strings=True, v6=v6)
    with Scene(api_version, options).lab as lab:
        lab.poll()
        assert lab.page() == expected
    assert "k6_cloud_run_created_timestamp_seconds{" in expected


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_an_unreadable_run_keeps_what_was_known_of_it_and_costs_no_other(api_version: str) -> None:
    scene = Scene(api_version)
    with scene.lab as lab:
        lab.poll()
        new = scene.world.add_run(scene.test, created=START + 10, phases=LONG)
        lab.simulator.faults.add(faults.invalid_item().on(RUNS[api_version], times=1))
        lab.at(40).poll()

        # The newest comes first, so it is the one that could not be read; by its id it is found all the same.
        assert scene.status_of(scene.running) == 2
        assert scene.status_of(new) == 2
        assert lab.value('k6_cloud_exporter_runs_skipped_total{reason="unreadable"}') == 1


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_an_empty_list_forgets_no_run_that_moves_until_it_is_asked_for_by_its_id(api_version: str) -> None:
    scene = Scene(api_version)
    with scene.lab as lab:
        lab.poll()
        scene.world.add_run(scene.test, created=START + 10, phases=LONG)
        lab.simulator.faults.add(faults.empty_page().on(RUNS[api_version], times=1))
        lab.at(40).poll()
        assert scene.status_of(scene.running) == 2

        lab.at(100).poll()
        assert lab.value("k6_cloud_up") == 1
        assert scene.status_of(scene.running) == 2


def finished(lab: Lab) -> Counter[str]:
    """k6_cloud_test_runs_finished_total by outcome, over all tests."""
    totals: Counter[str] = Counter()
    for family in text_string_to_metric_families(lab.get().text):
        for sample in family.samples:
            if sample.name == "k6_cloud_test_runs_finished_total":
                totals[sample.labels["outcome"]] += int(sample.value)
    return totals


OUTCOMES = {3: "passed", 4: "timed_out", 5: "aborted", 6: "error", 7: "error", 8: "failed", 9: "error"}


def truly_finished(world: World, api_version: str, until: float) -> Counter[str]:
    """How many runs finished since the start, by outcome, as the world has it."""
    outcomes = OUTCOMES if api_version == "legacy" else OUTCOMES | {4: "error"}
    totals: Counter[str] = Counter()
    for id_, run in world.runs.items():
        if run.created > until:
            continue
        over = world.at(id_, until).finished
        if over is not None and over > START:
            state = world.at(id_, until)
            totals["failed" if run.plan.crosses_threshold else outcomes[state.status]] += 1
    return totals


@pytest.mark.parametrize("api_version", GENERATIONS)
@pytest.mark.parametrize(
    "fault",
    [faults.error(503), faults.reset(), faults.not_json(), faults.error(429, retry_after=20)],
    ids=["503", "reset", "not JSON", "429"],
)
def test_an_outage_withdraws_the_series_and_loses_or_doubles_no_finished_run(
    api_version: str, fault: Fault
) -> None:
    world = World()
    endings = [ending for ending in EndStatus if ending is not EndStatus.ARCHIVED]
    for n in range(5):
        test = world.add_test(f"test {n}")
        world.schedule(
            test,
            every=50 + n,
            first=START - 500,
            endings=endings[n:] + endings[:n],
            phases=Phases(running=20),
        )
    with Lab(world, api={**API[api_version], "requests_per_minute": 6000}) as lab:
        lab.poll()
        for moment in range(15, 300, 15):
            lab.at(moment).poll()
        last_good = 285
        assert finished(lab) == truly_finished(world, api_version, START + last_good)

        lab.simulator.faults.add(fault)
        for moment in range(300, 900, 15):
            lab.now.value = max(lab.now.value, START + moment)
            lab.poll()
            assert lab.get().status_code == 200
            assert lab.value("k6_cloud_up") == 0
            is_stale = lab.now.value - START - last_good > 300
            assert (lab.page() == "") is is_stale
            assert lab.get("/-/ready").status_code == (503 if is_stale else 200)
            assert lab.get("/-/healthy").status_code == 200
            assert (lab.value("k6_cloud_exporter_series") == 0) is is_stale

        lab.simulator.faults.clear()
        lab.now.value = max(lab.now.value, START + 900) + 60
        lab.poll()
        assert lab.value("k6_cloud_up") == 1
        assert lab.get("/-/ready").status_code == 200
        assert finished(lab) == truly_finished(world, api_version, lab.now.value)
        assert finished(lab).total() > 50


@pytest.mark.parametrize("api_version", GENERATIONS)
def test_a_poll_whose_every_second_request_fails_still_counts_each_run_once(api_version: str) -> None:
    world = World()
    for n in range(4):
        world.schedule(
            world.add_test(f"test {n}"), every=40 + n, first=START - 300, phases=Phases(running=20)
        )
    cases = ALL_CASES[api_version]
    with Lab(world, api={**API[api_version], "requests_per_minute": 6000}) as lab:
        lab.poll()
        for moment in range(15, 600, 15):
            lab.simulator.faults.clear()
            lab.simulator.faults.add(cases[moment // 15 % len(cases)].fault.on(RUNS[api_version], times=2))
            lab.now.value = max(lab.now.value, START + moment)
            lab.poll()
        lab.simulator.faults.clear()
        lab.now.value += 60
        lab.poll()

        assert finished(lab).total() == truly_finished(world, api_version, lab.now.value).total()


def grown(before: Counter[str], after: Counter[str]) -> dict[str, int]:
    """What was counted meanwhile."""
    return {series: by for series in after if (by := after[series] - before[series])}
