"""RESULTS.md, written from results.json, which has the messages of each scenario for each Prometheus."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.alerts.live.scenarios import Expected, Scenario
from tests.alerts.live.stage import Message

HOME = Path(__file__).parent
RESULTS, DOCUMENT = HOME / "results.json", HOME / "RESULTS.md"

Result = dict[str, Any]


def compare(scenario: Scenario, messages: Sequence[Message], errors: Iterable[str]) -> Result:
    """What was sent and what should have been, for each alert and what it is about."""
    pairs = dict.fromkeys((it.alert, it.subject) for it in scenario.expected)
    pairs |= dict.fromkeys((it.alert, it.subject) for it in messages)
    rows = []
    for alert, subject in pairs:
        expected = [it for it in scenario.expected if (it.alert, it.subject) == (alert, subject)]
        sent = [it for it in messages if (it.alert, it.subject) == (alert, subject)]
        rows.append(
            {
                "alert": f"{alert} {subject}".strip(),
                "expected": [describe_expected(it) for it in expected],
                "sent": [f"{it.status} at {it.minute:.0f}" for it in sent],
                "as_expected": is_as_expected(expected, sent),
            }
        )
    return {"scenario": scenario.name, "minutes": scenario.minutes, "rows": rows, "errors": list(errors)}


def is_as_expected(expected: Sequence[Expected], sent: Sequence[Message]) -> bool:
    """Whether each expected message was sent in its time and order, and no other was."""
    return len(expected) == len(sent) and all(
        one.matches(message) for one, message in zip(expected, sent, strict=True)
    )


def describe_expected(one: Expected) -> str:
    if one.after < 0:
        return f"{one.status} before {one.before:g}"
    return f"{one.status} from {one.after:g} to {one.before:g}"


def read() -> dict[str, Any]:
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return results


def write(version: str, result: dict[str, Any]) -> None:
    """Replace the results of this version of Prometheus."""
    results = dict(sorted((read() | {version: result}).items()))
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    DOCUMENT.write_text(document(results), encoding="utf-8")


def find_differences(result: dict[str, Any]) -> list[str]:
    """A line for each alert that was not sent as it should, and for each error."""
    lines = []
    for scenario in result["scenarios"]:
        lines += [f"{scenario['scenario']}: {error}" for error in scenario["errors"]]
        lines += [
            f"{scenario['scenario']}: {row['alert']}: {list_messages(row['sent'])}"
            f" instead of {list_messages(row['expected'])}"
            for row in scenario["rows"]
            if not row["as_expected"]
        ]
    return lines


def list_messages(messages: Sequence[str]) -> str:
    return ", ".join(messages) or "nothing"


def document(results: dict[str, Any]) -> str:
    parts = [
        "# Results of the live alert campaign",
        "Written by `make alert-campaign`; the data is in `results.json`. In each scenario a simulated k6 "
        "Cloud, real exporters, a real Prometheus and a real Alertmanager run with every duration of the "
        "rules, the settings and the flags divided by the same factor. Grouping and inhibitions are those of "
        "[alertmanager.yml](../../../grafana/provisioning/alertmanager/alertmanager.yml). The scenarios and "
        "what should be sent are in [scenarios.py](scenarios.py).",
        "Times are minutes at normal speed since the start of the scenario. "
        "A message is *firing* if any of its alerts fires, otherwise *resolved*.",
        *(describe_version(version, result) for version, result in results.items()),
    ]
    return "\n\n".join(parts) + "\n"


def describe_version(version: str, result: dict[str, Any]) -> str:
    differences = find_differences(result)
    summary = "Every message was sent as it should be, and no other."
    if differences:
        summary = "Differences:\n\n" + "\n".join(f"- {line}" for line in differences)
    minutes = sum(it["minutes"] for it in result["scenarios"])
    took = (
        f"{len(result['scenarios'])} scenarios of {minutes:.0f} minutes "
        f"took {result['seconds'] / 60:.0f} minutes at {result['speed']:g} times the speed."
    )
    head = ["scenario", "alert", "should be sent", "was sent", "as expected"]
    lines = [head, ["---"] * len(head)]
    for scenario in result["scenarios"]:
        lines += [
            [
                scenario["scenario"],
                row["alert"],
                list_messages(row["expected"]),
                list_messages(row["sent"]),
                "yes" if row["as_expected"] else "**no**",
            ]
            for row in scenario["rows"]
        ]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return "\n\n".join([f"## Prometheus {version}", f"{took} {summary}", table])
