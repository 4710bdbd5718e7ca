"""Real programs from Debian for end-to-end tests. One that is missing is skipped, under CI a failure."""

import os
import shutil

import pytest


def program(name: str, package: str) -> str:
    """The path of a program."""
    path = shutil.which(name)
    if path is None and os.environ.get("CI") == "true":
        pytest.fail(f"{name} is missing; apt-get install {package}")
    if path is None:
        pytest.skip(f"{name} is not installed here (Debian: {package})")
    return path


@pytest.fixture(scope="session")
def prometheus_program() -> str:
    return program("prometheus", "prometheus")


@pytest.fixture(scope="session")
def promtool() -> str:
    return program("promtool", "prometheus")


@pytest.fixture(scope="session")
def alertmanager_program() -> str:
    return program("prometheus-alertmanager", "prometheus-alertmanager")
