"""What happens in each scenario, and which messages it should cause, written by hand.

All scenarios have the same tests, unless they say otherwise: *checkout* fails before the first minute and
passes at the end; a run of *stuck* waits from the beginning to the end; *search* passes every ten minutes by
a schedule. What happens to k6 Cloud or to the exporter in between must not change the alerts on them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from exporter.simulator import EndStatus, faults
from tests.alerts.live.stage import Cloud, Message, Stage

START = -20.0  # the processes start somewhat before minute 0
FAULT = 20.0  # the minute at which something happens
SETTLED = 35.0  # minutes after the end of a fault; longer than the range and the `for` of every alert
LAST = 15.0  # minutes from the last event to the end
DELAY = 10.0  # minutes in which a message must follow: poll, scrape, evaluation, grouping


@dataclass(frozen=True)
class Expected:
    """A message that should be sent, no earlier than `after` and no later than `before`, in minutes."""

    alert: str
    subject: str
    status: str
    after: float
    before: float

    def matches(self, message: Message) -> bool:
        is_about = (message.alert, message.subject, message.status)
        return is_about == (self.alert, self.subject, self.status) and (
            self.after <= message.minute <= self.before
        )


@dataclass(frozen=True)
class Scenario:
    """`play` prepares the stage, starts it, and returns after `minutes`."""

    name: str
    minutes: float
    play: Callable[[Stage], None]
    expected: tuple[Expected, ...]


def from_to(
    alert: str, subject: str, begin: float, end: float, *, delay: float = DELAY
) -> tuple[Expected, Expected]:
    """An alert that fires once from one minute and is resolved once from another."""
    alert = f"K6Cloud{alert}"
    return (
        Expected(alert, subject, "firing", begin, begin + delay),
        Expected(alert, subject, "resolved", end, end + DELAY),
    )


def add_tests(cloud: Cloud, end: float) -> int:
    """The tests of every scenario; until `end`, checkout fails and stuck waits. Returns checkout's id."""
    checkout = cloud.world.add_test("checkout")
    cloud.add_run(checkout, -5, failed=True)
    cloud.add_run(checkout, end)
    cloud.add_run(cloud.world.add_test("stuck"), -30, queued=30 + end)
    cloud.add_schedule(cloud.world.add_test("search"), every=10, first=-25)
    return checkout


def alerts_on_tests(end: float, prefix: str = "") -> tuple[Expected, ...]:
    """The messages about these tests."""
    return (
        *from_to("TestFailing", f"{prefix}checkout", START, end, delay=FAULT - START),
        *from_to("TestRunStuck", f"{prefix}stuck", START, end, delay=FAULT - START),
    )


def fault(
    name: str,
    minutes: float,
    begin: Callable[[Cloud], None],
    finish: Callable[[Cloud], None],
    *expected: Expected,
) -> Scenario:
    """Something that is wrong with k6 Cloud for so many minutes."""
    end = FAULT + minutes + SETTLED

    def play(stage: Stage) -> None:
        cloud = stage.add_cloud()
        add_tests(cloud, end)
        stage.add_exporter(cloud)
        stage.start()
        stage.wait_until(FAULT)
        begin(cloud)
        stage.wait_until(FAULT + minutes)
        finish(cloud)
        stage.wait_until(end + LAST)

    return Scenario(name, end + LAST, play, (*alerts_on_tests(end), *expected))


def outage(minutes: float, *expected: Expected) -> Scenario:
    return fault(
        f"k6 Cloud is down for {minutes:g} minutes",
        minutes,
        lambda cloud: cloud.fail(faults.error(503)),
        Cloud.heal,
        *expected,
    )


def stale(minutes: float) -> tuple[Expected, Expected]:
    """Data is stale after five minutes, and the alert waits for five more."""
    return from_to("DataStale", "", FAULT + 5, FAULT + minutes, delay=15)


def refused_token() -> Scenario:
    return fault(
        "the token is refused for 30 minutes",
        30,
        Cloud.refuse_token,
        Cloud.accept_token,
        *from_to("ApiUnauthorized", "unauthorized", FAULT, FAULT + 30, delay=15),
    )


def throttled() -> Scenario:
    return fault(
        "k6 Cloud answers 429 for 30 minutes",
        30,
        lambda cloud: cloud.fail(faults.error(429, retry_after=2)),
        Cloud.heal,
        *stale(30),
    )


def exporter_down(name: str, minutes: float, *expected: Expected) -> Scenario:
    end = FAULT + minutes + SETTLED

    def play(stage: Stage) -> None:
        cloud = stage.add_cloud()
        add_tests(cloud, end)
        exporter = stage.add_exporter(cloud)
        stage.start()
        stage.wait_until(FAULT)
        exporter.stop()
        stage.wait_until(FAULT + minutes)
        exporter.start()
        stage.wait_until(end + LAST)

    return Scenario(name, end + LAST, play, (*alerts_on_tests(end), *expected))


def ha_pair(name: str, *expected: Expected, in_outage: bool = False) -> Scenario:
    """Two exporters of one job watch the same tests; the first is down for half an hour.

    With `in_outage`, k6 Cloud is down at the same time, and neither alert hides the other.
    """
    end = FAULT + 30 + SETTLED

    def play(stage: Stage) -> None:
        cloud = stage.add_cloud()
        add_tests(cloud, end)
        first = stage.add_exporter(cloud, "exporter-0")
        stage.add_exporter(cloud, "exporter-1")
        stage.start()
        stage.wait_until(FAULT)
        first.stop()
        if in_outage:
            cloud.fail(faults.error(503))
        stage.wait_until(FAULT + 30)
        if in_outage:
            cloud.heal()
        first.start()
        stage.wait_until(end + LAST)

    down = from_to("ExporterDown", "exporter-0", FAULT + 5, FAULT + 30)
    return Scenario(name, end + LAST, play, (*alerts_on_tests(end), *expected, *down))


def rename() -> Scenario:
    """The alert goes on under the new name. The message that announces it also resolves the old one."""
    end = FAULT + 20

    def play(stage: Stage) -> None:
        cloud = stage.add_cloud()
        checkout = add_tests(cloud, end)
        stage.add_exporter(cloud)
        stage.start()
        stage.wait_until(FAULT)
        cloud.world.rename_test(checkout, "basket")
        stage.wait_until(end + LAST)

    failing, _, *stuck = alerts_on_tests(end)
    renamed = from_to("TestFailing", "basket", FAULT, end, delay=15)
    return Scenario("a failing test is renamed", end + LAST, play, (failing, *renamed, *stuck))


def deletion() -> Scenario:
    """Its alert is resolved; a discovery notices the deletion within five minutes."""
    end = FAULT + 30

    def play(stage: Stage) -> None:
        cloud = stage.add_cloud()
        checkout = add_tests(cloud, end)
        stage.add_exporter(cloud)
        stage.start()
        stage.wait_until(FAULT)
        cloud.world.delete_test(checkout)
        stage.wait_until(end + LAST)

    failing, resolved, *stuck = alerts_on_tests(end)
    at_once = replace(resolved, after=FAULT, before=FAULT + 15)
    return Scenario("a failing test is deleted", end + LAST, play, (failing, at_once, *stuck))


def two_releases() -> Scenario:
    """Two releases of the chart under one job name. One stack is down when a test fails on the other."""
    end = FAULT + 30 + SETTLED

    def play(stage: Stage) -> None:
        shop, bank = stage.add_cloud(), stage.add_cloud()
        add_tests(shop, end)
        add_tests(bank, end)
        payment = bank.world.add_test("payment")
        bank.add_run(payment, -20)
        bank.add_run(payment, FAULT + 15, failed=True)
        bank.add_run(payment, end)
        stage.add_exporter(shop, "exporter-0", namespace="shop")
        stage.add_exporter(bank, "exporter-1", namespace="bank")
        stage.start()
        stage.wait_until(FAULT)
        shop.fail(faults.error(503))
        stage.wait_until(FAULT + 30)
        shop.heal()
        stage.wait_until(end + LAST)

    begin, finish = stale(30)
    expected = (
        *alerts_on_tests(end, "shop "),
        *alerts_on_tests(end, "bank "),
        replace(begin, subject="shop"),
        replace(finish, subject="shop"),
        *from_to("TestFailing", "bank payment", FAULT + 15, end),
    )
    return Scenario("two releases, one without k6 Cloud for 30 minutes", end + LAST, play, expected)


def missed_schedule() -> Scenario:
    """The schedule of a test starts no run for half an hour, and then it does again."""
    end = FAULT + 60

    def play(stage: Stage) -> None:
        cloud = stage.add_cloud()
        add_tests(cloud, end)
        soak = cloud.add_schedule(cloud.world.add_test("soak"), every=30, first=-20)
        stage.add_exporter(cloud)
        stage.start()
        stage.wait_until(FAULT)
        cloud.miss_slots(soak)  # at minute 40
        stage.wait_until(55)
        cloud.miss_slots(soak, missed=False)  # so there is a run at minute 70
        stage.wait_until(end + LAST)

    missed = from_to("ScheduledRunMissed", "soak", 50, 70)
    return Scenario("a scheduled run is missed", end + LAST, play, (*alerts_on_tests(end), *missed))


def kinds_of_failure() -> Scenario:
    """Each way to fail raises its own alert only, and the third failure in a row another one."""
    end = FAULT + 50

    def play(stage: Stage) -> None:
        cloud = stage.add_cloud()
        add_tests(cloud, end)
        for name, facts in (
            ("slow", {"ending": EndStatus.TIMED_OUT}),
            ("broken", {"ending": EndStatus.ABORTED_BY_SCRIPT_ERROR}),
            ("strict", {"ending": EndStatus.ABORTED_BY_THRESHOLD}),
            ("unknown", {"processing_fails": True}),
            ("stopped", {"ending": EndStatus.ABORTED_BY_USER}),
        ):
            test_id = cloud.world.add_test(name)
            cloud.add_run(test_id, -20)
            cloud.add_run(test_id, FAULT, **facts)
            cloud.add_run(test_id, end)
        flaky = cloud.world.add_test("flaky")
        cloud.add_run(flaky, -20)
        for minute in (FAULT, FAULT + 15, FAULT + 30):
            cloud.add_run(flaky, minute, failed=True)
        cloud.add_run(flaky, FAULT + 40, ending=EndStatus.ABORTED_BY_USER)
        cloud.add_run(flaky, end)
        stage.add_exporter(cloud)
        stage.start()
        stage.wait_until(end + LAST)

    expected = (
        *alerts_on_tests(end),
        *from_to("TestRunAborted", "slow", FAULT, end),
        *from_to("TestRunAborted", "broken", FAULT, end),
        *from_to("TestFailing", "strict", FAULT, end),
        *from_to("TestRunProcessingFailed", "unknown", FAULT, end),
        *from_to("TestFailing", "flaky", FAULT, end),
        *from_to("TestFailingRepeatedly", "flaky", FAULT + 30, end),
    )
    return Scenario("tests fail in every way", end + LAST, play, expected)


def failure_during_outage() -> Scenario:
    """A test fails while k6 Cloud is down; the alert follows when the data is back."""
    end = FAULT + 30 + SETTLED

    def play(stage: Stage) -> None:
        cloud = stage.add_cloud()
        add_tests(cloud, end)
        payment = cloud.world.add_test("payment")
        cloud.add_run(payment, -20)
        cloud.add_run(payment, FAULT + 15, failed=True)
        cloud.add_run(payment, end)
        stage.add_exporter(cloud)
        stage.start()
        stage.wait_until(FAULT)
        cloud.fail(faults.error(503))
        stage.wait_until(FAULT + 30)
        cloud.heal()
        stage.wait_until(end + LAST)

    late = from_to("TestFailing", "payment", FAULT + 30, end)
    expected = (*alerts_on_tests(end), *stale(30), *late)
    return Scenario("a test fails while k6 Cloud is down", end + LAST, play, expected)


def list_scenarios() -> Iterator[Scenario]:
    yield outage(2)
    yield outage(30, *stale(30))
    yield outage(70, *stale(70))
    yield outage(300, *stale(300))
    yield failure_during_outage()
    yield refused_token()
    yield throttled()
    yield exporter_down("the exporter restarts", 1)
    yield exporter_down(
        "the exporter is down for 30 minutes",
        30,
        *from_to("ExporterDown", "exporter-0", FAULT + 5, FAULT + 30),
    )
    yield ha_pair("one exporter of a pair is down for 30 minutes")
    yield ha_pair("one exporter of a pair and k6 Cloud are down for 30 minutes", *stale(30), in_outage=True)
    yield two_releases()
    yield rename()
    yield deletion()
    yield missed_schedule()
    yield kinds_of_failure()
