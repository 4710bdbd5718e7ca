"""Tests, projects, schedules and load zones as the v6 API writes them, by its schema."""

from exporter.simulator.http import Item
from exporter.simulator.schedules import Schedule
from exporter.simulator.v6.stack import Stack
from exporter.simulator.world import Project, Test

_HOUR, _DAY = 3600, 86_400


def serialize_test(stack: Stack, test: Test) -> Item:
    return {
        "id": test.id,
        "project_id": test.project_id,
        "name": test.name,
        # The schema announces its removal, but the official Go client 1.12.0 rejects a test without it.
        "baseline_test_run_id": test.baseline_run_id,
        "k6_version": test.k6_version,
        "created": stack.options.timestamp(test.created),
        "updated": stack.options.timestamp(test.updated),
    }


def serialize_project(stack: Stack, project: Project) -> Item:
    return {
        "id": project.id,
        "name": project.name,
        "is_default": project.is_default,
        "grafana_folder_uid": project.folder_uid,
        "created": stack.options.timestamp(project.created),
        "updated": stack.options.timestamp(project.updated),
        "labels": dict(project.labels),
    }


def serialize_schedule(stack: Stack, schedule: Schedule) -> Item:
    return {
        "id": schedule.id,
        "load_test_id": schedule.test_id,
        "starts": stack.options.timestamp(schedule.first if schedule.starts is None else schedule.starts),
        **(schedule.recurrence or _describe_interval(schedule)),
        "deactivated": schedule.deactivated,
        "next_run": stack.options.timestamp(schedule.next_run(stack.now)),
        "created_by": stack.world.owner_email,
    }


def _describe_interval(schedule: Schedule) -> Item:
    """The closest rule. k6 Cloud repeats at most once a minute; a simulated world may repeat more often."""
    every = schedule.rule.time(0.0, 1)
    if every < _HOUR:
        minutes = max(1, round(every / 60))
        return {"recurrence_rule": None, "cron": {"schedule": f"*/{minutes} * * * *", "time_zone": "UTC"}}
    is_daily = every % _DAY == 0
    rule = {
        "frequency": "DAILY" if is_daily else "HOURLY",
        "interval": round(every / (_DAY if is_daily else _HOUR)),
        "byday": None,
        "until": None,
        "count": schedule.times,
    }
    return {"recurrence_rule": rule, "cron": None}


def _make_load_zone(zone_id: int, name: str, k6_id: str, image: str | None = None) -> Item:
    return {
        "id": zone_id,
        "name": name,
        "k6_load_zone_id": k6_id,
        "available": k6_id != "amazon:jp:tokyo",  # so that there is one of each kind
        "custom_load_runner_image": image,
        "public": image is None,
    }


LOAD_ZONES = (
    _make_load_zone(1, "US East (N. Virginia)", "amazon:us:ashburn"),
    _make_load_zone(2, "Asia Pacific (Tokyo)", "amazon:jp:tokyo"),
    _make_load_zone(3, "Simulated cluster", "simulated-plz", "grafana/k6:latest"),
)
