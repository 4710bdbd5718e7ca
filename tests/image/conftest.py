"""The image, built and run by buildah and podman in a store of their own; no registry is asked.

What it is built on is what tests/install-tools made of this machine's Debian: its Python is an older one than
that which the Dockerfile names, and one that we support.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.container_engine import Engine, Image

ROOT = Path(__file__).parent.parent.parent
BASE = ROOT / ".tools" / "image-base.tar"
PROGRAMS = ("buildah", "podman", "runc", "catatonit")


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A container engine that has the base image and can run it; where there is none, a reason to skip."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no containers here: {', '.join(missing)} is not installed")
    if os.geteuid() != 0:
        pytest.skip("no containers here: the tests of the image run as root alone")
    if not BASE.exists():
        pytest.skip("no containers here: there is nothing to build on; tests/install-tools makes it")
    why = ""
    for driver in ("overlay", "vfs"):
        # Not where pytest would have it: podman takes no paths of more than 50 characters.
        engine = Engine(Path(tempfile.mkdtemp(prefix="k6-", dir="/tmp")), driver)
        try:
            engine.import_base(BASE)
            engine.podman("run", "--rm", "--pull=never", "--network=host", engine.BASE, "true")
        except subprocess.CalledProcessError as error:
            why = error.stderr.strip().splitlines()[-1]
            engine.clear()
            continue
        yield engine
        engine.clear()
        return
    pytest.skip(f"no containers here: {why}")


@pytest.fixture(scope="session")
def revision() -> str:
    """The commit of the image, read before the build: commits may be made meanwhile."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.check_output(command, text=True).strip()


@pytest.fixture(scope="session")
def image(engine: Engine, revision: str) -> Image:  # noqa: ARG001 (the revision is read first)
    """The image that `make image` builds; a failed build fails the tests."""
    return engine.build(ROOT)
