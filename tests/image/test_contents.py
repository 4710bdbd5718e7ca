"""What is in the image, and what is not."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from exporter import __version__
from tests.image.conftest import ROOT
from tests.support.container_engine import Engine, Image

TOOLS = {"pip", "hatchling", "gcc", "cc", "ld", "make", "git", "uv", "setuptools", "wheel"}


@pytest.fixture(scope="module")
def files(image: Image) -> Iterator[Path]:
    with image.files() as folder:
        yield folder


def inside(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        yield from (Path(place, name) for name in folders + names)


def installed(files: Path) -> dict[str, str]:
    """The versions of the Python packages that the image adds."""
    found = (path.name.removesuffix(".dist-info").split("-") for path in files.glob("opt/app/**/*.dist-info"))
    return {name.lower().replace("_", "-"): version for name, version in found}


def locked() -> dict[str, str]:
    """What the lock has for CPython on Linux."""
    lines = re.findall(
        r"^\S+==[^\\\n]+", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    where = {"sys_platform": "linux", "platform_system": "Linux", "python_version": "3.11"}
    wanted = [Requirement(line) for line in lines]
    return {
        one.name: str(one.specifier).removeprefix("==")
        for one in wanted
        if one.marker is None or one.marker.evaluate(where)
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


def test_image_files_are_not_writable_by_its_user(files: Path) -> None:
    ours = [path for path in inside(files / "opt") if not path.is_symlink()]

    assert ours
    assert {path.stat().st_uid for path in ours} == {0}
    assert not [path for path in ours if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)]


def test_image_has_no_token_and_no_checkout(files: Path, image: Image) -> None:
    assert not list(files.glob("**/tests/support/lab.py")) + list(files.glob("**/.git"))
    assert not [one for one in image.told()["Config"]["Env"] if "TOKEN" in one]


def test_image_size_is_the_documented_one(image: Image, engine: Engine) -> None:
    [said] = re.findall(
        r"adds (\d+) MB", (ROOT / "docs" / "install-and-upgrade.md").read_text(encoding="utf-8")
    )

    added = (image.told()["Size"] - Image(engine, engine.BASE).told()["Size"]) / 1e6
    assert abs(added - int(said)) < int(said) / 10


def test_image_has_labels_user_and_health_check(image: Image, revision: str) -> None:
    told = image.told()["Config"]

    assert told["User"] == "10001:10001"
    assert told["Entrypoint"] == ["k6-cloud-exporter"]
    assert told["StopSignal"] == "SIGTERM"
    assert "Healthcheck" in image.told()
    assert told["ExposedPorts"] == {"10565/tcp": {}}
    assert told["Labels"].keys() >= {
        f"org.opencontainers.image.{name}" for name in ("title", "description", "licenses")
    }
    assert told["Labels"]["org.opencontainers.image.revision"] == revision
