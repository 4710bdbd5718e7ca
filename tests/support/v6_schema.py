"""The objects of the v6 API: an excerpt of the vendor's OpenAPI document, version 1.12.0."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias


@dataclass(frozen=True)
class Field:
    """The type of a value."""

    kind: "Kind"
    nullable: bool = False
    required: bool = True


Schema = Mapping[str, Field]
# A type's name, a nested table, or a list of either.
Kind: TypeAlias = "str | Schema | Sequence[Kind]"


def null_or(kind: Kind) -> Field:
    return Field(kind, nullable=True)


def optional(kind: Kind, *, nullable: bool = False) -> Field:
    return Field(kind, nullable=nullable, required=False)


INT64, INT32, BOOL, STR, TIME, URI, EMAIL = "int64", "int32", "bool", "str", "time", "uri", "email"
NUMBER, NUMBER_OR_STR, ANYTHING, STRINGS = "number", "number or str", "any object", "object of str"

COST_BREAKDOWN: Schema = {
    "protocol_vuh": Field(NUMBER_OR_STR),
    "browser_vuh": Field(NUMBER_OR_STR),
    "base_total_vuh": Field(NUMBER_OR_STR),
    "reduction_rate": Field(NUMBER_OR_STR),
    "reduction_rate_breakdown": null_or(ANYTHING),
}
COST: Schema = {"total_vuh": Field(NUMBER_OR_STR), "breakdown": Field(COST_BREAKDOWN)}
STATUS_EXTRA: Schema = {"by_user": null_or(EMAIL), "message": null_or(STR), "code": null_or(INT32)}
STATUS: Schema = {
    "type": Field(STR),
    "entered": Field(TIME),
    "extra": optional(STATUS_EXTRA, nullable=True),
}
RESULT_DETAILS: Schema = {
    "type": Field(STR),
    "message": optional(STR, nullable=True),
    "code": optional(INT32, nullable=True),
}
ZONE_SHARE: Schema = {"load_zone": Field(STR), "percent": Field(INT32)}
TEST_RUN: Schema = {
    "id": Field(INT64),
    "test_id": Field(INT64),
    "project_id": Field(INT64),
    "started_by": null_or(EMAIL),
    "created": Field(TIME),
    "ended": null_or(TIME),
    "note": Field(STR),
    "retention_expiry": null_or(TIME),
    "cost": null_or(COST),
    "status": Field(STR),
    "status_details": Field(STATUS),
    "status_history": Field([STATUS]),
    "distribution": null_or([ZONE_SHARE]),
    "result": null_or(STR),
    "result_details": null_or(RESULT_DETAILS),
    "options": null_or(ANYTHING),
    "k6_dependencies": Field(STRINGS),
    "k6_versions": Field(STRINGS),
    "max_vus": null_or(INT32),
    "max_browser_vus": null_or(INT32),
    "estimated_duration": null_or(INT32),
    "execution_duration": Field(INT32),
    "is_starred": Field(BOOL),
}
STARTED_TEST_RUN: Schema = {**TEST_RUN, "test_run_details_page_url": Field(STR)}
LOAD_TEST: Schema = {
    "id": Field(INT64),
    "project_id": Field(INT64),
    "name": Field(STR),
    "baseline_test_run_id": null_or(INT64),
    "k6_version": optional(INT32, nullable=True),
    "created": Field(TIME),
    "updated": Field(TIME),
}
PROJECT: Schema = {
    "id": Field(INT64),
    "name": Field(STR),
    "is_default": Field(BOOL),
    "grafana_folder_uid": null_or(STR),
    "created": Field(TIME),
    "updated": Field(TIME),
    "labels": optional(STRINGS),
}
LOAD_ZONE: Schema = {
    "id": Field(INT64),
    "name": Field(STR),
    "k6_load_zone_id": Field(STR),
    "available": Field(BOOL),
    "custom_load_runner_image": null_or(STR),
    "public": Field(BOOL),
}
RECURRENCE_RULE: Schema = {
    "frequency": Field(STR),
    "interval": optional(INT32),
    "byday": optional([STR], nullable=True),
    "until": optional(TIME, nullable=True),
    "count": optional(INT32, nullable=True),
}
CRON: Schema = {"schedule": Field(STR), "time_zone": Field(STR)}
SCHEDULE: Schema = {
    "id": Field(INT64),
    "load_test_id": Field(INT64),
    "starts": Field(TIME),
    "recurrence_rule": null_or(RECURRENCE_RULE),
    "cron": null_or(CRON),
    "deactivated": Field(BOOL),
    "next_run": null_or(TIME),
    "created_by": null_or(STR),
}
LIMITS: Schema = {
    "project_id": Field(INT64),
    "vuh_max_per_month": null_or(INT32),
    "vu_max_per_test": null_or(INT32),
    "vu_browser_max_per_test": null_or(INT32),
    "duration_max_per_test": null_or(INT32),
}
ALLOWED_PROJECTS: Schema = {"value": Field([{"id": Field(INT64), "name": Field(STR)}])}
PROJECT_LABELS: Schema = {"value": Field([{"key": Field(STR), "value": Field(STR)}])}
AUTHENTICATION: Schema = {"stack_id": Field(INT64), "default_project_id": Field(INT64)}
VALIDATED_OPTIONS: Schema = {"vuh_usage": Field(NUMBER), "breakdown": Field(COST_BREAKDOWN)}
ERROR_DETAIL: Schema = {
    "message": Field(STR),
    "code": Field(STR),
    "target": optional(STR, nullable=True),
}
ERROR: Schema = {
    "error": Field(
        {
            "message": Field(STR),
            "code": Field(STR),
            "target": optional(STR, nullable=True),
            "details": optional([ERROR_DETAIL], nullable=True),
        }
    )
}


def listing(of: Schema) -> Schema:
    """A page of these objects. Neither of the other keys is ever null."""
    return {"value": Field([of]), "@count": optional(INT64), "@nextLink": optional(URI)}


LOAD_ZONES: Schema = {"value": Field([LOAD_ZONE])}

STATUSES = ("created", "queued", "initializing", "running", "processing_metrics", "completed", "aborted")
RESULTS = ("passed", "failed", "error")

# Method and path: the parameters of its query.
_PAGE = {"$count", "$skip", "$top"}
ENDPOINTS: dict[str, set[str]] = {
    "GET /cloud/v6/auth": set(),
    "GET /cloud/v6/projects": _PAGE | {"$orderby", "name", "name_search"},
    "POST /cloud/v6/projects": set(),
    "GET /cloud/v6/projects/{id}": set(),
    "PATCH /cloud/v6/projects/{id}": set(),
    "DELETE /cloud/v6/projects/{id}": set(),
    "GET /cloud/v6/projects/{id}/labels": set(),
    "GET /cloud/v6/projects/{id}/limits": set(),
    "PATCH /cloud/v6/projects/{id}/limits": set(),
    "GET /cloud/v6/projects/{id}/allowed_load_zones": set(),
    "PUT /cloud/v6/projects/{id}/allowed_load_zones": set(),
    "GET /cloud/v6/project-limits": _PAGE | {"project_id_in"},
    "GET /cloud/v6/projects/{id}/load_tests": _PAGE | {"$orderby", "name"},
    "POST /cloud/v6/projects/{id}/load_tests": set(),
    "GET /cloud/v6/load_tests": _PAGE | {"$orderby", "name"},
    "GET /cloud/v6/load_tests/{id}": set(),
    "PATCH /cloud/v6/load_tests/{id}": set(),
    "DELETE /cloud/v6/load_tests/{id}": set(),
    "PUT /cloud/v6/load_tests/{id}/move": set(),
    "GET /cloud/v6/load_tests/{id}/script": set(),
    "PUT /cloud/v6/load_tests/{id}/script": set(),
    "GET /cloud/v6/load_tests/{id}/schedule": set(),
    "POST /cloud/v6/load_tests/{id}/schedule": set(),
    "POST /cloud/v6/load_tests/{id}/start": set(),
    "GET /cloud/v6/load_tests/{id}/test_runs": (
        _PAGE | {"$orderby", "created_after", "created_before", "is_starred"}
    ),
    "GET /cloud/v6/test_runs": _PAGE | {"created_after", "created_before"},
    "GET /cloud/v6/test_runs/{id}": set(),
    "PATCH /cloud/v6/test_runs/{id}": set(),
    "DELETE /cloud/v6/test_runs/{id}": set(),
    "POST /cloud/v6/test_runs/{id}/abort": set(),
    "GET /cloud/v6/test_runs/{id}/distribution": set(),
    "GET /cloud/v6/test_runs/{id}/script": set(),
    "POST /cloud/v6/test_runs/{id}/star": set(),
    "POST /cloud/v6/test_runs/{id}/unstar": set(),
    "POST /cloud/v6/test_runs/{id}/save": set(),
    "POST /cloud/v6/test_runs/{id}/unsave": set(),
    "GET /cloud/v6/schedules": _PAGE,
    "GET /cloud/v6/schedules/{id}": set(),
    "DELETE /cloud/v6/schedules/{id}": set(),
    "POST /cloud/v6/schedules/{id}/activate": set(),
    "POST /cloud/v6/schedules/{id}/deactivate": set(),
    "GET /cloud/v6/load_zones/{id}/allowed_projects": set(),
    "PUT /cloud/v6/load_zones/{id}/allowed_projects": set(),
    "GET /cloud/v6/load_zones": {"k6_load_zone_id"},
    "POST /cloud/v6/validate_options": set(),
}


def assert_matches(schema: Schema, thing: object, where: str = "") -> None:
    """Every required key is there, each value has its type, and there is no other key."""
    assert isinstance(thing, dict), where
    assert set(thing) <= set(schema), (where, set(thing) - set(schema))
    for name, field in schema.items():
        if name not in thing:
            assert not field.required, f"{where}.{name} is missing"
        elif thing[name] is None:
            assert field.nullable, f"{where}.{name} is null"
        else:
            _assert_is(field.kind, thing[name], f"{where}.{name}")


def _assert_is(kind: Kind, value: object, where: str) -> None:
    if isinstance(kind, str):
        assert _IS_A[kind](value), (where, kind, value)
    elif isinstance(kind, Mapping):
        assert_matches(kind, value, where)
    else:
        assert isinstance(value, list), where
        for item in value:
            _assert_is(kind[0], item, where)


def _is_whole(value: object, bits: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**bits


def _is_time(value: object) -> bool:
    """RFC 3339 with a zone: the official client refuses a time without one."""
    return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None


_IS_A: dict[str, Callable[[object], bool]] = {
    INT64: lambda value: _is_whole(value, 63),
    INT32: lambda value: _is_whole(value, 31),
    BOOL: lambda value: type(value) is bool,
    STR: lambda value: type(value) is str,
    TIME: _is_time,
    URI: lambda value: re.fullmatch(r"https?://[^/ ]+/[^ ]*", str(value)) is not None,
    EMAIL: lambda value: re.fullmatch(r"[^@ ]+@[^@ ]+", str(value)) is not None,
    NUMBER: lambda value: type(value) in (int, float),
    NUMBER_OR_STR: lambda value: type(value) in (int, float, str),
    ANYTHING: lambda value: type(value) is dict,
    STRINGS: lambda value: isinstance(value, dict) and all(type(it) is str for it in value.values()),
}
