"""Runs one scenario. A module of its own, because worker processes cannot import `__main__`."""

import tempfile
from pathlib import Path
from typing import Any

from tests.alerts.live import report
from tests.alerts.live.scenarios import list_scenarios
from tests.alerts.live.stage import Stage


def run(name: str, speed: float, prometheus: str, alertmanager: str, keep: str | None) -> dict[str, Any]:
    """The result of the scenario with this name. `keep` is a folder for its files and logs."""
    scenario = next(it for it in list_scenarios() if it.name == name)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(keep or temporary, name.replace(" ", "-"))
        folder.mkdir(parents=True)
        with Stage(folder, speed, prometheus, alertmanager) as stage:
            scenario.play(stage)
            errors = stage.check()
        return report.compare(scenario, stage.messages, errors)
