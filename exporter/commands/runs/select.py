"""`runs list --select`: the keys that are printed, and the fields that the legacy API must send."""

from collections.abc import Mapping, Sequence

# Everything that decides whether and how a run has ended.
STATE = ("run_status", "processing_status", "result_status", "ended")
# Without these a run could not be recognized and sorted.
ALWAYS = ("id", "test_id", "created")
# These are made of the project, and of the test, instead of the run.
PROJECT_KEYS = {"project_name"}
TEST_KEYS = {"test_name", "project_id", *PROJECT_KEYS}
# The keys of `output.as_json`, each with the fields of the legacy API that it is made of besides those above.
FIELDS: Mapping[str, Sequence[str]] = {
    "id": (),
    "test_id": (),
    "test_name": (),
    "project_id": (),
    "project_name": (),
    "state": STATE,
    "is_finished": STATE,
    "outcome": STATE,
    "run_status": ("run_status",),
    "processing_status": ("processing_status",),
    "result_status": STATE,
    "reason": (*STATE, "error_code"),
    "reason_code": (*STATE, "error_code"),
    "reason_message": (*STATE, "error_detail"),
    "created": (),
    "started": ("started",),
    "ended": ("ended",),
    "planned_seconds": ("duration",),
    "execution_seconds": (*STATE, "started"),
    "phase_seconds": ("started", "ended"),
    "vus": ("vus",),
    "vuh": (),
    "url": (),
    "api": (),
}


def parse_keys(text: str) -> tuple[str, ...]:
    """The keys in a list such as "id,test_id,run_status". Raises ValueError for an unknown one."""
    keys = tuple(dict.fromkeys(key.strip() for key in text.split(",")))
    if unknown := [key for key in keys if key not in FIELDS]:
        raise ValueError(f"unknown: {', '.join(map(repr, unknown))}; known: {', '.join(FIELDS)}")
    return keys


def legacy_fields(keys: Sequence[str], *, active: bool) -> Sequence[str]:
    """The fields of a run that the legacy API has to send; `active` if only active runs are listed."""
    state = STATE if active else ()
    return [*dict.fromkeys((*ALWAYS, *state, *(field for key in keys for field in FIELDS[key])))]
