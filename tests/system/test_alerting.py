"""Alerts from a failed threshold in k6 Cloud to the message at the receiver, also during outages.

Exporter, Prometheus and Alertmanager are real processes; only k6 Cloud is simulated. The rules are those that
are shipped, with seconds in place of minutes, so that an hour of waiting takes a minute.
"""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from tests.alerts.test_rules import RULES, read_example
from tests.support.processes import eventually, exporter_command, free_port, run_process

SPEED = "10"
# Tests of the demo: the first always fails a threshold, the second in every third run.
ALWAYS_FAILING = "search-load"
SOMETIMES_FAILING = "größentabelle-smoke"

PROMETHEUS = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{alertmanager}"]}}]}}]}}
scrape_configs:
  - job_name: k6-cloud
    static_configs: [{{targets: ["127.0.0.1:{exporter}"]}}]
"""
ALERTMANAGER = """
route: {{receiver: us, group_by: ["..."], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: us, webhook_configs: [{{url: "http://127.0.0.1:{webhook}/", send_resolved: true}}]}}]
{inhibitions}
"""


def shorten_waits(rules: str) -> str:
    """The rules with an hour shortened to sixty seconds."""
    rules = re.sub(r"(for: |\[)(\d+)m\b", r"\1\2s", rules)
    return re.sub(r"(for: |\[)1h\b", r"\g<1>60s", rules)


@dataclass(frozen=True)
class Message:
    """An alert as the receiver gets it; `at` is the Unix time of its arrival."""

    at: float
    status: str
    labels: dict[str, str]
    annotations: dict[str, str]

    @property
    def alert(self) -> str:
        return self.labels["alertname"]

    def is_about(self, alert: str, test: str | None = None) -> bool:
        return self.alert == alert and test in (None, self.labels.get("test_name"))


class Receiver:
    """A webhook receiver of Alertmanager that keeps the messages."""

    def __init__(self) -> None:
        messages: list[Message] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                messages.extend(
                    Message(time.time(), alert["status"], alert["labels"], alert["annotations"])
                    for alert in body["alerts"]
                )
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Writes no access log."""

        self.messages = messages
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.1,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()

    def got(self, status: str, alert: str, test: str | None = None, *, since: float = 0.0) -> Message | None:
        """The first such message since then, in Unix seconds."""
        return next(
            (
                it
                for it in self.messages
                if it.status == status and it.is_about(alert, test) and it.at >= since
            ),
            None,
        )


@dataclass
class Stage:
    """The processes of the test, and their addresses."""

    folder: Path
    cloud: str
    prometheus: str
    receiver: Receiver
    exporter_port: int
    _exporter: ExitStack = field(default_factory=ExitStack)

    def start_exporter(self) -> None:
        url = f"http://127.0.0.1:{self.exporter_port}"
        settings = {
            "K6_CLOUD_TOKEN": "demo",
            "K6_CLOUD_EXPORTER_API__URL": self.cloud,
            "K6_CLOUD_EXPORTER_API__REQUESTS_PER_MINUTE": "6000",
            "K6_CLOUD_EXPORTER_POLL__INTERVAL": "500ms",
            "K6_CLOUD_EXPORTER_POLL__IDLE_INTERVAL": "500ms",
            "K6_CLOUD_EXPORTER_POLL__STALE_AFTER": "3s",
        }
        command = exporter_command("--web.listen-address", f"127.0.0.1:{self.exporter_port}")
        self._exporter.enter_context(run_process(*command, log=self.folder / "exporter.logs", **settings))
        eventually(lambda: httpx.get(f"{url}/-/healthy").status_code == 200)

    def stop_exporter(self) -> None:
        self._exporter.close()

    def start_outage(self) -> None:
        httpx.put(f"{self.cloud}/simulator/faults", json=[{"kind": "error", "status": 500}])

    def end_outage(self) -> None:
        httpx.delete(f"{self.cloud}/simulator/faults")

    def runs(self) -> dict[str, Any]:
        truth = httpx.get(f"{self.cloud}/simulator/state").json()
        return {str(run["id"]): run for run in truth["runs"]}

    def query(self, expression: str) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.prometheus}/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", answer
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def fires(self, alert: str, test: str) -> bool:
        return bool(self.query(f'ALERTS{{alertname="{alert}",test_name="{test}",alertstate="firing"}}'))


def is_steady(stage: Stage) -> bool:
    """Whether test alerts fire and no alert on the exporter does."""
    everything = stage.query('ALERTS{alertname=~"K6CloudDataStale|K6CloudExporterDown|K6CloudPollFailing"}')
    return stage.fires("K6CloudTestFailing", ALWAYS_FAILING) and not everything


@pytest.fixture(scope="module")
def stage(
    tmp_path_factory: pytest.TempPathFactory, prometheus_program: str, alertmanager_program: str
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("alerting")
    cloud, exporter, prometheus, alertmanager = (free_port() for _ in range(4))
    (folder / "alerts.yaml").write_text(shorten_waits(RULES.read_text(encoding="utf-8")), encoding="utf-8")
    with Receiver() as receiver, ExitStack() as processes:
        (folder / "prometheus.yml").write_text(
            PROMETHEUS.format(rules=folder / "alerts.yaml", alertmanager=alertmanager, exporter=exporter)
        )
        (folder / "alertmanager.yml").write_text(
            ALERTMANAGER.format(webhook=receiver.port, inhibitions=read_example("alertmanager"))
        )
        commands = {
            "simulator": exporter_command(
                "simulator", "--web.listen-address", f"127.0.0.1:{cloud}", "--speed", SPEED
            ),
            "alertmanager": (
                alertmanager_program,
                f"--config.file={folder / 'alertmanager.yml'}",
                f"--storage.path={folder / 'alertmanager'}",
                f"--web.listen-address=127.0.0.1:{alertmanager}",
                "--cluster.listen-address=",
            ),
            "prometheus": (
                prometheus_program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{prometheus}",
            ),
        }
        for name, command in commands.items():
            processes.enter_context(run_process(*command, log=folder / f"{name}.log"))
        found = Stage(
            folder, f"http://127.0.0.1:{cloud}", f"http://127.0.0.1:{prometheus}", receiver, exporter
        )
        eventually(lambda: httpx.get(f"{found.cloud}/simulator/state").status_code == 200)
        found.start_exporter()
        processes.callback(found.stop_exporter)
        eventually(lambda: is_steady(found), seconds=30)
        yield found


def test_rules_evaluate_without_errors(stage: Stage) -> None:
    groups = httpx.get(f"{stage.prometheus}/api/v1/rules").json()["data"]["groups"]

    assert {(rule["health"], rule.get("lastError")) for group in groups for rule in group["rules"]} == {
        ("ok", None)
    }


def test_failing_alert_resolves_with_the_next_pass(stage: Stage) -> None:
    since = time.time()
    alert = eventually(
        lambda: stage.receiver.got("firing", "K6CloudTestFailing", SOMETIMES_FAILING, since=since), seconds=40
    )
    resolved = eventually(
        lambda: stage.receiver.got("resolved", "K6CloudTestFailing", SOMETIMES_FAILING, since=alert.at),
        seconds=20,
    )

    assert alert.labels["test_name"] == SOMETIMES_FAILING
    assert SOMETIMES_FAILING in alert.annotations["summary"]
    assert SOMETIMES_FAILING in alert.annotations["description"]
    failed = re.search(r"https://app\.k6\.io/runs/(\d+)$", alert.annotations["description"])
    assert failed
    runs = stage.runs()
    assert runs[failed[1]]["result"] == "failed"
    after = [
        run
        for run in runs.values()
        if run["test_id"] == runs[failed[1]]["test_id"] and run["created"] > runs[failed[1]]["created"]
    ]
    first = min(after, key=lambda run: run["created"])
    # An active run resolves nothing; only its end did.
    assert first["result"] == "passed"
    assert first["created"] + 2 < first["finished"] < resolved.at


def test_repeated_failure_keeps_one_alert(stage: Stage) -> None:
    began = time.time()
    test_id = stage.query(f'k6_cloud_test_info{{test_name="{ALWAYS_FAILING}"}}')[0]["metric"]["test_id"]

    def has_failed_again() -> bool:
        runs = [run for run in stage.runs().values() if str(run["test_id"]) == test_id]
        return any(run["created"] > began and run["finished"] is not None for run in runs)

    eventually(has_failed_again, seconds=20)
    time.sleep(2)

    assert_alert_kept_firing(stage, since=began)


def assert_alert_kept_firing(stage: Stage, *, since: float) -> None:
    """Asserts that the alert on the test that always fails kept firing and sent no resolved message."""
    window = f"[{int(time.time() - since) + 1}s]"
    of_it = f'{{alertname="K6CloudTestFailing",test_name="{ALWAYS_FAILING}"}}'

    (fired,) = stage.query(f"changes(ALERTS_FOR_STATE{of_it}{window})")
    assert fired["value"][1] == "0"
    assert stage.fires("K6CloudTestFailing", ALWAYS_FAILING)
    resolved_messages = [
        message
        for message in stage.receiver.messages
        if message.status == "resolved" and message.labels.get("test_name") == ALWAYS_FAILING
    ]
    assert resolved_messages == []


def assert_no_test_alert_resolved(stage: Stage, *, since: float, until: float) -> None:
    """Asserts that no alert on a test was resolved in that time."""
    assert [
        message
        for message in stage.receiver.messages
        if since <= message.at < until and message.status == "resolved" and "test_id" in message.labels
    ] == []


def recovered(stage: Stage, alert: str, *, since: float) -> bool:
    return stage.receiver.got("resolved", alert, since=since) is not None and is_steady(stage)


def test_exporter_outage_resolves_no_test_alert(stage: Stage) -> None:
    start = time.time()
    stage.stop_exporter()
    try:
        down = eventually(
            lambda: stage.receiver.got("firing", "K6CloudExporterDown", since=start), seconds=30
        )
        assert stage.query("k6_cloud_test_info") == []
        assert stage.fires("K6CloudTestFailing", ALWAYS_FAILING)
        time.sleep(10)  # longer than stale data would need to raise an alert of its own
        assert stage.receiver.got("firing", "K6CloudDataStale", since=start) is None
    finally:
        back = time.time()
        stage.start_exporter()
    eventually(lambda: recovered(stage, "K6CloudExporterDown", since=back), seconds=30)

    assert_no_test_alert_resolved(stage, since=down.at, until=back)
    assert_alert_kept_firing(stage, since=start)


def test_k6_cloud_outage_resolves_no_test_alert(stage: Stage) -> None:
    start = time.time()
    stage.start_outage()
    try:
        stale = eventually(lambda: stage.receiver.got("firing", "K6CloudDataStale", since=start), seconds=30)
        eventually(lambda: not stage.query("k6_cloud_test_info"))  # dropped as stale
        assert stage.query("k6_cloud_up")[0]["value"][1] == "0"
        assert stage.fires("K6CloudTestFailing", ALWAYS_FAILING)
        assert stage.receiver.got("firing", "K6CloudExporterDown", since=start) is None
    finally:
        back = time.time()
        stage.end_outage()
    eventually(lambda: recovered(stage, "K6CloudDataStale", since=back), seconds=30)

    assert_no_test_alert_resolved(stage, since=stale.at, until=back)
    assert_alert_kept_firing(stage, since=start)


def test_stale_alert_lasts_until_k6_cloud_is_back(stage: Stage) -> None:
    start = time.time()
    stage.start_outage()
    stage.stop_exporter()
    try:
        eventually(lambda: stage.receiver.got("firing", "K6CloudExporterDown", since=start), seconds=30)
        stage.start_exporter()
        stale = eventually(lambda: stage.receiver.got("firing", "K6CloudDataStale", since=start), seconds=30)
        eventually(lambda: stage.receiver.got("resolved", "K6CloudExporterDown", since=start))
        assert stage.receiver.got("resolved", "K6CloudDataStale", since=start) is None
        assert stage.fires("K6CloudTestFailing", ALWAYS_FAILING)
    finally:
        back = time.time()
        stage.end_outage()
    eventually(lambda: recovered(stage, "K6CloudDataStale", since=back), seconds=30)

    assert_no_test_alert_resolved(stage, since=stale.at, until=back)
    assert_alert_kept_firing(stage, since=start)
