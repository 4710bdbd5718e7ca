"""Real programs from Debian for end-to-end tests.

If one is missing, the test is skipped, or fails under CI. With TEST_PROMETHEUS=3 in the environment,
Prometheus is the one built by `make tools-prometheus-3`.
"""

import os
import shutil
from pathlib import Path

import pytest

TOOLS = Path(__file__).parent.parent.parent / ".tools"


def require_program(name: str, package: str) -> str:
    """The path of a program from a Debian package; skips the test if it is not installed."""
    if package == "prometheus" and os.environ.get("TEST_PROMETHEUS") == "3":
        return prometheus_3(f"{name}-3")
    path = shutil.which(name)
    if path is None and os.environ.get("CI") == "true":
        pytest.fail(f"{name} is missing; apt-get install {package}")
    if path is None:
        pytest.skip(f"{name} is not installed (Debian: {package})")
    return path


def prometheus_3(name: str) -> str:
    """The path of prometheus-3 or promtool-3; skips the test if it is not built."""
    path = TOOLS / name
    if not path.exists():
        pytest.skip(f"{name} is not built (make tools-prometheus-3, which needs Go)")
    return str(path)


def vmalert_tool() -> str:
    """The path of vmalert-tool; skips the test outside of `make test-engines`, and if it is not built.

    Under CI a missing one fails the test.
    """
    path = TOOLS / "vmalert-tool"
    if os.environ.get("TEST_ENGINES") != "all":
        pytest.skip("vmalert-tool runs with `make test-engines`")
    if not path.exists() and os.environ.get("CI") == "true":
        pytest.fail("vmalert-tool is missing; its build needs Go")
    if not path.exists():
        pytest.skip("vmalert-tool is not built (make test-engines, which needs Go)")
    return str(path)
