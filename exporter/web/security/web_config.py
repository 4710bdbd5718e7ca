"""The web configuration file (--web.config.file): TLS, users, headers and a rate limit.

Its format is that of exporter-toolkit: https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
Settings of that format that are not supported are errors, never ignored. No error repeats a password.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo
from pydantic import model_validator as checked

from exporter.config.errors import ConfigError, find_similar, format_error
from exporter.config.load import load_yaml
from exporter.config.schema import Integer, Section
from exporter.config.types import parse_duration, parse_file_path
from exporter.formatting import quote_value

# The last character of the 16-byte salt encodes two bits only, so that four characters are possible.
BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
MAX_COST = 15  # of bcrypt, some 2 s for a password; each step doubles that, and a shutdown waits for it

# The cipher suites of TLS 1.2 that Go considers secure: Go's names and OpenSSL's.
SUITES = {
    f"TLS_ECDHE_{key}_WITH_{go}": f"ECDHE-{key}-{openssl}"
    for key in ("ECDSA", "RSA")
    for go, openssl in {
        "AES_128_GCM_SHA256": "AES128-GCM-SHA256",
        "AES_256_GCM_SHA384": "AES256-GCM-SHA384",
        "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
        "AES_128_CBC_SHA": "AES128-SHA",
        "AES_256_CBC_SHA": "AES256-SHA",
    }.items()
}
CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}

HINTS = {
    f"tls_server_config.{name}": f"inline PEM is not supported; use {name}_file"
    for name in ("cert", "key", "client_ca")
}
EXAMPLES = {
    "tls_server_config": "cert_file: tls.crt",
    "http_server_config": "headers: {X-Frame-Options: deny}",
    "headers": "X-Frame-Options: deny",
    "rate_limit": "burst: 20",
}
SENTENCES = {
    "missing": "required; set it to the path of a file in PEM format",
    "dict_type": "expected a bcrypt hash for each user, such as alice: $2y$10$…",
    "too_long": "only one curve is supported; keep one",
}


def resolve_path(value: object, info: ValidationInfo) -> Path:
    """A path; a relative one starts in the folder of the web configuration file."""
    folder: Path = (info.context or {})["folder"]
    return folder / parse_file_path(value)


def reject(values: tuple[object, ...], reason: str) -> BeforeValidator:
    """Rejects values that are valid for exporter-toolkit but not supported here."""

    def check(value: object) -> object:
        if value in values:
            raise ValueError(reason.format(value))
        return value

    return BeforeValidator(check)


def parse_cipher_suite(value: object) -> str:
    """OpenSSL's name of a cipher suite of TLS 1.2, from Go's name."""
    if isinstance(value, str) and value in SUITES:
        return SUITES[value]
    if isinstance(value, str) and re.fullmatch(r"TLS_(AES|CHACHA20)_\w+", value):
        raise ValueError(
            f"cipher suites of TLS 1.3 are always enabled and cannot be selected; remove {value}"
        )
    similar = find_similar(str(value), SUITES)
    raise ValueError(
        f"{quote_value(value)} is not a supported cipher suite"
        + (f"; did you mean {similar}?" if similar else "; use Go's name of a cipher suite of TLS 1.2")
    )


def parse_curve(value: object) -> str:
    """OpenSSL's name of an elliptic curve, from Go's name."""
    if not isinstance(value, str) or value not in CURVES:
        raise ValueError(f"{quote_value(value)} is not one of {', '.join(CURVES)}")
    return CURVES[value]


def check_header_value(value: object) -> str:
    if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
        raise ValueError(f"{quote_value(value)} is not a valid header value; use one line of printable ASCII")
    return value


def one_of(*values: str) -> BeforeValidator:
    def check(value: object) -> object:
        if value not in ("", *values):
            raise ValueError(f"{quote_value(value)} is not one of {', '.join(values)}")
        return value

    return BeforeValidator(check)


def check_bcrypt_hash(value: object) -> str:
    if not isinstance(value, str) or not BCRYPT.fullmatch(value):
        raise ValueError("not a bcrypt hash; create one with htpasswd -nB NAME")
    if int(value[4:6]) > MAX_COST:
        raise ValueError(
            f"bcrypt cost {value[4:6]} is too slow for a server, the maximum is {MAX_COST}; "
            "create a hash with htpasswd -nBC 10 NAME"
        )
    return value


def check_user_name(value: object) -> object:
    if not isinstance(value, str) or not value or ":" in value or not value.isprintable():
        raise ValueError("a user name must have at least one character, only printable ones, and no colon")
    return value


def parse_interval(value: object) -> float:
    """Seconds from a duration such as 1s; 0 means no limit."""
    return 0.0 if value in (0, "0", "0s") and not isinstance(value, bool) else parse_duration(value)


FilePath = Annotated[Path, BeforeValidator(resolve_path)]
ClientAuth = Annotated[
    Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"],
    reject(
        ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert"),
        "{} accepts unverified certificates, which is not supported; "
        "use RequireAndVerifyClientCert or VerifyClientCertIfGiven",
    ),
]
TlsVersion = Annotated[
    Literal["TLS12", "TLS13"],
    reject(("TLS10", "TLS11"), "{} is insecure and not supported; use TLS12 or TLS13"),
]
HeaderValue = Annotated[str, BeforeValidator(check_header_value)]


class TlsServerConfig(Section):
    """Our certificate, verification of client certificates, and versions and ciphers of TLS."""

    cert_file: FilePath
    key_file: FilePath
    client_ca_file: FilePath | None = None
    client_auth_type: ClientAuth = "NoClientCert"
    client_allowed_sans: tuple[Annotated[str, Field(min_length=1)], ...] | None = None
    min_version: TlsVersion = "TLS12"
    max_version: TlsVersion = "TLS13"
    cipher_suites: tuple[Annotated[str, BeforeValidator(parse_cipher_suite)], ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[Annotated[str, BeforeValidator(parse_curve)], ...] = Field((), max_length=1)

    @checked(mode="after")
    def validate_options(self) -> "TlsServerConfig":
        verifies_clients = self.client_auth_type != "NoClientCert"
        if verifies_clients and self.client_ca_file is None:
            raise ValueError(f"client_auth_type {self.client_auth_type} needs client_ca_file")
        if self.client_ca_file is not None and not verifies_clients:
            raise ValueError(
                "client_ca_file has no effect without client_auth_type; set that, or remove client_ca_file"
            )
        if self.client_allowed_sans is not None and self.client_auth_type != "RequireAndVerifyClientCert":
            raise ValueError("client_allowed_sans needs client_auth_type: RequireAndVerifyClientCert")
        if self.client_allowed_sans == ():
            raise ValueError("client_allowed_sans is empty and allows no client; add a name, or remove it")
        if self.min_version > self.max_version:
            raise ValueError(f"min_version {self.min_version} is above max_version {self.max_version}")
        if self.cipher_suites and self.min_version == "TLS13":
            raise ValueError("cipher_suites apply only to TLS 1.2, which min_version TLS13 disables")
        return self

    def files(self) -> tuple[Path, ...]:
        return tuple(file for file in (self.cert_file, self.key_file, self.client_ca_file) if file)


class HeadersConfig(Section):
    """Headers of every response; an empty one is not sent."""

    content_security_policy: HeaderValue = Field("", alias="Content-Security-Policy")
    x_frame_options: Annotated[HeaderValue, one_of("deny", "sameorigin")] = Field("", alias="X-Frame-Options")
    x_content_type_options: Annotated[HeaderValue, one_of("nosniff")] = Field(
        "", alias="X-Content-Type-Options"
    )
    x_xss_protection: HeaderValue = Field("", alias="X-XSS-Protection")
    strict_transport_security: HeaderValue = Field("", alias="Strict-Transport-Security")

    def non_empty(self) -> dict[str, str]:
        return {name: value for name, value in self.model_dump(by_alias=True).items() if value}


class HttpServerConfig(Section):
    http2: Annotated[bool, reject((True,), "HTTP/2 is not supported; set it to false, or remove it")] = False
    headers: HeadersConfig = HeadersConfig()


class RateLimitConfig(Section):
    """At most `burst` requests at once, and one more each `interval` seconds; interval 0 means no limit."""

    interval: Annotated[float, BeforeValidator(parse_interval)] = 0.0
    burst: Integer = Field(0, ge=0, le=1_000_000)

    @checked(mode="after")
    def validate_burst(self) -> "RateLimitConfig":
        if self.interval and not self.burst:
            raise ValueError("burst 0 rejects every request; set it to a number like 20")
        return self


class WebConfig(Section):
    """The whole file. Without `tls_server_config` HTTP is served; without users no password is needed."""

    tls_server_config: TlsServerConfig | None = None
    http_server_config: HttpServerConfig = HttpServerConfig()
    basic_auth_users: dict[
        Annotated[str, BeforeValidator(check_user_name)], Annotated[str, BeforeValidator(check_bcrypt_hash)]
    ] = Field({}, repr=False)
    rate_limit: RateLimitConfig = RateLimitConfig()


def read_web_config(file: Path) -> WebConfig:
    """The file's settings. Raises ConfigError with every error in the file."""
    tree = load_yaml(file, WebConfig, named_by="web.config_file", example="basic_auth_users: {…}")
    try:
        return WebConfig.model_validate(tree, context={"folder": file.parent})
    except ValidationError as error:
        messages = [
            format_error(details, WebConfig, sentences=SENTENCES, examples=EXAMPLES, hints=HINTS)
            for details in error.errors()
        ]
    # Not `from` pydantic's error, which contains the rejected values.
    raise ConfigError([f"{file}: {message}" for message in messages])
