"""What the command requests, writes and prints, in process against the simulator with both API versions."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from exporter.simulator import NextLink, Options, Phases, V6Options, World, faults
from tests.commands.backfill.harness import (
    API_VERSIONS,
    DAY,
    PHASES,
    build_world,
    parse_families,
    parse_samples,
    run_command,
    timestamp_of,
)
from tests.support.lab import START, TOKEN

both = pytest.mark.parametrize("api_version", API_VERSIONS)
LABELS = ("job=k6-cloud", "instance=here:10565")
Stderr = pytest.CaptureFixture[str]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "past.om"


@both
def test_output_is_valid_openmetrics(api_version: str, output: Path) -> None:
    assert run_command(build_world(), output, api_version, label=LABELS)[0] == 0

    text = output.read_text()
    families = parse_families(text)  # raises if families, series or timestamps are out of order
    assert text.endswith("\n# EOF\n")
    assert len({family.name for family in families}) == len(families) > 25
    assert all(family.documentation and family.samples for family in families)
    for family in families:
        for sample in family.samples:
            assert (sample.labels["job"], sample.labels["instance"]) == ("k6-cloud", "here:10565")
            assert START - DAY <= timestamp_of(sample) <= START - 3 * 3600
    assert list(output.parent.iterdir()) == [output]


@both
def test_unknown_history_is_not_written(api_version: str, output: Path) -> None:
    run_command(build_world(), output, api_version)

    text = output.read_text()
    assert "schedule_next_run" not in text
    assert "k6_cloud_up" not in text
    assert "never run" not in text


@both
def test_runs_are_counted_from_the_start_of_the_range(api_version: str, output: Path) -> None:
    run_command(build_world(tests=1), output, api_version)

    counts = {
        re.findall('outcome="([a-z_]+)"', series)[0]: samples
        for series, samples in parse_samples(output.read_text()).items()
        if series.startswith("k6_cloud_test_runs_finished_total")
    }
    assert {outcome: samples[0] for outcome, samples in counts.items()} == dict.fromkeys(
        counts, (START - DAY, 0)
    )
    # From 24 to 4 hours ago: failed (by a threshold), aborted, passed, failed, failed, aborted.
    last = {outcome: samples[-1][1] for outcome, samples in counts.items()}
    assert last == {"passed": 1, "failed": 3, "aborted": 2, "timed_out": 0, "error": 0, "none": 0}


@both
def test_series_begin_with_the_first_known_run(api_version: str, output: Path) -> None:
    world = World()
    world.add_run(world.add_test("new"), created=START - 8 * 3600, phases=PHASES)
    world.add_run(world.add_test("old"), created=START - 30 * DAY, phases=PHASES)

    run_command(world, output, api_version)

    starts = {
        re.findall('test_name="([a-z]+)"', series)[0]: samples[0][0]
        for series, samples in parse_samples(output.read_text()).items()
        if series.startswith("k6_cloud_test_info")
    }
    assert starts == {"new": START - 8 * 3600, "old": START - DAY}


def test_legacy_queries_each_test_back_to_the_range(output: Path) -> None:
    world = build_world(days=90, tests=1, every=1800)

    _, simulator = run_command(world, output)

    pages = [request for request in simulator.requests if request.path == "/loadtests/v2/runs"]
    # 8 days with 48 runs each are 4 pages, of 44 in all; one more page is that of the test that never ran.
    assert len(pages) == 5


def test_v6_queries_one_list_and_tests_without_recent_runs(output: Path) -> None:
    world = build_world(days=10)
    world.add_run(world.add_test("quiet"), created=START - 60 * DAY)

    _, simulator = run_command(world, output, "v6")

    paths = [request.path for request in simulator.requests]
    assert paths.count("/cloud/v6/test_runs") == 1
    assert sorted(path for path in paths if path.endswith("/test_runs"))[:-1] == [
        f"/cloud/v6/load_tests/{id_}/test_runs" for id_ in sorted(world.tests)[-2:]
    ]


@both
def test_split_files_contain_all_samples(api_version: str, tmp_path: Path) -> None:
    run_command(build_world(), tmp_path / "all.om", api_version)
    run_command(build_world(), tmp_path / "part.om", api_version, split="6h")

    all_samples = parse_samples((tmp_path / "all.om").read_text())
    parts = [parse_samples(file.read_text()) for file in sorted(tmp_path.glob("part.*.om"))]
    assert len(parts) == 4
    for series, samples in all_samples.items():
        joined = [sample for part in parts for sample in part.get(series, [])]
        timestamps = [timestamp for timestamp, _ in joined]
        assert timestamps == sorted(set(timestamps))
        assert set(samples) <= set(joined)
    for earlier, later in pairwise(parts):
        end = max(timestamp for samples in earlier.values() for timestamp, _ in samples)
        assert end < min(timestamp for samples in later.values() for timestamp, _ in samples)


@both
def test_incomplete_history_is_not_written(api_version: str, output: Path, capsys: Stderr) -> None:
    output.write_text("earlier content")

    code, _ = run_command(build_world(), output, api_version, faults=(faults.error(500).on("*runs*"),))

    assert code == 1
    assert re.match(r"error: .* \(500 at GET ", capsys.readouterr().err)
    assert [(file.name, file.read_text()) for file in output.parent.iterdir()] == [
        ("past.om", "earlier content")
    ]


def test_incomplete_v6_list_is_an_error(output: Path, capsys: Stderr) -> None:
    options = Options(v6=V6Options(next_link=NextLink.LOOP))

    code, _ = run_command(build_world(), output, "v6", options=options)

    assert (code, output.exists()) == (1, False)
    assert capsys.readouterr().err.startswith("error: GET /cloud/v6/")


def test_incomplete_legacy_list_is_an_error(output: Path, capsys: Stderr) -> None:
    world = build_world(tests=1, days=9, every=900)

    code, _ = run_command(world, output, faults=(faults.empty_page().on("*page=2*"),))

    assert (code, output.exists()) == (1, False)
    assert capsys.readouterr().err.startswith("error: GET /loadtests/v2/runs: ")


def test_strict_legacy_server_gives_the_same_output(tmp_path: Path) -> None:
    run_command(build_world(), tmp_path / "usual.om")
    options = Options(documented_only=True, reject_unknown_parameters=True)
    run_command(build_world(), tmp_path / "strict.om", options=options)

    assert (tmp_path / "strict.om").read_text() == (tmp_path / "usual.om").read_text()


def test_history_without_runs_is_an_error(output: Path, capsys: Stderr) -> None:
    world = World()
    world.add_test("never run")
    world.add_run(world.add_test("only run recently"), created=START - 3600)

    assert run_command(world, output)[0] == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert "2026-09-21T11:13:20Z" in error
    assert list(output.parent.iterdir()) == []


@both
def test_no_matching_test_is_an_error(api_version: str, output: Path, capsys: Stderr) -> None:
    assert run_command(World(), output, api_version)[0] == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")


@both
def test_entry_without_a_matching_test_is_skipped(api_version: str, output: Path, capsys: Stderr) -> None:
    world = build_world(tests=1)
    settings = {"tests": [{"id": next(iter(world.tests))}, {"id": 99}, {"include": "zebra"}]}

    assert run_command(world, output, api_version, settings=settings)[0] == 0
    first, second, summary, _ = capsys.readouterr().err.splitlines()
    assert first.startswith("skipped: test 99: ")
    assert second.startswith("skipped: include 'zebra': ")
    assert " samples of 1 test and " in summary


def test_skipped_runs_of_other_tests_are_not_printed(output: Path, capsys: Stderr) -> None:
    world = build_world(tests=1)
    configured, other = list(world.tests)
    world.add_run(other, created=START - 5 * 3600, phases=Phases())
    changes = (faults.field("created", None),)

    run_command(world, output, "v6", faults=changes, settings={"tests": [{"id": configured}]})

    err = capsys.readouterr().err
    assert re.search(rf"^skipped: run \d+ of test {configured}: ", err, re.MULTILINE)
    assert f"of test {other}" not in err


def test_run_without_an_end_time_is_skipped(output: Path, capsys: Stderr) -> None:
    world = World()
    test = world.add_test("odd")
    run = world.add_run(test, created=START - 5 * 3600, phases=Phases())

    assert run_command(world, output, faults=(faults.field("ended", None),))[0] == 1
    assert capsys.readouterr().err.startswith(f"skipped: run {run} of test {test}: ")


def test_summary_has_counts_range_and_missing_labels(output: Path, capsys: Stderr) -> None:
    run_command(build_world(), output, label=("job=k6-cloud",))

    summary, hint = capsys.readouterr().err.splitlines()
    samples = sum(map(len, parse_samples(output.read_text()).values()))
    assert f" {samples} samples of 3 tests and " in summary
    assert "from 2026-09-20T14:13:20Z to 2026-09-21T11:13:20Z" in summary
    assert "--label instance=" in hint
    assert "--label job=" not in hint


def test_echoed_token_is_redacted(output: Path, capsys: Stderr) -> None:
    echo = faults.error(400, message=f"who is {TOKEN}?")

    assert run_command(build_world(), output, faults=(echo,))[0] == 1
    assert TOKEN not in capsys.readouterr().err


def test_device_is_not_replaced_by_a_file() -> None:
    assert run_command(build_world(), Path("/dev/null"))[0] == 0
    assert Path("/dev/null").is_char_device()
