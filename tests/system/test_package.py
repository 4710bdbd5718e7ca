"""The package as it is installed, without the source beside it."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from exporter import __version__

ROOT = Path(__file__).parent.parent.parent


def test_wheel_runs_without_the_source(tmp_path: Path) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--no-build-isolation", "--wheel-dir", tmp_path, ROOT),
        ],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    ZipFile(wheel).extractall(tmp_path / "installed")

    result = subprocess.run(
        [sys.executable, "-m", "exporter", "--version"],
        cwd=tmp_path / "installed",
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == f"k6-cloud-exporter, version {__version__}\n"
    for file in ("py.typed", "web/templates/status.html", "web/static/status.css", "web/static/favicon.svg"):
        assert (tmp_path / "installed" / "exporter" / file).exists()
    assert not (tmp_path / "installed" / "tests").exists()
