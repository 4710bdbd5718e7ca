"""The web configuration with a real process."""

import socket
from pathlib import Path

import httpx
import pytest
import trustme

from tests.support.certificates import CHEAP_HASH, create_client_context, issue_certificate
from tests.support.exporter_process import Cloud, Process, run_exporter
from tests.support.processes import eventually

ANY_PORT = ("--web.listen-address", "127.0.0.1:0")
BOTH = f"""\
tls_server_config: {{cert_file: tls.crt, key_file: tls.key}}
basic_auth_users: {{alice: {CHEAP_HASH}}}
"""
SERIES = "k6_cloud_exporter_web_config_last_reload_successful"


def test_certificate_and_password_reload(cloud: Cloud, tmp_path: Path) -> None:
    authority, file = trustme.CA(), tmp_path / "web.yml"
    issue_certificate(tmp_path, authority)
    file.write_text(BOTH)
    with (
        Process("--web.config.file", str(file), *ANY_PORT, **cloud.environment()) as process,
        httpx.Client(verify=create_client_context(authority, tmp_path / "none"), trust_env=False) as scraper,
    ):
        url = process.url()
        assert url.startswith("https://127.0.0.1:")
        eventually(lambda: scraper.get(f"{url}/-/ready").is_success)

        def page(password: str) -> str:
            result = scraper.get(f"{url}/metrics", auth=("alice", password))
            return result.text if result.is_success else f"{result.status_code}"

        assert f"\n{SERIES} 1.0\n" in page("right")
        assert page("wrong") == "401"
        assert scraper.get(url).status_code == 401

        (tmp_path / "tls.key").write_text("half a ")
        eventually(lambda: f"\n{SERIES} 0.0\n" in page("right"))
        file.write_text(BOTH.replace("alice", "bob"))
        issue_certificate(tmp_path, authority)
        eventually(lambda: page("right") == "401")
        assert scraper.get(url, auth=("bob", "right")).is_success

        assert process.end() == 0
        assert [line.split(" level=")[1].split()[0] for line in process.log.splitlines()] == [
            "info",  # starting
            "info",  # listening
            "info",  # tests discovered
            "warning",  # half a key
            "info",  # read again
            "info",  # shutting down
        ]


def test_closed_tls_connections_are_not_logged(cloud: Cloud, tmp_path: Path) -> None:
    authority, file = trustme.CA(), tmp_path / "web.yml"
    issue_certificate(tmp_path, authority)
    file.write_text("tls_server_config: {cert_file: tls.crt, key_file: tls.key}")
    tls = create_client_context(authority, tmp_path / "none")
    with Process("--web.config.file", str(file), *ANY_PORT, **cloud.environment()) as process:
        url = httpx.URL(process.url())
        ready = url.join("/-/ready")
        eventually(lambda: httpx.get(ready, verify=tls, trust_env=False).is_success)
        for _ in range(20):
            plain = socket.create_connection((url.host, url.port or 443))
            with tls.wrap_socket(plain, server_hostname="localhost") as connection:
                # The malformed end closes the connection before the requests are answered.
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + b"!\r\n\r\n")
                connection.recv(1)
        assert httpx.get(ready, verify=tls, trust_env=False).is_success

        process.end()
        assert "level=warning" not in process.log
        assert "level=error" not in process.log


@pytest.mark.parametrize("command", ["serve", "check"])
def test_invalid_web_config_exits_with_2(command: str, cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    file.write_text("basic_auth_users: {alice: canary}\nzebra: 1")

    result = run_exporter(command, **cloud.environment(K6_CLOUD_EXPORTER_WEB__CONFIG_FILE=str(file)))

    assert (result.returncode, result.stdout) == (2, "")
    first, second = result.stderr.splitlines()
    assert first.startswith(f"error: {file}: basic_auth_users.alice: ")
    assert second.startswith(f"error: {file}: zebra: ")
    assert "canary" not in result.stderr


def test_missing_web_config_exits_with_2(cloud: Cloud, tmp_path: Path) -> None:
    result = run_exporter("--web.config.file", str(tmp_path / "none.yml"), *ANY_PORT, **cloud.environment())

    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert f"{tmp_path / 'none.yml'}: No such file or directory\n" in result.stderr
