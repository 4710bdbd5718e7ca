"""The rules of schedules, against dates."""

from datetime import UTC, datetime

import pytest

from exporter.simulator.recurrence import Cron, Interval, Monthly, Rule, Weekly
from exporter.simulator.schedules import Schedule


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def occurrences(rule: Rule, first: str, count: int) -> list[str]:
    times = [rule.time(at(first), number) for number in range(count)]
    return [f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}" for time in times]


@pytest.mark.parametrize(
    ("rule", "first", "expected"),
    [
        (Interval(7200), "2026-01-01 23:30", ["2026-01-01 23:30", "2026-01-02 01:30"]),
        (Monthly(1), "2026-01-31 08:00", ["2026-01-31 08:00", "2026-02-28 08:00", "2026-03-31 08:00"]),
        (Monthly(12), "2024-02-29 08:00", ["2024-02-29 08:00", "2025-02-28 08:00"]),
        # 2026-07-01 is a Wednesday.
        (Weekly(1, (5, 6)), "2026-07-01 08:00", ["2026-07-04 08:00", "2026-07-05 08:00", "2026-07-11 08:00"]),
        (Weekly(2, (0, 2)), "2026-07-01 08:00", ["2026-07-01 08:00", "2026-07-13 08:00", "2026-07-15 08:00"]),
        (Cron("30 4 * * *", "UTC"), "2026-07-01 08:00", ["2026-07-02 04:30", "2026-07-03 04:30"]),
        (Cron("*/20 9-10 * * mon", "UTC"), "2026-07-06 09:30", ["2026-07-06 09:40", "2026-07-06 10:00"]),
        (
            Cron("0 0 13 * 5", "UTC"),
            "2026-07-01 00:00",
            ["2026-07-03 00:00", "2026-07-10 00:00", "2026-07-13 00:00"],
        ),
        (Cron("0 0 * * 7", "UTC"), "2026-07-01 00:00", ["2026-07-05 00:00", "2026-07-12 00:00"]),
        (Cron("0 0 29 feb *", "UTC"), "2026-07-01 00:00", ["2028-02-29 00:00", "2032-02-29 00:00"]),
        (Cron("@monthly", "UTC"), "2026-07-01 00:00", ["2026-07-01 00:00", "2026-08-01 00:00"]),
        (Cron("0 9 * * *", "Europe/Berlin"), "2026-07-01 08:00", ["2026-07-02 07:00", "2026-07-03 07:00"]),
        # 2:30 does not exist on that day: it is 3:30.
        (Cron("30 2-3 * * *", "Europe/Berlin"), "2026-03-29 00:00", ["2026-03-29 01:30", "2026-03-30 00:30"]),
    ],
)
def test_rule_has_the_expected_times(rule: Rule, first: str, expected: list[str]) -> None:
    assert occurrences(rule, first, len(expected)) == expected


@pytest.mark.parametrize(
    ("expression", "zone"),
    [
        ("* * * *", "UTC"),
        ("60 * * * *", "UTC"),
        ("5-2 * * * *", "UTC"),
        ("*/0 * * * *", "UTC"),
        ("* * * * someday", "UTC"),
        ("@fortnightly", "UTC"),
        ("", "UTC"),
        ("* * * * *", "Mars/Olympus"),
        ("* * * * *", "../etc"),
    ],
)
def test_invalid_cron_is_refused(expression: str, zone: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  any reason will do
        Cron(expression, zone)


@pytest.mark.parametrize("rule", [Cron("0 0 31 2 *", "UTC"), Monthly(12 * 8000)])
def test_rule_without_a_next_time_ends(rule: Rule) -> None:
    schedule = Schedule(1, 1, at("2026-01-02 00:00"), rule)

    assert schedule.next_run(at("2026-01-03 00:00")) is None


def test_schedule_ends_at_its_last_date() -> None:
    schedule = Schedule(1, 1, 0.0, Interval(10.0), until=20.0)

    assert [schedule.next_run(now) for now in (-1.0, 5.0, 10.0, 20.0)] == [0.0, 10.0, 20.0, None]
