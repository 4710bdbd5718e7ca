"""Compose files, merged by the library that Docker Compose uses."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".tools" / "compose-config"
CLOUD_FILES = ("compose.yaml", "compose.cloud.yaml")
ACCOUNT = {"K6_CLOUD_TOKEN": "secret", "K6_CLOUD_STACK_ID": "12345"}

Project = dict[str, Any]


def run_compose(*files: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Merges files; skips the test if the program is not built. Without files: as Compose finds them."""
    if not PROGRAM.exists() and os.environ.get("CI") == "true":
        pytest.fail("compose-config is missing; run make tools")
    if not PROGRAM.exists():
        pytest.skip("compose-config is not built here: make tools does so where there is Go")
    return subprocess.run(
        [PROGRAM, *files], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def load_project(*files: str, **environment: str) -> Project:
    result = run_compose(*files, **environment)
    assert result.returncode == 0, result.stderr
    project: Project = json.loads(result.stdout)
    return project


@cache
def demo() -> Project:
    """What `docker compose up` starts."""
    return load_project()


@cache
def cloud() -> Project:
    """What is started for an account in k6 Cloud."""
    return load_project(*CLOUD_FILES, **ACCOUNT)


def find_mounts(service: dict[str, Any]) -> dict[str, str]:
    """The path in this repository of each mounted path in the container."""
    return {
        volume["target"]: str(Path(volume["source"]).relative_to(ROOT))
        for volume in service.get("volumes", [])
        if volume["type"] == "bind"
    }
