"""The stories that rules must bear out, told by promtool."""

import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.programs import prometheus_3, require_program

STORIES = sorted((Path(__file__).parents[1] / "alerts" / "cases").glob("*.yaml"))
RULES = "../../../grafana/alerts.yaml"
# Debian's, of Prometheus 2.42, and the one that `make tools-prometheus-3` builds. In Prometheus 3 a range,
# and the lookback of five minutes, no longer include their oldest instant.
PROMTOOLS = ("promtool", "promtool-3")


def find_promtool(name: str) -> str:
    """The path of one of PROMTOOLS; a test that needs a missing one is skipped."""
    return require_program(name, "prometheus") if name == "promtool" else prometheus_3(name)


def told(promtool: str, story: Path, groups: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    """What a promtool says of a story that these groups of rules are put to."""
    return of_text(promtool, story, yaml.safe_dump({"groups": groups}))


# A story takes a second, and the rules of the chart are put to it too; of the same rules it says the same.
@cache
def of_text(promtool: str, story: Path, rules: str) -> subprocess.CompletedProcess[str]:
    text = story.read_text(encoding="utf-8")
    assert yaml.safe_load(text)["rule_files"] == [RULES]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "rules.yaml").write_text(rules, encoding="utf-8")
        (Path(folder) / story.name).write_text(text.replace(RULES, "rules.yaml"), encoding="utf-8")
        return subprocess.run(
            [promtool, "test", "rules", Path(folder) / story.name],
            capture_output=True,
            text=True,
            check=False,
        )
