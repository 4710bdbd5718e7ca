"""The committed dashboards and their queries, as Grafana reads them."""

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

# Values for Grafana's variables. `$test` has no default: tests pass the id of a test.
VARIABLES = {
    "$job": ".+",
    "$instance": ".+",
    "$project": ".*",
    "$name": "",
    "$__rate_interval": "15s",
    "$__interval": "15s",
    "$__range": "600s",
}


@dataclass(frozen=True)
class DashboardQuery:
    """An expression of a panel, a variable or an annotation, with its origin.

    `labels` are the labels that the result must have to be displayed.
    """

    dashboard: str
    title: str
    source: str
    panel: dict[str, Any] | None = None
    labels: frozenset[str] = frozenset()

    @property
    def expr(self) -> str:
        """The expression without the formats of variables, whose braces look like those of a selector."""
        return re.sub(r"\$\{(\w+):regex\}", r"$\1", self.source)

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.title}: {self.expr}"

    def with_variables(self, **more: str) -> str:
        """The expression with the variables replaced, as Grafana sends it to Prometheus."""
        values = {**VARIABLES, **{f"${name}": value for name, value in more.items()}}
        escaped = {f"${{{name[1:]}:regex}}": escape_regex(value) for name, value in values.items()}
        values |= escaped
        names = "|".join(re.escape(name) for name in sorted(values, key=len, reverse=True))
        return re.sub(names, lambda found: values[found[0]], self.source)


def escape_regex(value: str) -> str:
    """The value of a variable with the format `regex`, as Grafana escapes it."""
    return re.sub(r"[\\^$*+?.()|\[\]{}/]", r"\\\g<0>", value)


def panels(uid: str) -> list[dict[str, Any]]:
    """The panels of a dashboard without its row titles, but with the panels of collapsed rows."""
    placed = DASHBOARDS[uid]["panels"]
    return [panel for one in placed for panel in (one["panels"] if one["type"] == "row" else [one])]


def all_panels() -> list[tuple[str, dict[str, Any]]]:
    return [(uid, panel) for uid in DASHBOARDS for panel in panels(uid)]


def query_panels() -> list[tuple[str, dict[str, Any]]]:
    """All panels with queries, which are those that are not text."""
    return [(uid, panel) for uid, panel in all_panels() if panel["type"] != "text"]


def legend_labels(legend: str) -> frozenset[str]:
    return frozenset(re.findall(r"{{(\w+)}}", legend))


def panel_queries() -> Iterator[DashboardQuery]:
    for uid, panel in query_panels():
        for target in panel["targets"]:
            labels = legend_labels(target.get("legendFormat") or "")
            fields = panel.get("options", {}).get("reduceOptions", {}).get("fields", "")
            yield DashboardQuery(
                uid, panel["title"], target["expr"], panel, labels | set(re.findall(r"\w+", fields))
            )


def annotation_queries() -> Iterator[DashboardQuery]:
    for uid, dashboard in DASHBOARDS.items():
        for one in dashboard["annotations"]["list"]:
            if "expr" in one:
                yield DashboardQuery(uid, one["name"], one["expr"], None, legend_labels(one["titleFormat"]))


def variable_queries() -> Iterator[DashboardQuery]:
    """The expressions of variables. For label_values(SERIES, LABEL) it is SERIES."""
    for uid, dashboard in DASHBOARDS.items():
        for one in dashboard["templating"]["list"]:
            if one["type"] != "query":
                continue
            values = re.fullmatch(r"label_values\((.*), (\w+)\)", one["query"])
            result = re.fullmatch(r"query_result\((.*)\)", one["query"])
            if values:
                yield DashboardQuery(uid, one["name"], values[1], None, frozenset({values[2]}))
            else:
                assert result, one["query"]
                labels = set(re.findall(r"(\w+)=", one["regex"])) - {
                    "project_name"
                }  # not every project has one
                yield DashboardQuery(uid, one["name"], result[1], None, frozenset(labels))


def all_queries() -> list[DashboardQuery]:
    return [*panel_queries(), *annotation_queries(), *variable_queries()]


def find_panel(uid: str, title: str, kind: str = "") -> dict[str, Any]:
    """The panel with this title, and of this type if several have the title."""
    (found,) = (one for one in panels(uid) if one["title"] == title and one["type"].endswith(kind))
    return found
