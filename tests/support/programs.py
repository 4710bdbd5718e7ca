"""Real programs from Debian for end-to-end tests. One that is missing is skipped, under CI a failure.

With TEST_PROMETHEUS=3 in the environment, Prometheus is the one that `make tools-prometheus-3` has built.
"""

import os
import shutil
from pathlib import Path

import pytest

BUILT = Path(__file__).parent.parent.parent / ".tools"


def require_program(name: str, package: str) -> str:
    """The path of a program."""
    if package == "prometheus" and os.environ.get("TEST_PROMETHEUS") == "3":
        return prometheus_3(f"{name}-3")
    path = shutil.which(name)
    if path is None and os.environ.get("CI") == "true":
        pytest.fail(f"{name} is missing; apt-get install {package}")
    if path is None:
        pytest.skip(f"{name} is not installed here (Debian: {package})")
    return path


def prometheus_3(name: str) -> str:
    """The path of a program of Prometheus 3, prometheus-3 or promtool-3."""
    path = BUILT / name
    if not path.exists():
        pytest.skip(f"{name} is not built here (make tools-prometheus-3, which needs Go)")
    return str(path)
