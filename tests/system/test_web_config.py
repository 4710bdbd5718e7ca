"""--web.config.file from the first flag to the last answer."""

import socket
from pathlib import Path

import httpx
import pytest
import trustme

from tests.support.certificates import CHEAP_HASH, create_client_context, issue_certificate
from tests.support.exporter_process import Cloud, Process, finished
from tests.support.processes import eventually

HERE = ("--web.listen-address", "127.0.0.1:0")
BOTH = f"""\
tls_server_config: {{cert_file: tls.crt, key_file: tls.key}}
basic_auth_users: {{alice: {CHEAP_HASH}}}
"""
SERIES = "k6_cloud_exporter_web_config_last_reload_successful"


def test_certificates_and_passwords_change_without_a_restart(cloud: Cloud, tmp_path: Path) -> None:
    authority, file = trustme.CA(), tmp_path / "web.yml"
    issue_certificate(tmp_path, authority)
    file.write_text(BOTH)
    with (
        Process("--web.config.file", str(file), *HERE, **cloud.environment()) as process,
        httpx.Client(verify=create_client_context(authority, tmp_path / "none"), trust_env=False) as scraper,
    ):
        url = process.url()
        assert url.startswith("https://127.0.0.1:")
        eventually(lambda: scraper.get(f"{url}/-/ready").is_success)

        def page(password: str) -> str:
            answer = scraper.get(f"{url}/metrics", auth=("alice", password))
            return answer.text if answer.is_success else f"{answer.status_code}"

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
            "info",  # listening
            "warning",  # half a key
            "info",  # read again
        ]


def test_answers_that_nobody_can_get_any_more_fill_no_log(cloud: Cloud, tmp_path: Path) -> None:
    authority, file = trustme.CA(), tmp_path / "web.yml"
    issue_certificate(tmp_path, authority)
    file.write_text("tls_server_config: {cert_file: tls.crt, key_file: tls.key}")
    scraper = create_client_context(authority, tmp_path / "none")
    with Process("--web.config.file", str(file), *HERE, **cloud.environment()) as process:
        url = httpx.URL(process.url())
        ready = url.join("/-/ready")
        eventually(lambda: httpx.get(ready, verify=scraper, trust_env=False).is_success)
        for _ in range(20):
            plain = socket.create_connection((url.host, url.port or 443))
            with scraper.wrap_socket(plain, server_hostname="localhost") as visitor:
                # What follows the requests ends the connection before they are answered.
                visitor.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + b"!\r\n\r\n")
                visitor.recv(1)
        assert httpx.get(ready, verify=scraper, trust_env=False).is_success

        process.end()
        assert len(process.log.splitlines()) == 1  # that it listens


@pytest.mark.parametrize("command", ["serve", "check"])
def test_every_mistake_in_the_file_is_told_and_the_exit_code_is_2(
    command: str, cloud: Cloud, tmp_path: Path
) -> None:
    file = tmp_path / "web.yml"
    file.write_text("basic_auth_users: {alice: canary}\nzebra: 1")

    answer = finished(command, **cloud.environment(K6_CLOUD_EXPORTER_WEB__CONFIG_FILE=str(file)))

    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr == (
        f"error: {file}: basic_auth_users.alice: not a bcrypt hash; create one with htpasswd -nB NAME\n"
        f"error: {file}: zebra: there is no such setting\n"
    )


def test_a_missing_file_is_told(cloud: Cloud, tmp_path: Path) -> None:
    answer = finished("--web.config.file", str(tmp_path / "none.yml"), *HERE, **cloud.environment())

    assert answer.returncode == 2
    assert answer.stderr == (
        f"error: web.config_file: cannot read {tmp_path / 'none.yml'}: No such file or directory\n"
    )
