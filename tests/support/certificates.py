"""Certificates, client contexts and a password hash for tests."""

from pathlib import Path
from ssl import PROTOCOL_TLS_CLIENT, SSLContext

import bcrypt
import trustme

CHEAP_HASH = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()


def issue_certificate(folder: Path, authority: trustme.CA, name: str = "tls") -> None:
    """Write a certificate for localhost and its key into the folder, as NAME.crt and NAME.key."""
    issued = authority.issue_cert("localhost", "127.0.0.1")
    (folder / f"{name}.crt").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))


def create_client_context(
    authority: trustme.CA, file: Path, *names: str, by: trustme.CA | None = None
) -> SSLContext:
    """A client context that trusts the authority; with names, it has a certificate, stored in `file`."""
    context = SSLContext(PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    if names:
        (by or authority).issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(str(file))
        context.load_cert_chain(file)
    return context
