"""The web configuration file: its settings, and the error for each mistake (web_config_errors.txt)."""

from pathlib import Path

import pytest
import yaml

from exporter.config import ConfigError
from exporter.web.security.web_config import WebConfig, read_web_config
from tests.support.golden import assert_golden

HASH = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
TLS = "tls_server_config: {cert_file: tls.crt, key_file: tls.key, "


def read_text(tmp_path: Path, content: str) -> WebConfig:
    file = tmp_path / "web.yml"
    file.write_text(content, encoding="utf-8")
    return read_web_config(file)


def read_errors(tmp_path: Path, content: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_text(tmp_path, content)
    return [sentence.removeprefix(f"{tmp_path / 'web.yml'}: ") for sentence in caught.value.messages]


def test_all_settings_together(tmp_path: Path) -> None:
    file = read_text(
        tmp_path,
        f"""
        tls_server_config:
          cert_file: tls.crt
          key_file: /etc/tls.key
          client_ca_file: ../ca.pem
          client_auth_type: RequireAndVerifyClientCert
          client_allowed_sans: [prometheus.test]
          min_version: TLS12
          max_version: TLS13
          cipher_suites:
            - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
            - TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
          prefer_server_cipher_suites: false
          curve_preferences: [CurveP256]
        http_server_config:
          http2: false
          headers:
            Strict-Transport-Security: max-age=3600
            X-Frame-Options: deny
            X-Content-Type-Options:
        basic_auth_users:
          alice: {HASH}
        rate_limit: {{interval: 1s, burst: 20}}
        """,
    )

    tls = file.tls_server_config
    assert tls
    assert tls.files() == (tmp_path / "tls.crt", Path("/etc/tls.key"), tmp_path / "../ca.pem")
    assert tls.cipher_suites == ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305")
    assert tls.curve_preferences == ("prime256v1",)
    assert tls.client_allowed_sans == ("prometheus.test",)
    assert file.http_server_config.headers.non_empty() == {
        "Strict-Transport-Security": "max-age=3600",
        "X-Frame-Options": "deny",
    }
    assert file.basic_auth_users == {"alice": HASH}
    assert (file.rate_limit.interval, file.rate_limit.burst) == (1, 20)
    assert HASH not in repr(file)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "# nothing",
        "tls_server_config:\n  # cert_file: tls.crt\nbasic_auth_users:\n",
        "tls_server_config: {cert_file: , key_file: }",
        "http_server_config: {headers: {X-Frame-Options: ''}}",
        "rate_limit: {interval: 0}",
        "rate_limit: {interval: 0s, burst: 0}",
    ],
)
def test_empty_settings_are_defaults(content: str, tmp_path: Path) -> None:
    assert read_text(tmp_path, content) == WebConfig()


def test_defaults_of_tls(tmp_path: Path) -> None:
    tls = read_text(tmp_path, TLS + "}").tls_server_config

    assert tls
    assert (tls.min_version, tls.max_version) == ("TLS12", "TLS13")
    assert tls.client_auth_type == "NoClientCert"
    assert tls.prefer_server_cipher_suites


# A wrong file and the setting that its error names; empty for the file as a whole.
MISTAKES = [
    ("1", ""),
    ("{", ""),
    ("rate_limit: {}\nrate_limit: {}", ""),
    ("tls_config: {}", "tls_config"),
    ("zebra:", "zebra"),
    ("tls_server_config: tls.crt", "tls_server_config"),
    ("tls_server_config: {cert_file: tls.crt}", "tls_server_config.key_file"),
    ("tls_server_config: {key_file: tls.key}", "tls_server_config.cert_file"),
    (TLS + "cert: PEM}", "tls_server_config.cert"),
    (TLS + "key: canary}", "tls_server_config.key"),
    (TLS + "client_ca: PEM}", "tls_server_config.client_ca"),
    (TLS + "cert_fil: x}", "tls_server_config.cert_fil"),
    *(
        (TLS + f"client_auth_type: {kind}}}", "tls_server_config.client_auth_type")
        for kind in ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
    ),
    (TLS + "client_auth_type: Always}", "tls_server_config.client_auth_type"),
    (TLS + "client_auth_type: VerifyClientCertIfGiven}", "tls_server_config"),
    (TLS + "client_ca_file: ca.pem}", "tls_server_config"),
    (
        TLS + "client_ca_file: c, client_auth_type: VerifyClientCertIfGiven, client_allowed_sans: [a]}",
        "tls_server_config",
    ),
    (
        TLS + "client_ca_file: c, client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: []}",
        "tls_server_config",
    ),
    (TLS + "client_allowed_sans: a}", "tls_server_config.client_allowed_sans"),
    (TLS + "min_version: TLS10}", "tls_server_config.min_version"),
    (TLS + "max_version: TLS11}", "tls_server_config.max_version"),
    (TLS + "min_version: 1.2}", "tls_server_config.min_version"),
    (TLS + "min_version: TLS13, max_version: TLS12}", "tls_server_config"),
    (TLS + "cipher_suites: [TLS_AES_128_GCM_SHA256]}", "tls_server_config.cipher_suites[0]"),
    (TLS + "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA25]}", "tls_server_config.cipher_suites[0]"),
    (TLS + "cipher_suites: [RC4]}", "tls_server_config.cipher_suites[0]"),
    (
        TLS + "min_version: TLS13, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]}",
        "tls_server_config",
    ),
    (TLS + "prefer_server_cipher_suites: maybe}", "tls_server_config.prefer_server_cipher_suites"),
    (TLS + "curve_preferences: [X25519, CurveP256]}", "tls_server_config.curve_preferences"),
    (TLS + "curve_preferences: [P256]}", "tls_server_config.curve_preferences[0]"),
    ("http_server_config: {http2: true}", "http_server_config.http2"),
    ("http_server_config: {headers: {x-frame-options: deny}}", "http_server_config.headers.x-frame-options"),
    ("http_server_config: {headers: {Server: me}}", "http_server_config.headers.Server"),
    ("http_server_config: {headers: {X-Frame-Options: never}}", "http_server_config.headers.X-Frame-Options"),
    (
        'http_server_config: {headers: {X-XSS-Protection: "1\\r\\nSet-Cookie: x"}}',
        "http_server_config.headers.X-XSS-Protection",
    ),
    *(
        (f"basic_auth_users: {{alice: {password}}}", "basic_auth_users.alice")
        for password in (
            *("canary", "12345", "", "[canary]", HASH + "x", HASH.replace("$10", "$99")),
            HASH.replace("zPeMqBSjb", "zPzMqBSjb"),  # a salt that bcrypt refuses
        )
    ),
    (f"basic_auth_users: {{alice: {HASH.replace('$10', '$16')}}}", "basic_auth_users.alice"),
    (f'basic_auth_users: {{"a:b": {HASH}}}', "basic_auth_users.a:b"),
    ("basic_auth_users: canary", "basic_auth_users"),
    ("rate_limit: {interval: 5}", "rate_limit.interval"),
    ("rate_limit: {interval: 5s}", "rate_limit"),
    ("rate_limit: {burst: -1}", "rate_limit.burst"),
]


@pytest.mark.parametrize(("content", "setting"), MISTAKES, ids=range(len(MISTAKES)))
def test_mistake_is_an_error_of_its_setting(content: str, setting: str, tmp_path: Path) -> None:
    errors = read_errors(tmp_path, content)

    assert any(error.startswith(f"{setting}: ") for error in errors) if setting else len(errors) == 1
    assert "canary" not in "".join(errors)


def test_golden_errors(tmp_path: Path) -> None:
    texts = ["\n".join([f"# {content}", *read_errors(tmp_path, content), ""]) for content, _ in MISTAKES]

    assert_golden(Path(__file__).parent / "web_config_errors.txt", "\n".join(texts))


def test_all_errors_are_reported_at_once(tmp_path: Path) -> None:
    parts = {"tls_server_config": {"cert_file": "a", "min_version": "TLS10"}, "zebra": 1}
    errors = read_errors(tmp_path, yaml.safe_dump(parts | {"basic_auth_users": {"alice": "x"}}))

    assert [error.split(": ")[0] for error in errors] == [
        "tls_server_config.key_file",
        "tls_server_config.min_version",
        "basic_auth_users.alice",
        "zebra",
    ]


def test_unreadable_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_web_config(tmp_path / "none.yml")

    assert caught.value.messages == (
        f"web.config_file: cannot read {tmp_path / 'none.yml'}: No such file or directory",
    )


def test_error_has_no_cause_that_repeats_a_password(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_text(tmp_path, "basic_auth_users: {alice: canary}")

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
