"""The web configuration file: what is understood, and the sentence that each mistake earns."""

from pathlib import Path

import pytest
import yaml

from exporter.config import ConfigError
from exporter.web.security.web_config import WebConfig, read_web_file

HASH = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
TLS = "tls_server_config: {cert_file: tls.crt, key_file: tls.key, "
T = "tls_server_config"


def read(tmp_path: Path, content: str) -> WebConfig:
    file = tmp_path / "web.yml"
    file.write_text(content, encoding="utf-8")
    return read_web_file(file)


def earned(tmp_path: Path, content: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, content)
    return [sentence.removeprefix(f"{tmp_path / 'web.yml'}: ") for sentence in caught.value.messages]


def test_all_that_is_understood_may_be_given_at_once(tmp_path: Path) -> None:
    file = read(
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
def test_what_is_empty_or_commented_out_asks_for_nothing(content: str, tmp_path: Path) -> None:
    assert read(tmp_path, content) == WebConfig()


def test_tls_is_spoken_from_1_2_on_and_asks_for_no_certificate_unless_told(tmp_path: Path) -> None:
    tls = read(tmp_path, TLS + "}").tls_server_config

    assert tls
    assert (tls.min_version, tls.max_version) == ("TLS12", "TLS13")
    assert tls.client_auth_type == "NoClientCert"
    assert tls.prefer_server_cipher_suites


MISTAKES = [
    ("1", 'no settings; write some like "basic_auth_users: {…}"'),
    (
        "{",
        "invalid YAML: expected the node content, but found '<stream end>' (line 1, column 2)",
    ),
    (
        "rate_limit: {}\nrate_limit: {}",
        "invalid YAML: rate_limit is given twice (line 2, column 1)",
    ),
    ("tls_config: {}", "tls_config: there is no such setting; did you mean tls_server_config?"),
    ("zebra:", "zebra: there is no such setting"),
    (
        "tls_server_config: tls.crt",
        f'{T}: "tls.crt" is not a group of settings; write one like "cert_file: tls.crt"',
    ),
    ("tls_server_config: {cert_file: tls.crt}", f"{T}.key_file: this is missing; name the file, in PEM"),
    ("tls_server_config: {key_file: tls.key}", f"{T}.cert_file: this is missing; name the file, in PEM"),
    (TLS + "cert: PEM}", f"{T}.cert: PEM within this file is not read; name a file in cert_file"),
    (TLS + "key: canary}", f"{T}.key: PEM within this file is not read; name a file in key_file"),
    (
        TLS + "client_ca: PEM}",
        f"{T}.client_ca: PEM within this file is not read; name a file in client_ca_file",
    ),
    (TLS + "cert_fil: x}", f"{T}.cert_fil: there is no such setting; did you mean {T}.cert_file?"),
    *(
        (
            TLS + f"client_auth_type: {kind}}}",
            f"{T}.client_auth_type: {kind} takes certificates that nobody has verified, which cannot be done "
            "here; write RequireAndVerifyClientCert, or VerifyClientCertIfGiven",
        )
        for kind in ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
    ),
    (
        TLS + "client_auth_type: Always}",
        f"{T}.client_auth_type: \"Always\" is not one of 'NoClientCert', 'VerifyClientCertIfGiven' or "
        "'RequireAndVerifyClientCert'",
    ),
    (
        TLS + "client_auth_type: VerifyClientCertIfGiven}",
        f"{T}: VerifyClientCertIfGiven needs client_ca_file, to verify certificates with",
    ),
    (
        TLS + "client_ca_file: ca.pem}",
        f"{T}: client_ca_file is of no use without client_auth_type; write one, or remove it",
    ),
    (
        TLS + "client_ca_file: c, client_auth_type: VerifyClientCertIfGiven, client_allowed_sans: [a]}",
        f"{T}: client_allowed_sans needs client_auth_type: RequireAndVerifyClientCert",
    ),
    (
        TLS + "client_ca_file: c, client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: []}",
        f"{T}: client_allowed_sans allows nobody; name someone, or remove it",
    ),
    (TLS + "client_allowed_sans: a}", f'{T}.client_allowed_sans: "a" is not a list'),
    (
        TLS + "min_version: TLS10}",
        f"{T}.min_version: TLS10 is broken and not spoken here; write TLS12 or TLS13",
    ),
    (
        TLS + "max_version: TLS11}",
        f"{T}.max_version: TLS11 is broken and not spoken here; write TLS12 or TLS13",
    ),
    (TLS + "min_version: 1.2}", f"{T}.min_version: 1.2 is not one of 'TLS12' or 'TLS13'"),
    (
        TLS + "min_version: TLS13, max_version: TLS12}",
        f"{T}: min_version TLS13 is above max_version TLS12",
    ),
    (
        TLS + "cipher_suites: [TLS_AES_128_GCM_SHA256]}",
        f"{T}.cipher_suites[0]: the suites of TLS 1.3 cannot be chosen, they are all in use; "
        "remove TLS_AES_128_GCM_SHA256",
    ),
    (
        TLS + "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA25]}",
        f'{T}.cipher_suites[0]: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA25" is not a cipher suite that can be '
        "chosen; did you mean TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256?",
    ),
    (
        TLS + "cipher_suites: [RC4]}",
        f'{T}.cipher_suites[0]: "RC4" is not a cipher suite that can be chosen; '
        "name those of TLS 1.2 as Go does",
    ),
    (
        TLS + "min_version: TLS13, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]}",
        f"{T}: cipher_suites are those of TLS 1.2, which min_version TLS13 excludes",
    ),
    (
        TLS + "prefer_server_cipher_suites: maybe}",
        f'{T}.prefer_server_cipher_suites: "maybe" is neither true nor false',
    ),
    (
        TLS + "curve_preferences: [X25519, CurveP256]}",
        f"{T}.curve_preferences: only one curve can be offered here; keep the one that you want most",
    ),
    (
        TLS + "curve_preferences: [P256]}",
        f'{T}.curve_preferences[0]: "P256" is not one of CurveP256, CurveP384, CurveP521, X25519',
    ),
    (
        "http_server_config: {http2: true}",
        "http_server_config.http2: HTTP/2 is not spoken here; write false, or leave it out",
    ),
    (
        "http_server_config: {headers: {x-frame-options: deny}}",
        "http_server_config.headers.x-frame-options: there is no such setting; "
        "did you mean http_server_config.headers.X-Frame-Options?",
    ),
    (
        "http_server_config: {headers: {Server: me}}",
        "http_server_config.headers.Server: there is no such setting",
    ),
    (
        "http_server_config: {headers: {X-Frame-Options: never}}",
        'http_server_config.headers.X-Frame-Options: "never" is not deny or sameorigin',
    ),
    (
        'http_server_config: {headers: {X-XSS-Protection: "1\\r\\nSet-Cookie: x"}}',
        r'http_server_config.headers.X-XSS-Protection: "1\r\nSet-Cookie: x" cannot be the value of a header; '
        "write one line of ASCII",
    ),
    *(
        (
            f"basic_auth_users: {{alice: {password}}}",
            "basic_auth_users.alice: this is not a bcrypt hash; make one with htpasswd -nB NAME",
        )
        for password in (
            *("canary", "12345", "", "[canary]", HASH + "x", HASH.replace("$10", "$99")),
            HASH.replace("zPeMqBSjb", "zPzMqBSjb"),  # a salt that bcrypt refuses
        )
    ),
    (
        f"basic_auth_users: {{alice: {HASH.replace('$10', '$16')}}}",
        "basic_auth_users.alice: a cost of 16 takes too long for a server; the most is 15, "
        "htpasswd -nBC 10 NAME is common",
    ),
    (
        f'basic_auth_users: {{"a:b": {HASH}}}',
        "basic_auth_users.a:b: a user's name has at least one character and no colon",
    ),
    (
        "basic_auth_users: canary",
        "basic_auth_users: a bcrypt hash is expected for each user, such as alice: $2y$10$…",
    ),
    ("rate_limit: {interval: 5}", 'rate_limit.interval: 5 has no unit; write "5s"'),
    ("rate_limit: {interval: 5s}", "rate_limit: a burst of 0 lets nothing through; write one like 20"),
    ("rate_limit: {burst: -1}", "rate_limit.burst: -1 is too small; the minimum is 0"),
]


@pytest.mark.parametrize(("content", "sentence"), MISTAKES, ids=range(len(MISTAKES)))
def test_each_mistake_earns_its_sentence(content: str, sentence: str, tmp_path: Path) -> None:
    assert sentence in earned(tmp_path, content)
    assert "canary" not in "".join(earned(tmp_path, content))


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    parts = {"tls_server_config": {"cert_file": "a", "min_version": "TLS10"}, "zebra": 1}

    assert earned(tmp_path, yaml.safe_dump(parts | {"basic_auth_users": {"alice": "x"}})) == [
        f"{T}.key_file: this is missing; name the file, in PEM",
        f"{T}.min_version: TLS10 is broken and not spoken here; write TLS12 or TLS13",
        "basic_auth_users.alice: this is not a bcrypt hash; make one with htpasswd -nB NAME",
        "zebra: there is no such setting",
    ]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_web_file(tmp_path / "none.yml")

    assert caught.value.messages == (
        f"web.config_file: cannot read {tmp_path / 'none.yml'}: No such file or directory",
    )


def test_a_mistake_carries_no_secret_in_what_caused_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, "basic_auth_users: {alice: canary}")

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
