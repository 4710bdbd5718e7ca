"""The committed dashboards, as Grafana reads them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "grafana" / "dashboards"
DASHBOARDS: dict[str, dict[str, Any]] = {
    file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.json"))
}

# What Grafana would put for its variables; `$test` is put by whoever knows a test.
VARIABLES = {
    "$job": ".+",
    "$instance": ".+",
    "$project": ".*",
    "$name": "",
    "$__rate_interval": "15s",
    "$__range": "600s",
}


@dataclass(frozen=True)
class Asked:
    """An expression, and what asks it: the target of a panel, a variable or an annotation.

    `needs` are the labels without which the answer could not be shown.
    """

    dashboard: str
    title: str
    expr: str
    panel: dict[str, Any] | None = None
    needs: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.title}: {self.expr}"

    def with_variables(self, **more: str) -> str:
        """The expression as Prometheus gets it."""
        put = {**VARIABLES, **{f"${name}": value for name, value in more.items()}}
        names = "|".join(re.escape(name) for name in sorted(put, key=len, reverse=True))
        return re.sub(names, lambda found: put[found[0]], self.expr)


def panels(uid: str) -> list[dict[str, Any]]:
    """The panels of a dashboard but its rows."""
    return [panel for panel in DASHBOARDS[uid]["panels"] if panel["type"] != "row"]


def every_panel() -> list[tuple[str, dict[str, Any]]]:
    return [(uid, panel) for uid in DASHBOARDS for panel in panels(uid)]


def asking_panels() -> list[tuple[str, dict[str, Any]]]:
    """All panels but those of text."""
    return [(uid, panel) for uid, panel in every_panel() if panel["type"] != "text"]


def in_braces(legend: str) -> frozenset[str]:
    return frozenset(re.findall(r"{{(\w+)}}", legend))


def of_panels() -> Iterator[Asked]:
    for uid, panel in asking_panels():
        for target in panel["targets"]:
            needs = in_braces(target.get("legendFormat", ""))
            fields = panel.get("options", {}).get("reduceOptions", {}).get("fields", "")
            yield Asked(uid, panel["title"], target["expr"], panel, needs | set(re.findall(r"\w+", fields)))


def of_annotations() -> Iterator[Asked]:
    for uid, dashboard in DASHBOARDS.items():
        for one in dashboard["annotations"]["list"]:
            if "expr" in one:
                yield Asked(uid, one["name"], one["expr"], None, in_braces(one["titleFormat"]))


def of_variables() -> Iterator[Asked]:
    """The expressions of variables; label_values(SERIES, LABEL) asks for the series."""
    for uid, dashboard in DASHBOARDS.items():
        for one in dashboard["templating"]["list"]:
            if one["type"] != "query":
                continue
            values = re.fullmatch(r"label_values\((.*), (\w+)\)", one["query"])
            result = re.fullmatch(r"query_result\((.*)\)", one["query"])
            if values:
                yield Asked(uid, one["name"], values[1], None, frozenset({values[2]}))
            else:
                assert result, one["query"]
                yield Asked(uid, one["name"], result[1], None, frozenset({"test_id", "text"}))


def everything_asked() -> list[Asked]:
    return [*of_panels(), *of_annotations(), *of_variables()]


def panel(uid: str, title: str, kind: str = "") -> dict[str, Any]:
    """The panel with this title, and of this kind if several have it."""
    (found,) = (one for one in panels(uid) if one["title"] == title and one["type"].endswith(kind))
    return found
