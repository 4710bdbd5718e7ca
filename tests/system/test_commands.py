"""Commands that end by themselves: their output and exit codes."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parsed

from exporter import PROJECT_URL, __version__
from tests.support.documents import ROOT, broken_links
from tests.support.exporter_process import Cloud, Process, environment, run_exporter
from tests.support.processes import eventually

NO_TEST = "999999"


def test_command_is_installed_beside_python() -> None:
    command = Path(sys.executable).with_name("k6-cloud-exporter")

    result = subprocess.run(
        [command, "--version"], env=environment(), capture_output=True, text=True, check=True
    )

    assert result.stdout == f"k6-cloud-exporter, version {__version__}\n"


def test_help_lists_commands_and_options_of_serve() -> None:
    result = run_exporter("--help")

    assert result.returncode == 0
    for command in ("serve", "demo", "simulator", "check", "once", "backfill", "runs"):
        assert f"  {command} " in result.stdout
    assert "--web.listen-address" in run_exporter("serve", "--help").stdout


def test_unknown_command_exits_with_2() -> None:
    result = run_exporter("chek")

    assert result.returncode == 2
    assert "'chek'" in result.stderr


@pytest.mark.parametrize("command", ["serve", "check"])
def test_wrong_configuration_exits_with_2(command: str, cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("poll: {interval: 10}\nzebra: 1")

    result = run_exporter(command, "--config.file", str(file), "--log.level", "loud", **cloud.environment())

    assert result.returncode == 2
    assert result.stdout == ""
    places = (f"{file}: poll.interval", "--log.level", f"{file}: zebra")
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"error: {place}: ") for line, place in zip(lines, places, strict=True))


def test_flags_for_tests_are_validated(cloud: Cloud) -> None:
    result = run_exporter("check", "--test", "0", "--project", "-1", **cloud.environment())

    assert result.returncode == 2
    assert [line.split(": ")[:2] for line in result.stderr.splitlines()] == [
        ["error", "--test"],
        ["error", "--project"],
    ]


def test_check_of_a_test_exits_with_0(cloud: Cloud) -> None:
    test_id = cloud.test_ids()[0]

    result = run_exporter("check", "--test", str(test_id), **cloud.environment())

    assert (result.returncode, result.stderr) == (0, "")
    assert f"{test_id} checkout-soak" in result.stdout
    series = re.search(r"^series +(\d+)$", result.stdout, re.MULTILINE)
    assert series
    assert int(series[1]) > 30


def test_check_replaces_unsupported_characters(cloud: Cloud) -> None:
    result = run_exporter("check", **cloud.environment(PYTHONIOENCODING="ascii"))

    assert (result.returncode, result.stderr) == (0, "")
    assert "400004 größentabelle-smoke" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        ((), {"K6_CLOUD_TOKEN": "canary"}),
        ((), {"K6_CLOUD_STACK_ID": "2"}),
        (("--test", NO_TEST), {}),
        ((), {"K6_CLOUD_EXPORTER_TESTS": "[{include: zebra}]"}),
    ],
    ids=["wrong token", "wrong stack", "unknown test", "no match"],
)
def test_check_exits_with_1(arguments: tuple[str, ...], settings: dict[str, str], cloud: Cloud) -> None:
    result = run_exporter("check", *arguments, **cloud.environment(**settings))

    assert (result.returncode, result.stderr) == (1, "")


def test_check_of_a_shard_lists_its_tests_only(cloud: Cloud) -> None:
    result = run_exporter("check", "--shard", "1", "--total-shards", "2", **cloud.environment())

    assert result.returncode == 0
    count = re.search(r"^tests +(\d+),", result.stdout, re.MULTILINE)
    assert count
    assert 0 < int(count[1]) < len(cloud.test_ids())


def test_once_prints_the_metrics(cloud: Cloud) -> None:
    result = run_exporter("once", **cloud.environment())

    assert (result.returncode, result.stderr) == (0, "")
    families = {family.name: family for family in parsed(result.stdout)}
    assert [sample.value for sample in families["k6_cloud_up"].samples] == [1.0]
    assert len(families["k6_cloud_test_info"].samples) == len(cloud.test_ids())
    assert "größentabelle-smoke" in result.stdout


def test_once_with_a_wrong_token_exits_with_1(cloud: Cloud) -> None:
    result = run_exporter("once", **cloud.environment(K6_CLOUD_TOKEN="canary"))

    assert result.returncode == 1
    families = {family.name: family for family in parsed(result.stdout)}
    assert [sample.value for sample in families["k6_cloud_up"].samples] == [0.0]
    assert families["k6_cloud_test_info"].samples == []
    assert result.stderr.count("\n") == 1
    assert "reason=unauthorized" in result.stderr


def test_once_counts_unresolved_tests(cloud: Cloud) -> None:
    result = run_exporter("once", "--test", NO_TEST, **cloud.environment())

    assert result.returncode == 0
    assert "\nk6_cloud_exporter_tests_unresolved 1.0\n" in result.stdout


def test_demo_prints_urls_and_serves_there() -> None:
    with Process("demo", "--web.listen-address", "127.0.0.1:0") as demo:
        cloud, page, metrics = eventually(lambda: urls(demo)[2:] and urls(demo))

        eventually(lambda: "k6_cloud_up 1.0" in httpx.get(metrics, trust_env=False).text)
        assert "k6_cloud_test_info" in httpx.get(metrics, trust_env=False).text
        assert "checkout-soak" in httpx.get(page, trust_env=False).text
        assert httpx.get(f"{cloud}/simulator/state", trust_env=False).is_success
        assert demo.end() == 0


def test_demo_links_to_an_existing_heading(tmp_path: Path) -> None:
    page = tmp_path / "output.md"
    with Process("demo", "--web.listen-address", "127.0.0.1:0") as demo:
        link = eventually(lambda: re.search(rf"{PROJECT_URL}\S+#\S+", demo.output))

    page.write_text(f"<{link[0]}>")
    assert list(broken_links(page)) == []


def test_make_demo_prints_the_command() -> None:
    make = ["make", "--dry-run", "--no-print-directory", "demo"]
    recipe = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    printed = subprocess.run(["sh", "-c", recipe[-2]], capture_output=True, text=True, check=True).stdout

    command = recipe[-1].removesuffix(" demo")
    assert command.endswith("/python -m exporter")
    assert f" {command} " in printed


def urls(process: Process) -> list[str]:
    """Those that a line is about. Others are values of variables for other programs."""
    return re.findall(r"(?<= )http://\S+", process.output)


def test_demo_ignores_token_and_url_of_an_account() -> None:
    nowhere = {"K6_CLOUD_TOKEN": "two words", "K6_CLOUD_EXPORTER_API__URL": "http://nowhere.invalid"}
    with Process("demo", "--web.listen-address", "127.0.0.1:0", **nowhere) as demo:
        *_, metrics = eventually(lambda: urls(demo)[2:] and urls(demo))

        eventually(lambda: "k6_cloud_up 1.0" in httpx.get(metrics, trust_env=False).text)


@pytest.mark.parametrize("speed", ["0", "nan"])
def test_invalid_speed_exits_with_2(speed: str) -> None:
    result = run_exporter("demo", "--web.listen-address", "127.0.0.1:0", "--speed", speed)

    assert result.returncode == 2
    assert "--speed" in result.stderr


@pytest.mark.parametrize("history", ["30", "366d", "-1d", "long"])
def test_invalid_history_exits_with_2(history: str) -> None:
    result = run_exporter("simulator", "--web.listen-address", "127.0.0.1:0", "--history", history)

    assert result.returncode == 2
    assert "--history" in result.stderr


def test_history_of_the_simulator_can_be_exported() -> None:
    with Process("simulator", "--web.listen-address", "127.0.0.1:0", "--history", "9d") as simulator:
        settings = {"K6_CLOUD_TOKEN": "demo", "K6_CLOUD_EXPORTER_API__URL": simulator.url()}

        result = run_exporter("backfill", "--since", "10d", "--label", "job=k6", "-o", "-", **settings)

    assert result.returncode == 0, result.stderr
    families = {family.name: family for family in openmetrics(result.stdout)}
    finished = families["k6_cloud_test_runs_finished"].samples
    times = {float(sample.timestamp) for sample in finished if sample.timestamp is not None}
    assert max(times) - min(times) > 8 * 86_400


def test_backfill_writes_history_to_stdout() -> None:
    with Process("simulator", "--web.listen-address", "127.0.0.1:0", "--speed", "0.01") as simulator:
        url = eventually(simulator.url_in_output)
        settings = {"K6_CLOUD_TOKEN": "demo", "K6_CLOUD_EXPORTER_API__URL": url}

        result = run_exporter("backfill", "--since", "1d", "--label", "job=k6", "-o", "-", **settings)

    assert result.returncode == 0, result.stderr
    families = {family.name: family for family in openmetrics(result.stdout)}
    assert {sample.labels["job"] for sample in families["k6_cloud_run_status"].samples} == {"k6"}


def test_backfill_reports_all_wrong_flags(cloud: Cloud) -> None:
    result = run_exporter("backfill", "--since", "1h", "--label", "x", "-o", "-", **cloud.environment())

    assert (result.returncode, result.stdout) == (2, "")
    assert [line.split(":")[:2] for line in result.stderr.splitlines()] == [
        ["error", " --since"],
        ["error", " --label"],
    ]


def test_backfill_into_a_missing_folder_exits_with_2(cloud: Cloud) -> None:
    result = run_exporter("backfill", "--since", "1d", "-o", "/nowhere/past.om", **cloud.environment())

    assert result.returncode == 2
    assert result.stderr.startswith('error: --output: "/nowhere/past.om"')


def test_backfill_shows_progress_only_on_a_terminal(cloud: Cloud) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "exporter", "backfill", "--since", "1d", "-o", "-"]
    env = environment(TERM="xterm", COLUMNS="100", **cloud.environment())
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=theirs, timeout=60, check=False)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    os.close(theirs)

    assert "k6 Cloud" in shown
    assert "\x1b[" in shown
    assert "\x1b[" not in run_exporter("backfill", "--since", "1d", "-o", "-", **cloud.environment()).stderr
