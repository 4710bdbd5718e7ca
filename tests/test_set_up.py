"""Setting up installs exactly the locked versions, even when newer ones have been released.

The Makefile's rule runs against a local folder with one package for each locked one, with the locked version
and the real requirements, and with newer releases of some of them.
"""

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements-dev.txt"
# Downloaded by tests/install-tools: the pip of Python 3.11.0, the last one before pip 23.3, and the newest.
PIPS = {"22.3": "pip-22.3-*.whl", "23.2.1": "pip-23.2.1-*.whl", "newest": "newest/pip-*.whl"}
LIST = """
import importlib.metadata, json
print(json.dumps([(one.name, one.version) for one in importlib.metadata.distributions()]))
"""
# Packages with a newer release. coverage is among them because it is required with an extra.
NEWER = ("coverage", "httpx", "click", "pydantic", "uvicorn")


def locked_packages() -> dict[str, Requirement]:
    """The locked packages for this Python and system, by canonical name."""
    lines = re.findall(r"^(\S+==[^\\\n]+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    requirements = [Requirement(line.strip()) for line in lines]
    return {
        canonicalize_name(one.name): one for one in requirements if not one.marker or one.marker.evaluate()
    }


def write_wheel(folder: Path, name: str, version: str, requires: list[str]) -> str:
    """Writes a package without code; returns its SHA-256."""
    stem = f"{name.replace('-', '_')}-{version}"
    file = folder / f"{stem}-py3-none-any.whl"
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {requirement}" for requirement in requires),
        *(
            f"Provides-Extra: {extra}"
            for one in requires
            for extra in re.findall(r"extra == ['\"](.+?)['\"]", one)
        ),
    ]
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr(f"{stem}.dist-info/METADATA", "\n".join(metadata) + "\n")
        wheel.writestr(
            f"{stem}.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        names = ("METADATA", "WHEEL", "RECORD")
        wheel.writestr(f"{stem}.dist-info/RECORD", "".join(f"{stem}.dist-info/{name},,\n" for name in names))
    return hashlib.sha256(file.read_bytes()).hexdigest()


def write_project(folder: Path, packages: Path) -> None:
    """Writes the Makefile and a lock like ours, with the hashes of the packages in the folder."""
    packages.mkdir()
    lines = []
    for name, requirement in locked_packages().items():
        version = str(requirement.specifier).removeprefix("==")
        requires = importlib.metadata.requires(name) or []
        digest = write_wheel(packages, name, version, requires)
        lines.append(f"{name}=={version} --hash=sha256:{digest}\n")
    with_extra = {
        one.name
        for name in locked_packages()
        for one in map(Requirement, importlib.metadata.requires(name) or [])
        if one.extras
    }
    assert with_extra & set(NEWER), f"none of {NEWER} is required with an extra; choose one of {with_extra}"
    for name in NEWER:
        assert name in locked_packages(), f"{name} is no longer locked; choose another package"
        write_wheel(packages, name, "99999!1", importlib.metadata.requires(name) or [])
    (folder / "requirements.txt").write_text("".join(lines), encoding="utf-8")
    shutil.copy(ROOT / "Makefile", folder)


@pytest.mark.parametrize("pip", ["bundled", *PIPS])
def test_newer_releases_do_not_change_what_is_installed(pip: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE"))}
    environment |= {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path / "packages"),
        "PIP_CONFIG_FILE": os.devnull,
    }
    if pip != "bundled":
        wheel = next((ROOT / ".tools" / "pip").glob(PIPS[pip]), None)
        if pip == "22.3" and sys.version_info >= (3, 12):
            pytest.skip("pip 22.3 does not run on Python 3.12 and newer")
        if wheel is None:
            pytest.skip(f"pip {pip} is not here; make tools downloads it")
        environment["PYTHONPATH"] = str(wheel)
    write_project(tmp_path, tmp_path / "packages")

    made = subprocess.run(
        ["make", ".venv/runtime", f"PYTHON={sys.executable}", "VENV=.venv"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert made.returncode == 0, made.stdout + made.stderr
    output = subprocess.check_output([tmp_path / ".venv" / "bin" / "python", "-c", LIST], text=True)
    installed = {canonicalize_name(name): version for name, version in json.loads(output)}
    expected = {name: str(one.specifier).removeprefix("==") for name, one in locked_packages().items()}
    bundled = {"pip", "setuptools"}
    assert {n: v for n, v in installed.items() if n not in bundled} == {
        n: v for n, v in expected.items() if n not in bundled
    }
