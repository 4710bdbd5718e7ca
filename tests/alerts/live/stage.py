"""A simulated k6 Cloud, exporters, Prometheus, Alertmanager and a receiver, all of them at a higher speed.

Times are minutes of the scenario, which are `60 / speed` seconds long. Only k6 Cloud and the receiver are
simulated; the other programs are those that users run, with every interval divided by the speed.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from exporter.simulator import Fault, Phases, RunScript, Simulator, World
from tests.alerts.live.scaling import scale_duration, scale_rules
from tests.support.processes import eventually, exporter_command, free_port, run_process
from tests.support.simulator_server import serve_simulator

ROOT = Path(__file__).parents[3]
RULES = ROOT / "grafana" / "alerts.yaml"
ALERTMANAGER = ROOT / "grafana" / "provisioning" / "alertmanager" / "alertmanager.yml"
TOKEN = "live"
PHASES = Phases(created=3, validated=3, queued=6, initializing=6, running=120, processing=12)  # seconds
# The defaults of the exporter, of Prometheus and of Alertmanager, and what the documents recommend.
EXPORTER = {
    "POLL__INTERVAL": "15s",
    "POLL__IDLE_INTERVAL": "60s",
    "POLL__DISCOVERY_INTERVAL": "5m",
    "POLL__STALE_AFTER": "5m",
}
SCRAPE_INTERVAL, EVALUATION_INTERVAL = "30s", "15s"
PROMETHEUS_FLAGS = {
    "query.lookback-delta": "5m",
    "rules.alert.resend-delay": "1m",
    "rules.alert.for-grace-period": "10m",
    "rules.alert.for-outage-tolerance": "1h",
}
# Repeated once a day instead of every four hours, so that a second message is never a mere reminder.
ROUTE = {"group_wait": "30s", "group_interval": "5m", "repeat_interval": "1d"}
READY_TIMEOUT = 60  # seconds, generous
START_SECONDS = 25  # from the start of the first process to minute 0


@dataclass(frozen=True)
class Message:
    """A notification as the receiver got it, of one alert: at this minute, about a test or a target."""

    minute: float
    status: str
    alert: str
    subject: str


class Stage:
    """All processes of a scenario. `folder` gets their files and logs."""

    def __init__(self, folder: Path, speed: float, prometheus: str, alertmanager: str) -> None:
        self.folder, self.speed = folder, speed
        self.messages: list[Message] = []
        self._programs = prometheus, alertmanager
        self._began = time.time() + START_SECONDS
        self._known_resolved: set[tuple[str, str]] = set()  # fingerprint and start
        self._exit = ExitStack()
        self._clouds = 0
        self._exporters: dict[str, Exporter] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def unix(self, minute: float) -> float:
        """That minute in Unix seconds."""
        return self._began + minute * 60 / self.speed

    def minute(self) -> float:
        return (time.time() - self._began) * self.speed / 60

    def wait_until(self, minute: float) -> None:
        time.sleep(max(0.0, self.unix(minute) - time.time()))

    def add_cloud(self) -> "Cloud":
        self._clouds += 1
        return Cloud(self, self._clouds)

    def add_exporter(self, cloud: "Cloud", name: str = "exporter-0", **labels: str) -> "Exporter":
        """A running exporter. `labels` are those that the scrape configuration adds, besides the instance."""
        exporter = self._exporters[name] = Exporter(self, cloud, {"instance": name, **labels})
        exporter.start()
        self._exit.callback(exporter.stop)
        return exporter

    def start(self) -> None:
        """Start the receiver, Alertmanager and Prometheus, when all exporters have been added."""
        prometheus, alertmanager = self._programs
        webhook = self._exit.enter_context(receive(self._record))
        alertmanager_port, port = free_port(), free_port()
        command = (
            alertmanager,
            f"--config.file={self._write('alertmanager.yml', self._alertmanager_config(webhook))}",
            f"--storage.path={self.folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{alertmanager_port}",
            "--cluster.listen-address=",
        )
        self._run("alertmanager", command)
        self._write("alerts.yaml", scale_rules(RULES.read_text(encoding="utf-8"), self.speed))
        flags = (f"--{name}={self.scale(value)}" for name, value in PROMETHEUS_FLAGS.items())
        prometheus_command = (
            prometheus,
            f"--config.file={self._write('prometheus.yml', self._prometheus_config(alertmanager_port))}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            *flags,
        )
        self._run("prometheus", prometheus_command)
        self._prometheus = f"http://127.0.0.1:{port}"
        eventually(lambda: httpx.get(f"{self._prometheus}/-/ready").is_success, seconds=READY_TIMEOUT)

    def check(self) -> list[str]:
        """Errors of Prometheus: rules that could not be evaluated, alerts that could not be sent."""
        groups = httpx.get(f"{self._prometheus}/api/v1/rules").json()["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return [f"{rule['name']}: {rule['lastError']}" for rule in rules if rule.get("lastError")]

    def scale(self, duration: str) -> str:
        return scale_duration(duration, self.speed)

    def _run(self, name: str, command: tuple[str, ...]) -> None:
        self._exit.enter_context(run_process(*command, log=self.folder / f"{name}.log"))

    def _write(self, name: str, content: object) -> Path:
        file = self.folder / name
        text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
        file.write_text(text, encoding="utf-8")
        return file

    def _alertmanager_config(self, webhook: int) -> dict[str, Any]:
        """The shipped example with its grouping and inhibitions, and with our receiver."""
        config: dict[str, Any] = yaml.safe_load(ALERTMANAGER.read_text(encoding="utf-8"))
        config["route"] |= {name: self.scale(value) for name, value in ROUTE.items()} | {"receiver": "us"}
        hook = {"url": f"http://127.0.0.1:{webhook}/", "send_resolved": True}
        return config | {"receivers": [{"name": "us", "webhook_configs": [hook]}]}

    def _prometheus_config(self, alertmanager: int) -> dict[str, Any]:
        targets = [
            {"targets": [f"127.0.0.1:{exporter.port}"], "labels": exporter.labels}
            for exporter in self._exporters.values()
        ]
        return {
            "global": {
                "scrape_interval": self.scale(SCRAPE_INTERVAL),
                "evaluation_interval": self.scale(EVALUATION_INTERVAL),
                "scrape_timeout": self.scale(SCRAPE_INTERVAL),
            },
            "rule_files": ["alerts.yaml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]},
            "scrape_configs": [{"job_name": "k6-cloud", "static_configs": targets}],
        }

    def _record(self, body: dict[str, Any]) -> None:
        """Count a message once for each of its alerts that has the status of the message.

        Prometheus repeats a resolved alert for 15 minutes, which are not scaled, so a later message of the
        same group can list it again.
        """
        minute, status = self.minute(), body["status"]
        resolved = {get_key(alert) for alert in body["alerts"] if alert["status"] == "resolved"}
        news = [
            alert
            for alert in body["alerts"]
            if alert["status"] == status and get_key(alert) not in self._known_resolved
        ]
        self._known_resolved |= resolved
        subjects = {(alert["labels"]["alertname"], describe_subject(alert["labels"])) for alert in news}
        self.messages += [Message(minute, status, *it) for it in sorted(subjects)]


def get_key(alert: dict[str, Any]) -> tuple[str, str]:
    """Identifies an alert, and distinguishes it from the same one at another time."""
    return alert["fingerprint"], alert["startsAt"]


def describe_subject(labels: dict[str, str]) -> str:
    """What an alert is about, by those of its labels that differ between tests and targets."""
    names = ("namespace", "instance", "reason", "endpoint", "test_name")
    return " ".join(labels[name] for name in names if name in labels)


class Exporter:
    """An exporter that polls a cloud. It keeps its port when it is started again."""

    def __init__(self, stage: Stage, cloud: "Cloud", labels: dict[str, str]) -> None:
        self.port, self.labels = free_port(), labels
        self._stage, self._cloud = stage, cloud
        self._process = ExitStack()

    def start(self) -> None:
        settings = {
            "K6_CLOUD_TOKEN": TOKEN,
            "K6_CLOUD_STACK_ID": "1",
            "K6_CLOUD_EXPORTER_API__URL": self._cloud.url,
            "K6_CLOUD_EXPORTER_API__REQUESTS_PER_MINUTE": "100000",
            "K6_CLOUD_EXPORTER_API__TIMEOUT": "2s",
        } | {f"K6_CLOUD_EXPORTER_{name}": self._stage.scale(value) for name, value in EXPORTER.items()}
        command = exporter_command("--web.listen-address", f"127.0.0.1:{self.port}")
        log = self._stage.folder / f"{self.labels['instance']}.log"
        self._process.enter_context(run_process(*command, log=log, **settings))
        url = f"http://127.0.0.1:{self.port}/-/healthy"
        eventually(lambda: httpx.get(url).is_success, seconds=READY_TIMEOUT)

    def stop(self) -> None:
        self._process.close()


class Cloud:
    """A simulated k6 Cloud; runs and schedules of its world are added by the minute of the scenario."""

    def __init__(self, stage: Stage, number: int) -> None:
        self._stage = stage
        self.world = World()
        # Ids are unique among all clouds, as they are among all stacks of k6 Cloud.
        for _ in range(100 * number):
            test_id = self.world.add_test("gone")
            self.world.add_run(test_id, created=0)
            self.world.delete_test(test_id)
        self._simulator = Simulator(self.world, tokens={TOKEN})
        self.url = stage._exit.enter_context(serve_simulator(self._simulator))

    def add_run(self, test_id: int, minute: float, *, queued: float = 0.1, **facts: Any) -> int:
        """A run that is created at that minute, is queued for so many minutes, and runs for two."""
        phases = PHASES.scaled(1 / self._stage.speed)
        phases = Phases(**{**phase_fields(phases), "queued": queued * 60 / self._stage.speed})
        created = self._stage.unix(minute)
        return self.world.add_run(test_id, created=created, phases=phases, **facts)

    def add_schedule(self, test_id: int, *, every: float, first: float) -> int:
        """Start a run that passes every so many minutes."""
        seconds = every * 60 / self._stage.speed
        plan = RunScript(phases=PHASES.scaled(1 / self._stage.speed))
        return self.world.schedule(test_id, every=seconds, first=self._stage.unix(first), endings=(plan,))

    def miss_slots(self, schedule_id: int, *, missed: bool = True) -> None:
        self.world.miss_slots(schedule_id, time.time(), missed=missed)

    def fail(self, fault: Fault) -> None:
        self._simulator.faults.add(fault)

    def heal(self) -> None:
        self._simulator.faults.clear()

    def refuse_token(self) -> None:
        self._simulator.tokens.clear()

    def accept_token(self) -> None:
        self._simulator.tokens.add(TOKEN)


def phase_fields(phases: Phases) -> dict[str, Any]:
    return {name: getattr(phases, name) for name in phases.__slots__}


@contextmanager
def receive(record: Callable[[dict[str, Any]], None]) -> Iterator[int]:
    """The port of a webhook receiver that passes each message on."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            record(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Writes no access log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
