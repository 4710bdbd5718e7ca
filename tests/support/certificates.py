"""Certificates made for a test, and the web configuration files that name them."""

from pathlib import Path
from ssl import PROTOCOL_TLS_CLIENT, SSLContext

import bcrypt
import trustme

CHEAP = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()


def issue(folder: Path, authority: trustme.CA, name: str = "tls") -> None:
    """A certificate for localhost with its key, beside the authority's own."""
    made = authority.issue_cert("localhost", "127.0.0.1")
    (folder / f"{name}.crt").write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    made.private_key_pem.write_to_path(str(folder / f"{name}.key"))


def client(authority: trustme.CA, file: Path, *names: str, by: trustme.CA | None = None) -> SSLContext:
    """A client that trusts the authority; with names, it has a certificate of its own in a file."""
    context = SSLContext(PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    if names:
        (by or authority).issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(str(file))
        context.load_cert_chain(file)
    return context
