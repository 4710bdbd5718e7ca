"""What the web configuration says of TLS, as Python's ssl understands it."""

import ssl
from pathlib import Path

from exporter.config import ConfigError
from exporter.web.security.web_config import Tls

VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}


def create_ssl_context(tls: Tls) -> ssl.SSLContext:
    """A context with these certificates. Raises ConfigError.

    A certificate of the client is verified if there is one. That there must be one is left to the Guard:
    health and readiness are asked by probes, which have none.
    """
    wrong = [
        sentence
        for name in ("cert_file", "key_file", "client_ca_file")
        for sentence in validate_pem(tls, name)
    ]
    if wrong:
        raise ConfigError(wrong)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version, made.maximum_version = VERSIONS[tls.min_version], VERSIONS[tls.max_version]
    made.set_alpn_protocols(["http/1.1"])
    # What a client can only be after. Compression and renegotiation are ways to attack.
    made.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    configure_ciphers(made, tls)
    load_certificates(made, tls)
    return made


def configure_ciphers(made: ssl.SSLContext, tls: Tls) -> None:
    if tls.cipher_suites:
        made.set_ciphers(":".join(tls.cipher_suites))
    if not tls.prefer_server_cipher_suites:
        made.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    for curve in tls.curve_preferences:
        made.set_ecdh_curve(curve)


def load_certificates(made: ssl.SSLContext, tls: Tls) -> None:
    try:
        made.load_cert_chain(
            tls.cert_file, tls.key_file, password=""
        )  # without one OpenSSL asks the terminal
    except ssl.SSLError as error:
        reason = (
            f"this is not the key of the certificate in {tls.cert_file}"
            if error.reason == "KEY_VALUES_MISMATCH"
            else f"OpenSSL cannot use it with {tls.cert_file} ({(error.reason or 'unknown').lower()})"
        )
        raise ConfigError([f"tls_server_config.key_file: {tls.key_file}: {reason}"]) from error
    if tls.client_ca_file is None:
        return
    try:
        made.load_verify_locations(tls.client_ca_file)
    except ssl.SSLError as error:
        raise ConfigError(
            [f"tls_server_config.client_ca_file: a certificate in {tls.client_ca_file} is broken"]
        ) from error
    made.verify_mode = ssl.CERT_OPTIONAL


def validate_pem(tls: Tls, name: str) -> list[str]:
    """What is wrong with a file at first sight."""
    file: Path | None = getattr(tls, name)
    try:
        content = file.read_bytes() if file else None
    except OSError as error:
        return [f"tls_server_config.{name}: cannot read {file}: {error.strerror}"]
    if content is None:
        return []
    if name == "key_file" and b"ENCRYPTED" in content:
        return [f"tls_server_config.{name}: the key in {file} is encrypted; store it without a password"]
    beginning, thing = (
        (b"PRIVATE KEY-----", "private key")
        if name == "key_file"
        else (b"-----BEGIN CERTIFICATE-----", "certificate")
    )
    return [] if beginning in content else [f"tls_server_config.{name}: no {thing} in PEM is in {file}"]
