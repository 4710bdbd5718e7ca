"""The file that --web.config.file names: TLS, users, headers and a limit, in exporter-toolkit's format.

What of that format cannot be done here is refused with a sentence, never passed over. No sentence repeats
what was written for a password.
"""

import difflib
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo
from pydantic import model_validator as checked

from exporter.config.errors import ConfigError, drop_nulls, format_error
from exporter.config.load import load_yaml
from exporter.config.schema import Integer, Section
from exporter.config.types import parse_duration, parse_file_path
from exporter.formatting import quote_value

# The salt, of 16 bytes, ends in two bits; bcrypt takes no other ends.
BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
MOST_COST = 15  # of bcrypt: some 2 s for a password. Each more takes twice as long, and an end waits for it

# The names that Go gives to the cipher suites of TLS 1.2 that it holds safe, and OpenSSL's.
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

UNVERIFIED = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
HINTS = {
    f"tls_server_config.{name}": f"PEM within this file is not read; name a file in {name}_file"
    for name in ("cert", "key", "client_ca")
}
EXAMPLES = {
    "tls_server_config": "cert_file: tls.crt",
    "http_server_config": "headers: {X-Frame-Options: deny}",
    "headers": "X-Frame-Options: deny",
    "rate_limit": "burst: 20",
}
SENTENCES = {
    "missing": "this is missing; name the file, in PEM",
    "dict_type": "a bcrypt hash is expected for each user, such as alice: $2y$10$…",
    "too_long": "only one curve can be offered here; keep the one that you want most",
}


def relative_path(value: object, info: ValidationInfo) -> Path:
    """A file; a relative path starts where the web configuration is."""
    folder: Path = (info.context or {})["folder"]
    return folder / parse_file_path(value)


def client_auth(value: object) -> object:
    if value in UNVERIFIED:
        raise ValueError(
            f"{value} takes certificates that nobody has verified, which cannot be done here; "
            "write RequireAndVerifyClientCert, or VerifyClientCertIfGiven"
        )
    return value


def tls_version(value: object) -> object:
    if value in ("TLS10", "TLS11"):
        raise ValueError(f"{value} is broken and not spoken here; write TLS12 or TLS13")
    return value


def cipher_suite(value: object) -> str:
    """A cipher suite of TLS 1.2, by OpenSSL's name."""
    if isinstance(value, str) and value in SUITES:
        return SUITES[value]
    if isinstance(value, str) and re.fullmatch(r"TLS_(AES|CHACHA20)_\w+", value):
        raise ValueError(f"the suites of TLS 1.3 cannot be chosen, they are all in use; remove {value}")
    alike = difflib.get_close_matches(str(value), SUITES, n=1)
    raise ValueError(
        f"{quote_value(value)} is not a cipher suite that can be chosen"
        + (f"; did you mean {alike[0]}?" if alike else "; name those of TLS 1.2 as Go does")
    )


def curve(value: object) -> str:
    """An elliptic curve, by OpenSSL's name."""
    if not isinstance(value, str) or value not in CURVES:
        raise ValueError(f"{quote_value(value)} is not one of {', '.join(CURVES)}")
    return CURVES[value]


def reject_http2(value: object) -> object:
    if value is True:
        raise ValueError("HTTP/2 is not spoken here; write false, or leave it out")
    return value


def header_value(value: object) -> str:
    if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
        raise ValueError(f"{quote_value(value)} cannot be the value of a header; write one line of ASCII")
    return value


def one_of(*values: str) -> BeforeValidator:
    def check(value: object) -> object:
        if value not in ("", *values):
            raise ValueError(f"{quote_value(value)} is not {' or '.join(values)}")
        return value

    return BeforeValidator(check)


def bcrypt_hash(value: object) -> str:
    if not isinstance(value, str) or not BCRYPT.fullmatch(value):
        raise ValueError("this is not a bcrypt hash; make one with htpasswd -nB NAME")
    if int(value[4:6]) > MOST_COST:
        raise ValueError(
            f"a cost of {value[4:6]} takes too long for a server; the most is {MOST_COST}, "
            "htpasswd -nBC 10 NAME is common"
        )
    return value


def user_name(value: object) -> object:
    if not isinstance(value, str) or not value or ":" in value or not value.isprintable():
        raise ValueError("a user's name has at least one character and no colon")
    return value


def parse_interval(value: object) -> float:
    """A duration; 0 is none."""
    return 0.0 if value in (0, "0", "0s") and not isinstance(value, bool) else parse_duration(value)


FileBeside = Annotated[Path, BeforeValidator(relative_path)]
TlsVersion = Annotated[Literal["TLS12", "TLS13"], BeforeValidator(tls_version)]
HeaderValue = Annotated[str, BeforeValidator(header_value)]


class Tls(Section):
    """Certificates, ours and the clients', and what of TLS is spoken."""

    cert_file: FileBeside
    key_file: FileBeside
    client_ca_file: FileBeside | None = None
    client_auth_type: Annotated[
        Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"],
        BeforeValidator(client_auth),
    ] = "NoClientCert"
    client_allowed_sans: tuple[Annotated[str, Field(min_length=1)], ...] | None = None
    min_version: TlsVersion = "TLS12"
    max_version: TlsVersion = "TLS13"
    cipher_suites: tuple[Annotated[str, BeforeValidator(cipher_suite)], ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[Annotated[str, BeforeValidator(curve)], ...] = Field((), max_length=1)

    @checked(mode="after")
    def validate_options(self) -> "Tls":
        asks = self.client_auth_type != "NoClientCert"
        if asks and self.client_ca_file is None:
            raise ValueError(f"{self.client_auth_type} needs client_ca_file, to verify certificates with")
        if self.client_ca_file is not None and not asks:
            raise ValueError("client_ca_file is of no use without client_auth_type; write one, or remove it")
        if self.client_allowed_sans is not None and self.client_auth_type != "RequireAndVerifyClientCert":
            raise ValueError("client_allowed_sans needs client_auth_type: RequireAndVerifyClientCert")
        if self.client_allowed_sans == ():
            raise ValueError("client_allowed_sans allows nobody; name someone, or remove it")
        if self.min_version > self.max_version:
            raise ValueError(f"min_version {self.min_version} is above max_version {self.max_version}")
        if self.cipher_suites and self.min_version == "TLS13":
            raise ValueError("cipher_suites are those of TLS 1.2, which min_version TLS13 excludes")
        return self

    def files(self) -> tuple[Path, ...]:
        return tuple(file for file in (self.cert_file, self.key_file, self.client_ca_file) if file)


class Headers(Section):
    """Headers of every answer; an empty one is not sent."""

    content_security_policy: HeaderValue = Field("", alias="Content-Security-Policy")
    x_frame_options: Annotated[HeaderValue, one_of("deny", "sameorigin")] = Field("", alias="X-Frame-Options")
    x_content_type_options: Annotated[HeaderValue, one_of("nosniff")] = Field(
        "", alias="X-Content-Type-Options"
    )
    x_xss_protection: HeaderValue = Field("", alias="X-XSS-Protection")
    strict_transport_security: HeaderValue = Field("", alias="Strict-Transport-Security")

    def non_empty(self) -> dict[str, str]:
        return {name: value for name, value in self.model_dump(by_alias=True).items() if value}


class Http(Section):
    http2: Annotated[bool, BeforeValidator(reject_http2)] = False
    headers: Headers = Headers()


class RateLimit(Section):
    """At most `burst` requests at once, and one more each `interval` seconds; 0 is no limit."""

    interval: Annotated[float, BeforeValidator(parse_interval)] = 0.0
    burst: Integer = Field(0, ge=0, le=1_000_000)

    @checked(mode="after")
    def validate_burst(self) -> "RateLimit":
        if self.interval and not self.burst:
            raise ValueError("a burst of 0 lets nothing through; write one like 20")
        return self


class WebConfig(Section):
    """What the file says. Without `tls_server_config` plain HTTP is served, without users to everyone."""

    tls_server_config: Tls | None = None
    http_server_config: Http = Http()
    basic_auth_users: dict[
        Annotated[str, BeforeValidator(user_name)], Annotated[str, BeforeValidator(bcrypt_hash)]
    ] = Field({}, repr=False)
    rate_limit: RateLimit = RateLimit()


def read_web_file(file: Path) -> WebConfig:
    """What the file says. Raises ConfigError with every mistake in it."""
    tree = load_yaml(file, named_by="web.config_file", example="basic_auth_users: {…}")
    try:
        return WebConfig.model_validate(drop_nulls(tree, WebConfig), context={"folder": file.parent})
    except ValidationError as error:
        messages = [
            format_error(details, WebConfig, sentences=SENTENCES, examples=EXAMPLES, hints=HINTS)
            for details in error.errors()
        ]
    raise ConfigError(
        [f"{file}: {message}" for message in messages]
    )  # not from what pydantic says, which shows what was written
