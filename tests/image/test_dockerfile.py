"""The Dockerfile as it is written."""

import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    hadolint = Path(sysconfig.get_path("scripts"), "hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is not made for this platform")

    said = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)

    assert (said.returncode, said.stdout) == (0, "")


def test_the_build_sees_nothing_but_what_it_needs() -> None:
    first, *others = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert first == "*"
    assert {name.removeprefix("!") for name in others if name.startswith("!")} == {
        "requirements.txt",
        "requirements-build.txt",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "exporter",
    }
