"""What is understood of an uploaded script."""

import io
import json
import tarfile
from typing import Any

import pytest

from exporter.simulator.runs import EndStatus, Phase
from exporter.simulator.scripts import parse_script


def parse(source: str) -> tuple[int, float]:
    script = parse_script(source.encode())
    return script.vus, script.seconds


@pytest.mark.parametrize(
    ("options", "vus", "seconds"),
    [
        ("", 1, 4.0),
        ("export const options = { vus: 30, duration: '1m30s' };", 30, 90.0),
        ('export let options = {"vus": 30, "duration": 2500,};', 30, 2.5),
        ("export const options = { // a } comment\n vus: 3, /* { */ duration: `500ms` }", 3, 0.5),
        ("export const options: Options = { vus: 2, duration: '1h' }", 2, 3600.0),
        (
            "export const options = { stages: [{duration: '1m', target: 20}, {duration: '2m', target: 5}] }",
            20,
            180,
        ),
        (
            "export const options = { vus: 10, duration: '10s', thresholds: { t: ['p(95)<500, }'] } }",
            10,
            10.0,
        ),
        ("export const options = { vus: __ENV.VUS, duration: '10s' }", 1, 4.0),
        ("export const options = { vus: 3, duration: '10s'", 1, 4.0),
        ("export const options = { vus: -3, duration: 'soon' }", 1, 4.0),
        ("export const options = {}", 1, 4.0),
        ("export const options = makeOptions()", 1, 4.0),
    ],
)
def test_options_of_a_script_are_literals(options: str, vus: int, seconds: float) -> None:
    assert parse(f"import http from 'k6/http';\n{options}\nexport default function () {{}}\n") == (
        vus,
        seconds,
    )


SCENARIOS = {
    "steady": {"executor": "constant-vus", "vus": 5, "duration": "1m"},
    "peak": {
        "executor": "ramping-vus",
        "startTime": "30s",
        "startVUs": 1,
        "stages": [{"duration": "20s", "target": 8}, {"duration": "20s", "target": 0}],
    },
    "rate": {
        "executor": "ramping-arrival-rate",
        "preAllocatedVUs": 2,
        "maxVUs": 7,
        "stages": [{"duration": "30s", "target": 9000}],
    },
}


def test_scenarios_add_their_vus_and_the_last_one_ends_the_run() -> None:
    assert parse(f"export const options = {json.dumps({'scenarios': SCENARIOS})};") == (5 + 8 + 7, 70.0)


@pytest.mark.parametrize(("limit", "seconds"), [({}, 600.0), ({"maxDuration": "5m"}, 300.0)])
def test_iterations_last_as_long_as_they_may(limit: dict[str, str], seconds: float) -> None:
    scenario = {"executor": "shared-iterations", "vus": 4, "iterations": 100, **limit}

    assert parse(f"export const options = {json.dumps({'scenarios': {'a': scenario}})};") == (4, seconds)


def archive(metadata: Any, source: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in (("metadata.json", json.dumps(metadata)), ("data", source)):
            member = tarfile.TarInfo(name)
            member.size = len(content.encode())
            tar.addfile(member, io.BytesIO(content.encode()))
    return file.getvalue()


def test_archive_has_its_options_and_source() -> None:
    options = {"vus": 3, "duration": "5s", "stages": None, "scenarios": None}

    script = parse_script(archive({"options": options}, "// simulate: failed"))

    assert (script.vus, script.seconds, script.outcomes) == (3, 5.0, ("failed",))
    assert script.file is not None
    assert script.file.is_archive


@pytest.mark.parametrize("content", [b"\xff" * 2000, archive([], ""), archive({}, "")[:700]])
def test_malformed_archive_is_a_script_without_options(content: bytes) -> None:
    script = parse_script(content)

    assert (script.vus, script.seconds, script.outcomes) == (1, 4.0, ("passed",))
    assert script.file is not None
    assert not script.file.is_archive


def test_comment_names_the_outcomes_in_turn() -> None:
    script = parse_script(b"// simulate: passed, failed\n//simulate: aborted_by_system")

    plans = script.plans(1.0)

    assert [(plan.ending, plan.failed) for plan in plans] == [
        (EndStatus.FINISHED, False),
        (EndStatus.FINISHED, True),
        (EndStatus.ABORTED_BY_SYSTEM, False),
    ]


def test_unknown_outcome_is_refused() -> None:
    with pytest.raises(ValueError, match="'explodes' is not one of passed, failed, error, timed_out, "):
        parse_script(b"// simulate: explodes")


WORDS = {
    "timed_out": 4,
    "aborted_by_user": 5,
    "aborted_by_system": 6,
    "aborted_by_script_error": 7,
    "aborted_by_threshold": 8,
    "aborted_by_limit": 9,
}


@pytest.mark.parametrize(("word", "status"), WORDS.items())
def test_aborted_run_ends_after_half_of_its_time(word: str, status: int) -> None:
    [plan] = parse_script(
        f"// simulate: {word}\nexport const options = {{vus: 2, duration: '20s'}}".encode()
    ).plans(2.0)

    assert (plan.ending, plan.planned_seconds, plan.phases.running) == (status, 10, 5.0)


def test_rejected_run_never_runs() -> None:
    [plan] = parse_script(b"// simulate: rejected").plans(1.0)

    assert [step.phase for step in plan.steps(0.0)] == [Phase.CREATED, Phase.ABORTED]
