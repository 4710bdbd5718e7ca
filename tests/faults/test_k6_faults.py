"""Each fault once after a successful poll: what the exporter exposes and counts meanwhile."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from exporter.simulator import EndStatus, Fault, Options, Phases, Timestamps, V6Options, World, faults
from tests.faults.expected import FINISHED, SeriesKey, count_finished, parse_series
from tests.support.lab import START, Lab

API_VERSIONS = ("legacy", "v6")
RUNS = {"legacy": "/loadtests/v2/runs", "v6": "/cloud/v6/test_runs"}
OTHER_ENDPOINTS = ("/loadtests/v2/tests", "/cloud/v6/load_tests", "/cloud/v6/schedules")
LONG = Phases(running=10_000)
API: dict[str, dict[str, Any]] = {
    "legacy": {"url": "http://k6.test", "timeout": "30ms"},
    "v6": {"url": "http://k6.test", "timeout": "30ms", "stack": 1},
}

# Self metrics, without the prefix of their names.
FAILURES = 'poll_failures_total{{reason="{}"}}'
SKIPPED = 'runs_skipped_total{{reason="{}"}}'
UNKNOWN = 'unknown_values_total{{field="{}"}}'
REQUESTS = "requests for the list of runs, status {}"
SUCCESS, FAILURE = 'polls_total{outcome="success"}', 'polls_total{outcome="failure"}'


class Setup:
    """A test with two finished runs and one active run, whose list of runs each poll fetches."""

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
    """The self metrics that are counters, without durations and without requests to other endpoints."""
    return Counter(
        {
            series.removeprefix("k6_cloud_exporter_"): int(value)
            for series, value in lab.series("k6_cloud_exporter_").items()
            if "_total{" in series + "{"
            and not any(f'endpoint="{other}' in series for other in OTHER_ENDPOINTS)
        }
    )


def series_of(counted: dict[str, int], api_version: str) -> dict[str, int]:
    """The same with the series names of the requests in this API version."""
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
    """A fault of the list of runs, the value of `k6_cloud_up` after it, and the counters that increase."""

    name: str
    fault: Fault
    times: int | None = 1
    up: int = 1
    counted: dict[str, int] = field(default_factory=dict)


def retried(code: str, *, throttled: bool = False) -> dict[str, int]:
    """One failed request and one successful one."""
    also = {"api_throttled_total": 1} if throttled else {}
    return {REQUESTS.format(code): 1, REQUESTS.format(200): 1, "api_retries_total": 1, **also}


def failed_thrice(code: str, reason: str, *, throttled: bool = False) -> dict[str, int]:
    """Three failed requests."""
    also = {"api_throttled_total": 3} if throttled else {}
    return {REQUESTS.format(code): 3, "api_retries_total": 2, FAILURES.format(reason): 1, **also}


def failed_once(code: str, reason: str, times: int = 1) -> dict[str, int]:
    """One failed request without a retry."""
    return {REQUESTS.format(code): times, FAILURES.format(reason): 1}


CASES = [
    *(Case(f"{code} once", faults.error(code), counted=retried(str(code))) for code in (500, 502, 503, 504)),
    *(
        Case(f"{code} three times", faults.error(code, html=True), 3, 0, failed_thrice(str(code), "server"))
        for code in (500, 502, 503, 504)
    ),
    Case("401", faults.error(401), 1, 0, failed_once("401", "unauthorized")),
    Case("403", faults.error(403), 1, 0, failed_once("403", "forbidden")),
    Case("405", faults.error(405), 1, 0, failed_once("405", "rejected")),
    Case("429 once", faults.error(429), counted=retried("429", throttled=True)),
    Case("429 three times", faults.error(429), 3, 0, failed_thrice("429", "rate_limited", throttled=True)),
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
        {**failed_once("429", "rate_limited"), "api_throttled_total": 1},
    ),
    Case("503 for 7 s", faults.error(503, retry_after=7), counted=retried("503")),
    Case("503 for 40 s", faults.error(503, retry_after=40), 1, 0, failed_once("503", "server")),
    Case("slow", faults.slow(before=3, between=2), counted={REQUESTS.format(200): 1}),
    Case("hangs once", faults.hang(), counted=retried("timeout")),
    Case("hangs", faults.hang(), 3, 0, failed_thrice("timeout", "timeout")),
    Case("reset once", faults.reset(), counted=retried("network")),
    Case("reset", faults.reset(), 3, 0, failed_thrice("network", "network")),
    Case("truncated once", faults.truncated(), counted=retried("network")),
    Case("truncated", faults.truncated(), 3, 0, failed_thrice("network", "network")),
    Case("cut JSON", faults.cut_json(), 1, 0, failed_once("200", "decode")),
    Case("not JSON", faults.not_json(), 1, 0, failed_once("200", "decode")),
    Case("no body", faults.empty_body(), 1, 0, failed_once("200", "decode")),
    Case("wrong content type", faults.content_type(), counted={REQUESTS.format(200): 1}),
    Case("redirect", faults.redirect("https://evil.test/"), 1, 0, failed_once("302", "rejected")),
    Case("numbers in strings", faults.numbers_as_strings(), counted={REQUESTS.format(200): 1}),
    Case("a run twice", faults.duplicate(), counted={REQUESTS.format(200): 1}),
    Case("a page that repeats", faults.repeated_page(), None, counted={REQUESTS.format(200): 1}),
]


def unknown_value(name: str, value: object, unknown: str) -> Case:
    """An unknown value, and the field that its counter names."""
    counted = {REQUESTS.format(200): 1, UNKNOWN.format(unknown): 1}
    return Case(f"{name} {value}", faults.field(name, value), counted=counted)


def missing_values(*names: str) -> list[Case]:
    return [
        Case(f"{name} {how}", fault, counted={REQUESTS.format(200): 1})
        for name in names
        for how, fault in (("null", faults.field(name, None)), ("absent", faults.missing_field(name)))
    ]


SKIPS = {REQUESTS.format(200): 1, SKIPPED.format("invalid"): 1}
ALL_CASES = {
    "legacy": [
        *CASES,
        # The IDs of active runs are refused: the runs are requested in another way.
        *(
            Case(str(code), faults.error(code), counted={REQUESTS.format(code): 1, REQUESTS.format(200): 1})
            for code in (400, 404)
        ),
        unknown_value("run_status", 42, "run_status"),
        unknown_value("processing_status", 42, "processing_status"),
        unknown_value("run_status", "RUNNING", "run_status"),
        unknown_value("duration", "long", "duration"),
        *missing_values("run_status", "processing_status", "result_status", "started", "ended", "duration"),
        # It may be an active run, whose series may then be stale.
        Case("one invalid run", faults.invalid_item(), 1, 0, {**SKIPS, FAILURES.format("decode"): 1}),
        Case(
            "an unexpected run",
            faults.unexpected_run(),
            counted={REQUESTS.format(200): 1, SKIPPED.format("unexpected"): 1},
        ),
    ],
    "v6": [
        *CASES,
        Case("400", faults.error(400), 1, 0, failed_once("400", "rejected")),
        Case("404", faults.error(404), 1, 0, failed_once("404", "not_found")),
        unknown_value("status", "paused", "run_status"),
        unknown_value("status", 2, "run_status"),
        unknown_value("result", "splendid", "result_status"),
        unknown_value("estimated_duration", "long", "duration"),
        unknown_value("status_history", "long", "status_history"),
        *missing_values(
            "status", "status_details", "status_history", "result", "ended", "estimated_duration", "cost"
        ),
        Case(
            "one invalid run",
            faults.invalid_item(),
            counted=SKIPS
            | {'api_requests_total{api="v6",code="200",endpoint="/cloud/v6/test_runs/{id}"}': 1},
        ),
        # The v6 list has the runs of all tests, so a run of an unselected test is expected.
        Case("an unexpected run", faults.unexpected_run(), counted={REQUESTS.format(200): 1}),
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
def test_fault_is_counted_and_next_poll_recovers(api_version: str, case: Case) -> None:
    setup = Setup(api_version)
    with setup.lab as lab:
        lab.poll()
        before, page = counters(lab), lab.page()
        assert lab.value("k6_cloud_up") == 1

        lab.simulator.faults.add(case.fault.on(RUNS[api_version], times=case.times))
        lab.at(20).poll()

        assert lab.get().status_code == 200
        assert lab.value("k6_cloud_up") == case.up
        outcome = SUCCESS if case.up else FAILURE
        assert increases(before, counters(lab)) == {outcome: 1, **series_of(case.counted, api_version)}
        if not case.up:
            assert lab.page() == page

        lab.simulator.faults.clear()
        lab.at(100).poll()
        assert lab.value("k6_cloud_up") == 1
        assert lab.get("/-/ready").status_code == 200
        assert lab.page() == page


@pytest.mark.parametrize("api_version", API_VERSIONS)
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
def test_failed_discovery_keeps_the_series(api_version: str, fault: Fault, reason: str) -> None:
    setup = Setup(api_version)
    with setup.lab as lab:
        lab.poll()
        page, before = lab.page(), counters(lab)

        lab.simulator.faults.add(fault)
        lab.at(20).poll()

        assert lab.value("k6_cloud_up") == 0
        assert lab.page() == page
        assert increases(before, counters(lab))[FAILURES.format(reason)] == 1
        assert increases(before, counters(lab))[FAILURE] == 1

        lab.simulator.faults.clear()
        lab.at(100).poll()
        assert (lab.value("k6_cloud_up"), lab.page()) == (1, page)


@pytest.mark.parametrize("api_version", API_VERSIONS)
@pytest.mark.parametrize("timestamps", list(Timestamps))
@pytest.mark.parametrize("microseconds", [False, True])
def test_timestamp_forms_give_the_same_series(
    api_version: str, timestamps: Timestamps, *, microseconds: bool
) -> None:
    plain = Setup(api_version)
    with plain.lab as lab:
        lab.poll()
        expected = lab.page()
    v6 = V6Options(timestamps=timestamps, microseconds=microseconds)
    options = Options(timestamps=timestamps, microseconds=microseconds, v6=v6)
    with Setup(api_version, options).lab as lab:
        lab.simulator.faults.add(faults.numbers_as_strings())
        lab.poll()
        assert lab.page() == expected
    assert "k6_cloud_run_created_timestamp_seconds{" in expected


@pytest.mark.parametrize("api_version", API_VERSIONS)
def test_invalid_run_keeps_its_series_and_all_others(api_version: str) -> None:
    setup = Setup(api_version)
    with setup.lab as lab:
        lab.poll()
        new = setup.world.add_run(setup.test, created=START + 10, phases=LONG)
        lab.simulator.faults.add(faults.invalid_item().on(RUNS[api_version], times=1))
        lab.at(40).poll()

        # The newest run comes first, so it was the invalid item. It is fetched by its id instead.
        assert setup.status_of(setup.running) == 2
        assert setup.status_of(new) == 2
        assert lab.value('k6_cloud_exporter_runs_skipped_total{reason="invalid"}') == 1


@pytest.mark.parametrize("api_version", API_VERSIONS)
def test_empty_list_keeps_active_runs(api_version: str) -> None:
    setup = Setup(api_version)
    with setup.lab as lab:
        lab.poll()
        setup.world.add_run(setup.test, created=START + 10, phases=LONG)
        lab.simulator.faults.add(faults.empty_page().on(RUNS[api_version], times=1))
        lab.at(40).poll()
        assert setup.status_of(setup.running) == 2

        lab.at(100).poll()
        assert lab.value("k6_cloud_up") == 1
        assert setup.status_of(setup.running) == 2


def exposed_counts(lab: Lab) -> Counter[SeriesKey]:
    """k6_cloud_test_runs_finished_total by test and outcome."""
    series = parse_series(lab.get().text).items()
    return Counter({key: int(value) for key, value in series if key[0] == FINISHED and value})


def expected_counts(world: World, api_version: str, until: float) -> Counter[SeriesKey]:
    """The finished runs of the world since the start, by test and outcome."""
    runs = [run.at(until) for run in world.runs.values() if run.created <= until]
    return count_finished(runs, api_version, START)


@pytest.mark.parametrize("api_version", API_VERSIONS)
@pytest.mark.parametrize(
    "fault",
    [faults.error(503), faults.reset(), faults.not_json(), faults.error(429, retry_after=20)],
    ids=["503", "reset", "not JSON", "429"],
)
def test_outage_drops_series_and_counts_each_run_once(api_version: str, fault: Fault) -> None:
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
        for seconds in range(15, 300, 15):
            lab.at(seconds).poll()
        last_success = 285
        assert exposed_counts(lab) == expected_counts(world, api_version, START + last_success)

        lab.simulator.faults.add(fault)
        for seconds in range(300, 900, 15):
            lab.now.value = max(lab.now.value, START + seconds)
            lab.poll()
            assert lab.get().status_code == 200
            assert lab.value("k6_cloud_up") == 0
            is_stale = lab.now.value - START - last_success > 300
            assert (lab.page() == "") is is_stale
            assert lab.get("/-/ready").status_code == (503 if is_stale else 200)
            assert lab.get("/-/healthy").status_code == 200
            assert (lab.value("k6_cloud_exporter_series") == 0) is is_stale

        lab.simulator.faults.clear()
        lab.now.value = max(lab.now.value, START + 900) + 60
        lab.poll()
        assert lab.value("k6_cloud_up") == 1
        assert lab.get("/-/ready").status_code == 200
        assert exposed_counts(lab) == expected_counts(world, api_version, lab.now.value)
        assert exposed_counts(lab).total() > 50


@pytest.mark.parametrize("api_version", API_VERSIONS)
def test_faults_in_every_poll_count_each_run_once(api_version: str) -> None:
    world = World()
    for n in range(4):
        world.schedule(
            world.add_test(f"test {n}"), every=40 + n, first=START - 300, phases=Phases(running=20)
        )
    cases = ALL_CASES[api_version]
    with Lab(world, api={**API[api_version], "requests_per_minute": 6000}) as lab:
        lab.poll()
        for seconds in range(15, 600, 15):
            lab.simulator.faults.clear()
            lab.simulator.faults.add(cases[seconds // 15 % len(cases)].fault.on(RUNS[api_version], times=2))
            lab.now.value = max(lab.now.value, START + seconds)
            lab.poll()
        lab.simulator.faults.clear()
        lab.now.value += 60
        lab.poll()

        assert exposed_counts(lab).total() == expected_counts(world, api_version, lab.now.value).total()


def increases(before: Counter[str], after: Counter[str]) -> dict[str, int]:
    """The increase of each counter that increased."""
    return {series: by for series in after if (by := after[series] - before[series])}


@pytest.mark.parametrize("api_version", API_VERSIONS)
@pytest.mark.parametrize(
    ("fault", "reason", "sentence"),
    [
        (faults.reset(), "network", "connection to http://k6.test:80 "),
        (faults.error(503), "server", "(503 at "),
    ],
    ids=["reset", "503"],
)
def test_poll_cut_between_tries_names_the_cause(
    api_version: str, fault: Fault, reason: str, sentence: str
) -> None:
    poll = {"interval": "10ms", "idle_interval": "20ms", "stale_after": "1s"}
    lab = Lab(World(), api=API[api_version], poll=poll)
    # The pauses between the tries take longer than a poll has.
    lab.now.clock = replace(lab.now.clock, sleep=asyncio.sleep)
    with lab:
        lab.simulator.faults.add(fault)
        (failure,) = lab.poll().failures

    assert failure.reason == reason
    assert sentence in failure.message
    assert "poll cut short after" in failure.message
