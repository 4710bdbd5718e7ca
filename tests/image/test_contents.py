"""The files and the metadata of the image."""

import os
import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from exporter import __version__
from tests.image.conftest import ROOT, Revision
from tests.support.container_engine import Engine, Image

TOOLS = {"pip", "hatchling", "gcc", "cc", "ld", "make", "git", "uv", "setuptools", "wheel"}


@pytest.fixture(scope="module")
def files(image: Image) -> Iterator[Path]:
    with image.files() as folder:
        yield folder


def walk(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        yield from (Path(place, name) for name in folders + names)


def installed(files: Path) -> dict[str, str]:
    """The versions of the Python packages in the image."""
    found = (path.name.removesuffix(".dist-info").split("-") for path in files.glob("opt/app/**/*.dist-info"))
    return {name.lower().replace("_", "-"): version for name, version in found}


def locked() -> dict[str, str]:
    """The locked versions for CPython on Linux."""
    lines = re.findall(
        r"^\S+==[^\\\n]+", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    environment = {"sys_platform": "linux", "platform_system": "Linux", "python_version": "3.11"}
    requirements = [Requirement(line) for line in lines]
    return {
        requirement.name: str(requirement.specifier).removeprefix("==")
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate(environment)
    }


def test_image_has_exactly_the_locked_packages(files: Path) -> None:
    assert installed(files) == locked() | {"k6-cloud-exporter": __version__}


def test_image_has_no_build_tools(files: Path) -> None:
    programs = {
        path.name
        for place in ("bin", "usr/bin", "usr/local/bin", "opt/app/bin")
        for path in (files / place).glob("*")
    }
    packages = {path.name for path in files.glob("**/*-packages/*")}

    assert not programs & TOOLS
    assert not packages & TOOLS
    assert not (files / "src").exists()


def test_image_has_no_scripts_of_dependencies(files: Path) -> None:
    scripts = {re.sub(r"[\d.]+$", "", path.name) for path in (files / "opt/app/bin").iterdir()}
    others = {re.sub(r"[\d.]+$", "", path.name) for path in (files / "usr/local/bin").iterdir()}

    assert scripts == {"k6-cloud-exporter", "python"}
    assert not others & {"pip", "idle", "pydoc"}


def test_image_cannot_install_pip(files: Path) -> None:
    assert list(files.glob("usr/**/encodings/idna.py"))
    assert list(files.glob("**/ensurepip")) == []


def test_image_files_are_not_writable_by_its_user(files: Path) -> None:
    paths = [path for path in walk(files / "opt") if not path.is_symlink()]

    assert paths
    assert {path.stat().st_uid for path in paths} == {0}
    assert not [path for path in paths if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)]


def test_image_has_no_token_and_no_checkout(files: Path, image: Image) -> None:
    assert not list(files.glob("**/tests/support/lab.py")) + list(files.glob("**/.git"))
    assert not [variable for variable in image.inspect()["Config"]["Env"] if "TOKEN" in variable]


def test_image_size_is_the_documented_one(image: Image, engine: Engine) -> None:
    [documented] = re.findall(
        r"adds (\d+) MB", (ROOT / "docs" / "install-and-upgrade.md").read_text(encoding="utf-8")
    )

    added = (image.inspect()["Size"] - Image(engine, engine.BASE).inspect()["Size"]) / 1e6
    assert abs(added - int(documented)) < int(documented) / 10


def test_image_has_labels_user_and_health_check(image: Image, revision: Revision) -> None:
    config = image.inspect()["Config"]

    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["k6-cloud-exporter"]
    assert config["StopSignal"] == "SIGTERM"
    assert "Healthcheck" in image.inspect()
    assert config["ExposedPorts"] == {"10565/tcp": {}}
    assert config["Labels"].keys() >= {
        f"org.opencontainers.image.{name}"
        for name in ("title", "description", "licenses", "source", "url", "documentation")
    }
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in config["Labels"].items()}
    assert (labels["version"], labels["revision"]) == (__version__, revision.commit)
    assert labels["created"] == datetime.fromtimestamp(revision.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
