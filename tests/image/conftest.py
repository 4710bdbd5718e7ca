"""The image, built and run by buildah and podman in a temporary store, without a registry.

The base image is built by tests/install-tools from this machine's Debian. Its Python can be older than that
in the Dockerfile, but is a supported one.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.container_engine import Engine, Image

ROOT = Path(__file__).parent.parent.parent
BASE = ROOT / ".tools" / "image-base.tar"
PROGRAMS = ("buildah", "podman", "runc", "catatonit")


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A container engine with the base image; skips if containers cannot run."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"containers cannot run: {', '.join(missing)} not installed")
    if os.geteuid() != 0:
        pytest.skip("containers cannot run: these tests need root")
    if not BASE.exists():
        pytest.skip("containers cannot run: no base image; tests/install-tools builds it")
    reason = ""
    for driver in ("overlay", "vfs"):
        # Not in tmp_path: podman accepts paths of at most 50 characters.
        engine = Engine(Path(tempfile.mkdtemp(prefix="k6-", dir="/tmp")), driver)
        try:
            engine.import_base(BASE)
            engine.podman("run", "--rm", "--pull=never", "--network=host", engine.BASE, "true")
        except subprocess.CalledProcessError as error:
            reason = error.stderr.strip().splitlines()[-1]
            engine.clear()
            continue
        yield engine
        engine.clear()
        return
    pytest.skip(f"containers cannot run: {reason}")


@dataclass(frozen=True)
class Revision:
    """The commit of the image, abbreviated, and its Unix time in seconds."""

    commit: str
    time: int


@pytest.fixture(scope="session")
def revision() -> Revision:
    """The commit of the image, read before the build: commits may be made meanwhile."""
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%h %ct"]
    commit, time = subprocess.check_output(command, text=True).split()
    return Revision(commit, int(time))


@pytest.fixture(scope="session")
def image(engine: Engine, revision: Revision) -> Image:  # noqa: ARG001 (the revision is read first)
    """The image that `make image` builds; a failed build fails the tests."""
    return engine.build(ROOT)
