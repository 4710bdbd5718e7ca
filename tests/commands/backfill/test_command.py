"""What the command asks, writes and says, driven in process against the simulator on both generations."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from exporter.simulator import NextLink, Options, Phases, V6Options, World, faults
from tests.commands.backfill.past import (
    DAY,
    GENERATIONS,
    PHASES,
    families_of,
    moment_of,
    samples_of,
    told,
    world,
)
from tests.support.lab import START, TOKEN

both = pytest.mark.parametrize("api_version", GENERATIONS)
LABELS = ("job=k6-cloud", "instance=here:10565")


@both
def test_names_help_and_order_are_those_of_openmetrics(api_version: str, tmp_path: Path) -> None:
    output = tmp_path / "past.om"

    assert told(world(), output, api_version, label=LABELS)[0] == 0

    text = output.read_text()
    families = families_of(text)  # raises where families, series or moments are out of order
    assert text.endswith("\n# EOF\n")
    assert len({family.name for family in families}) == len(families) > 25
    assert all(family.documentation and family.samples for family in families)
    for family in families:
        for sample in family.samples:
            assert (sample.labels["job"], sample.labels["instance"]) == ("k6-cloud", "here:10565")
            assert START - DAY <= moment_of(sample) <= START - 3 * 3600
    assert list(tmp_path.iterdir()) == [output]


@both
def test_what_nobody_knows_any_more_is_not_told(api_version: str, tmp_path: Path) -> None:
    told(world(), tmp_path / "past.om", api_version)

    text = (tmp_path / "past.om").read_text()
    assert "schedule_next_run" not in text
    assert "k6_cloud_up" not in text
    assert "never run" not in text


@both
def test_runs_count_when_they_finish_and_those_before_the_beginning_do_not(
    api_version: str, tmp_path: Path
) -> None:
    told(world(tests=1), tmp_path / "past.om", api_version)

    counts = {
        re.findall('outcome="([a-z_]+)"', series)[0]: samples
        for series, samples in samples_of((tmp_path / "past.om").read_text()).items()
        if series.startswith("k6_cloud_test_runs_finished_total")
    }
    assert {outcome: samples[0] for outcome, samples in counts.items()} == dict.fromkeys(
        counts, (START - DAY, 0)
    )
    # From 24 to 4 hours ago: failed (by a threshold), aborted, passed, failed, failed, aborted.
    last = {outcome: samples[-1][1] for outcome, samples in counts.items()}
    assert last == {"passed": 1, "failed": 3, "aborted": 2, "timed_out": 0, "error": 0, "none": 0}


@both
def test_a_test_is_told_from_its_first_known_run_on(api_version: str, tmp_path: Path) -> None:
    made = World()
    made.add_run(made.add_test("new"), created=START - 8 * 3600, phases=PHASES)
    made.add_run(made.add_test("old"), created=START - 30 * DAY, phases=PHASES)

    told(made, tmp_path / "past.om", api_version)

    begun = {
        re.findall('test_name="([a-z]+)"', series)[0]: samples[0][0]
        for series, samples in samples_of((tmp_path / "past.om").read_text()).items()
        if series.startswith("k6_cloud_test_info")
    }
    assert begun == {"new": START - 8 * 3600, "old": START - DAY}


def test_legacy_is_asked_for_each_test_once_and_not_for_what_is_too_old(tmp_path: Path) -> None:
    made = world(days=90, tests=1, every=1800)

    _, simulator = told(made, tmp_path / "past.om")

    pages = [asked for asked in simulator.requests if asked.path == "/loadtests/v2/runs"]
    # 8 days of 48 runs each are four pages, of the 44 that there are; and one of the test that never ran.
    assert len(pages) == 5


def test_v6_is_asked_for_one_list_and_for_tests_that_were_quiet(tmp_path: Path) -> None:
    made = world(days=10)
    made.add_run(made.add_test("quiet"), created=START - 60 * DAY)

    _, simulator = told(made, tmp_path / "past.om", "v6")

    paths = [asked.path for asked in simulator.requests]
    assert paths.count("/cloud/v6/test_runs") == 1
    assert sorted(path for path in paths if path.endswith("/test_runs"))[:-1] == [
        f"/cloud/v6/load_tests/{id_}/test_runs" for id_ in sorted(made.tests)[-2:]
    ]


@both
def test_a_split_past_says_the_same_in_several_files(api_version: str, tmp_path: Path) -> None:
    told(world(), tmp_path / "whole.om", api_version)
    told(world(), tmp_path / "part.om", api_version, split="6h")

    whole = samples_of((tmp_path / "whole.om").read_text())
    parts = [samples_of(file.read_text()) for file in sorted(tmp_path.glob("part.*.om"))]
    assert len(parts) == 4
    for series, samples in whole.items():
        said = [sample for part in parts for sample in part.get(series, [])]
        assert [moment for moment, _ in said] == sorted({moment for moment, _ in said})
        assert set(samples) <= set(said)
    for earlier, later in pairwise(parts):
        ends = max(moment for samples in earlier.values() for moment, _ in samples)
        assert ends < min(moment for samples in later.values() for moment, _ in samples)


@both
def test_a_past_with_holes_is_not_written(
    api_version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "past.om"
    output.write_text("what was there")

    code, _ = told(world(), output, api_version, faults=[faults.error(500).on("*runs*")])

    assert code == 1
    assert "error: k6 Cloud server error (500 at GET " in capsys.readouterr().err
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("past.om", "what was there")]


def test_a_list_of_v6_that_breaks_off_is_not_taken_for_the_past(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Options(v6=V6Options(next_link=NextLink.LOOP))

    code, _ = told(world(), tmp_path / "past.om", "v6", options=options)

    assert code == 1
    assert "the list breaks off" in capsys.readouterr().err


def test_a_list_of_legacy_that_hides_older_runs_is_not_taken_for_the_past(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = world(tests=1, days=9, every=900)

    code, _ = told(made, tmp_path / "past.om", faults=[faults.empty_page().on("*page=2*")])

    assert code == 1
    assert "is not whole" in capsys.readouterr().err


def test_a_server_that_knows_only_what_is_documented_tells_the_same_past(tmp_path: Path) -> None:
    told(world(), tmp_path / "usual.om")
    options = Options(documented_only=True, reject_unknown_parameters=True)
    told(world(), tmp_path / "strict.om", options=options)

    assert (tmp_path / "strict.om").read_text() == (tmp_path / "usual.om").read_text()


def test_without_any_run_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = World()
    made.add_test("never run")
    made.add_run(made.add_test("has just begun to"), created=START - 3600)

    assert told(made, tmp_path / "past.om")[0] == 1
    assert capsys.readouterr().err == (
        "error: k6 Cloud knows no run before 2026-09-21T11:13:20Z of the tests that are meant, 2 in all\n"
    )
    assert list(tmp_path.iterdir()) == []


@both
def test_without_any_test_that_is_said(
    api_version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(World(), tmp_path / "past.om", api_version)[0] == 1
    assert capsys.readouterr().err == (
        "error: the configuration means no test that the token sees; k6-cloud-exporter check says why\n"
    )


@both
def test_an_entry_that_means_no_test_is_named_and_the_others_are_told(
    api_version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = world(tests=1)
    settings = {"tests": [{"id": next(iter(made.tests))}, {"id": 99}, {"include": "zebra"}]}

    assert told(made, tmp_path / "past.om", api_version, settings=settings)[0] == 0
    why = "nothing in k6 Cloud fits this, or the token may not see it"
    said = capsys.readouterr().err.splitlines()
    assert said[:2] == [f"left out: test 99; {why}", f"left out: include 'zebra'; {why}"]
    assert " samples of 1 tests and " in said[2]


def test_of_a_test_that_is_not_meant_nothing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = world(tests=1)
    meant, other = list(made.tests)
    made.add_run(other, created=START - 5 * 3600, phases=Phases())
    options = Options(nulls=frozenset({"created"}))

    told(made, tmp_path / "past.om", "v6", options=options, settings={"tests": [{"id": meant}]})

    said = capsys.readouterr().err
    assert f"of test {meant}; k6 Cloud does not say when" in said
    assert f"of test {other}" not in said


def test_a_run_that_cannot_be_placed_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = World()
    test = made.add_test("odd")
    run = made.add_run(test, created=START - 5 * 3600, phases=Phases())

    assert told(made, tmp_path / "past.om", options=Options(nulls=frozenset({"ended"})))[0] == 1
    assert f"left out: run {run} of test {test}; k6 Cloud does not say when" in capsys.readouterr().err


def test_it_is_said_what_was_written_and_which_labels_are_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told(world(), tmp_path / "past.om", label=("job=k6-cloud",))

    first, second = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        r"\d+ samples of 3 tests and \d+ runs, from 2026-09-20T14:13:20Z to 2026-09-21T11:13:20Z", first
    )
    assert second.startswith("without --label instance=… these are other series than those that are scraped")


def test_the_token_is_shown_nowhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    echo = faults.error(400, message=f"who is {TOKEN}?")

    assert told(world(), tmp_path / "past.om", faults=[echo])[0] == 1
    assert TOKEN not in capsys.readouterr().err


def test_a_device_is_written_to_and_not_replaced() -> None:
    assert told(world(), Path("/dev/null"))[0] == 0
    assert Path("/dev/null").is_char_device()
