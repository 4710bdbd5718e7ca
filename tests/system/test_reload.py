"""SIGHUP, POST /-/reload and token rotation, with a real process."""

import signal
from pathlib import Path

import httpx
import pytest

from tests.support.exporter_process import Cloud, Process
from tests.support.processes import eventually

ANY_PORT = ("--web.listen-address", "127.0.0.1:0")
FAST_POLLING = {
    "K6_CLOUD_EXPORTER_POLL__INTERVAL": "100ms",
    "K6_CLOUD_EXPORTER_POLL__IDLE_INTERVAL": "100ms",
    "K6_CLOUD_EXPORTER_API__REQUESTS_PER_MINUTE": "100000",
}
RELOADED = "k6_cloud_exporter_config_last_reload_successful"


def watched_tests(process: Process) -> float | None:
    return process.value("k6_cloud_exporter_tests")


@pytest.mark.parametrize("trigger", ["SIGHUP", "POST"])
def test_changed_file_applies_at_once(cloud: Cloud, tmp_path: Path, trigger: str) -> None:
    first, second, *_ = cloud.test_ids()
    file = tmp_path / "config.yaml"
    file.write_text(f"tests: [{{id: {first}}}]")
    with Process("--config.file", str(file), *ANY_PORT, **cloud.environment()) as process:
        url = process.ready()
        assert watched_tests(process) == 1

        file.write_text(f"tests: [{{id: {first}}}, {{id: {second}}}]\nlog: {{format: json}}")
        if trigger == "SIGHUP":
            process.send(signal.SIGHUP)
        else:
            assert httpx.post(url + "/-/reload", trust_env=False).status_code == 200

        # An idle exporter would poll only after a minute.
        assert eventually(lambda: watched_tests(process) == 2)
        assert '"msg": "configuration reloaded"' in process.log


@pytest.mark.parametrize("trigger", ["SIGHUP", "POST"])
def test_invalid_file_is_rejected_and_logged(cloud: Cloud, tmp_path: Path, trigger: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"tests: [{{id: {cloud.test_ids()[0]}}}]")
    with Process("--config.file", str(file), *ANY_PORT, **cloud.environment(**FAST_POLLING)) as process:
        url = process.ready()

        file.write_text("tests: [{id: one}]\nruns: {keep: -1}")
        places = (f"{file}: tests[0].id: ", f"{file}: runs.keep: ")
        if trigger == "SIGHUP":
            process.send(signal.SIGHUP)
        else:
            answer = httpx.post(url + "/-/reload", trust_env=False)
            assert answer.status_code == 500
            lines = answer.text.splitlines()[1:]
            assert [line.startswith(place) for line, place in zip(lines, places, strict=True)] == [True, True]

        assert eventually(lambda: process.value(RELOADED) == 0)
        assert all(place in process.log for place in places)
        assert watched_tests(process) == 1
        assert process.value("k6_cloud_up") == 1


def test_no_poll_fails_after_token_rotation(cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("demo")
    environment = cloud.environment(K6_CLOUD_EXPORTER_API__TOKEN_FILE=str(file), **FAST_POLLING)
    del environment["K6_CLOUD_TOKEN"]
    with Process(*ANY_PORT, **environment) as process:

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
