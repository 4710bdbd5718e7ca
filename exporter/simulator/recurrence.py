"""When a schedule starts runs: the rules of the v6 schema.

Times are Unix seconds; days and months are those of UTC. A rule has occurrences from 0 on;
`time(first, number)` is infinite after the last date that can be written.
"""

import math
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

DAY = 86_400.0
_MAX_DAYS = 366 * 9  # the longest time from one 29 February to the next


@dataclass(frozen=True, slots=True)
class Interval:
    """Every so many seconds."""

    seconds: float

    def time(self, first: float, number: int) -> float:
        return first + number * self.seconds


@dataclass(frozen=True, slots=True)
class Weekly:
    """On these weekdays (0 is Monday) of every n-th week."""

    weeks: int
    weekdays: tuple[int, ...]

    def time(self, first: float, number: int) -> float:
        days = sorted(set(self.weekdays))
        today = _to_datetime(first).weekday()
        week, index = divmod(number + sum(day < today for day in days), len(days))
        return first + DAY * (week * self.weeks * 7 + days[index] - today)


@dataclass(frozen=True, slots=True)
class Monthly:
    """On the same day of every n-th month, or on its last day if the month is shorter."""

    months: int

    def time(self, first: float, number: int) -> float:
        start = _to_datetime(first)
        years, month = divmod(start.month - 1 + number * self.months, 12)
        year = start.year + years
        if year > 9999:
            return math.inf
        day = min(start.day, monthrange(year, month + 1)[1])
        return start.replace(year=year, month=month + 1, day=day).timestamp()


class Cron:
    """A cron expression of five fields in a time zone. ValueError if it cannot be understood."""

    def __init__(self, expression: str, time_zone: str) -> None:
        fields = _ALIASES.get(expression, expression).lower().split()
        if len(fields) != len(_FIELDS):
            raise ValueError("exactly 5 entries are required")
        parsed = [_parse_field(text, *field) for text, field in zip(fields, _FIELDS, strict=True)]
        self._minutes, self._hours, self._days, self._months, weekdays = parsed
        self._weekdays = {day % 7 for day in weekdays}  # 0 and 7 are Sunday
        # Where both are restricted, either is enough.
        self._either = "*" not in (fields[2][0], fields[4][0])
        self._zone = _parse_zone(time_zone)
        self._times: dict[float, tuple[Iterator[float], list[float]]] = {}

    def time(self, first: float, number: int) -> float:
        """Each occurrence is computed once, since there is no formula for one of them."""
        following, known = self._times.setdefault(first, (self._follow(first), []))
        while len(known) <= number:
            known.append(next(following, math.inf))
            if known[-1] == math.inf:
                return math.inf
        return known[number]

    def _follow(self, first: float) -> Iterator[float]:
        start = datetime.fromtimestamp(first, self._zone)
        day, barren, last = start.date(), 0, -math.inf
        while barren < _MAX_DAYS and day < date.max:
            barren += 1
            for minute in self._minutes_of(day):
                time = minute.timestamp()
                # An hour that a change of the clock leaves out would come twice.
                if time >= first and time > last:
                    barren, last = 0, time
                    yield time
            day += timedelta(days=1)

    def _minutes_of(self, day: date) -> Iterator[datetime]:
        in_month, in_week = day.day in self._days, day.isoweekday() % 7 in self._weekdays
        if day.month in self._months and (in_month or in_week if self._either else in_month and in_week):
            for hour in sorted(self._hours):
                for minute in sorted(self._minutes):
                    yield datetime(day.year, day.month, day.day, hour, minute, tzinfo=self._zone)


Rule = Interval | Weekly | Monthly | Cron

_ALIASES = {
    **dict.fromkeys(("@yearly", "@annually"), "0 0 1 1 *"),
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: tuple[tuple[int, int, list[str]], ...] = (
    (0, 59, []),
    (0, 23, []),
    (1, 31, []),
    (1, 12, ["", *_MONTHS]),
    (0, 7, _WEEKDAYS),
)


def _parse_field(text: str, lowest: int, highest: int, names: list[str]) -> set[int]:
    numbers: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        first = lowest if span == "*" else _parse_value(low, names)
        last = highest if span == "*" or (step and not high) else _parse_value(high or low, names)
        if not lowest <= first <= last <= highest or (step and int(step) < 1):
            raise ValueError(f"{part} is not in {lowest}-{highest}")
        numbers.update(range(first, last + 1, int(step or 1)))
    return numbers


def _parse_value(text: str, names: list[str]) -> int:
    return names.index(text) if text and text in names else int(text)


def _parse_zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC  # also where there is no time zone database
    try:
        return ZoneInfo(name)
    except (KeyError, OSError) as error:
        raise ValueError(f"{name} is not a time zone") from error


def _to_datetime(time: float) -> datetime:
    return datetime.fromtimestamp(time, UTC)
