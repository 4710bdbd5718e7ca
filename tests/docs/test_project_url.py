"""The project's URL has one definition, `exporter.PROJECT_URL`; everything else agrees with it."""

import re
import subprocess
import tomllib
from pathlib import Path

import yaml

from exporter import PROJECT_URL
from tests.support.documents import README, ROOT, broken_links, documents, read_document

CHART = ROOT / "helm" / "k6-cloud-exporter"
URL = re.compile(r"https://github\.com/([\w-]+)/k6-cloud-exporter\b")
# A link to a file or heading; a full stop or comma at its end belongs to the sentence.
FILE_LINK = re.compile(re.escape(f"{PROJECT_URL}/blob/main/") + r"[^\s\"'`<>()\[\]]*[\w/-]")
CONFIGURATION = ("*.yml", "*.yaml", "*.toml", "*.tpl", "*.txt", "*.service", "Dockerfile")


def configuration_files() -> list[Path]:
    """The tracked files that are neither documents nor code."""
    command = ["git", "ls-files", *CONFIGURATION]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).exists()]


def test_readme_links_to_the_project() -> None:
    assert f"<{PROJECT_URL}>" in read_document(README)


def test_chart_names_the_project() -> None:
    chart = yaml.safe_load(read_document(CHART / "Chart.yaml"))

    assert chart["home"] == PROJECT_URL
    assert chart["sources"] == [PROJECT_URL]
    assert f"{PROJECT_URL}/blob/main/docs/runbooks.md" in chart["annotations"]["artifacthub.io/links"]


def test_chart_image_has_the_name_of_the_project() -> None:
    image = yaml.safe_load(read_document(CHART / "values.yaml"))["image"]

    assert image["repository"] == PROJECT_URL.removeprefix("https://github.com/")


def test_package_metadata_links_to_the_project() -> None:
    urls = tomllib.loads(read_document(ROOT / "pyproject.toml"))["project"]["urls"]

    assert urls["Homepage"] == PROJECT_URL
    assert all(url.startswith(PROJECT_URL) for url in urls.values())


def test_image_label_names_the_project() -> None:
    [label] = re.findall(r'org\.opencontainers\.image\.source="([^"]+)"', read_document(ROOT / "Dockerfile"))

    assert label == PROJECT_URL


def test_runbook_links_of_alerts_use_the_project_url() -> None:
    alerts = yaml.safe_load(read_document(ROOT / "grafana" / "alerts.yaml"))
    rules = [rule for group in alerts["groups"] for rule in group["rules"] if "alert" in rule]

    assert rules
    for rule in rules:
        anchor = rule["alert"].lower()
        assert rule["annotations"]["runbook_url"] == f"{PROJECT_URL}/blob/main/docs/runbooks.md#{anchor}"


def test_no_file_has_another_project_url() -> None:
    files = configuration_files()

    assert {path.name for path in files} >= {"Dockerfile", "alerts.yaml", "_helpers.tpl", "pyproject.toml"}
    for path in (*documents(), *files):
        for url in URL.finditer(read_document(path)):
            assert url[0] == PROJECT_URL, path


def test_configuration_files_link_to_existing_headings(tmp_path: Path) -> None:
    page = tmp_path / "links.md"
    broken = []
    number = 0

    for path in configuration_files():
        links = FILE_LINK.findall(read_document(path))
        number += len(links)
        # broken_links reads Markdown.
        page.write_text("\n".join(f"<{link}>" for link in links), encoding="utf-8")
        broken += [f"{path.relative_to(ROOT)}: {link}" for link in broken_links(page)]
    assert number > 20
    assert broken == []
