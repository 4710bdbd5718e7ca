"""The requests of the v6 API about schedules: read, set, delete, activate and deactivate."""

import math
from collections.abc import Mapping
from typing import Any

from exporter.simulator.http import HTTPError, Item, Request, Response, invalid
from exporter.simulator.recurrence import DAY, Cron, Interval, Monthly, Rule, Weekly
from exporter.simulator.v6.bodies import get_nullable_integer, get_nullable_time, parse_object
from exporter.simulator.v6.pages import make_page
from exporter.simulator.v6.serializers import serialize_schedule
from exporter.simulator.v6.stack import Stack

_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_MAX_CRON_LENGTH, _MAX_ZONE_LENGTH = 256, 128


def list_schedules(stack: Stack, request: Request, _: int) -> Response:
    return make_page(stack, request, stack.schedules(), serialize_schedule)


def read_schedule(stack: Stack, _: Request, schedule_id: int) -> Response:
    return Response(body=serialize_schedule(stack, stack.schedule(schedule_id)))


def read_schedule_of_test(stack: Stack, _: Request, test_id: int) -> Response:
    return Response(body=serialize_schedule(stack, stack.schedule_of(stack.test(test_id).id)))


def put_schedule_of_test(stack: Stack, request: Request, test_id: int) -> Response:
    """Replaces any schedule of the test. Answered with 200, not 201."""
    stack.test(test_id)
    first, rule, facts = _parse_schedule(stack, parse_object(request))
    for schedule in stack.schedules():
        if schedule.test_id == test_id:
            stack.world.delete_schedule(schedule.id, stack.now)
    schedule_id = stack.world.add_schedule(test_id, first, rule, since=stack.now, **facts)
    return Response(body=serialize_schedule(stack, stack.schedule(schedule_id)))


def delete_schedule(stack: Stack, _: Request, schedule_id: int) -> Response:
    stack.world.delete_schedule(stack.schedule(schedule_id).id, stack.now)
    return Response(204, raw=b"")


def activate_schedule(stack: Stack, _: Request, schedule_id: int) -> Response:
    if stack.schedule(schedule_id).next_run(stack.now) is None:
        raise HTTPError(409, "Cannot re-activate an expired schedule")
    stack.world.deactivate_schedule(schedule_id, stack.now, deactivated=False)
    return Response(204, raw=b"")


def deactivate_schedule(stack: Stack, _: Request, schedule_id: int) -> Response:
    """An expired schedule stays as it is."""
    if stack.schedule(schedule_id).next_run(stack.now) is not None:
        stack.world.deactivate_schedule(schedule_id, stack.now)
    return Response(204, raw=b"")


def _parse_schedule(stack: Stack, body: Item) -> tuple[float, Rule, dict[str, Any]]:
    """Its first time, its rule, and further facts about it."""
    starts = get_nullable_time(body, "starts")
    if starts is None:
        raise invalid("starts", "This field is required.")
    recurrence, cron = (_get_nullable_object(body, name) for name in ("recurrence_rule", "cron"))
    if recurrence is not None and cron is not None:
        raise invalid("cron", "Only one of recurrence_rule and cron can be set.")
    if cron is not None:
        described: Item = {"recurrence_rule": None, "cron": cron}
        # No runs start in the past, and a cron rule would compute each of those occurrences.
        return max(starts, stack.now), _parse_cron(cron), {"starts": starts, "recurrence": described}
    if recurrence is None:
        return starts, Interval(1.0), {"times": 1, "recurrence": {"recurrence_rule": None, "cron": None}}
    until = get_nullable_time(recurrence, "until")
    count = get_nullable_integer(recurrence, "count")
    rule_item: Item = {
        "frequency": recurrence.get("frequency"),
        "interval": get_nullable_integer(recurrence, "interval") or 1,
        "byday": recurrence.get("byday"),
        "until": stack.options.timestamp(until),
        "count": count,
    }
    facts = {"times": count, "until": math.inf if until is None else until}
    rule = _parse_recurrence(recurrence)
    return starts, rule, facts | {"recurrence": {"recurrence_rule": rule_item, "cron": None}}


def _parse_recurrence(recurrence: Item) -> Rule:
    interval = get_nullable_integer(recurrence, "interval") or 1
    weekdays = _parse_weekdays(recurrence)
    match recurrence.get("frequency"):
        case "HOURLY":
            return Interval(3600.0 * interval)
        case "DAILY":
            return Interval(DAY * interval)
        case "WEEKLY":
            return Weekly(interval, weekdays) if weekdays else Interval(7 * DAY * interval)
        case "MONTHLY":
            return Monthly(interval)
        case "YEARLY":
            return Monthly(12 * interval)
    raise invalid("frequency", "One of HOURLY, DAILY, WEEKLY, MONTHLY, YEARLY is required.")


def _parse_weekdays(recurrence: Item) -> tuple[int, ...]:
    names = recurrence.get("byday")
    if names is None:
        return ()
    if not isinstance(names, list) or not all(name in _WEEKDAYS for name in names):
        raise invalid("byday", f"A list of {', '.join(_WEEKDAYS)} is required.")
    if names and recurrence.get("frequency") != "WEEKLY":
        raise invalid("byday", "It can be set for WEEKLY only.")
    return tuple(_WEEKDAYS.index(name) for name in names)


def _parse_cron(cron: Mapping[str, object]) -> Cron:
    expression, zone = cron.get("schedule"), cron.get("time_zone")
    if not isinstance(expression, str) or len(expression) > _MAX_CRON_LENGTH:
        raise invalid("schedule", f"At most {_MAX_CRON_LENGTH} characters are required.")
    if not isinstance(zone, str) or len(zone) > _MAX_ZONE_LENGTH:
        raise invalid("time_zone", f"At most {_MAX_ZONE_LENGTH} characters are required.")
    try:
        return Cron(expression, zone)
    except ValueError as error:
        raise invalid("schedule", str(error)) from error


def _get_nullable_object(body: Item, name: str) -> Item | None:
    value = body.get(name)
    if value is not None and not isinstance(value, dict):
        raise invalid(name, "An object is required.")
    return value
