"""The process around a command: standard streams, signals and variables of the environment."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.exporter_process import (
    COMMAND_TIMEOUT,
    STOP_TIMEOUT,
    Cloud,
    Process,
    environment,
    run_exporter,
)
from tests.support.processes import eventually, exporter_command, free_port

ANY_PORT = ("--web.listen-address", "127.0.0.1:0")
# Each with a value that the library that reads it cannot use, or with which it leaves something out.
VARIABLES = {
    "WEB_CONCURRENCY": "auto",
    "FORWARDED_ALLOW_IPS": "nowhere",
    "PROMETHEUS_MULTIPROC_DIR": "/missing",
    "prometheus_multiproc_dir": "/missing",
    "PROMETHEUS_DISABLE_CREATED_SERIES": "maybe",
    "PROMETHEUS_LEGACY_NAME_VALIDATION": "maybe",
    "COLUMNS": "wide",
    "LINES": "-1",
    "TERM": "",
    "FORCE_COLOR": "maybe",
    "TTY_COMPATIBLE": "maybe",
    "UNICODE_VERSION": "none",
    "TZ": "Nowhere/Else",
    "LANG": "xx_YY.none",
    "LC_ALL": "C",
}


def test_variables_of_libraries_are_ignored(cloud: Cloud) -> None:
    with Process(*ANY_PORT, **cloud.environment(**VARIABLES)) as process:
        process.ready()
        assert process.value("k6_cloud_up") == 1
        assert process.value("process_open_fds")
        assert "Nowhere" not in process.log
        assert process.end() == 0
    listed = run_exporter("runs", "list", **cloud.environment(**VARIABLES))
    assert (listed.returncode, listed.stderr) == (0, "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16"])
@pytest.mark.parametrize("command", [("check",), ("once",), ("runs", "list")], ids=" ".join)
def test_output_encoding_causes_no_failure(command: tuple[str, ...], encoding: str, cloud: Cloud) -> None:
    given = cloud.environment(PYTHONIOENCODING=encoding, K6_CLOUD_EXPORTER_TESTS="[{include: 'soak|日本'}]")
    result = subprocess.run(
        exporter_command(*command),
        env=environment(**given),
        capture_output=True,
        timeout=COMMAND_TIMEOUT,
        check=False,
    )

    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout


def test_unsupported_characters_are_replaced(cloud: Cloud) -> None:
    given = cloud.environment(PYTHONIOENCODING="latin-1", K6_CLOUD_EXPORTER_TESTS="[{include: '日本'}]")

    result = run_exporter("check", **given)

    assert (result.returncode, result.stderr) == (1, "")
    assert "include '??'" in result.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("once",), 74),
        (("check",), 74),
        (("--help",), 74),
        (("--version",), 74),
        (("runs", "list"), 3),
        (("demo", *ANY_PORT), 74),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_full_disk_is_one_sentence(command: tuple[str, ...], code: int, cloud: Cloud) -> None:
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            exporter_command(*command),
            env=environment(**cloud.environment()),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=COMMAND_TIMEOUT,
            check=False,
        )

    assert result.returncode == code
    assert "No space left on device" in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("module", ["exporter.cli", "click", "pydantic", "re2", "httpx"])
def test_interrupt_during_imports_is_silent(module: str) -> None:
    program = f"""
import os, signal, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == "{module}":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from exporter.__main__ import main
main()
"""
    result = subprocess.run(
        [sys.executable, "-c", program, "check"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT,
        check=False,
    )

    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")


@pytest.mark.parametrize(
    "command",
    [("check",), ("once",), ("backfill", "--since", "1d", "-o", "-"), ("runs", "list")],
    ids=lambda command: command[0],
)
def test_interrupt_during_a_request_exits_with_130(command: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as cloud:
        url = f"http://127.0.0.1:{cloud.getsockname()[1]}"
        process = subprocess.Popen(
            exporter_command(*command),
            env=environment(K6_CLOUD_TOKEN="demo", K6_CLOUD_EXPORTER_API__URL=url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        cloud.settimeout(COMMAND_TIMEOUT)
        with cloud.accept()[0]:
            process.send_signal(signal.SIGINT)
            output, error = process.communicate(timeout=STOP_TIMEOUT)

    assert (process.returncode, output, error) == (130, "", "")


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&-", "1>&- 2>&-", "0<&- 1>&- 2>&-"])
def test_closed_standard_streams_change_nothing(closed: str, cloud: Cloud) -> None:
    port = free_port()
    command = exporter_command("--web.listen-address", f"127.0.0.1:{port}")
    process = subprocess.Popen(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *command], env=environment(**cloud.environment())
    )
    try:
        url = f"http://127.0.0.1:{port}/-/ready"
        eventually(lambda: httpx.get(url, trust_env=False).is_success)
        process.terminate()
        assert process.wait(STOP_TIMEOUT) == 0
    finally:
        process.kill()
        process.wait()
