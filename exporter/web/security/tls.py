"""TLS settings of the web configuration as an SSLContext."""

import ssl

from exporter.config import ConfigError
from exporter.files import read_file
from exporter.web.security.web_config import TlsServerConfig

VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
PEM_MARKERS = {
    "cert_file": (b"-----BEGIN CERTIFICATE-----", "certificate"),
    "key_file": (b"PRIVATE KEY-----", "private key"),
    "client_ca_file": (b"-----BEGIN CERTIFICATE-----", "certificate"),
}


def create_ssl_context(tls: TlsServerConfig) -> ssl.SSLContext:
    """A server context with these certificates. Raises ConfigError.

    A client's certificate is verified if it sends one. WebConfigMiddleware rejects requests without one,
    since probes request health and readiness over the same port and have no certificate.
    """
    messages = [message for setting in PEM_MARKERS for message in check_pem(tls, setting)]
    if messages:
        raise ConfigError(messages)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = VERSIONS[tls.min_version], VERSIONS[tls.max_version]
    context.set_alpn_protocols(["http/1.1"])
    # Clients need neither; compression leaks secrets (CRIME), and renegotiation costs the server CPU.
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    configure_ciphers(context, tls)
    load_certificates(context, tls)
    return context


def configure_ciphers(context: ssl.SSLContext, tls: TlsServerConfig) -> None:
    if tls.cipher_suites:
        # This is for TLS 1.2: Python cannot disable suites of TLS 1.3, nor can exporter-toolkit.
        context.set_ciphers(":".join(tls.cipher_suites))
    if not tls.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    for curve in tls.curve_preferences:
        context.set_ecdh_curve(curve)


def load_certificates(context: ssl.SSLContext, tls: TlsServerConfig) -> None:
    try:
        # Without a password, OpenSSL would prompt for one on the terminal.
        context.load_cert_chain(tls.cert_file, tls.key_file, password="")
    except ssl.SSLError as error:
        reason = (
            f"not the key of the certificate in {tls.cert_file}"
            if error.reason == "KEY_VALUES_MISMATCH"
            else f"OpenSSL cannot use it with {tls.cert_file} ({(error.reason or 'unknown').lower()})"
        )
        raise ConfigError([f"tls_server_config.key_file: {tls.key_file}: {reason}"]) from error
    if tls.client_ca_file is None:
        return
    try:
        context.load_verify_locations(tls.client_ca_file)
    except ssl.SSLError as error:
        raise ConfigError(
            [f"tls_server_config.client_ca_file: {tls.client_ca_file} contains a malformed certificate"]
        ) from error
    context.verify_mode = ssl.CERT_OPTIONAL


def check_pem(tls: TlsServerConfig, setting: str) -> list[str]:
    """The obvious problems of a file, for which OpenSSL has no clear message."""
    file = getattr(tls, setting)
    if file is None:
        return []
    try:
        content = read_file(file)
    except OSError as error:
        return [f"tls_server_config.{setting}: cannot read {file}: {error.strerror}"]
    # No operator is present to type the password when a service starts.
    if setting == "key_file" and b"ENCRYPTED" in content:
        return [f"tls_server_config.{setting}: the key in {file} is encrypted; store it without a password"]
    marker, kind = PEM_MARKERS[setting]
    return (
        [] if marker in content else [f"tls_server_config.{setting}: {file} contains no {kind} in PEM format"]
    )
