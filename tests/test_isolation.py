"""The tests do not depend on the shell that starts them nor on pytest-xdist, and use no common port."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.isolation import clear_environment
from tests.support.processes import free_port

ROOT = Path(__file__).parent.parent
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")

# Variables that a developer may have set. Each would break a test that inherits it.
SHELL = {
    **dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"), "socks5://x:1"),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), "fd00::/8"),
    **dict.fromkeys(("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE", "K6_CLOUD_TOKEN_FILE"), "/missing/a"),
    "K6_CLOUD_TOKEN": "",
    "K6_CLOUD_STACK_ID": "7",
    "K6_CLOUD_EXPORTER_API__URL": "http://x.invalid",
    "WEB_CONCURRENCY": "auto",
    "PROMETHEUS_MULTIPROC_DIR": "/missing",
    "PYTHONIOENCODING": "latin-1",
    "FORCE_COLOR": "1",
    "NO_COLOR": "1",
    "COLUMNS": "20",
    "HELM_NAMESPACE": "elsewhere",
}


def run_pytest(*arguments: str, ignored: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Run some tests in a process that ignores the given signals (names as for `trap`)."""
    trap = f'trap "" {ignored}; ' if ignored else ""
    return subprocess.run(
        ["sh", "-c", f'{trap}exec "$@"', "sh", *PYTEST, *arguments],
        cwd=ROOT,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("processes", [("-p", "no:xdist"), ("--numprocesses=1",)], ids=["alone", "xdist"])
def test_signals_ignored_by_the_shell_reach_children(processes: tuple[str, ...]) -> None:
    if "--numprocesses=1" in processes:
        pytest.importorskip("xdist")
    selected = ("tests/system/test_runs.py", "-k", "signal_leaves")

    done = run_pytest(*processes, *selected, ignored="INT HUP QUIT TERM")

    assert (done.returncode, "2 passed" in done.stdout) == (0, True), done.stdout


def test_variables_of_the_shell_do_not_reach_tests() -> None:
    selected = ("tests/k6/test_other_hosts.py", "tests/system/test_runs.py", "-k", "redirect or wrong_usage")

    done = run_pytest("-p", "no:xdist", *selected, **SHELL)

    assert done.returncode == 0, done.stdout


def test_clear_environment_removes_settings_and_nothing_else() -> None:
    kept = {"PATH": "/bin", "HOME": "/", "CI": "true", "TZ": "UTC", "UPDATE_GOLDEN": "1", "PYTHONPATH": "."}
    environ = SHELL | kept

    clear_environment(environ)

    assert environ == kept


def test_tests_run_without_pytest_xdist() -> None:
    done = run_pytest("-p", "no:xdist", "tests/k6/test_bounds.py")

    assert done.returncode == 0, done.stdout


def test_free_port_is_reserved() -> None:
    port = free_port()

    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    # asyncio, uvicorn and Go's net package can listen on it, since they set SO_REUSEADDR.
    with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
        pass
