"""What holds without the packages of the preview: its sources, its lock and the pictures in the documents."""

import json
import re
from pathlib import Path

import pytest

from tests.grafana.preview.pictures import DOCS, SHOWN
from tests.support.dashboards import DASHBOARDS, all_panels

PAGE = Path(__file__).parent / "page"
ROOT = DOCS.parent
MAX_SIZE = 200_000  # bytes of a picture; they are in every clone
CAPTION = "drawn with Grafana's UI components outside Grafana"


def test_page_draws_every_type_of_panel() -> None:
    source = (PAGE / "panel.tsx").read_text(encoding="utf-8")
    (bodies,) = re.findall(r"const BODIES.*?= {\n(.*?)\n};", source, re.DOTALL)
    drawn = set(re.findall(r'^  "?([\w-]+)"?:', bodies, re.MULTILINE))

    assert {panel["type"] for _, panel in all_panels()} <= drawn


def test_packages_are_locked_by_hash_without_a_registry() -> None:
    lock = json.loads((PAGE / "package-lock.json").read_text(encoding="utf-8"))
    manifest = json.loads((PAGE / "package.json").read_text(encoding="utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}

    assert lock["packages"][""]["dependencies"] == manifest["dependencies"]
    assert all(re.fullmatch(r"[\d.]+", version) for version in manifest["dependencies"].values())
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if "integrity" not in package] == []


@pytest.mark.parametrize("name", SHOWN)
def test_picture_is_small_and_a_document_shows_it(name: str) -> None:
    picture = DOCS / f"{name}.png"
    shown = [
        text
        for path in (ROOT / "README.md", DOCS / "dashboards-and-alerts.md")
        if picture.name in (text := path.read_text(encoding="utf-8"))
    ]

    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size <= MAX_SIZE
    assert shown
    assert all(CAPTION in text for text in shown)


def test_documents_show_each_dashboard() -> None:
    assert {name.split("-")[1] for name in SHOWN} == {uid.removeprefix("k6-cloud-") for uid in DASHBOARDS}
