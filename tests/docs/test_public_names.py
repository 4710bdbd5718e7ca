"""docs/public-names.md lists exactly the public names of the code, and no replaced name is left anywhere.

`make golden` rewrites the lists. A name that disappears from the page breaks users: read the diff.
"""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import yaml

from exporter import self_metrics
from exporter.config.load import variable
from exporter.k6.reasons import KNOWN_WORDS
from exporter.model import ActiveState, Outcome, Phase
from tests.support.documents import DOCS, ROOT, format_names, format_table, read_document, read_section
from tests.support.golden import assert_section
from tests.support.public_names import (
    METRICS,
    SELF_METRICS,
    alert_rules,
    commands,
    exit_codes,
    flags,
    http_paths,
    leaf_names,
    rules_of_users,
    run_in_json,
    setting_names,
)

PAGE = DOCS / "public-names.md"

LABEL_VALUES: dict[tuple[str, str], Iterable[str]] = {
    ("k6_cloud_test_last_outcome", "outcome"): Outcome,
    ("k6_cloud_test_last_finished_info", "outcome"): Outcome,
    ("k6_cloud_test_last_finished_info", "reason"): (*KNOWN_WORDS, "code_<number>"),
    ("k6_cloud_test_runs_finished_total", "outcome"): Outcome,
    ("k6_cloud_test_active_runs", "status"): ActiveState,
    ("k6_cloud_test_last_run_phase_seconds", "phase"): Phase,
    ("k6_cloud_run_info", "api"): ("legacy", "v6"),
    ("k6_cloud_exporter_polls_total", "outcome"): self_metrics.POLL_OUTCOMES,
    ("k6_cloud_exporter_poll_failures_total", "reason"): self_metrics.FAILURE_REASONS,
    ("k6_cloud_exporter_api_requests_total", "api"): ("legacy", "v6"),
    ("k6_cloud_exporter_api_request_duration_seconds", "api"): ("legacy", "v6"),
    ("k6_cloud_exporter_runs_skipped_total", "reason"): self_metrics.SKIP_REASONS,
    ("k6_cloud_exporter_unknown_values_total", "field"): self_metrics.CODED_FIELDS,
    ("k6_cloud_exporter_webhook_requests_total", "outcome"): self_metrics.WEBHOOK_OUTCOMES,
}
# Labels with values that are not a fixed set.
UNBOUNDED = {
    *("project_id", "project_name", "folder_uid", "test_id", "test_name", "run_id", "url"),
    *("endpoint", "code", "shard", "version", "revision", "python_version"),
}


def metric_table() -> str:
    return format_table(
        ("metric", "type", "labels"),
        (
            (f"`{metric.name}`", metric.type, format_names(metric.labels))
            for metric in (*METRICS, *SELF_METRICS)
        ),
    )


def label_value_table() -> str:
    return format_table(
        ("metric", "label", "values"),
        ((f"`{name}`", f"`{label}`", format_names(values)) for (name, label), values in LABEL_VALUES.items()),
    )


def setting_table() -> str:
    return format_table(
        ("setting", "environment variable"),
        (
            (f"`{name}`", "" if name.startswith("tests[]") else f"`{variable(name)}`")
            for name in setting_names()
        ),
    )


def flag_table() -> str:
    return format_table(
        ("command", "flags"), ((f"`{name}`", format_names(flags(command))) for name, command in commands())
    )


def exit_code_table() -> str:
    return format_table(
        ("command", "exit codes"),
        (
            (f"`{name}`", format_names(map(str, codes)))
            for name, command in commands()
            if (codes := exit_codes(command))
        ),
    )


def listing(names: Iterable[str]) -> str:
    return "\n".join(f"- `{name}`" for name in names)


def value_names() -> Iterable[str]:
    return leaf_names(yaml.safe_load(read_document(ROOT / "helm" / "k6-cloud-exporter" / "values.yaml")))


SECTIONS: dict[str, Callable[[], str]] = {
    "public-metrics": metric_table,
    "label-values": label_value_table,
    "public-alerts": lambda: listing(rule["alert"] for rule in alert_rules() if "alert" in rule),
    "user-rules": lambda: listing(sorted(rules_of_users())),
    "recording-rules": lambda: listing(rule["record"] for rule in alert_rules() if "record" in rule),
    "public-settings": setting_table,
    "public-flags": flag_table,
    "public-json-keys": lambda: listing(leaf_names(json.loads(run_in_json()))),
    "public-exit-codes": exit_code_table,
    "public-paths": lambda: listing(f"{method} {path}" for method, path in http_paths()),
    "public-values": lambda: listing(value_names()),
}


@pytest.mark.parametrize("section", SECTIONS)
def test_document_lists_the_public_names(section: str) -> None:
    assert_section(PAGE, section, SECTIONS[section]())


def test_each_label_is_unbounded_or_has_listed_values() -> None:
    labels = {(metric.name, label) for metric in (*METRICS, *SELF_METRICS) for label in metric.labels}

    assert {pair for pair in labels if pair[1] not in UNBOUNDED} == set(LABEL_VALUES)


def test_webhook_outcomes_are_documented() -> None:
    rows = read_section(DOCS / "webhook.md", "webhook").splitlines()[2:]

    assert [re.findall(r"`(\w+)`", row)[0] for row in rows] == list(self_metrics.WEBHOOK_OUTCOMES)


# Names that were replaced before 0.1.0, and where they may still be: nowhere.
REPLACED = {
    "setting": r"\bapi\.stack_id\b|\bstack_id:",
    "webhook outcome": r"\bheeded\b|\bother_test\b|outcome=\\?\"refused",
    "skip reason": r"\bunreadable\b|\bforeign\b",
    "alert": r"K6CloudConfigurationRefused|k6cloudconfigurationrefused",
    "recording rule": (
        r"k6_cloud:test_(?:expected_every_seconds|told_timestamp_seconds|without_run_seconds|not_passed_seconds)"
    ),
    "API version": r"(?i)\bgenerations? of the API|\bAPI generations?|\b(?:both|each|two) generations?\b",
}
SEARCHED = ("docs/**/*.md", "*.md", "helm/**/*", "grafana/**/*", ".github/**/*.md", "compose*.yaml")


def searched_files() -> list[Path]:
    found = {path for pattern in SEARCHED for path in ROOT.glob(pattern)}
    suffixes = {".md", ".yaml", ".yml", ".json", ".tpl", ".txt", ".py"}
    glossary = ROOT / "CONTRIBUTING.md"  # which has them in a column of their own
    return sorted(path for path in found if path.is_file() and path.suffix in suffixes and path != glossary)


@pytest.mark.parametrize("kind", REPLACED)
def test_no_replaced_name_is_left(kind: str) -> None:
    left = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in searched_files()
        for found in re.finditer(REPLACED[kind], read_document(path))
    ]

    assert searched_files()
    assert left == []
