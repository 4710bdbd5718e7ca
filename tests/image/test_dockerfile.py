"""The Dockerfile, without a build."""

import json
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import trustme

from tests.support.certificates import issue_certificate
from tests.support.exporter_process import Cloud, Process
from tests.support.processes import eventually
from tests.system.conftest import cloud, shared_cloud

__all__ = ["cloud", "shared_cloud"]

ROOT = Path(__file__).parent.parent.parent


def test_hadolint_accepts_the_dockerfile() -> None:
    hadolint = Path(sysconfig.get_path("scripts"), "hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is not available for this platform")

    result = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)

    assert (result.returncode, result.stdout) == (0, "")


def test_build_context_has_only_needed_files() -> None:
    first, *others = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert first == "*"
    assert {name.removeprefix("!") for name in others if name.startswith("!")} == {
        "requirements.txt",
        "requirements-build.txt",
        "pyproject.toml",
        "hatch_build.py",
        "README.md",
        "LICENSE",
        "exporter",
    }


def health_check(port: str) -> int:
    """The exit code of the health check, with this port."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    [command] = re.findall(r"HEALTHCHECK .*\\\n *CMD (\[.*\])", text)
    python, *arguments = json.loads(command)
    assert python == "python"
    arguments = [argument.replace("10565", port) for argument in arguments]
    return subprocess.run([sys.executable, *arguments], timeout=20, check=False).returncode


WEB_CONFIGS = {
    "http": "{}",
    "TLS": "tls_server_config: {cert_file: tls.crt, key_file: tls.key}",
    "client certificates": "tls_server_config: {cert_file: tls.crt, key_file: tls.key, "
    "client_ca_file: ca.crt, client_auth_type: RequireAndVerifyClientCert}",
}


@pytest.mark.parametrize("name", WEB_CONFIGS)
def test_health_check_works_with_any_web_config(name: str, cloud: Cloud, tmp_path: Path) -> None:
    issue_certificate(tmp_path, authority := trustme.CA())
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    file = tmp_path / "web.yml"
    file.write_text(WEB_CONFIGS[name], encoding="utf-8")
    flags = ("--web.config.file", str(file), "--web.listen-address", "127.0.0.1:0")

    with Process(*flags, **cloud.environment()) as process:
        port = process.url().rpartition(":")[2].rstrip("/")
        eventually(lambda: health_check(port) == 0)

    assert health_check(port) == 1
