"""SIGHUP, POST /-/reload and a token that is rotated, in a process of its own."""

import signal
from pathlib import Path

import httpx
import pytest

from tests.support.exporter_process import Cloud, Process
from tests.support.processes import eventually

HERE = ("--web.listen-address", "127.0.0.1:0")
OFTEN = {
    "K6_CLOUD_EXPORTER_POLL__INTERVAL": "100ms",
    "K6_CLOUD_EXPORTER_POLL__IDLE_INTERVAL": "100ms",
    "K6_CLOUD_EXPORTER_API__REQUESTS_PER_MINUTE": "100000",
}
RELOADED = "k6_cloud_exporter_config_last_reload_successful"


def watched_by(process: Process) -> float | None:
    return process.value("k6_cloud_exporter_tests")


@pytest.mark.parametrize("way", ["SIGHUP", "POST"])
def test_a_changed_file_is_in_force_at_once(cloud: Cloud, tmp_path: Path, way: str) -> None:
    first, second, *_ = cloud.test_ids()
    file = tmp_path / "config.yaml"
    file.write_text(f"tests: [{{id: {first}}}]")
    with Process("--config.file", str(file), *HERE, **cloud.environment()) as process:
        url = process.ready()
        assert watched_by(process) == 1

        file.write_text(f"tests: [{{id: {first}}}, {{id: {second}}}]\nlog: {{format: json}}")
        if way == "SIGHUP":
            process.send(signal.SIGHUP)
        else:
            assert httpx.post(url + "/-/reload", trust_env=False).status_code == 200

        # Long before the minute that an idle exporter waits.
        assert eventually(lambda: watched_by(process) == 2)
        assert '"msg": "the configuration was read again"' in process.log


@pytest.mark.parametrize("way", ["SIGHUP", "POST"])
def test_a_broken_file_is_refused_with_its_sentences(cloud: Cloud, tmp_path: Path, way: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"tests: [{{id: {cloud.test_ids()[0]}}}]")
    with Process("--config.file", str(file), *HERE, **cloud.environment(**OFTEN)) as process:
        url = process.ready()

        file.write_text("tests: [{id: one}]\nruns: {keep: -1}")
        sentences = (
            'tests[0].id: "one" is not a whole number; write one like 10',
            "runs.keep: -1 is too small; the least is 0",
        )
        if way == "SIGHUP":
            process.send(signal.SIGHUP)
        else:
            answer = httpx.post(url + "/-/reload", trust_env=False)
            assert answer.status_code == 500
            assert answer.text.splitlines()[1:] == list(sentences)

        assert eventually(lambda: process.value(RELOADED) == 0)
        assert all(sentence.replace('"', '\\"') in process.log for sentence in sentences)
        assert watched_by(process) == 1
        assert process.value("k6_cloud_up") == 1


def test_after_a_token_is_rotated_in_its_file_no_poll_fails(cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("demo")
    environment = cloud.environment(K6_CLOUD_EXPORTER_API__TOKEN_FILE=str(file), **OFTEN)
    del environment["K6_CLOUD_TOKEN"]
    with Process(*HERE, **environment) as process:

        def polls(outcome: str) -> float:
            return process.value(f'k6_cloud_exporter_polls_total{{outcome="{outcome}"}}') or 0

        process.ready()
        cloud.admit("new")
        eventually(lambda: polls("failure") > 0)
        file.write_text("new")
        eventually(lambda: process.value("k6_cloud_up") == 1)
        failed, succeeded = polls("failure"), polls("success")
        eventually(lambda: polls("success") > succeeded + 5)

        assert polls("failure") == failed
        assert "new" not in process.log.replace("renewed", "")
