"""What a release publishes: versions agree, and the packages are built, installed and rendered."""

import hashlib
import json
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
from pathlib import Path
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest
import yaml
from packaging.requirements import Requirement

from exporter import PROJECT_URL, __version__
from tests.automation.release_notes import CHANGELOG, extract_notes
from tests.support import chart
from tests.support.documents import DOCS, read_example

ROOT = Path(__file__).parents[2]
CHANGES = """# Changelog

## 1.1.0 (unreleased)

- [FEATURE] Next.

## 1.0.0 (2026-01-31)

- [FEATURE] See [Metrics](docs/metrics.md) and [k6](https://k6.io).

## 0.9.0 (2026-01-01)

## 0.8.0 (January)

- [FEATURE] First.
"""


def list_tracked(*folders: str) -> set[str]:
    command = ["git", "ls-files", *folders]
    return set(subprocess.check_output(command, cwd=ROOT, text=True).splitlines())


def build_packages(folder: Path) -> Path:
    """The folder with what `make packages` built, without another set-up of the virtual environment."""
    chart.helm()
    environment = (f"VENV={sys.prefix}", f"--old-file={sys.prefix}/dev", f"DIST={folder}")
    command = ["make", "packages", *environment, "--old-file=.tools/helm-4"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_packages(tmp_path_factory.mktemp("packages"))


def find_package(packages: Path, pattern: str) -> Path:
    (found,) = packages.glob(pattern)
    return found


def test_versions_of_package_and_chart_agree() -> None:
    metadata = yaml.safe_load((chart.CHART / "Chart.yaml").read_text(encoding="utf-8"))
    newest = re.search(r"^## (\S+)", CHANGELOG.read_text(encoding="utf-8"), re.MULTILINE)

    assert (metadata["version"], metadata["appVersion"]) == (__version__, __version__)
    assert newest
    assert newest[1] in {__version__, "Unreleased"}


def test_documents_install_this_version() -> None:
    pages = [*(ROOT / "docs").glob("*.md"), chart.CHART / "README.md"]
    version = r"(?:k6-cloud-exporter(?:==|:)|--version |^version=)(\d+\.\d+\.\d+)"
    found = [
        (page.name, named)
        for page in pages
        for named in re.findall(version, page.read_text(encoding="utf-8").replace("`", ""), re.MULTILINE)
    ]

    assert {page for page, _ in found} == {"ci.md", "install-and-upgrade.md", "README.md"}
    assert {named for _, named in found} == {__version__}


def test_chart_has_the_keywords_of_the_package() -> None:
    metadata = yaml.safe_load((chart.CHART / "Chart.yaml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert metadata["keywords"] == project["keywords"]


def test_chart_icon_is_a_picture_of_this_repository() -> None:
    metadata = yaml.safe_load((chart.CHART / "Chart.yaml").read_text(encoding="utf-8"))
    root = PROJECT_URL.replace("github.com", "raw.githubusercontent.com") + "/main/"

    assert metadata["icon"].startswith(root)
    picture = ElementTree.parse(ROOT / metadata["icon"].removeprefix(root)).getroot()
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"


def test_releases_are_verified_with_their_workflow() -> None:
    example = read_example(DOCS / "install-and-upgrade.md", "verify")
    [identity] = re.findall(r'--certificate-identity "([^"]+)@refs/tags/v\$version"', example)

    workflow = identity.replace("$repository", PROJECT_URL.removeprefix("https://github.com/"))
    assert workflow == f"{PROJECT_URL}/.github/workflows/release.yml"
    assert (ROOT / ".github" / "workflows" / "release.yml").exists()
    subprocess.run(["sh", "-n"], input=example, text=True, check=True)


def test_notes_are_the_section_with_absolute_links() -> None:
    assert extract_notes(CHANGES, "v1.0.0", "1.0.0") == (
        f"- [FEATURE] See [Metrics]({PROJECT_URL}/blob/v1.0.0/docs/metrics.md) and [k6](https://k6.io)."
    )


@pytest.mark.parametrize(
    ("tag", "version", "reason"),
    [
        ("v1.0.1", "1.0.0", "tag"),
        ("1.0.0", "1.0.0", "tag"),
        ("v1.1.0", "1.1.0", "unreleased"),
        ("v0.9.0", "0.9.0", "empty"),
        ("v0.8.0", "0.8.0", "date"),
        ("v0.7.0", "0.7.0", "no section"),
        ("v1.0", "1.0", "no section"),
    ],
)
def test_release_is_rejected_with_a_reason(tag: str, version: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        extract_notes(CHANGES, tag, version)


def test_tag_of_another_version_exits_with_1() -> None:
    command = [sys.executable, "-m", "tests.automation.release_notes", "v99.0.0"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (result.returncode, result.stdout) == (1, "")
    assert __version__ in result.stderr


def test_wheel_has_the_tracked_files_of_the_package(packages: Path) -> None:
    with ZipFile(find_package(packages, "python/*.whl")) as wheel:
        files = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert files == list_tracked("exporter")


def test_sdist_has_the_package_its_lock_and_documents(packages: Path) -> None:
    with tarfile.open(find_package(packages, "python/*.tar.gz")) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}

    documents = {"CHANGELOG.md", "LICENSE", "README.md", "requirements.txt"}
    build = {"pyproject.toml", "hatch_build.py", "PKG-INFO", ".gitignore"}
    assert files == list_tracked("exporter") | documents | build


def test_links_on_pypi_lead_to_the_files_of_the_tag(packages: Path) -> None:
    """PyPI shows the README without the files beside it."""
    with ZipFile(find_package(packages, "python/*.whl")) as wheel:
        (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        text = wheel.read(metadata).decode()
    roots = (
        f"{PROJECT_URL}/blob/v{__version__}/",
        f"{PROJECT_URL.replace('github.com', 'raw.githubusercontent.com')}/v{__version__}/",
    )
    links = re.findall(r"\]\(([^)]+)\)", text)
    own = {link.removeprefix(root) for link in links for root in roots if link.startswith(root)}
    paths = {path.partition("#")[0] for path in own}

    assert [link for link in links if not link.startswith(("https://", "http://", "#"))] == []
    assert {"docs/status-page.png", "docs/metrics.md", "LICENSE"} <= paths
    assert all((ROOT / path).exists() for path in paths)


def test_sdist_and_checkout_build_the_same_wheel(packages: Path, tmp_path: Path) -> None:
    """`make packages` builds the wheel from the sdist."""
    epoch = subprocess.check_output(["git", "log", "-1", "--format=%ct"], cwd=ROOT, text=True).strip()
    subprocess.run(
        [*(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir"), tmp_path, ROOT],
        env={"PATH": sysconfig.get_path("scripts"), "SOURCE_DATE_EPOCH": epoch},
        capture_output=True,
        check=True,
    )

    wheels = [find_package(packages, "python/*.whl"), find_package(tmp_path, "*.whl")]
    assert len({hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels}) == 1


def test_wheel_runs_in_a_new_environment(packages: Path, tmp_path: Path) -> None:
    """The dependencies are those of this environment, without its editable installation of the project."""
    python = tmp_path / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path], check=True)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    wheel = find_package(packages, "python/*.whl")
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", wheel], check=True)

    def run(*command: str | Path) -> str:
        environment = {"PYTHONPATH": sysconfig.get_path("purelib")}
        return subprocess.check_output(command, cwd=tmp_path, env=environment, text=True)

    place = run(python, "-c", "import exporter; print(exporter.__file__)")
    version = run(tmp_path / "bin" / "k6-cloud-exporter", "--version")

    assert Path(place.strip()).is_relative_to(tmp_path)
    assert version == f"k6-cloud-exporter, version {__version__}\n"


def locked() -> dict[str, tuple[str, set[str]]]:
    """The version and the SHA-256 of the files of each locked package."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.partition("#")[0] for line in text.splitlines() if "==" in line.partition(" ")[0]]
    packages = {}
    for line in lines:
        package, *hashes = re.split(r"\s+--hash=sha256:", line.strip())
        requirement = Requirement(package)
        packages[requirement.name] = (str(requirement.specifier).removeprefix("=="), set(hashes))
    return packages


def test_bill_of_materials_equals_the_lock(packages: Path) -> None:
    bill = json.loads((packages / "sbom.cdx.json").read_text(encoding="utf-8"))
    components = {
        component["name"]: (
            component["version"],
            {
                digest["content"]
                for reference in component["externalReferences"]
                for digest in reference["hashes"]
            },
        )
        for component in bill["components"]
    }

    assert components == locked()
    assert len(components) > 20
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "k6-cloud-exporter")
    assert bill["metadata"]["component"]["version"] == __version__


def test_packages_include_the_chart_of_this_version(packages: Path) -> None:
    package = find_package(packages, "k6-cloud-exporter-*.tgz")

    assert package.name == f"k6-cloud-exporter-{__version__}.tgz"
    assert chart.objects(chart.ci("full"), chart=package) == chart.objects(chart.ci("full"))
