"""The commands of "See an alert fire" in docs/dashboards-and-alerts.md lead to the documented alerts.

They run as they are in the document, except that each port is replaced by a free one.
"""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.documents import DOCS, ROOT, read_document, read_example
from tests.support.processes import eventually, exporter_command, free_port, run_process
from tests.support.programs import require_program

PAGE = DOCS / "dashboards-and-alerts.md"
RULES = "grafana/alerts.yaml"
PROMETHEUS = "grafana/provisioning/prometheus/localhost.yml"
ALERTMANAGER = "grafana/provisioning/alertmanager/alertmanager.yml"

Query = Callable[[str], list[str]]


@pytest.fixture
def programs(tmp_path: Path, prometheus_program: str, alertmanager_program: str) -> str:
    """A PATH on which the programs have the names of the document; Debian has another for Alertmanager."""
    require_program("curl", "curl")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "prometheus").symlink_to(prometheus_program)
    (folder / "alertmanager").symlink_to(alertmanager_program)
    return f"{folder}:{os.environ['PATH']}"


@pytest.fixture
def query(tmp_path: Path, programs: str) -> Iterator[Query]:
    """Runs a command of the document, while the demo, Alertmanager and Prometheus run; returns its lines."""
    ports = {port: str(free_port()) for port in ("10565", "9090", "9093")}

    def replace_ports(text: str) -> str:
        return re.sub(r"(?<=localhost:)\d+", lambda found: ports[found[0]], text)

    # mktemp makes its folders in TMPDIR.
    environment = {"PATH": programs, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    for name in (RULES, PROMETHEUS, ALERTMANAGER):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(replace_ports(read_document(ROOT / name)), encoding="utf-8")

    def command(name: str) -> tuple[str, ...]:
        return ("sh", "-c", f"cd {tmp_path} && exec {replace_ports(read_example(PAGE, name))}")

    def run_query(name: str) -> list[str]:
        line = replace_ports(read_example(PAGE, name))
        done = subprocess.run(
            ["sh", "-c", line], env=environment, capture_output=True, text=True, check=False
        )
        return done.stdout.splitlines()

    demo = exporter_command("demo", "--web.listen-address", f"localhost:{ports['10565']}")
    with ExitStack() as processes:
        processes.enter_context(run_process(*demo, log=tmp_path / "demo.log"))
        for name in ("start-alertmanager", "start-prometheus"):
            log = tmp_path / f"{name}.log"
            processes.enter_context(run_process(*command(name), log=log, **environment))
        yield run_query


def pairs(lines: list[str]) -> list[tuple[str, str]]:
    """The state and the name of each alert; Alertmanager sorts alerts by a hash of their labels."""
    return sorted(zip(lines[::2], lines[1::2], strict=True))


def test_documented_commands_show_the_documented_alerts(query: Query) -> None:
    firing = read_example(PAGE, "firing").splitlines()
    states = read_example(PAGE, "states").splitlines()

    eventually(lambda: sorted(query("query-prometheus")) == firing, seconds=60)
    eventually(lambda: pairs(query("query-alertmanager")) == pairs(states), seconds=60)
    assert dict(pairs(states)) == {
        '"state":"active"': '"alertname":"K6CloudTestFailingRepeatedly"',
        '"state":"suppressed"': '"alertname":"K6CloudTestFailing"',
    }
