"""Who gets what, and what happens when the file changes."""

import asyncio
import logging
import os
from pathlib import Path

import httpx
import pytest
import trustme

from exporter.config import ConfigError
from exporter.web.security import WebConfigMiddleware, is_public_path
from tests.support.certificates import CHEAP, issue
from tests.support.lab import ManualClock
from tests.support.tcp_client import greet, until

ALICE = ("alice", "right")
USERS = f"basic_auth_users: {{alice: {CHEAP}}}\n"
TLS = "tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n"


class Door:
    """A guard before a small app, and the file that it reads."""

    def __init__(self, folder: Path, content: str) -> None:
        self.now = ManualClock()
        self.file = folder / "web.yml"
        self.file.write_text(content)
        self.guard = WebConfigMiddleware(self.file, self.now.clock)
        self.app = self.guard.wrap(greet)

    def ask(self, path: str = "/metrics", method: str = "GET", **given: object) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://exporter.test") as client:
                return await client.request(method, path, **given)  # type: ignore[arg-type]  # auth, headers

        return asyncio.run(ask())

    def write(self, content: str) -> None:
        self.file.write_text(content)
        self.look()

    def look(self) -> None:
        """As often as it takes to find a change that has come to rest."""
        self.guard.reload_if_changed()
        self.guard.reload_if_changed()


def test_without_credentials_or_with_wrong_ones_nothing_is_told_but_how_to_give_them(tmp_path: Path) -> None:
    door = Door(tmp_path, USERS)

    for auth in (None, ("alice", "wrong"), ("bob", "right")):
        answer = door.ask(auth=auth)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="k6-cloud-exporter", charset="UTF-8"'
        assert answer.text == "A user name and a password are needed.\n"
    assert door.ask(auth=ALICE).text == "/metrics"


@pytest.mark.parametrize(
    ("method", "path", "is_open"),
    [
        ("GET", "/-/healthy", True),
        ("HEAD", "/-/ready", True),
        ("POST", "/-/ready", False),
        ("POST", "/-/reload", False),
        ("GET", "/-/healthy/", False),
        ("GET", "/-/../metrics", False),
        ("GET", "/", False),
        ("GET", "/metrics", False),
        ("GET", "/nowhere", False),
    ],
)
def test_probes_need_no_password_and_everything_else_does(
    method: str, path: str, is_open: bool, tmp_path: Path
) -> None:
    door = Door(tmp_path, USERS)

    assert door.ask(path, method).status_code == (200 if is_open else 401)


def test_a_webhook_needs_no_password_for_its_path_is_one(tmp_path: Path) -> None:
    door = Door(tmp_path, USERS)
    door.app = door.guard.wrap(greet, is_public_path)

    asked = [("POST", "/webhook/x"), ("GET", "/-/ready"), ("GET", "/webhook/x"), ("POST", "/-/reload")]
    assert [door.ask(path, method).status_code for method, path in asked] == [200, 200, 401, 401]


def test_without_users_everybody_is_let_in(tmp_path: Path) -> None:
    assert Door(tmp_path, "").ask().status_code == 200


def test_headers_are_added_to_every_answer_and_replace_those_of_the_app(tmp_path: Path) -> None:
    headers = '{Strict-Transport-Security: max-age=1, X-Frame-Options: deny, X-XSS-Protection: ""}'
    door = Door(tmp_path, USERS + f"http_server_config: {{headers: {headers}}}")

    for answer in (door.ask(), door.ask(auth=ALICE), door.ask("/-/healthy")):
        assert answer.headers["Strict-Transport-Security"] == "max-age=1"
        assert answer.headers["X-Frame-Options"] == "deny"
        assert "X-XSS-Protection" not in answer.headers
    door.write(USERS + "http_server_config: {headers: {}}")
    assert "X-Frame-Options" not in door.ask().headers


def test_more_requests_than_allowed_are_refused_until_the_bucket_fills(tmp_path: Path) -> None:
    door = Door(tmp_path, "rate_limit: {interval: 2s, burst: 3}")

    assert [door.ask().status_code for _ in range(4)] == [200, 200, 200, 429]
    assert door.ask("/-/healthy").status_code == 200
    door.now.value += 2.1
    assert [door.ask().status_code for _ in range(2)] == [200, 429]
    door.now.value += 3600
    assert [door.ask().status_code for _ in range(4)] == [200, 200, 200, 429]


def test_a_changed_password_counts_and_the_old_one_is_forgotten(tmp_path: Path) -> None:
    door = Door(tmp_path, USERS)
    assert door.ask(auth=ALICE).status_code == 200
    door.write(USERS.replace("alice", "bob"))

    assert door.ask(auth=ALICE).status_code == 401
    assert door.ask(auth=("bob", "right")).status_code == 200


def test_who_is_known_stays_known_when_a_certificate_rotates(tmp_path: Path) -> None:
    issue(tmp_path, trustme.CA())
    door = Door(tmp_path, USERS + TLS)
    assert door.ask(auth=ALICE).status_code == 200
    before = door.guard.tls()
    issue(tmp_path, trustme.CA())
    door.look()
    assert door.guard.tls() is not before

    door.guard._executor.shutdown()  # so that no password can be checked any more
    assert door.ask(auth=ALICE).status_code == 200


def test_a_change_counts_only_when_it_has_come_to_rest(tmp_path: Path) -> None:
    door = Door(tmp_path, USERS)
    door.file.write_text("")
    door.guard.reload_if_changed()
    door.file.write_text(USERS.replace("alice", "bob"))
    door.guard.reload_if_changed()
    assert door.ask(auth=ALICE).status_code == 200
    door.guard.reload_if_changed()

    assert door.ask(auth=ALICE).status_code == 401
    assert door.guard.is_good


def test_a_broken_file_leaves_the_old_one_in_force_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    door = Door(tmp_path, USERS)
    with caplog.at_level(logging.INFO):
        door.write("basic_auth_users: {alice: canary}\nzebra: 1")
        door.look()

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert vars(caplog.records[0])["reason"] == (
        f"{door.file}: basic_auth_users.alice: this is not a bcrypt hash; make one with htpasswd -nB NAME; "
        f"{door.file}: zebra: there is no such setting"
    )
    assert not door.guard.is_good
    assert [door.ask(auth=auth).status_code for auth in (None, ALICE)] == [401, 200]

    door.file.unlink()
    door.look()
    assert not door.guard.is_good
    assert door.ask(auth=ALICE).status_code == 200

    with caplog.at_level(logging.INFO):
        door.write(USERS)
    assert door.guard.is_good
    assert caplog.messages[-1] == "the web configuration was read again"


@pytest.mark.parametrize(
    "content", ["", "# " + USERS, "tls_server_config:\n"], ids=["empty", "comment", "no TLS"]
)
def test_a_file_that_would_open_the_door_is_not_believed(
    content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    issue(tmp_path, trustme.CA())
    door = Door(tmp_path, USERS + TLS)
    door.write(content)

    assert door.ask().status_code == 401
    assert door.guard.tls() is not None
    assert vars(caplog.records[-1])["reason"] == (
        "without tls_server_config and basic_auth_users the door would be open; restart if you mean it"
    )


def test_a_list_of_names_that_is_gone_lets_in_nobody_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = trustme.CA()
    issue(tmp_path, authority)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    asks = ", client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: %s}"
    door = Door(tmp_path, TLS.replace("}", asks % "[prometheus.test]"))
    door.write(TLS.replace("}", asks % ""))

    assert not door.guard.is_good
    assert vars(caplog.records[-1])["reason"].startswith("without client_allowed_sans the door would be open")

    door.write(TLS.replace("}", asks % "[prometheus.test, grafana.test]"))
    assert door.guard.is_good


def test_a_door_may_be_closed_while_it_is_open(tmp_path: Path) -> None:
    issue(tmp_path, trustme.CA())
    door = Door(tmp_path, "")
    door.write(USERS + TLS)

    assert door.ask().status_code == 401
    assert door.guard.tls() is not None


def test_a_certificate_whose_key_comes_later_is_used_when_both_are_there(tmp_path: Path) -> None:
    authority = trustme.CA()
    issue(tmp_path, authority)
    door = Door(tmp_path, TLS)
    before = door.guard.tls()

    issue(tmp_path, authority, "new")
    (tmp_path / "new.crt").replace(tmp_path / "tls.crt")
    door.look()
    assert door.guard.tls() is before
    assert not door.guard.is_good

    (tmp_path / "new.key").replace(tmp_path / "tls.key")
    door.look()
    assert door.guard.tls() is not before
    assert door.guard.is_good


def test_files_behind_a_link_that_is_swapped_are_read_again(tmp_path: Path) -> None:
    """As Kubernetes mounts secrets."""
    for name, user in (("first", "alice"), ("second", "bob")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "web.yml").write_text(USERS.replace("alice", user))
        os.utime(tmp_path / name / "web.yml", (1, 1))
    (tmp_path / "data").symlink_to("first")
    guard = WebConfigMiddleware(tmp_path / "data" / "web.yml", ManualClock().clock)
    (tmp_path / "data_tmp").symlink_to("second")
    (tmp_path / "data_tmp").replace(tmp_path / "data")
    guard.reload_if_changed()
    guard.reload_if_changed()

    assert list(guard.rules.file.basic_auth_users) == ["bob"]


def test_a_change_is_found_though_time_and_size_are_as_before(tmp_path: Path) -> None:
    """As of `cp -p`; likewise who may read a file changes nothing in it."""
    door = Door(tmp_path, USERS)
    was = door.file.stat()
    door.file.write_text(USERS.replace("alice", "carol"))
    while door.file.stat().st_ctime_ns == was.st_ctime_ns:  # the clock of a file system is coarse
        door.file.touch()
    os.utime(door.file, ns=(was.st_atime_ns, was.st_mtime_ns))
    door.look()

    assert list(door.guard.rules.file.basic_auth_users) == ["carol"]


def test_what_is_wrong_with_certificates_is_told_at_the_start(tmp_path: Path) -> None:
    authority = trustme.CA()
    issue(tmp_path, authority)
    issue(tmp_path, authority, "other")
    (tmp_path / "text").write_text("hello")
    (tmp_path / "broken").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (tmp_path / "locked").write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    asking = "client_auth_type: VerifyClientCertIfGiven, client_ca_file"
    begins = f"{tmp_path / 'web.yml'}: tls_server_config"
    for given, sentences in {
        "cert_file: none, key_file: text": (
            f"{begins}.cert_file: cannot read {tmp_path / 'none'}: No such file or directory",
            f"{begins}.key_file: no private key in PEM is in {tmp_path / 'text'}",
        ),
        "cert_file: tls.crt, key_file: locked": (
            f"{begins}.key_file: the key in {tmp_path / 'locked'} is encrypted; store it without a password",
        ),
        "cert_file: tls.crt, key_file: other.key": (
            f"{begins}.key_file: {tmp_path / 'other.key'}: this is not the key of the certificate in "
            f"{tmp_path / 'tls.crt'}",
        ),
        f"cert_file: tls.crt, key_file: tls.key, {asking}: text": (
            f"{begins}.client_ca_file: no certificate in PEM is in {tmp_path / 'text'}",
        ),
        f"cert_file: tls.crt, key_file: tls.key, {asking}: broken": (
            f"{begins}.client_ca_file: a certificate in {tmp_path / 'broken'} is broken",
        ),
    }.items():
        with pytest.raises(ConfigError) as caught:
            Door(tmp_path, f"tls_server_config: {{{given}}}")
        assert caught.value.messages == sentences


def test_it_looks_by_itself_and_tells_how_it_went(tmp_path: Path) -> None:
    door = Door(tmp_path, USERS)
    told: list[bool] = []

    async def watch() -> None:
        async with door.guard.watch(told.append):
            await until(lambda: len(told) > 1)
            door.file.write_text("zebra: 1")
            await until(lambda: not told[-1])
            door.file.write_text(USERS)
            await until(lambda: told[-1])

    asyncio.run(watch())

    assert told[0] is True
    assert False in told
