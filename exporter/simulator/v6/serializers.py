"""How the v6 API words a test, a project, a schedule and a load zone, as the schema defines them."""

from exporter.simulator.http import Item
from exporter.simulator.options import V6Options
from exporter.simulator.schedules import Schedule
from exporter.simulator.v6.stack import Stack
from exporter.simulator.world import Project, Test, World

_HOUR, _DAY = 3600, 86_400


class Serializer:
    """Words the things of one stack as they are at one moment."""

    def __init__(self, world: World, options: V6Options, now: float) -> None:
        self.world = world
        self.options = options
        self.now = now
        self.stack = Stack(world, now)

    def time(self, moment: float | None) -> str | None:
        return self.options.timestamp(moment)

    def test(self, test: Test) -> Item:
        told: Item = {"id": test.id, "project_id": test.project_id, "name": test.name}
        if self.options.baseline:
            told["baseline_test_run_id"] = None
        return told | {
            "k6_version": None,
            "created": self.time(test.created),
            "updated": self.time(test.updated),
        }

    def project(self, project: Project) -> Item:
        return {
            "id": project.id,
            "name": project.name,
            "is_default": project.is_default,
            "grafana_folder_uid": None,
            "created": self.time(project.created),
            "updated": self.time(project.created),
            "labels": {},
        }

    def schedule(self, schedule: Schedule) -> Item:
        return {
            "id": schedule.id,
            "load_test_id": schedule.test_id,
            "starts": self.time(schedule.first),
            **_recurrence(schedule),
            "deactivated": schedule.deactivated,
            "next_run": self.time(schedule.next_run(self.now)),
            "created_by": self.world.email(self.world.tests[schedule.test_id].user_id),
        }


def _recurrence(schedule: Schedule) -> Item:
    """The rule nearest to the truth: k6 Cloud repeats no faster than once a minute, a simulated world may."""
    if schedule.every < _HOUR:
        minutes = max(1, round(schedule.every / 60))
        return {"recurrence_rule": None, "cron": {"schedule": f"*/{minutes} * * * *", "time_zone": "UTC"}}
    daily = schedule.every % _DAY == 0
    rule = {
        "frequency": "DAILY" if daily else "HOURLY",
        "interval": round(schedule.every / (_DAY if daily else _HOUR)),
        "byday": None,
        "until": None,
        "count": schedule.times,
    }
    return {"recurrence_rule": rule, "cron": None}


def _load_zone(
    number: int, name: str, k6_id: str, *, available: bool = True, image: str | None = None
) -> Item:
    return {
        "id": number,
        "name": name,
        "k6_load_zone_id": k6_id,
        "available": available,
        "custom_load_runner_image": image,
        "public": image is None,
    }


LOAD_ZONES = (
    _load_zone(1, "US East (N. Virginia)", "amazon:us:ashburn"),
    _load_zone(2, "Asia Pacific (Tokyo)", "amazon:jp:tokyo", available=False),
    _load_zone(3, "Simulated cluster", "simulated-plz", image="grafana/k6:latest"),
)
