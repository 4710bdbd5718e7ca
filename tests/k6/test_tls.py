"""Which CAs are trusted, and what is refused. tls.txt has the sentences."""

import os
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from exporter.k6.tls import CaError, create_ssl_context
from tests.support.golden import assert_golden

GOLDEN = Path(__file__).parent / "tls.txt"
PUBLIC_CAS = 100  # there are always more in the store of a system, and in certifi


def write_ca(file: Path) -> str:
    trustme.CA().cert_pem.write_to_path(str(file))
    return str(file)


def trusted(context: ssl.SSLContext) -> int:
    """The number of CAs that were read from files."""
    return context.cert_store_stats()["x509_ca"]


def pretend_system_store(monkeypatch: pytest.MonkeyPatch, file: str, folder: str = "/missing") -> None:
    """OpenSSL takes these for its own paths; our code is given another environment."""
    monkeypatch.setenv("SSL_CERT_FILE", file)
    monkeypatch.setenv("SSL_CERT_DIR", folder)


def test_system_store_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_system_store(monkeypatch, write_ca(tmp_path / "ca.pem"))

    assert trusted(create_ssl_context(None, {})) == 1


def test_ca_file_adds_to_the_system_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_system_store(monkeypatch, write_ca(tmp_path / "system.pem"))
    write_ca(tmp_path / "own.pem")

    assert trusted(create_ssl_context(tmp_path / "own.pem", {})) == 2


def test_public_cas_are_used_without_system_store(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_system_store(monkeypatch, "/missing")

    assert trusted(create_ssl_context(None, {})) > PUBLIC_CAS


def test_directory_of_the_system_suffices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ca(tmp_path / "5ed36f99.0")
    pretend_system_store(monkeypatch, "/missing", str(tmp_path))

    # The certificates of a directory are read when a server sends one that they may have signed.
    assert trusted(create_ssl_context(None, {})) == 0


def test_ssl_cert_file_replaces_the_system_store(tmp_path: Path) -> None:
    assert trusted(create_ssl_context(None, {"SSL_CERT_FILE": write_ca(tmp_path / "ca.pem")})) == 1


def test_ssl_cert_dir_replaces_the_system_store(tmp_path: Path) -> None:
    write_ca(tmp_path / "5ed36f99.0")
    environ = {"SSL_CERT_DIR": f"/missing{os.pathsep}{tmp_path}"}

    assert trusted(create_ssl_context(None, environ)) == 0


def test_empty_variables_are_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_system_store(monkeypatch, write_ca(tmp_path / "ca.pem"))

    assert trusted(create_ssl_context(None, {"SSL_CERT_FILE": "", "SSL_CERT_DIR": ""})) == 1


def test_servers_are_verified_as_by_curl_and_go(tmp_path: Path) -> None:
    context = create_ssl_context(None, {"SSL_CERT_FILE": write_ca(tmp_path / "ca.pem")})

    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_unusable_files_match_the_golden_file(tmp_path: Path) -> None:
    authority = trustme.CA()
    (tmp_path / "empty.pem").touch()
    (tmp_path / "text.pem").write_text("no certificate")
    (tmp_path / "key.pem").write_bytes(authority.private_key_pem.bytes())
    certificate = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    (tmp_path / "ca.der").write_bytes(certificate.public_bytes(Encoding.DER))
    (tmp_path / "cut.pem").write_bytes(authority.cert_pem.bytes()[:400])
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    lines = []
    for name in ("missing", "empty.pem", "text.pem", "key.pem", "ca.der", "cut.pem", "folder", "pipe"):
        file = tmp_path / name
        for variable, ca_file in (("SSL_CERT_FILE", None), ("SSL_CERT_DIR", None), ("", file)):
            with pytest.raises(CaError) as raised:
                create_ssl_context(ca_file, {variable: str(file)})
            lines.append(str(raised.value).replace(str(tmp_path), "FOLDER"))

    assert_golden(GOLDEN, "".join(f"{line}\n" for line in lines))
