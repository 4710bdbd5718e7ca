"""Commands that end by themselves: what they print, and their exit codes."""

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

from exporter import __version__
from tests.support.exporter_process import Cloud, Process, environment, finished
from tests.support.processes import eventually

NO_TEST = "999999"


def test_the_command_is_installed_beside_python() -> None:
    command = Path(sys.executable).with_name("k6-cloud-exporter")

    answer = subprocess.run(
        [command, "--version"], env=environment(), capture_output=True, text=True, check=True
    )

    assert answer.stdout == f"k6-cloud-exporter, version {__version__}\n"


def test_help_lists_the_commands_and_how_serving_is_configured() -> None:
    answer = finished("--help")

    assert answer.returncode == 0
    for command in ("serve", "demo", "simulator", "check", "once", "backfill"):
        assert f"  {command} " in answer.stdout
    assert "--web.listen-address" in finished("serve", "--help").stdout


def test_a_misspelt_command_is_named() -> None:
    answer = finished("chek")

    assert answer.returncode == 2
    assert "No such command 'chek'" in answer.stderr


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_configuration_with_mistakes_ends_with_2_and_a_line_for_each(
    command: str, cloud: Cloud, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("poll: {interval: 10}\nzebra: 1")

    answer = finished(command, "--config.file", str(file), "--log.level", "loud", **cloud.environment())

    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr.splitlines() == [
        'error: poll.interval: 10 has no unit; write "10s"',
        "error: log.level: \"loud\" is not one of 'debug', 'info', 'warning' or 'error'",
        "error: zebra: there is no such setting",
    ]


def test_flags_for_tests_are_checked_like_the_file(cloud: Cloud) -> None:
    answer = finished("check", "--test", "0", "--project", "-1", **cloud.environment())

    assert answer.returncode == 2
    assert answer.stderr.splitlines() == [
        "error: tests[0].id: 0 is too small; the least is 1",
        "error: tests[1].project: -1 is too small; the least is 1",
    ]


def test_check_says_which_tests_are_meant_and_ends_with_0(cloud: Cloud) -> None:
    test_id = cloud.test_ids()[0]

    answer = finished("check", "--test", str(test_id), **cloud.environment())

    assert (answer.returncode, answer.stderr) == (0, "")
    lines = answer.stdout.splitlines()
    assert lines[:5] == [
        f"token        accepted by {cloud.url}",
        "api          legacy, for there is no stack id; set K6_CLOUD_STACK_ID for v6, which needs fewer "
        "requests",
        "tests        1",
        "by           id: 1 test",
        f"             {test_id} checkout-soak (project 30002)",
    ]
    assert int(lines[5].removeprefix("series       ")) > 30
    assert lines[6] == "first poll   2 requests"
    assert lines[7] == (
        "requests     61 an hour while no run moves: 1 every 1m, plus 0.1 for each look at which tests there "
        "are, every 5m"
    )
    assert re.fullmatch(
        r"             up to (48|72)1 an hour while (one run moves|2 runs move, as now): 1 every 15s, and "
        r"one more for each of them",
        lines[8],
    )
    assert lines[9:] == ["             never more than 18000: api.requests_per_minute"]


def test_check_prints_names_on_a_terminal_that_lacks_their_letters(cloud: Cloud) -> None:
    answer = finished("check", **cloud.environment(PYTHONIOENCODING="ascii"))

    assert (answer.returncode, answer.stderr) == (0, "")
    assert "400004 größentabelle-smoke" in answer.stdout


def test_check_with_a_wrong_token_says_what_to_do_and_ends_with_1(cloud: Cloud) -> None:
    answer = finished("check", **cloud.environment(K6_CLOUD_TOKEN="canary"))

    assert (answer.returncode, answer.stderr) == (1, "")
    assert answer.stdout.splitlines() == [
        "token        k6 Cloud refuses the token (401 at GET /v3/organizations: Invalid token); "
        "put a valid one into K6_CLOUD_TOKEN, or into the file that api.token_file names",
        "api          legacy, for there is no stack id; set K6_CLOUD_STACK_ID for v6, which needs fewer "
        "requests",
        "series       0",
        "first poll   1 request",
    ]


def test_check_of_a_test_that_is_not_found_names_it_and_ends_with_1(cloud: Cloud) -> None:
    test_id = str(cloud.test_ids()[0])

    answer = finished("check", "--test", test_id, "--test", NO_TEST, **cloud.environment())

    assert (answer.returncode, answer.stderr) == (1, "")
    assert f"token        accepted by {cloud.url}\n" in answer.stdout
    assert (
        f"not found    test {NO_TEST}: k6 Cloud has no such test, or the token cannot see it\n"
        in answer.stdout
    )
    assert "no tests" not in answer.stdout


def test_check_without_any_test_says_so_and_ends_with_1(cloud: Cloud) -> None:
    answer = finished("check", **cloud.environment(K6_CLOUD_EXPORTER_TESTS="[{include: zebra}]"))

    assert answer.returncode == 1
    assert "not found    include 'zebra': none of 13 tests has such a name\n" in answer.stdout
    assert "no tests     the token sees none, or none that the configuration means\n" in answer.stdout


def test_check_says_what_may_have_been_meant(cloud: Cloud) -> None:
    test_id = cloud.test_ids()[0]
    entries = f"[{{id: {test_id}}}, {{id: 30002}}, {{include: ^Checkout}}, {{project: {test_id}}}]"

    answer = finished("check", **cloud.environment(K6_CLOUD_EXPORTER_TESTS=entries, K6_CLOUD_STACK_ID="1"))

    assert answer.returncode == 1
    lost = [line for line in answer.stdout.splitlines() if line.startswith("not found")]
    assert lost == [
        "not found    test 30002: 30002 is the id of a project; write project: 30002, or --project 30002",
        f"not found    include '^Checkout': but for capitals it fits {test_id} checkout-soak; "
        "write (?i)^Checkout",
        f"not found    project {test_id}: {test_id} is the id of test checkout-soak; "
        f"write id: {test_id}, or --test {test_id}",
    ]
    assert "api          v6, for there is the id of a stack: 1\n" in answer.stdout


def test_check_of_a_shard_says_whose_tests_it_tells(cloud: Cloud) -> None:
    answer = finished("check", "--shard", "1", "--total-shards", "2", **cloud.environment())

    assert answer.returncode == 0
    told = re.search("tests        (\\d+), those of shard 1 of 2\n", answer.stdout)
    assert told
    assert 0 < int(told[1]) < len(cloud.test_ids())


def test_check_with_the_id_of_another_stack_asks_about_it(cloud: Cloud) -> None:
    answer = finished("check", **cloud.environment(K6_CLOUD_STACK_ID="2"))

    assert answer.returncode == 1
    first, second, *_ = answer.stdout.splitlines()
    assert first.startswith("failed       the token may not do this (403 at GET /cloud/v6/load_tests")
    assert second == "             is 2 the id of your stack?"


def test_once_prints_what_a_scrape_would_get_and_ends_with_0(cloud: Cloud) -> None:
    answer = finished("once", **cloud.environment())

    assert (answer.returncode, answer.stderr) == (0, "")
    families = {family.name: family for family in parsed(answer.stdout)}
    assert [sample.value for sample in families["k6_cloud_up"].samples] == [1.0]
    assert len(families["k6_cloud_test_info"].samples) == len(cloud.test_ids())
    assert "größentabelle-smoke" in answer.stdout


def test_once_with_a_wrong_token_prints_metrics_that_say_so_and_ends_with_1(cloud: Cloud) -> None:
    answer = finished("once", **cloud.environment(K6_CLOUD_TOKEN="canary"))

    assert answer.returncode == 1
    families = {family.name: family for family in parsed(answer.stdout)}
    assert [sample.value for sample in families["k6_cloud_up"].samples] == [0.0]
    assert families["k6_cloud_test_info"].samples == []
    assert answer.stderr.count("\n") == 1
    assert "reason=unauthorized" in answer.stderr


def test_once_of_a_test_that_is_not_found_counts_it(cloud: Cloud) -> None:
    answer = finished("once", "--test", NO_TEST, **cloud.environment())

    assert answer.returncode == 0
    assert "\nk6_cloud_exporter_tests_unresolved 1.0\n" in answer.stdout


def test_demo_prints_urls_and_serves_there() -> None:
    with Process("demo", "--web.listen-address", "127.0.0.1:0") as demo:
        cloud, page, metrics = eventually(lambda: urls(demo)[2:] and urls(demo))

        eventually(lambda: "k6_cloud_up 1.0" in httpx.get(metrics, trust_env=False).text)
        assert "k6_cloud_test_info" in httpx.get(metrics, trust_env=False).text
        assert "checkout-soak" in httpx.get(page, trust_env=False).text
        assert httpx.get(f"{cloud}/simulator/truth", trust_env=False).is_success
        assert demo.end() == 0


def urls(process: Process) -> list[str]:
    return re.findall(r"http://\S+", process.output)


def test_demo_ignores_token_and_url_of_an_account() -> None:
    nowhere = {"K6_CLOUD_TOKEN": "two words", "K6_CLOUD_EXPORTER_API__URL": "http://nowhere.invalid"}
    with Process("demo", "--web.listen-address", "127.0.0.1:0", **nowhere) as demo:
        *_, metrics = eventually(lambda: urls(demo)[2:] and urls(demo))

        eventually(lambda: "k6_cloud_up 1.0" in httpx.get(metrics, trust_env=False).text)


@pytest.mark.parametrize("speed", ["0", "nan"])
def test_a_speed_that_makes_no_sense_is_refused(speed: str) -> None:
    answer = finished("demo", "--web.listen-address", "127.0.0.1:0", "--speed", speed)

    assert answer.returncode == 2
    assert "Invalid value for '--speed'" in answer.stderr


def test_backfill_writes_the_past_to_standard_output_and_ends_with_0() -> None:
    with Process("simulator", "--web.listen-address", "127.0.0.1:0", "--speed", "0.01") as simulator:
        given = {"K6_CLOUD_TOKEN": "demo", "K6_CLOUD_EXPORTER_API__URL": eventually(simulator.url_in_output)}

        answer = finished("backfill", "--since", "1d", "--label", "job=k6", "-o", "-", **given)

    assert answer.returncode == 0, answer.stderr
    families = {family.name: family for family in openmetrics(answer.stdout)}
    assert {sample.labels["job"] for sample in families["k6_cloud_run_status"].samples} == {"k6"}
    assert "samples of 13 tests and" in answer.stderr


def test_backfill_tells_every_mistake_and_ends_with_2(cloud: Cloud) -> None:
    answer = finished("backfill", "--since", "1h", "--label", "x", "-o", "-", **cloud.environment())

    assert (answer.returncode, answer.stdout) == (2, "")
    assert [line.split(":")[:2] for line in answer.stderr.splitlines()] == [
        ["error", " --since"],
        ["error", " --label"],
    ]


def test_backfill_without_the_folder_says_so_before_it_asks(cloud: Cloud) -> None:
    answer = finished("backfill", "--since", "1d", "-o", "/nowhere/past.om", **cloud.environment())

    assert answer.returncode == 2
    assert answer.stderr.startswith('error: --output: "/nowhere/past.om" cannot be a file')


def test_backfill_shows_a_bar_on_a_terminal_and_none_elsewhere(cloud: Cloud) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "exporter", "backfill", "--since", "1d", "-o", "-"]
    given = environment(TERM="xterm", COLUMNS="100", **cloud.environment())
    subprocess.run(command, env=given, stdout=subprocess.DEVNULL, stderr=theirs, timeout=20, check=False)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    os.close(theirs)

    assert "asking k6 Cloud" in shown
    assert "\x1b[" in shown
    assert (
        "asking k6 Cloud"
        not in finished("backfill", "--since", "1d", "-o", "-", **cloud.environment()).stderr
    )
