"""Access by the web configuration, and reloading of its files."""

import asyncio
import logging
import os
import re
from pathlib import Path

import httpx
import pytest
import trustme

from exporter.config import ConfigError
from exporter.web.security import WebConfigMiddleware, is_public_path
from tests.support.certificates import CHEAP_HASH, issue_certificate
from tests.support.golden import assert_golden
from tests.support.lab import ManualClock
from tests.support.tcp_client import echo_path, wait_until

ALICE = ("alice", "right")
USERS = f"basic_auth_users: {{alice: {CHEAP_HASH}}}\n"
TLS = "tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n"


class ProtectedApp:
    """The middleware before a small app, and its web configuration file."""

    def __init__(self, folder: Path, content: str) -> None:
        self.now = ManualClock()
        self.file = folder / "web.yml"
        self.file.write_text(content)
        self.middleware = WebConfigMiddleware(self.file, self.now.clock)
        self.wrapped = self.middleware.wrap(echo_path)

    def request(self, path: str = "/metrics", method: str = "GET", **options: object) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.wrapped)
            async with httpx.AsyncClient(transport=transport, base_url="http://exporter.test") as client:
                return await client.request(method, path, **options)  # type: ignore[arg-type]  # auth, headers

        return asyncio.run(send())

    def write(self, content: str) -> None:
        self.file.write_text(content)
        self.reload()

    def reload(self) -> None:
        """Check twice, since a change counts when two checks have found the same."""
        self.middleware.reload_if_changed()
        self.middleware.reload_if_changed()


def test_missing_or_wrong_credentials_are_challenged(tmp_path: Path) -> None:
    app = ProtectedApp(tmp_path, USERS)

    for auth in (None, ("alice", "wrong"), ("bob", "right")):
        response = app.request(auth=auth)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == 'Basic realm="k6-cloud-exporter", charset="UTF-8"'
    assert app.request(auth=ALICE).text == "/metrics"


@pytest.mark.parametrize(
    ("method", "path", "is_public"),
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
def test_only_probes_need_no_password(method: str, path: str, is_public: bool, tmp_path: Path) -> None:
    app = ProtectedApp(tmp_path, USERS)

    assert app.request(path, method).status_code == (200 if is_public else 401)


def test_webhook_needs_no_password(tmp_path: Path) -> None:
    app = ProtectedApp(tmp_path, USERS)
    app.wrapped = app.middleware.wrap(echo_path, is_public_path)

    requests = [("POST", "/webhook/x"), ("GET", "/-/ready"), ("GET", "/webhook/x"), ("POST", "/-/reload")]
    assert [app.request(path, method).status_code for method, path in requests] == [200, 200, 401, 401]


def test_no_password_is_needed_without_users(tmp_path: Path) -> None:
    assert ProtectedApp(tmp_path, "").request().status_code == 200


def test_headers_are_added_to_every_response(tmp_path: Path) -> None:
    headers = '{Strict-Transport-Security: max-age=1, X-Frame-Options: deny, X-XSS-Protection: ""}'
    app = ProtectedApp(tmp_path, USERS + f"http_server_config: {{headers: {headers}}}")

    for response in (app.request(), app.request(auth=ALICE), app.request("/-/healthy")):
        assert response.headers["Strict-Transport-Security"] == "max-age=1"
        assert response.headers["X-Frame-Options"] == "deny"
        assert "X-XSS-Protection" not in response.headers
    app.write(USERS + "http_server_config: {headers: {}}")
    assert "X-Frame-Options" not in app.request().headers


def test_requests_beyond_the_rate_limit_are_rejected(tmp_path: Path) -> None:
    app = ProtectedApp(tmp_path, "rate_limit: {interval: 2s, burst: 3}")

    assert [app.request().status_code for _ in range(4)] == [200, 200, 200, 429]
    assert app.request("/-/healthy").status_code == 200
    app.now.value += 2.1
    assert [app.request().status_code for _ in range(2)] == [200, 429]
    app.now.value += 3600
    assert [app.request().status_code for _ in range(4)] == [200, 200, 200, 429]


def test_changed_users_replace_the_old_ones(tmp_path: Path) -> None:
    app = ProtectedApp(tmp_path, USERS)
    assert app.request(auth=ALICE).status_code == 200
    app.write(USERS.replace("alice", "bob"))

    assert app.request(auth=ALICE).status_code == 401
    assert app.request(auth=("bob", "right")).status_code == 200


def test_verified_passwords_survive_a_new_certificate(tmp_path: Path) -> None:
    issue_certificate(tmp_path, trustme.CA())
    app = ProtectedApp(tmp_path, USERS + TLS)
    assert app.request(auth=ALICE).status_code == 200
    before = app.middleware.tls()
    issue_certificate(tmp_path, trustme.CA())
    app.reload()
    assert app.middleware.tls() is not before

    app.middleware._executor.shutdown()  # so that no password can be checked any more
    assert app.request(auth=ALICE).status_code == 200


def test_file_is_reloaded_once_two_checks_agree(tmp_path: Path) -> None:
    app = ProtectedApp(tmp_path, USERS)
    app.file.write_text("")
    app.middleware.reload_if_changed()
    app.file.write_text(USERS.replace("alice", "bob"))
    app.middleware.reload_if_changed()
    assert app.request(auth=ALICE).status_code == 200
    app.middleware.reload_if_changed()

    assert app.request(auth=ALICE).status_code == 401
    assert app.middleware.is_good


def test_invalid_file_is_logged_once_and_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = ProtectedApp(tmp_path, USERS)
    with caplog.at_level(logging.INFO):
        app.write("basic_auth_users: {alice: canary}\nzebra: 1")
        app.reload()

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    reasons = vars(caplog.records[0])["reason"].split("; ")
    assert reasons[0].startswith(f"{app.file}: basic_auth_users.alice: ")
    assert reasons[-1].startswith(f"{app.file}: zebra: ")
    assert "canary" not in caplog.text
    assert not app.middleware.is_good
    assert [app.request(auth=auth).status_code for auth in (None, ALICE)] == [401, 200]

    app.file.unlink()
    app.reload()
    assert not app.middleware.is_good
    assert app.request(auth=ALICE).status_code == 200

    with caplog.at_level(logging.INFO):
        app.write(USERS)
    assert app.middleware.is_good
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO"]


@pytest.mark.parametrize(
    "content", ["", "# " + USERS, "tls_server_config:\n"], ids=["empty", "comment", "no TLS"]
)
def test_file_that_removes_protection_is_ignored(
    content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    issue_certificate(tmp_path, trustme.CA())
    app = ProtectedApp(tmp_path, USERS + TLS)
    app.write(content)

    assert app.request().status_code == 401
    assert app.middleware.tls() is not None
    reason = vars(caplog.records[-1])["reason"]
    assert "tls_server_config and basic_auth_users" in reason


def test_removing_allowed_names_is_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    authority = trustme.CA()
    issue_certificate(tmp_path, authority)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    client_auth = (
        ", client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: %s}"
    )
    app = ProtectedApp(tmp_path, TLS.replace("}", client_auth % "[prometheus.test]"))
    app.write(TLS.replace("}", client_auth % ""))

    assert not app.middleware.is_good
    assert "client_allowed_sans" in vars(caplog.records[-1])["reason"]

    app.write(TLS.replace("}", client_auth % "[prometheus.test, grafana.test]"))
    assert app.middleware.is_good


def test_protection_can_be_added_without_a_restart(tmp_path: Path) -> None:
    issue_certificate(tmp_path, trustme.CA())
    app = ProtectedApp(tmp_path, "")
    app.write(USERS + TLS)

    assert app.request().status_code == 401
    assert app.middleware.tls() is not None


def test_certificate_is_used_once_its_key_is_there(tmp_path: Path) -> None:
    authority = trustme.CA()
    issue_certificate(tmp_path, authority)
    app = ProtectedApp(tmp_path, TLS)
    before = app.middleware.tls()

    issue_certificate(tmp_path, authority, "new")
    (tmp_path / "new.crt").replace(tmp_path / "tls.crt")
    app.reload()
    assert app.middleware.tls() is before
    assert not app.middleware.is_good

    (tmp_path / "new.key").replace(tmp_path / "tls.key")
    app.reload()
    assert app.middleware.tls() is not before
    assert app.middleware.is_good


def test_files_behind_a_swapped_symlink_are_reloaded(tmp_path: Path) -> None:
    """Kubernetes mounts secrets like this."""
    for name, user in (("first", "alice"), ("second", "bob")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "web.yml").write_text(USERS.replace("alice", user))
        os.utime(tmp_path / name / "web.yml", (1, 1))
    (tmp_path / "data").symlink_to("first")
    middleware = WebConfigMiddleware(tmp_path / "data" / "web.yml", ManualClock().clock)
    (tmp_path / "data_tmp").symlink_to("second")
    (tmp_path / "data_tmp").replace(tmp_path / "data")
    middleware.reload_if_changed()
    middleware.reload_if_changed()

    assert list(middleware.policy.config.basic_auth_users) == ["bob"]


def test_change_with_equal_mtime_and_size_is_noticed(tmp_path: Path) -> None:
    """As with `cp -p`. Permissions, too, can change without the mtime."""
    app = ProtectedApp(tmp_path, USERS)
    before = app.file.stat()
    app.file.write_text(USERS.replace("alice", "carol"))
    while app.file.stat().st_ctime_ns == before.st_ctime_ns:  # the clock of a file system is coarse
        app.file.touch()
    os.utime(app.file, ns=(before.st_atime_ns, before.st_mtime_ns))
    app.reload()

    assert list(app.middleware.policy.config.basic_auth_users) == ["carol"]


# Wrong files, with the settings that their errors name.
BAD_CERTIFICATES = {
    "cert_file: none, key_file: text": ["cert_file", "key_file"],
    "cert_file: tls.crt, key_file: locked": ["key_file"],
    "cert_file: tls.crt, key_file: other.key": ["key_file"],
    "cert_file: tls.crt, key_file: broken.key": ["key_file"],
    **{
        "cert_file: tls.crt, key_file: tls.key, client_auth_type: VerifyClientCertIfGiven, "
        f"client_ca_file: {name}": ["client_ca_file"]
        for name in ("text", "broken.crt")
    },
}


def load_bad_certificates(folder: Path, tls: str) -> tuple[str, ...]:
    """The errors for a configuration with these TLS settings."""
    authority = trustme.CA()
    issue_certificate(folder, authority)
    issue_certificate(folder, authority, "other")
    for name, content in {
        "text": "hello",
        "broken.crt": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "broken.key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "locked": "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
    }.items():
        (folder / name).write_text(content)
    with pytest.raises(ConfigError) as caught:
        ProtectedApp(folder, f"tls_server_config: {{{tls}}}")
    return caught.value.messages


@pytest.mark.parametrize(("tls", "settings"), BAD_CERTIFICATES.items())
def test_bad_certificates_are_errors(tls: str, settings: list[str], tmp_path: Path) -> None:
    messages = load_bad_certificates(tmp_path, tls)

    assert [message.split(": ")[1] for message in messages] == [
        f"tls_server_config.{name}" for name in settings
    ]
    assert all(message.startswith(f"{tmp_path / 'web.yml'}: ") for message in messages)


def test_golden_certificate_errors(tmp_path: Path) -> None:
    lines = []
    for tls in BAD_CERTIFICATES:
        messages = "\n".join(load_bad_certificates(tmp_path, tls)).replace(f"{tmp_path}/", "")
        lines.append(f"# {tls}\n{messages}\n")

    # OpenSSL's reason for a malformed key differs between its versions.
    text = re.sub(r"\((?!none).*?\)", "(reason)", "\n".join(lines))
    assert_golden(Path(__file__).parent / "certificate_errors.txt", text)


def test_watch_reports_whether_files_are_valid(tmp_path: Path) -> None:
    app = ProtectedApp(tmp_path, USERS)
    reports: list[bool] = []

    async def watch() -> None:
        async with app.middleware.watch(reports.append):
            await wait_until(lambda: len(reports) > 1)
            app.file.write_text("zebra: 1")
            await wait_until(lambda: not reports[-1])
            app.file.write_text(USERS)
            await wait_until(lambda: reports[-1])

    asyncio.run(watch())

    assert reports[0] is True
    assert False in reports
