"""Which CA certificates are trusted: those of the system or of SSL_CERT_FILE, and those of api.ca_file."""

import os
import re
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path

from exporter.files import read_file

# What OpenSSL looks for in a directory: https://docs.openssl.org/3.0/man1/openssl-rehash/
HASHED_NAME = re.compile(r"[0-9a-f]{8}\.[0-9]+", re.IGNORECASE)


class CaError(ValueError):
    """CA certificates that cannot be used. The message names the setting or variable, and the file."""


def create_ssl_context(ca_file: Path | None, environ: Mapping[str, str]) -> ssl.SSLContext:
    """A context that verifies servers. It takes 20 ms to parse the CAs of the system. Raises CaError.

    SSL_CERT_FILE and SSL_CERT_DIR replace the CAs of the system; `ca_file` adds to them.
    """
    is_replaced = environ.get("SSL_CERT_FILE") or environ.get("SSL_CERT_DIR")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_replaced else create_system_context()
    # Trusts an intermediate CA without its root, as curl and Go do. Not VERIFY_X509_STRICT, which is the
    # default of `ssl` since Python 3.13: many company CAs lack an extension that it requires.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    load_certificates(context, ca_file, environ)
    return context


def load_certificates(context: ssl.SSLContext, ca_file: Path | None, environ: Mapping[str, str]) -> None:
    """Adds the certificates in `ca_file`, SSL_CERT_FILE and SSL_CERT_DIR to a context. Raises CaError."""
    if file := environ.get("SSL_CERT_FILE"):
        load_file(context, file, named_by="SSL_CERT_FILE")
    if folders := environ.get("SSL_CERT_DIR"):
        load_folders(context, folders)
    if ca_file:
        load_file(context, str(ca_file), named_by="api.ca_file")


def load_file(context: ssl.SSLContext, file: str, *, named_by: str) -> None:
    try:
        # Raises an error where OpenSSL would wait forever: a pipe, or a disk that does not respond.
        read_file(Path(file))
        context.load_verify_locations(cafile=file)
    except ssl.SSLError as error:
        advice = "; write certificates in PEM format, each from BEGIN CERTIFICATE to END CERTIFICATE"
        raise CaError(f"{named_by}: {file} contains no valid certificate{advice}") from error
    except (OSError, ValueError) as error:  # ValueError: a null character
        reason = error.strerror if isinstance(error, OSError) else error
        raise CaError(f"{named_by}: cannot read {file}: {reason}") from error


def load_folders(context: ssl.SSLContext, folders: str) -> None:
    """Adds the certificates in directories, which are separated by colons and read when one is needed."""
    if not any(has_hashed_files(folder) for folder in folders.split(os.pathsep)):
        raise CaError(
            f"SSL_CERT_DIR: {folders} contains no certificate named by its hash, such as 5ed36f99.0; "
            f"run: openssl rehash {folders}"
        )
    context.load_verify_locations(capath=folders)


def has_hashed_files(folder: str) -> bool:
    try:
        return any(HASHED_NAME.fullmatch(file.name) for file in Path(folder).iterdir())
    except OSError:
        return False


def create_system_context() -> ssl.SSLContext:
    """A context with the CAs of the operating system; where it has none, with those of Mozilla."""
    if sys.platform in ("darwin", "win32"):
        import truststore  # noqa: PLC0415 (used on these systems only)

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Not truststore: on other systems it does the same, but anew for each connection, and each time blocks
    # the event loop for 20 ms.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    folder = ssl.get_default_verify_paths().capath
    if not context.cert_store_stats()["x509_ca"] and not (folder and has_hashed_files(folder)):
        import certifi  # noqa: PLC0415 (not needed on most systems)

        context.load_verify_locations(certifi.where())
    return context
