"""The folder of the chart is complete without the rest of the repository, and the package equals it.

`make chart-files` copies alerts, dashboards and default values into the folder.
"""

import shutil
import tarfile
from pathlib import Path

import pytest

from tests.support.chart import CHART, CI, HELMS, ROOT, ci, objects, run

FILES = CHART / "files"
SOURCES = {
    "alerts.yaml": ROOT / "grafana" / "alerts.yaml",
    "defaults.yaml": CHART / "values.yaml",
    **{f"dashboards/{path.name}": path for path in (ROOT / "grafana" / "dashboards").glob("*.json")},
}


@pytest.mark.parametrize("name", SOURCES)
def test_file_equals_its_source(name: str) -> None:
    assert (FILES / name).read_bytes() == SOURCES[name].read_bytes(), "run make chart-files"


def test_chart_has_no_other_dashboards() -> None:
    copies = {f"dashboards/{path.name}" for path in (FILES / "dashboards").iterdir()}

    assert copies
    assert copies <= SOURCES.keys(), "run make chart-files"


def test_chart_contains_no_links() -> None:
    paths = list(CHART.rglob("*"))

    assert FILES / "alerts.yaml" in paths
    assert not [path for path in paths if path.is_symlink()]


@pytest.fixture(scope="module")
def lone_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of nothing but the chart. A link would stay a link, and lead nowhere."""
    return Path(shutil.copytree(CHART, tmp_path_factory.mktemp("lone") / CHART.name, symlinks=True))


@pytest.mark.parametrize("program", HELMS)
def test_lone_folder_renders_the_same(program: str, lone_folder: Path) -> None:
    rendered = objects(ci("full"), program=program, chart=lone_folder)

    assert rendered == objects(ci("full"), program=program)


@pytest.fixture(scope="module")
def packages(lone_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The package that each version of Helm makes of the lone folder."""
    made = {}
    for program in HELMS:
        folder = tmp_path_factory.mktemp(program)
        packed = run("package", lone_folder, "--destination", folder, program=program)
        assert packed.returncode == 0, packed.stderr
        (made[program],) = folder.glob("*.tgz")
    return made


@pytest.mark.parametrize("program", HELMS)
@pytest.mark.parametrize("name", CI)
def test_package_renders_the_same(name: str, program: str, packages: dict[str, Path]) -> None:
    rendered = objects(ci(name), program=program, chart=packages[program])

    assert rendered == objects(ci(name), program=program)


def files_of_folder() -> dict[str, bytes]:
    return {str(path.relative_to(CHART)): path.read_bytes() for path in CHART.rglob("*") if path.is_file()}


@pytest.mark.parametrize("program", HELMS)
def test_package_has_the_files_of_the_folder(program: str, packages: dict[str, Path]) -> None:
    with tarfile.open(packages[program]) as archive:
        packed = {
            member.name.removeprefix("k6-cloud-exporter/"): file.read()
            for member in archive
            if (file := archive.extractfile(member))
        }

    # Helm writes Chart.yaml anew.
    assert packed.pop("Chart.yaml")
    assert packed == {name: data for name, data in files_of_folder().items() if name != "Chart.yaml"}
